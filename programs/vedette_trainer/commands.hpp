#pragma once

#include <CLI/CLI.hpp>

namespace vedette {

// Each function adds a command, which runs while the command line is parsed and leaves its exit status.

CLI::App* add_pretrain(CLI::App& app, const int& threads, int& status);
CLI::App* add_backbone(CLI::App& app, int& status);

}  // namespace vedette
