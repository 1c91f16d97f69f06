#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "domain/domain.hpp"

/// Functions that the messages of the JSON services have in common.
namespace vedette {

/// Returns a member of a decoded request, or nothing if it is not there.
inline std::optional<std::string> optional_text(const nlohmann::json& members, const char* name) {
  const auto it = members.find(name);
  return it == members.end() ? std::nullopt : std::optional(it->get<std::string>());
}

/// Returns the member "Tags" of a decoded request; the list is empty if it is not there.
inline std::vector<Tag> decode_tags(const nlohmann::json& members) {
  std::vector<Tag> tags;
  if (const auto it = members.find("Tags"); it != members.end())
    for (const auto& tag : *it) tags.push_back({tag.at("Key"), tag.at("Value")});
  return tags;
}

/// Returns a time as answers give it: in seconds since the epoch, with a fraction.
inline double seconds(Timestamp time) {
  return static_cast<double>(time.time_since_epoch().count()) / 1000.0;
}

}  // namespace vedette
