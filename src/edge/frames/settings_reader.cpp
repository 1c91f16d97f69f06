#include "edge/frames/settings_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/storable_text.hpp"
#include "base/text.hpp"

namespace vedette {

SettingsReader::SettingsReader(const nlohmann::json& object, std::string path)
    : object_(object), path_(std::move(path)) {
  if (!object.is_object()) error_ = invalid_input(fmt::format("{} must be an object.", path_));
}

const nlohmann::json* SettingsReader::find(const char* name) {
  known_.insert(name);
  if (!object_.is_object()) return nullptr;
  const auto member = object_.find(name);
  return member == object_.end() ? nullptr : &*member;
}

bool SettingsReader::has(const char* name) const {
  return object_.is_object() && object_.contains(name);
}

void SettingsReader::refuse(std::string_view name, const std::string& what) {
  if (!error_) error_ = invalid_input(fmt::format("{}.{} {}", path_, name, what));
}

std::string SettingsReader::text(const char* name, std::string fallback, std::size_t most_bytes) {
  const auto* const member = find(name);
  if (member == nullptr) return fallback;
  if (!member->is_string()) {
    refuse(name, "must be text.");
    return fallback;
  }
  auto value = member->get<std::string>();
  if (value.size() > most_bytes || !is_storable_text(value)) {
    refuse(name, fmt::format("must be UTF-8 text of at most {} bytes without zero bytes.", most_bytes));
    return fallback;
  }
  return value;
}

std::string SettingsReader::name(const char* name) {
  auto value = text(name, "", 64);
  const bool is_plain = std::all_of(value.begin(), value.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
  });
  if (value.empty() || value.front() == '.' || !is_plain)
    refuse(name, "must have 1 to 64 characters of a-z A-Z 0-9 - _ . and not begin with a dot.");
  return value;
}

std::int64_t SettingsReader::integer(const char* name, std::int64_t fallback, std::int64_t least, std::int64_t most) {
  const auto* const member = find(name);
  if (member == nullptr) return fallback;
  const bool fits = member->is_number_unsigned() ? member->get<std::uint64_t>() <= static_cast<std::uint64_t>(INT64_MAX)
                                                 : member->is_number_integer();
  if (!fits || member->get<std::int64_t>() < least || member->get<std::int64_t>() > most) {
    refuse(name, fmt::format("must be a whole number from {} to {}.", least, most));
    return fallback;
  }
  return member->get<std::int64_t>();
}

double SettingsReader::number(const char* name, double fallback, double least, double most) {
  const auto* const member = find(name);
  if (member == nullptr) return fallback;
  if (!member->is_number() || !(member->get<double>() >= least && member->get<double>() <= most)) {
    refuse(name, fmt::format("must be a number from {} to {}.", least, most));
    return fallback;
  }
  return member->get<double>();
}

bool SettingsReader::flag(const char* name, bool fallback) {
  const auto* const member = find(name);
  if (member == nullptr) return fallback;
  if (!member->is_boolean()) {
    refuse(name, "must be true or false.");
    return fallback;
  }
  return member->get<bool>();
}

std::chrono::milliseconds SettingsReader::milliseconds(const char* name, std::chrono::milliseconds fallback,
                                                       std::chrono::milliseconds least,
                                                       std::chrono::milliseconds most) {
  return std::chrono::milliseconds(integer(name, fallback.count(), least.count(), most.count()));
}

const nlohmann::json* SettingsReader::object(const char* name) {
  const auto* const member = find(name);
  if (member == nullptr) return nullptr;
  if (member->is_object()) return member;
  refuse(name, "must be an object.");
  return nullptr;
}

Result<void> SettingsReader::finish() {
  if (error_) return *error_;
  for (const auto& [name, value] : object_.items())
    if (!known_.contains(name))
      return invalid_input(fmt::format("{} has a member that is not known here: {}.", path_, name));
  return {};
}

}  // namespace vedette
