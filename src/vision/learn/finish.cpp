#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/parallel.hpp"
#include "vision/assess/assess.hpp"
#include "vision/infer/graph.hpp"
#include "vision/learn/precisions.hpp"
#include "vision/learn/steps.hpp"

namespace vedette {
namespace {

/// Judges the test set with the model so far.
Result<Evaluation> judge_test_set(const Workshop& w) {
  auto engine = Engine::create(w.artifact);
  if (!engine) return internal_error(engine.error().message);
  auto tested = evaluate_model(**engine, *w.job.test, w.job.letterbox_mixed_sizes, w.formats(), {});
  if (!tested) return invalid_input("The test dataset cannot be used: " + tested.error().message);
  return tested;
}

/// Finds what the values that products read hardly exceed, from some of the pictures; int8 needs that.
Result<void> set_ranges(Workshop& w) {
  auto& nodes = w.artifact.manifest.graph;
  const auto is_product = [](const Node& n) { return n.op == "block" || n.op == "convolution"; };
  std::vector<std::string> names;
  for (const auto& node : nodes)
    if (is_product(node) && node.numbers.at("relu") == 1 &&
        std::any_of(nodes.begin(), nodes.end(), [&](const Node& reader) {
          return is_product(reader) && reader.numbers.at("groups") == 1 && reader.inputs[0] == node.output;
        }))
      names.push_back(node.output);
  if (names.empty()) return {};
  auto graph = Graph::plan(nodes, w.artifact.tensors, names, w.input.height, w.input.width);
  if (!graph) return internal_error(graph.error().message);
  std::map<std::string, float> largest;
  const auto count = std::min(w.pictures.size(), w.fewer_if_large(kMostRanged));
  for (std::size_t i = 0; i < count; ++i) {
    auto loaded = w.load(w.pictures[i * w.pictures.size() / count]);
    if (!loaded) return loaded.error();
    graph->run(resize_to_planes(loaded->image, w.input.height, w.input.width));
    for (const auto& name : names) {
      const auto& values = graph->output(name).data;
      largest[name] = std::max(largest[name], *std::max_element(values.begin(), values.end()));
    }
  }
  for (auto& node : nodes)
    if (const auto it = largest.find(node.output); it != largest.end()) widen_range(node, it->second);
  return {};
}

}  // namespace

Result<void> evaluate_test_set(Workshop& w) {
  w.meter.report("testing", 0.96);
  auto tested = judge_test_set(w);
  if (!tested) return tested.error();
  if (auto ok = compare_precisions(w, tested->predictions); !ok) return ok;
  if (!w.artifact.manifest.bf16_agrees.value_or(true)) tested = judge_test_set(w);
  if (!tested) return tested.error();
  tested->bank_sources = std::move(w.evaluation.bank_sources);
  tested->intervals.insert(w.evaluation.intervals.begin(), w.evaluation.intervals.end());
  tested->batches = w.evaluation.batches;
  tested->contest = std::move(w.evaluation.contest);
  tested->decoder_loss = std::move(w.evaluation.decoder_loss);
  tested->skipped.insert(tested->skipped.begin(), w.evaluation.skipped.begin(), w.evaluation.skipped.end());
  tested->warnings.insert(tested->warnings.begin(), w.evaluation.warnings.begin(), w.evaluation.warnings.end());
  w.evaluation = std::move(*tested);
  return {};
}

Result<void> compare_precisions(Workshop& w, std::vector<Prediction> judged) {
  auto& manifest = w.artifact.manifest;
  if (best_precision() == Precision::fp32 && !multiplies_int8()) return {};
  w.meter.report("comparing precisions", 0.98);
  if (auto ok = set_ranges(w); !ok) return ok;
  // A picture that no model can judge is anomalous in every precision, whatever its score is.
  std::erase_if(judged, [](const Prediction& p) { return !p.reason.empty(); });
  // The less sure a verdict is, the nearer the picture is to the threshold that judged it, which is that of its fold.
  std::stable_sort(judged.begin(), judged.end(),
                   [](const auto& x, const auto& y) { return x.confidence < y.confidence; });
  judged.resize(std::min(judged.size(), w.fewer_if_large(kMostCompared)));
  // What is judged is loaded once and not for each precision.
  std::vector<RgbImage> images(judged.size());
  std::vector<std::optional<Error>> failures(judged.size());
  w.for_pictures(judged.size(), [&](std::size_t i) {
    TrainingPicture sample;
    sample.source_ref = judged[i].source_ref;
    sample.image = judged[i].image;
    auto loaded =
        load_picture(sample, {}, w.image_height, w.image_width, w.job.letterbox_mixed_sizes, w.least_size(), w.rules());
    if (loaded) {
      images[i] = std::move(loaded->image);
    } else {
      failures[i] = loaded.error();
    }
  });
  for (const auto& failure : failures)
    if (failure) return *failure;
  if (auto ok = compare_precisions(w.artifact, images, w.strands()); !ok) return ok;
  if (quickest_precision(manifest) == Precision::fp32)
    w.evaluation.warnings.push_back(
        "The model is run in fp32, which takes more time: with fewer digits it decides otherwise on pictures near its "
        "threshold.");
  return {};
}

Result<void> write_model(Workshop& w, const std::filesystem::path& folder) {
  w.meter.report("writing the model", 0.99);
  // The score is measured as the engine will measure it at load time: the picture has the model's input size already.
  Artifact at_input_size = w.artifact;
  at_input_size.manifest.image_height = w.input.height;
  at_input_size.manifest.image_width = w.input.width;
  // The precision is the one in which everything was measured.
  const auto quickest = quickest_precision(w.artifact.manifest);
  auto engine = Engine::create(at_input_size, std::min(quickest, Precision::bf16));
  if (!engine) return internal_error(engine.error().message);
  // The golden sample is a defect if there is one, because a defect moves through every part of the decision. A picture
  // that the model can judge is preferred: one that is hardly implausible may be plausible on another machine, whose
  // score would then differ.
  const bool has_defects = w.normals.size() < w.pictures.size();
  std::optional<RgbImage> golden;
  double score = 0;
  for (const auto& picture : w.pictures) {
    if (picture.is_anomalous != has_defects) continue;
    auto loaded = w.load(picture);
    if (!loaded) return loaded.error();
    auto small = to_image(resize_to_planes(loaded->image, w.input.height, w.input.width));
    auto detection = (*engine)->detect(small);
    if (!detection) return internal_error(detection.error().message);
    if (golden && !detection->reason.empty()) continue;
    golden = std::move(small);
    score = detection->anomaly_score;
    if (detection->reason.empty()) break;
  }
  w.artifact.tensors.insert_or_assign("golden.0",
                                      Tensor::make({w.input.height, w.input.width, 3},
                                                   std::vector<float>(golden->pixels.begin(), golden->pixels.end())));
  w.blobs.push_back({"golden.0"});
  w.artifact.manifest.golden = {{"golden.0", score}};
  if (quickest == Precision::int8) {
    // A score far beyond the threshold moves in int8, although no verdict does. Other machines are to reach this one.
    auto quick = Engine::create(std::move(at_input_size), Precision::int8);
    if (!quick) return internal_error(quick.error().message);
    auto detection = (*quick)->detect(*golden);
    if (!detection) return internal_error(detection.error().message);
    w.artifact.manifest.golden[0].int8_score = detection->anomaly_score;
  }
  if (auto ok = write_artifact(folder, w.artifact.manifest, w.artifact.tensors, w.blobs); !ok) return ok;
  // What was written is read again, since hosts will read it.
  if (auto read = Engine::load(folder); !read) return internal_error(read.error().message);
  return {};
}

}  // namespace vedette
