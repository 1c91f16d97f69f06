#include "base/listing.hpp"

#include <algorithm>

namespace vedette {

std::string list_some(std::span<const std::string> items, std::size_t total) {
  total = std::max(total, items.size());
  const auto shown = items.first(std::min(items.size(), kMostListed));
  std::string out;
  for (const auto& item : shown) out += (out.empty() ? "" : "; ") + item;
  if (total > shown.size()) out += "; and " + std::to_string(total - shown.size()) + " more";
  return out;
}

}  // namespace vedette
