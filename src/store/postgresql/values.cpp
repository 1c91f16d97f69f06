#include "store/postgresql/values.hpp"

#include <bit>
#include <cmath>

#include "store/sql/sql.hpp"

namespace vedette::postgresql {
namespace {

[[noreturn]] void wrong_type(const PGresult& result, int column) {
  throw sql::DatabaseError("database: a column has another type than is read (" +
                           std::to_string(PQftype(&result, column)) + ")");
}

/// `size` bytes, the most significant first, as a signed number.
std::int64_t number_at(const char* bytes, int size) {
  auto value = static_cast<std::uint64_t>(static_cast<std::int64_t>(static_cast<signed char>(bytes[0])));
  for (int i = 1; i < size; ++i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return static_cast<std::int64_t>(value);
}

/// Sums of integers are NUMERIC: digits to the base 10,000 after the numbers of digits, of the first one's power, of the
/// sign and of the digits behind the point.
double numeric_at(const char* bytes, bool& is_whole) {
  const auto part = [&](int i) { return static_cast<std::uint16_t>(number_at(bytes + 2 * i, 2)); };
  const int count = part(0), weight = static_cast<std::int16_t>(part(1)), sign = part(2);
  double value = 0;
  for (int i = 0; i < count; ++i) value += part(4 + i) * std::pow(10'000.0, weight - i);
  is_whole = count <= weight + 1 && sign != 0xC000;
  return sign == 0x4000 ? -value : sign == 0xC000 ? std::nan("") : value;
}

}  // namespace

std::string encoded(std::int64_t value) {
  std::string out(8, '\0');
  for (int i = 0; i < 8; ++i) out[static_cast<std::size_t>(i)] = static_cast<char>(value >> (56 - 8 * i));
  return out;
}

std::int64_t decoded_integer(const PGresult& result, int row, int column) {
  if (PQgetisnull(&result, row, column) != 0) return 0;
  const char* bytes = PQgetvalue(&result, row, column);
  switch (PQftype(&result, column)) {
    case kBoolean:
    case kInteger:
    case kSmallInteger:
    case kShortInteger:
      return number_at(bytes, PQgetlength(&result, row, column));
    case kNumeric: {
      bool is_whole = false;
      const double value = numeric_at(bytes, is_whole);
      constexpr double kMostExact = 9e15;  // Up to here a double tells all integers apart.
      if (!is_whole || std::abs(value) > kMostExact) wrong_type(result, column);
      return static_cast<std::int64_t>(value);
    }
    default:
      wrong_type(result, column);
  }
}

double decoded_real(const PGresult& result, int row, int column) {
  if (PQgetisnull(&result, row, column) != 0) return 0;
  const char* bytes = PQgetvalue(&result, row, column);
  bool is_whole = false;
  switch (PQftype(&result, column)) {
    case kReal:
      return std::bit_cast<double>(number_at(bytes, 8));
    case kSingle:
      return static_cast<double>(std::bit_cast<float>(static_cast<std::int32_t>(number_at(bytes, 4))));
    case kNumeric:
      return numeric_at(bytes, is_whole);
    default:
      return static_cast<double>(decoded_integer(result, row, column));
  }
}

std::string_view decoded_bytes(const PGresult& result, int row, int column) {
  if (PQgetisnull(&result, row, column) != 0) return {};
  switch (PQftype(&result, column)) {
    case kText:
    case kBytes:
    case kVarchar:
    case kName:
      return {PQgetvalue(&result, row, column), static_cast<std::size_t>(PQgetlength(&result, row, column))};
    default:
      wrong_type(result, column);
  }
}

std::string with_numbered_places(std::string_view sql) {
  std::string out;
  int next = 1;
  char quote = '\0';
  for (std::size_t i = 0; i < sql.size(); ++i) {
    const char c = sql[i];
    if (quote != '\0') {
      if (c == quote) quote = '\0';
    } else if (c == '\'' || c == '"') {
      quote = c;
    } else if (c == '?') {
      out += '$';
      if (i + 1 >= sql.size() || sql[i + 1] < '0' || sql[i + 1] > '9') out += std::to_string(next++);
      continue;
    }
    out += c;
  }
  return out;
}

}  // namespace vedette::postgresql
