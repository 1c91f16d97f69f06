#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "store/sql/sql.hpp"

namespace vedette::metadata {

struct CopiedTable {
  std::string name;
  std::int64_t rows = 0;
  std::string sha256;  ///< of all values, in the order of the primary key: the same in every database
};

/// Copies all rows from one database into another, whose tables must be empty, and reads them back and compares them
/// one by one. The tables are those that the databases themselves list. All is read in one view and written in one
/// transaction, so that a failure leaves the target as it was. Numbers that were given once are not given again.
/// Throws sql::DatabaseError if the schemas differ, the target is not empty, or a row does not come back as it went.
std::vector<CopiedTable> copy_metadata(sql::Connection& from, sql::Connection& to);

}  // namespace vedette::metadata
