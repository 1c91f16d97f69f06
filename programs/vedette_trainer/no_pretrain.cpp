#include <cstdio>

#include "commands.hpp"

namespace vedette {

CLI::App* add_pretrain(CLI::App& app, const int&, int& status) {
  auto* command = app.add_subcommand("pretrain", "Not in this build: CMake did not find LibTorch");
  command->allow_extras();
  command->callback([&status] {
    std::fprintf(stderr,
                 "vedette-trainer: this build has no pretraining; install LibTorch (libtorch-dev) and build again\n");
    status = 1;
  });
  return command;
}

}  // namespace vedette
