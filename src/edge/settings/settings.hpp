#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace vedette {

/// Reads the members of one object of the configuration, and remembers the first thing that is wrong with it. Members
/// that nobody asked for are wrong, too.
class Settings {
 public:
  /// `where` names the object in messages: "sinks[0]". An object that is none is wrong.
  Settings(const nlohmann::json& object, std::string where);

  /// A text of 1 to `longest` bytes without control characters; empty if the member is missing and not required.
  std::string text(const char* name, bool required = false, std::size_t longest = 1024);
  /// The content of the file that the member names, without white space at its ends; empty if the member is missing.
  /// The file may have 64 KiB. Secrets are given in this way.
  std::string secret(const char* name, bool required = false);
  std::uint64_t number(const char* name, std::uint64_t least, std::uint64_t most, std::uint64_t otherwise);
  bool boolean(const char* name, bool otherwise);
  /// One of these texts.
  std::string choice(const char* name, const std::vector<std::string>& choices, const std::string& otherwise);
  /// The object of this member; nothing if it is missing.
  const nlohmann::json* object(const char* name);

  [[nodiscard]] const std::string& where() const { return where_; }
  /// Notes what is wrong with a member.
  void complain(std::string_view name, std::string_view why);
  /// Whether everything was right. Call this last: it looks for members that nobody has asked for.
  Result<void> finish();

 private:
  const nlohmann::json* find(const char* name, bool required = false);

  const nlohmann::json& object_;
  std::string where_;
  std::set<std::string, std::less<>> known_;
  std::string problem_;
};

}  // namespace vedette
