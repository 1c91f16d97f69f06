#include <stdexcept>

#include "commands.hpp"
#include "pictures.hpp"
#include "training_run.hpp"
#include "vision/artifact/placement.hpp"

namespace vedette {
namespace fs = std::filesystem;
namespace {

struct TrainOptions {
  PictureOptions pictures;
  std::string test_manifest, out;
  std::uint64_t seed = 0;
  TrainingPlan plan;
  std::optional<int> false_alarms;
  std::string backbone;
  bool json = false;
};

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
  return run_training(job, *place, options.out, options.json);
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
