#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

/// Text and byte encodings. All functions are pure and thread-safe.
namespace vedette {

using Bytes = std::vector<std::uint8_t>;

inline std::string_view as_text(std::span<const std::uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline std::span<const std::uint8_t> as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::string to_hex(std::span<const std::uint8_t> bytes);  ///< The digits are in lower case.
/// Returns nothing if the text is not an even number of hexadecimal digits.
std::optional<Bytes> from_hex(std::string_view text);

/// The encoding is that of RFC 4648, section 4, with padding.
std::string to_base64(std::span<const std::uint8_t> bytes);
/// Decodes base64 of the standard alphabet, which must be padded. Returns nothing if there is any other character.
std::optional<Bytes> from_base64(std::string_view text);

/// Escapes everything but A-Z a-z 0-9 - _ . ~ (RFC 3986). '/' is kept if `keep_slash` is set.
std::string uri_encode(std::string_view text, bool keep_slash = false);
/// Decodes %XX; '+' stays '+'. Fails with invalid_input if an escape is broken.
Result<std::string> uri_decode(std::string_view text);

bool is_utf8(std::string_view text);
/// Returns the number of code points. The text must be valid UTF-8.
std::size_t utf8_length(std::string_view text);

std::string to_lower(std::string_view text);   ///< Only ASCII letters are changed.
std::string_view trim(std::string_view text);  ///< Only ASCII white space is removed.
std::vector<std::string_view> split(std::string_view text, char separator);
/// Whether both texts are equal when ASCII letters may differ in case.
bool equals_ignore_case(std::string_view a, std::string_view b);

/// Reads a whole decimal integer, which may have a minus sign. Returns nothing if the text is anything else or out of
/// range.
std::optional<std::int64_t> parse_integer(std::string_view text);

/// Compares without a branch that depends on the data. It serves for signatures and tokens.
bool equal_in_constant_time(std::string_view a, std::string_view b);

}  // namespace vedette
