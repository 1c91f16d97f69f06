#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace vedette {

/// How many things a message names; a reader looks at them, and no list from outside makes a message without end.
inline constexpr std::size_t kMostListed = 20;

/// The first of them, at most kMostListed, in one line: "a; b; c", or "a; b; and 7 more". `total` counts those that are not among `items`, too;
/// 0 means that there are no others.
std::string list_some(std::span<const std::string> items, std::size_t total = 0);

}  // namespace vedette
