#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace vedette {

/// The most things that a message names. People can look at so many, and no list from outside makes a message endless.
inline constexpr std::size_t kMostListed = 20;

/// Lists the first items, at most kMostListed, in one line: "a; b; c", or "a; b; and 7 more". `total` also counts
/// things that are not among `items`; 0 means that there are no others.
std::string list_some(std::span<const std::string> items, std::size_t total = 0);

}  // namespace vedette
