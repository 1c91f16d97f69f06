#include "vision/pretrain/pretrain.hpp"

#include <signal.h>

#include <atomic>
#include <cstdio>
#include <memory>

#include "commands.hpp"

namespace vedette {
namespace {

std::atomic<bool> interrupted{false};

int run_pretraining(const PretrainOptions& options) {
  for (const int number : {SIGINT, SIGTERM}) ::signal(number, [](int) { interrupted = true; });
  const auto ok = pretrain(
      options,
      [](const PretrainStep& s) {
        std::printf("step %d of %d  loss %.4f  retrieval %.3f  detection %.3f  small %.3f  %.0f s\n", s.step, s.steps,
                    s.loss, s.retrieval, s.detection, s.small_detection, s.seconds);
        std::fflush(stdout);
      },
      interrupted);
  if (ok) return 0;
  std::fprintf(stderr, "vedette-trainer: %s\n", ok.error().message.c_str());
  return 1;
}

}  // namespace

CLI::App* add_pretrain(CLI::App& app, const int& threads, int& status) {
  auto options = std::make_shared<PretrainOptions>();
  auto* command = app.add_subcommand(
      "pretrain", "Make the backbone's weights from rendered pictures; goes on where it was cut off");
  command->add_option("--out", options->folder, "Folder for checkpoint, log and weights")->required();
  command->add_option("--from", options->from, "Weights of an earlier run to begin with (.safetensors)")
      ->check(CLI::ExistingFile);
  command->add_option("--seed", options->seed, "Seed of weights and pictures")->capture_default_str();
  command->add_option("--steps", options->steps, "Number of steps in all")
      ->capture_default_str()
      ->check(CLI::Range(1, 100'000'000));
  command->add_option("--pictures", options->pictures, "Pictures that a step learns from")
      ->capture_default_str()
      ->check(CLI::Range(1, 4096));
  command->add_option("--patches", options->patches, "Patches that a step cuts from each picture")
      ->capture_default_str()
      ->check(CLI::Range(1, 64));
  command->add_option("--looks", options->looks, "Steps that learn from the same pictures, from other patches")
      ->capture_default_str()
      ->check(CLI::Range(1, 64));
  command->add_option("--learning-rate", options->learning_rate, "Highest learning rate")
      ->capture_default_str()
      ->check(CLI::Range(1e-6, 1.0));
  command->add_option("--checkpoint-every", options->checkpoint_every, "Steps between checkpoints")
      ->capture_default_str()
      ->check(CLI::Range(1, 1'000'000));
  command->add_flag("--bf16", options->half, "bf16 maps and products: faster where the hardware has them");
  command->add_flag("--gpu", options->on_gpu, "Train on a CUDA GPU; pictures are rendered on the CPU");
  command->callback([options, &threads, &status] {
    options->threads = threads;
    status = run_pretraining(*options);
  });
  return command;
}

}  // namespace vedette
