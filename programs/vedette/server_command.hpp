#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "server/settings.hpp"

namespace vedette {

/// Adds options of `vedette serve` to a command, which then fills the settings in: all of them, or those that are named. The
/// settings must outlive the command.
void add_server_options(CLI::App& command, ServerSettings& settings, const std::vector<std::string>& names = {});

}  // namespace vedette
