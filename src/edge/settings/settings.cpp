#include "edge/settings/settings.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/files.hpp"
#include "base/text.hpp"

namespace vedette {

Settings::Settings(const nlohmann::json& object, std::string where) : object_(object), where_(std::move(where)) {
  if (!object.is_object()) problem_ = where_ + " is not an object.";
}

const nlohmann::json* Settings::find(const char* name, bool required) {
  known_.insert(name);
  if (!object_.is_object()) return nullptr;
  const auto found = object_.find(name);
  if (found != object_.end()) return &*found;
  if (required) complain(name, "is missing");
  return nullptr;
}

std::string Settings::text(const char* name, bool required, std::size_t longest) {
  const auto* value = find(name, required);
  if (value == nullptr) return {};
  const auto* text = value->get_ptr<const std::string*>();
  if (text == nullptr || text->empty() || text->size() > longest ||
      std::ranges::any_of(*text, [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; })) {
    complain(name, fmt::format("is not a text of 1 to {} bytes", longest));
    return {};
  }
  return *text;
}

std::string Settings::secret(const char* name, bool required) {
  const auto path = text(name, required);
  if (path.empty()) return {};
  const auto content = read_file(path, 64 << 10);
  const auto secret = content ? trim(as_text(*content)) : std::string_view();
  if (secret.empty()) complain(name, "names a file that cannot be read, is empty, or is larger than 64 KiB");
  return std::string(secret);
}

std::uint64_t Settings::number(const char* name, std::uint64_t least, std::uint64_t most, std::uint64_t otherwise) {
  const auto* value = find(name);
  if (value == nullptr) return otherwise;
  const auto number = value->is_number_unsigned() ? value->get<std::uint64_t>() : 0;
  if (!value->is_number_unsigned() || number < least || number > most)
    complain(name, fmt::format("is not a whole number from {} to {}", least, most));
  return number;
}

bool Settings::boolean(const char* name, bool otherwise) {
  const auto* value = find(name);
  if (value == nullptr) return otherwise;
  if (!value->is_boolean()) return complain(name, "is neither true nor false"), otherwise;
  return value->get<bool>();
}

std::string Settings::choice(const char* name, const std::vector<std::string>& choices, const std::string& otherwise) {
  const auto* value = find(name);
  if (value == nullptr) return otherwise;
  const auto* text = value->get_ptr<const std::string*>();
  if (text != nullptr && std::ranges::find(choices, *text) != choices.end()) return *text;
  complain(name, fmt::format("is none of {}", fmt::join(choices, ", ")));
  return otherwise;
}

const nlohmann::json* Settings::object(const char* name) {
  const auto* value = find(name);
  if (value == nullptr || value->is_object()) return value;
  complain(name, "is not an object");
  return nullptr;
}

void Settings::complain(std::string_view name, std::string_view why) {
  if (problem_.empty()) problem_ = fmt::format("The member {} of {} {}.", name, where_, why);
}

Result<void> Settings::finish() {
  if (object_.is_object())
    for (const auto& member : object_.items())
      if (!known_.contains(member.key())) complain(member.key(), "is unknown");
  if (!problem_.empty()) return invalid_input(problem_);
  return {};
}

}  // namespace vedette
