#include "service/pagination.hpp"

#include "base/digest.hpp"
#include "base/text.hpp"

namespace vedette {
namespace {

constexpr std::size_t kQueryHashLength = 16;

}  // namespace

std::string make_page_token(std::string_view query, std::string_view after) {
  return to_base64(as_bytes(sha256_hex(query).substr(0, kQueryHashLength) + std::string(after)));
}

Result<std::string> read_page_token(std::string_view query, std::string_view token) {
  if (token.empty()) return std::string();
  const auto bytes = from_base64(token);
  if (!bytes || bytes->size() < kQueryHashLength ||
      !as_text(*bytes).starts_with(sha256_hex(query).substr(0, kQueryHashLength)))
    return invalid_input("The pagination token is not valid for this request.");
  return std::string(as_text(*bytes).substr(kQueryHashLength));
}

}  // namespace vedette
