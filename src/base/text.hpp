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

std::string to_hex(std::span<const std::uint8_t> bytes);  ///< lower case
/// Empty if the text is not an even number of hexadecimal digits.
std::optional<Bytes> from_hex(std::string_view text);

std::string to_base64(std::span<const std::uint8_t> bytes);  ///< RFC 4648 section 4, padded
/// Standard alphabet, padding required; empty on any other character.
std::optional<Bytes> from_base64(std::string_view text);

/// RFC 3986: escapes everything but A-Z a-z 0-9 - _ . ~ and, if asked, keeps '/'.
std::string uri_encode(std::string_view text, bool keep_slash = false);
/// Decodes %XX; '+' stays '+'. Fails with invalid_input on a broken escape.
Result<std::string> uri_decode(std::string_view text);

bool is_utf8(std::string_view text);
/// Number of code points; the text must be valid UTF-8.
std::size_t utf8_length(std::string_view text);

std::string to_lower(std::string_view text);   ///< ASCII
std::string_view trim(std::string_view text);  ///< ASCII white space
std::vector<std::string_view> split(std::string_view text, char separator);
bool equals_ignore_case(std::string_view a, std::string_view b);  ///< ASCII

/// A whole decimal integer with optional minus sign; empty if anything else or out of range.
std::optional<std::int64_t> parse_integer(std::string_view text);

/// Compares without a data-dependent branch, for signatures and tokens.
bool equal_in_constant_time(std::string_view a, std::string_view b);

}  // namespace vedette
