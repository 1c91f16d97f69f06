#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <cstdio>
#include <stdexcept>

#include "base/files.hpp"
#include "commands.hpp"
#include "pictures.hpp"
#include "training/training.hpp"
#include "vision/artifact/placement.hpp"

namespace vedette {
namespace fs = std::filesystem;
namespace {

constexpr int kInterrupted = 130;  // Shells give this status to a program that Ctrl-C ended.

struct TrainOptions {
  PictureOptions pictures;
  std::string test_manifest, out;
  std::uint64_t seed = 0;
  TrainingPlan plan;
  std::optional<int> false_alarms;
  std::string backbone;
  bool json = false;
};

/// Shows progress as a bar on a terminal, and as one line per stage elsewhere.
class ProgressBar {
 public:
  void show(const Progress& p) {
    if (::isatty(STDERR_FILENO) == 0) {
      if (p.stage != stage_) std::fprintf(stderr, "%3.0f %%  %s\n", 100 * p.fraction, p.stage.c_str());
    } else {
      constexpr int width = 30;
      const int filled = static_cast<int>(p.fraction * width);
      std::string bar(static_cast<std::size_t>(filled), '#');
      bar.resize(width, '.');
      const std::string left = p.seconds_left ? "  " + std::to_string(std::lround(*p.seconds_left)) + " s left" : "";
      std::fprintf(stderr, "\r\x1B[K[%s] %3.0f %%  %s%s", bar.c_str(), 100 * p.fraction, p.stage.c_str(), left.c_str());
      if (p.fraction >= 1) std::fputc('\n', stderr);
    }
    stage_ = p.stage;
  }

 private:
  std::string stage_;
};

std::atomic<bool> interrupted{false};

/// Returns the status that the program ends with.
int train(const TrainOptions& options) {
  const auto place = check_model_place(options.out);
  if (!place) throw std::runtime_error(place.error().message);
  TrainingJob job;
  job.train = read_pictures(options.pictures);
  if (!options.test_manifest.empty())
    job.test = read_manifest_pictures(options.test_manifest, options.pictures.images_root);
  job.seed = options.seed;
  job.plan = options.plan;
  if (options.false_alarms) job.plan.false_alarm_budget = 1.0 / *options.false_alarms;
  if (!options.backbone.empty()) job.plan.backbone = fs::absolute(options.backbone);
  job.letterbox_mixed_sizes = true;
  job.takes_all_formats = true;
  // A signal ends the training only here and not at any other point, so that its folder is deleted. A signal that the
  // caller has switched off, as nohup does, stays off.
  for (const int number : {SIGINT, SIGTERM, SIGHUP})
    if (::signal(number, [](int) { interrupted = true; }) == SIG_IGN) ::signal(number, SIG_IGN);
  const TemporaryFolder folder;
  if (auto ok = write_job(folder.path(), job); !ok) throw std::runtime_error(ok.error().message);
  ProgressBar bar;
  const auto evaluation = run_trainer(
      find_trainer(), folder.path(), [&](const Progress& p) { bar.show(p); }, &interrupted);
  if (interrupted) {
    std::fprintf(stderr, "vedette: the training was interrupted; nothing was changed\n");
    return kInterrupted;
  }
  if (!evaluation) throw std::runtime_error(evaluation.error().message);
  fs::copy_file(folder.path() / "evaluation.json",
                folder.path() / "model" / "evaluation.json");  // `vedette report` reads this file.
  if (auto ok = place_model(folder.path() / "model", *place); !ok) throw std::runtime_error(ok.error().message);
  if (!options.json) {
    print_evaluation(*evaluation);
    std::printf("%-18s %s\n%-18s %.1f\n", "model", options.out.c_str(), "seconds", evaluation->seconds);
  }
  std::printf("%s\n", summary_json(*evaluation).c_str());
  return 0;
}

}  // namespace

void add_train(CLI::App& app, int& status) {
  auto* command = app.add_subcommand("train", "Train a model from labelled pictures");
  auto options = std::make_shared<TrainOptions>();
  add_picture_options(*command, options->pictures);
  command->add_option("--test-manifest", options->test_manifest, "Test on these pictures instead of out of fold")
      ->check(CLI::ExistingFile);
  command
      ->add_option("--out", options->out,
                   "Folder for the model: a new one, an empty one, or one that holds a model, which is replaced")
      ->required();
  command->add_option("--seed", options->seed, "The same seed and pictures give the same model")->capture_default_str();
  auto* budget = command
                     ->add_option("--budget", options->plan.budget_seconds,
                                  "Seconds that the training may take; by default a fixed number of steps is taken")
                     ->check(CLI::Range(1.0, 1e6));
  command
      ->add_option("--steps", options->plan.steps,
                   "Number of steps of the decoders, as a model's manifest.json records it; it repeats a training that "
                   "had a --budget")
      ->check(CLI::Range(1, 1'000'000))
      ->excludes(budget);
  command
      ->add_option(
          "--false-alarms", options->false_alarms,
          "At most one good part in this many may be called anomalous; by default both kinds of error are balanced")
      ->check(CLI::Range(2, 1'000'000));
  command
      ->add_option("--backbone", options->backbone,
                   "Network that describes pictures, an ONNX file; by default the one that comes with Vedette")
      ->check(CLI::ExistingFile);
  command->add_flag("--json", options->json, "Print only the summary, as one JSON object");
  command->callback([options, &status] { status = train(*options); });
}

}  // namespace vedette
