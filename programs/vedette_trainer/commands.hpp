#pragma once

#include <CLI/CLI.hpp>

namespace vedette {

/// Adds `pretrain`, which runs while the command line is parsed and leaves its exit status.
CLI::App* add_pretrain(CLI::App& app, const int& threads, int& status);

}  // namespace vedette
