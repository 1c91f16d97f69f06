#include <stdexcept>

#include "commands.hpp"
#include "pictures.hpp"
#include "training_run.hpp"
#include "vision/artifact/placement.hpp"

namespace vedette {
namespace {

struct RebaseOptions {
  std::string model, out;
  PictureOptions pictures;
  bool json = false;
};

int rebase(const RebaseOptions& options) {
  const auto place = check_model_place(options.out);
  if (!place) throw std::runtime_error(place.error().message);
  if (options.pictures.normal.empty() && options.pictures.manifest.empty())
    throw std::runtime_error("Good pictures of the new batch are needed: give --normal or --manifest.");
  TrainingJob job;
  job.base = std::filesystem::absolute(options.model);
  job.train = read_pictures(options.pictures);
  job.letterbox_mixed_sizes = true;
  job.takes_all_formats = true;
  return run_training(job, *place, options.out, options.json);
}

}  // namespace

void add_rebase(CLI::App& app, int& status) {
  auto* command = app.add_subcommand(
      "rebase", "Move a model to another batch (other light, material, camera) with ten good pictures of it");
  auto options = std::make_shared<RebaseOptions>();
  command
      ->add_option("MODEL_DIR", options->model, "Folder of the model, which stays as it is unless --out names it, too")
      ->required()
      ->check(CLI::ExistingDirectory);
  auto* normal = command->add_option("--normal", options->pictures.normal, "Folder of good pictures of the new batch")
                     ->check(CLI::ExistingDirectory);
  command
      ->add_option("--manifest", options->pictures.manifest,
                   "Manifest in Ground Truth form, of which the good pictures are taken")
      ->check(CLI::ExistingFile)
      ->excludes(normal);
  command
      ->add_option("--images-root", options->pictures.images_root, "Folder that relative source-refs are looked up in")
      ->check(CLI::ExistingDirectory);
  command
      ->add_option("--out", options->out,
                   "Folder for the moved model: a new one, an empty one, or one that holds a model, which is replaced; "
                   "it may be MODEL_DIR")
      ->required();
  command->add_flag("--json", options->json, "Print only the summary, as one JSON object");
  command->callback([options, &status] { status = rebase(*options); });
}

}  // namespace vedette
