#include "base/environment.hpp"

#include <unistd.h>

#include <algorithm>

namespace vedette {

std::vector<std::string> select_environment(std::span<const std::string_view> names) {
  std::vector<std::string> out;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const auto name = text.substr(0, text.find('='));
    if (std::any_of(names.begin(), names.end(), [&](std::string_view known) {
          return known.ends_with('*') ? name.starts_with(known.substr(0, known.size() - 1)) : name == known;
        }))
      out.emplace_back(text);
  }
  return out;
}

}  // namespace vedette
