#include "store/metadata/metadata.hpp"

#include "store/sql/sql.hpp"

namespace vedette {

void MetadataStore::run_view(const std::function<std::unique_ptr<UnitOfWork>()>& open,
                             const std::function<void(UnitOfWork&)>& function) {
  sql::run_repeatedly([&] { function(*open()); });
}

}  // namespace vedette
