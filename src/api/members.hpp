#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "base/clock.hpp"

/// What the messages of the JSON services have in common.
namespace vedette {

/// A member of a decoded request that need not be there.
inline std::optional<std::string> optional_text(const nlohmann::json& members, const char* name) {
  const auto it = members.find(name);
  return it == members.end() ? std::nullopt : std::optional(it->get<std::string>());
}

/// A time as answers give it: seconds since the epoch, with a fraction.
inline double seconds(Timestamp time) {
  return static_cast<double>(time.time_since_epoch().count()) / 1000.0;
}

}  // namespace vedette
