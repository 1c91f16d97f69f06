#include "store/metadata/metadata.hpp"

#include "store/sql/sql.hpp"

namespace vedette {

void MetadataStore::run_view(const std::function<void(UnitOfWork&)>& function) {
  sql::run_repeatedly([&] { function(*read()); });
}

}  // namespace vedette
