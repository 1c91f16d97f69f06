#include <atomic>
#include <cstdio>
#include <stdexcept>
#include <thread>

#include "commands.hpp"
#include "vision/render/render.hpp"

namespace vedette {

void add_sample(CLI::App& app, int&) {
  struct Options {
    std::string folder;
    std::uint64_t seed = 0;
    int count = 180;
  };
  auto* command =
      app.add_subcommand("sample", "Render a sample set: steel flanges, good and damaged, with masks and manifests");
  auto options = std::make_shared<Options>();
  command->add_option("DIR", options->folder, "Folder for the set")->required();
  command->add_option("--seed", options->seed, "The same seed gives the same pictures")->capture_default_str();
  command->add_option("--count", options->count, "Pictures in all; two thirds are for training")
      ->capture_default_str()
      ->check(CLI::Range(60, 1'000'000));
  command->callback([options] {
    const int step = std::max(1, options->count / 10);
    const auto ok =
        render::write_sample(options->folder, options->seed, options->count,
                             static_cast<int>(std::max(1U, std::thread::hardware_concurrency())), [&](int done) {
                               if (done % step == 0) std::fprintf(stderr, "%d of %d pictures\n", done, options->count);
                             });
    if (!ok) throw std::runtime_error(ok.error().message);
  });
}

}  // namespace vedette
