// vedette-trainer: turns a job folder into a model (docs/training-job.md); started by `vedette train` and by the server's job worker.
// `vedette-trainer pretrain` makes the backbone's weights (docs/pretraining.md).

#include <signal.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <cstdio>
#include <exception>
#include <thread>

#include "training/training.hpp"
#include "vision/learn/learn.hpp"
#include "vision/pretrain/pretrain.hpp"

namespace {

namespace fs = std::filesystem;
using namespace vedette;

int run_job(const fs::path& folder, int threads) {
  const auto give_up = [&](const Error& error) {
    std::fprintf(stderr, "vedette-trainer: %s\n", error.message.c_str());
    (void)write_failure(folder, error).has_value();
    return 1;
  };
  try {
    const auto job = read_job(folder);
    if (!job) return give_up(job.error());
    auto evaluation = train(*job, folder / "model", threads,
                            [&](const Progress& p) { (void)append_progress(folder, p).has_value(); });
    if (!evaluation) return give_up(evaluation.error());
    if (auto ok = write_evaluation(folder, *evaluation); !ok) return give_up(ok.error());
    return 0;
  } catch (const std::exception& e) {
    return give_up(internal_error(std::string("The training broke off: ") + e.what()));
  }
}

std::atomic<bool> interrupted{false};

int run_pretraining(const PretrainOptions& options) {
  for (const int number : {SIGINT, SIGTERM}) ::signal(number, [](int) { interrupted = true; });
  const auto ok = pretrain(
      options,
      [](const PretrainStep& s) {
        std::printf("step %d of %d  loss %.4f  retrieval %.3f  detection %.3f  %.0f s\n", s.step, s.steps, s.loss,
                    s.retrieval, s.detection, s.seconds);
        std::fflush(stdout);
      },
      interrupted);
  if (ok) return 0;
  std::fprintf(stderr, "vedette-trainer: %s\n", ok.error().message.c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Trains a Vedette model from a job folder (job.json).");
  std::string folder;
  int threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  app.add_option("--job", folder, "Folder with job.json; model/, evaluation.json and progress.jsonl are written there")
      ->check(CLI::ExistingDirectory);
  app.add_option("--threads", threads, "Threads to use")->check(CLI::Range(1, 1024));

  PretrainOptions options;
  auto* pretraining = app.add_subcommand(
      "pretrain", "Make the backbone's weights from rendered pictures; goes on where it was cut off");
  pretraining->add_option("--out", options.folder, "Folder for checkpoint, log and weights")->required();
  pretraining->add_option("--seed", options.seed, "Seed of weights and pictures")->capture_default_str();
  pretraining->add_option("--steps", options.steps, "Steps in all")
      ->capture_default_str()
      ->check(CLI::Range(1, 100'000'000));
  pretraining->add_option("--pictures", options.pictures, "Pictures rendered per step")
      ->capture_default_str()
      ->check(CLI::Range(1, 4096));
  pretraining->add_option("--patches", options.patches, "Patches cut from each")
      ->capture_default_str()
      ->check(CLI::Range(1, 64));
  pretraining->add_option("--learning-rate", options.learning_rate, "Highest learning rate")
      ->capture_default_str()
      ->check(CLI::Range(1e-6, 1.0));
  pretraining->add_option("--checkpoint-every", options.checkpoint_every, "Steps between checkpoints")
      ->capture_default_str()
      ->check(CLI::Range(1, 1'000'000));
  pretraining->add_flag("--gpu", options.on_gpu, "Train on a CUDA GPU; pictures are rendered on the CPU");
  CLI11_PARSE(app, argc, argv);
  if (pretraining->parsed()) {
    options.threads = threads;
    return run_pretraining(options);
  }
  if (folder.empty()) {
    std::fprintf(stderr, "vedette-trainer: --job is required\n");
    return 106;  // as CLI11 says it
  }
  return run_job(folder, threads);
}
