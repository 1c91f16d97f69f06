#include "signing/presigned_headers.hpp"

#include <algorithm>
#include <array>

#include "base/text.hpp"

namespace vedette {
namespace {

constexpr std::array<std::string_view, 7> kOfSignature = {
    "x-amz-algorithm", "x-amz-content-sha256", "x-amz-credential",   "x-amz-date",
    "x-amz-expires",   "x-amz-signature",      "x-amz-signedheaders"};
constexpr std::array<std::string_view, 6> kOfContent = {"cache-control",    "content-disposition", "content-encoding",
                                                        "content-language", "content-md5",         "content-type"};

template <typename Names>
bool holds(const Names& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

bool is_presigned_header(std::string_view parameter) {
  const auto name = to_lower(parameter);
  return holds(kOfContent, name) || (name.starts_with("x-amz-") && !holds(kOfSignature, name));
}

HeaderList presigned_headers(std::string_view query, const HeaderList& sent) {
  const auto has = [](const HeaderList& headers, std::string_view name) {
    return std::any_of(headers.begin(), headers.end(), [&](const auto& header) { return header.first == name; });
  };
  HeaderList out;
  for (const auto part : split(query, '&')) {
    const auto equals = part.find('=');
    const auto name = uri_decode(part.substr(0, equals));
    if (!name || equals == std::string_view::npos || !is_presigned_header(*name)) continue;
    auto value = uri_decode(part.substr(equals + 1));
    auto lower = to_lower(*name);
    if (value && !has(sent, lower) && !has(out, lower)) out.emplace_back(std::move(lower), std::move(*value));
  }
  return out;
}

bool is_presigned_checksum(std::string_view header) {
  static constexpr std::array<std::string_view, 3> kNoSums = {"x-amz-checksum-algorithm", "x-amz-checksum-mode",
                                                              "x-amz-checksum-type"};
  return header.starts_with("x-amz-checksum-") && !holds(kNoSums, header);
}

}  // namespace vedette
