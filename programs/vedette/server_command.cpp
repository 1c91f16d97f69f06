#include "server_command.hpp"

#include <algorithm>

#include "server/options.hpp"

namespace vedette {
namespace {

/// Adds an option of the table to the command.
void add(CLI::App& command, const Option& option, ServerSettings& settings) {
  auto* added = std::visit(
      [&](auto* value) {
        using T = std::remove_pointer_t<decltype(value)>;
        if constexpr (std::is_same_v<T, bool>) {
          return command.add_flag(option.name, *value, option.summary);
        } else {
          auto* valued = command.add_option(option.name, *value, option.summary);
          if constexpr (std::is_same_v<T, std::vector<std::string>>) valued->delimiter(',');
          if constexpr (std::is_same_v<T, std::string> || std::is_arithmetic_v<T>) valued->capture_default_str();
          if (const auto accepted = accepted_text(option); !accepted.empty()) valued->type_name(accepted);
          return valued;
        }
      },
      option.value(settings));
  if (!option.environment.empty()) added->envname(option.environment);
}

}  // namespace

void add_server_options(CLI::App& command, ServerSettings& settings, const std::vector<std::string>& names) {
  for (const auto& option : server_options())
    if (names.empty() || std::ranges::find(names, option.name) != names.end()) add(command, option, settings);
}

}  // namespace vedette
