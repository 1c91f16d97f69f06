#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "annotations/annotations.hpp"

/// Reads JSON from outside piece by piece, so that a large file does not become a larger tree.
namespace vedette {

using Json = nlohmann::json;

/// Calls `on_item` for each object at the given depth (1: in a list; 2: in a member of an object) and forgets it then.
/// `list` is the member's name at depth 2, else empty, and `index` counts the objects of that list from 0. Fails with
/// invalid_input, which names line and column, if the text is no JSON, is nested deeper than 64, or has an item of more than
/// `most_values` values. Items before that place have been handed on. A value takes up to about a hundred bytes of memory;
/// what is no item takes none. The time is in proportion to the text.
using OnItem = std::function<void(const std::string& list, std::size_t index, Json& item)>;
Result<void> for_each_item(std::string_view text, const std::string& file, int depth, std::size_t most_values,
                           const OnItem& on_item);
/// Parses a whole document as one item. Returns null if it is a list.
Result<Json> parse_one_item(std::string_view text, const std::string& file, std::size_t most_values);

/// Returns the member, or nothing if `object` is no object or lacks it.
const Json* find_member(const Json& object, const char* name);
/// Returns the member's text, or an empty text if it is no text.
std::string text_of(const Json& object, const char* name);
/// Returns a number within ± kMostCoordinate.
std::optional<double> coordinate_of(const Json* value);
/// Returns a whole number from 0 to 2^32 − 1.
std::optional<std::uint32_t> count_of(const Json* value);
/// Returns a side of a picture, 1 … kMostSide, or 0 if the member is no such number.
int side_of(const Json& object, const char* name);
/// Returns an identifier, a number or text, as text that no other identifier has. It is empty for anything else.
std::string id_of(const Json* value);

}  // namespace vedette
