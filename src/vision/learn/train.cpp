#include "vision/learn/learn.hpp"

#include <fmt/format.h>

#include "base/files.hpp"
#include "base/parallel.hpp"
#include "vision/assess/assess.hpp"
#include "vision/infer/graph.hpp"
#include "vision/learn/batches.hpp"
#include "vision/learn/steps.hpp"
#include "vision/onnx/onnx.hpp"

namespace vedette {
namespace {

constexpr double kClearDifference = 0.03;  // of two AUROCs of the same pictures

Result<void> load_backbone(Workshop& w, const std::filesystem::path& file) {
  const auto named = [&](const Error& error) { return invalid_input(file.string() + ": " + error.message); };
  const auto bytes = read_file(file, kOnnxFileLimit);
  if (!bytes) return named(bytes.error());
  auto backbone = read_onnx_backbone(as_text(*bytes));
  if (!backbone) return named(backbone.error());
  // Whatever else may be wrong with the backbone shows here and not in the midst of the training.
  const auto description = make_description_graph(*backbone);
  auto graph = Graph::plan(description.nodes, backbone->tensors, {description.maps.begin(), description.maps.end()},
                           kSmallestInput, kSmallestInput);
  if (!graph) return named(graph.error());
  w.own_backbone = std::move(*backbone);
  w.backbone = &w.own_backbone;
  return {};
}

/// Shows every good picture to the detectors, and calls `choose_folds` with a description of each. Then all detectors
/// learn.
Result<void> learn(Workshop& w, const Detectors& detectors,
                   const std::function<void(std::span<const std::vector<float>>)>& choose_folds) {
  std::vector<std::vector<float>> descriptions;
  auto seen = w.for_each_normal("describing pictures", 0.05, 0.15, [&](std::size_t first, const auto& features) {
    for (const auto* group : {&detectors.of_good_pictures, &detectors.of_details})
      for (const auto& detector : *group)
        for (std::size_t i = 0; i < features.size(); ++i) detector->see(w, first + i, features[i]);
    for (const auto& picture : features)
      descriptions.push_back(summarize_cells(picture.coarse_rows, w.features.coarse_grid.cells()));
  });
  if (!seen) return seen;
  choose_folds(descriptions);
  for (const auto& detector : detectors.of_good_pictures)
    if (auto ok = detector->fit(w); !ok) return ok;
  if (auto ok = calibrate_cells(w); !ok) return ok;
  for (const auto* group : {&detectors.of_defects, &detectors.of_details})
    for (const auto& detector : *group)
      if (auto ok = detector->fit(w); !ok) return ok;
  return {};
}

/// Finds out what models reach that have seen pictures of every batch, and says how that differs from the evaluation.
/// `start` is the workshop before anything was learned. A training without masks is made for it, which is not kept.
Result<void> compare_with_known_batches(Workshop& w, Workshop start) {
  w.meter.report("learning from all batches", 0.95);
  start.meter.silence();
  start.is_segmentation = false;
  begin_model(start);
  const auto detectors = make_detectors();
  if (auto ok = learn(start, detectors, [&](auto) { draw_folds(start); }); !ok) return ok;
  const auto measured = measure_out_of_fold(start);
  if (!measured) return measured.error();
  decide(start, *measured, {});
  auto& e = w.evaluation;
  e.batches->known_auroc = start.evaluation.image_auroc;
  e.batches->known_f1 = start.evaluation.f1;
  const double difference = *start.evaluation.image_auroc - *e.image_auroc;
  e.warnings.push_back(fmt::format(
      "The good pictures come in batches by the order of their names. The figures (AUROC {:.2f}) are those of batches "
      "that the models have not seen. For pictures of the same batches as the training's the AUROC is {}{:.2f}{}.",
      *e.image_auroc, w.is_segmentation ? "at least " : "", *start.evaluation.image_auroc,
      difference > kClearDifference ? ": the next batch may be judged worse than these" : ", which is about as much"));
  return {};
}

Result<Evaluation> run(Workshop& w, const std::filesystem::path& folder) {
  if (w.job.plan.backbone)
    if (auto ok = load_backbone(w, *w.job.plan.backbone); !ok) return ok.error();
  if (auto ok = select_pictures(w); !ok) return ok.error();
  if (w.job.test) {
    w.meter.report("checking test pictures", 0.01);
    if (auto ok = check_test_set(*w.job.test, w.job.minimum, w.image_height, w.image_width, w.job.letterbox_mixed_sizes,
                                 w.rules(), w.threads);
        !ok)
      return ok.error();
  }
  if (auto ok = find_reference(w); !ok) return ok.error();
  const Workshop start = w;
  begin_model(w);
  const auto detectors = make_detectors();
  if (auto ok = learn(w, detectors, [&](auto descriptions) { find_batches(w, descriptions); }); !ok) return ok.error();
  auto measured = measure_out_of_fold(w);
  if (!measured) return measured.error();
  std::vector<Damaged> damaged;
  if (w.normals.size() == w.pictures.size()) {
    auto stand_ins = measure_damaged(w);
    if (!stand_ins) return stand_ins.error();
    damaged = std::move(*stand_ins);
  }
  decide(w, *measured, damaged);
  if (w.is_segmentation) fit_segmentation(w, *measured);
  measured->clear();  // The maps of all pictures take memory that the next steps need.
  // It takes as long as a training without masks, which a budget has no room for.
  if (w.evaluation.batches && w.evaluation.batches->are_clear && w.evaluation.image_auroc && !w.job.plan.budget_seconds)
    if (auto ok = compare_with_known_batches(w, start); !ok) return ok.error();
  if (auto ok = w.job.test ? evaluate_test_set(w) : compare_precisions(w, w.evaluation.predictions); !ok)
    return ok.error();
  if (auto ok = write_model(w, folder); !ok) return ok.error();
  if (auto ok = write_examples(w, folder / kExamplesFile); !ok) return ok.error();
  for (std::size_t c = 0; c < w.evaluation.contest.size(); ++c) {
    w.evaluation.contest[c].score_weight = w.artifact.manifest.contestants[c].score_weight();
    w.evaluation.contest[c].map_weight = w.artifact.manifest.contestants[c].map_weight;
  }
  w.evaluation.training_images = static_cast<std::int64_t>(w.pictures.size());
  w.evaluation.seconds = w.meter.seconds();
  w.meter.report("finished", 1.0);
  w.evaluation.stage_seconds = w.meter.stages();
  return std::move(w.evaluation);
}

}  // namespace

Result<Evaluation> train(const TrainingJob& job, const std::filesystem::path& model_folder, int threads,
                         const ProgressSink& progress) {
  const ThreadCount count(threads);
  Workshop w(job, ThreadCount::current(), progress);
  return run(w, model_folder);
}

}  // namespace vedette
