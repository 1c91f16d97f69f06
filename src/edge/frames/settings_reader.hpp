#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace vedette {

/// Reads the members of one JSON object of the configuration. The first thing that is wrong is kept as the error, and
/// whatever is read afterwards has its default. A value; include it in .cpp files only, since it brings all of the JSON
/// library.
class SettingsReader {
 public:
  /// `path` names the object in messages: "sources[0]".
  SettingsReader(const nlohmann::json& object, std::string path);

  std::string text(const char* name, std::string fallback, std::size_t most_bytes = 4096);
  /// Returns a name: 1 to 64 characters of a-z A-Z 0-9 - _ . that do not begin with a dot.
  std::string name(const char* name);
  std::int64_t integer(const char* name, std::int64_t fallback, std::int64_t least, std::int64_t most);
  double number(const char* name, double fallback, double least, double most);
  bool flag(const char* name, bool fallback);
  std::chrono::milliseconds milliseconds(const char* name, std::chrono::milliseconds fallback,
                                         std::chrono::milliseconds least, std::chrono::milliseconds most);
  /// Returns a member that is an object, or nothing if it is missing.
  const nlohmann::json* object(const char* name);
  [[nodiscard]] bool has(const char* name) const;
  /// Keeps an error about a member, unless there is one already.
  void refuse(std::string_view name, const std::string& what);
  /// Returns the first error; a member that nobody has asked for is one, too.
  [[nodiscard]] Result<void> finish();
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  const nlohmann::json* find(const char* name);
  const nlohmann::json& object_;
  std::string path_;
  std::set<std::string> known_;
  std::optional<Error> error_;
};

}  // namespace vedette
