#pragma once

#include <memory>

#include "store/metadata/metadata.hpp"
#include "store/sql/sql.hpp"

namespace vedette::metadata {

/// Makes the store over a database whose schema is up to date.
std::unique_ptr<MetadataStore> make_sql_metadata(std::unique_ptr<sql::Pool> pool);

}  // namespace vedette::metadata
