#pragma once

#include <libpq-fe.h>

#include <cstdint>
#include <string>
#include <string_view>

/// Parameters and values in PostgreSQL's binary form, in which bytes and real numbers come back exactly as they went.
/// Internal to the driver.
namespace vedette::postgresql {

// The numbers of types in the catalogue (pg_type.dat), which never change.
inline constexpr Oid kBoolean = 16, kBytes = 17, kInteger = 20, kSmallInteger = 21, kShortInteger = 23, kText = 25,
                     kSingle = 700, kReal = 701, kVarchar = 1043, kName = 19, kNumeric = 1700;

std::string encoded(std::int64_t value);  ///< as 8 bytes, the most significant first

/// The value of a column. Each throws sql::DatabaseError if the column has another type.
std::int64_t decoded_integer(const PGresult& result, int row, int column);
double decoded_real(const PGresult& result, int row, int column);
std::string_view decoded_bytes(const PGresult& result, int row, int column);

/// Returns the statement with `$1`, `$2` … in place of `?` and `?1`, but for those in quotation marks.
std::string with_numbered_places(std::string_view sql);

}  // namespace vedette::postgresql
