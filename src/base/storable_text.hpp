#pragma once

#include <string_view>

#include "base/text.hpp"

namespace vedette {

/// Returns whether every database, and every kind of document, can hold a text: it is UTF-8, and has no zero byte.
/// Whatever comes from outside and may be stored is checked with this where it comes in.
inline bool is_storable_text(std::string_view text) {
  return text.find('\0') == std::string_view::npos && is_utf8(text);
}

}  // namespace vedette
