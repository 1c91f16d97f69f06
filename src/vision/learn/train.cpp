#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/files.hpp"
#include "base/parallel.hpp"
#include "vision/assess/assess.hpp"
#include "vision/infer/graph.hpp"
#include "vision/learn/trainer.hpp"
#include "vision/onnx/onnx.hpp"

namespace vedette {
namespace {

constexpr double kLeastOverlap = 0.9;  // The least IoU of what two precisions draw.

}  // namespace

Result<Evaluation> Trainer::run(const std::filesystem::path& folder) {
  if (job_.plan.backbone)
    if (auto ok = load_backbone(*job_.plan.backbone); !ok) return ok.error();
  if (auto ok = select_pictures(); !ok) return ok.error();
  if (job_.test) {
    meter_.report("checking test pictures", 0.01);
    if (auto ok = check_test_set(*job_.test, job_.minimum, image_height_, image_width_, job_.letterbox_mixed_sizes,
                                 rules(), threads_);
        !ok)
      return ok.error();
  }
  assign_folds();
  if (auto ok = find_reference(); !ok) return ok.error();
  if (auto ok = sample_features(); !ok) return ok.error();
  fit_banks();
  if (auto ok = fit_positions(); !ok) return ok.error();
  build_artifact();
  if (auto ok = calibrate_cells(); !ok) return ok.error();
  if (is_segmentation_)
    if (auto ok = fit_decoders(); !ok) return ok.error();
  if (auto ok = fit_probe(); !ok) return ok.error();
  if (auto ok = measure_out_of_fold(); !ok) return ok.error();
  if (normals_.size() == pictures_.size())
    if (auto ok = measure_damaged(); !ok) return ok.error();
  decide();
  if (is_segmentation_) fit_segmentation();
  if (auto ok = job_.test ? evaluate_test_set() : compare_precisions(evaluation_.predictions); !ok) return ok.error();
  if (auto ok = write(folder); !ok) return ok.error();
  for (std::size_t c = 0; c < evaluation_.contest.size(); ++c) {
    evaluation_.contest[c].score_weight = artifact_.manifest.contestants[c].score_weight();
    evaluation_.contest[c].map_weight = artifact_.manifest.contestants[c].map_weight;
  }
  evaluation_.training_images = static_cast<std::int64_t>(pictures_.size());
  evaluation_.seconds = meter_.seconds();
  meter_.report("finished", 1.0);
  evaluation_.stage_seconds = meter_.stages();
  return std::move(evaluation_);
}

Result<void> Trainer::load_backbone(const std::filesystem::path& file) {
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
  own_backbone_ = std::move(*backbone);
  backbone_ = &own_backbone_;
  return {};
}

Result<Evaluation> Trainer::judge_test_set() const {
  auto engine = Engine::create(artifact_);
  if (!engine) return internal_error(engine.error().message);
  auto tested = evaluate_model(**engine, *job_.test, job_.letterbox_mixed_sizes, formats(), {});
  if (!tested) return invalid_input("The test dataset cannot be used: " + tested.error().message);
  return tested;
}

Result<void> Trainer::evaluate_test_set() {
  meter_.report("testing", 0.96);
  auto tested = judge_test_set();
  if (!tested) return tested.error();
  if (auto ok = compare_precisions(tested->predictions); !ok) return ok;
  if (!artifact_.manifest.bf16_agrees.value_or(true)) tested = judge_test_set();
  if (!tested) return tested.error();
  tested->bank_sources = std::move(evaluation_.bank_sources);
  tested->intervals.insert(evaluation_.intervals.begin(), evaluation_.intervals.end());
  tested->contest = std::move(evaluation_.contest);
  tested->decoder_loss = std::move(evaluation_.decoder_loss);
  tested->skipped.insert(tested->skipped.begin(), evaluation_.skipped.begin(), evaluation_.skipped.end());
  tested->warnings.insert(tested->warnings.begin(), evaluation_.warnings.begin(), evaluation_.warnings.end());
  evaluation_ = std::move(*tested);
  return {};
}

Result<void> Trainer::set_ranges() {
  auto& nodes = artifact_.manifest.graph;
  const auto is_product = [](const Node& n) { return n.op == "block" || n.op == "convolution"; };
  std::vector<std::string> names;
  for (const auto& node : nodes)
    if (is_product(node) && node.numbers.at("relu") == 1 &&
        std::any_of(nodes.begin(), nodes.end(), [&](const Node& reader) {
          return is_product(reader) && reader.numbers.at("groups") == 1 && reader.inputs[0] == node.output;
        }))
      names.push_back(node.output);
  if (names.empty()) return {};
  auto graph = Graph::plan(nodes, artifact_.tensors, names, input_.height, input_.width);
  if (!graph) return internal_error(graph.error().message);
  std::map<std::string, float> largest;
  const auto count = std::min(pictures_.size(), fewer_if_large(kMostRanged));
  for (std::size_t i = 0; i < count; ++i) {
    auto loaded = load(pictures_[i * pictures_.size() / count]);
    if (!loaded) return loaded.error();
    graph->run(resize_to_planes(loaded->image, input_.height, input_.width));
    for (const auto& name : names) {
      const auto& values = graph->output(name).data;
      largest[name] = std::max(largest[name], *std::max_element(values.begin(), values.end()));
    }
  }
  for (auto& node : nodes)
    if (const auto it = largest.find(node.output); it != largest.end()) widen_range(node, it->second);
  return {};
}

Result<void> Trainer::compare_precisions(std::vector<Prediction> judged) {
  auto& manifest = artifact_.manifest;
  if (best_precision() == Precision::fp32 && !multiplies_int8()) return {};
  meter_.report("comparing precisions", 0.98);
  if (auto ok = set_ranges(); !ok) return ok;
  // A picture that no model can judge is anomalous in every precision, whatever its score is.
  std::erase_if(judged, [](const Prediction& p) { return !p.reason.empty(); });
  const auto distance = [&](const Prediction& p) { return std::abs(p.anomaly_score - manifest.threshold); };
  std::sort(judged.begin(), judged.end(), [&](const auto& x, const auto& y) { return distance(x) < distance(y); });
  judged.resize(std::min(judged.size(), fewer_if_large(kMostCompared)));
  // What is judged is loaded once and not for each precision.
  std::vector<RgbImage> images(judged.size());
  std::vector<std::optional<Error>> failures(judged.size());
  for_pictures(judged.size(), [&](std::size_t i) {
    TrainingPicture sample;
    sample.source_ref = judged[i].source_ref;
    sample.image = judged[i].image;
    auto loaded = load_picture(sample, {}, image_height_, image_width_, job_.letterbox_mixed_sizes,
                               {input_.height, input_.width}, rules());
    if (loaded) {
      images[i] = std::move(loaded->image);
    } else {
      failures[i] = loaded.error();
    }
  });
  for (const auto& failure : failures)
    if (failure) return *failure;
  using Detections = std::vector<std::optional<Detection>>;
  const auto judge = [&](Precision precision) -> Result<Detections> {
    auto engine = Engine::create(artifact_, precision);
    if (!engine) return internal_error(engine.error().message);
    Detections out(judged.size());
    for_pictures(judged.size(), [&](std::size_t i) {
      auto detection = (*engine)->detect(images[i]);
      if (detection) {
        out[i] = std::move(*detection);
      } else {
        failures[i] = detection.error();
      }
    });
    for (const auto& failure : failures)
      if (failure) return *failure;
    return out;
  };
  auto exact = judge(Precision::fp32);
  if (!exact) return exact.error();
  const auto agrees = [&](Precision precision) -> Result<bool> {
    auto other = judge(precision);
    if (!other) return other.error();
    OverlapCounts overlap;
    for (std::size_t i = 0; i < judged.size(); ++i) {
      const auto &x = *(*exact)[i], &y = *(*other)[i];
      if (x.is_anomalous != y.is_anomalous) return false;
      if (!x.label_map || !y.label_map) continue;
      for (std::size_t p = 0; p < x.label_map->values.size(); ++p) {
        const auto truth = x.label_map->values[p], drawn = y.label_map->values[p];
        overlap.truth += truth != 0 ? 1 : 0;
        overlap.predicted += drawn != 0 ? 1 : 0;
        overlap.intersection += truth != 0 && truth == drawn ? 1 : 0;
      }
    }
    return overlap.iou() >= kLeastOverlap;
  };
  const auto ask = [&](Precision precision, std::optional<bool>& answer) -> Result<void> {
    auto found = agrees(precision);
    if (!found) return found.error();
    answer = *found;
    return {};
  };
  if (best_precision() == Precision::bf16)
    if (auto ok = ask(Precision::bf16, manifest.bf16_agrees); !ok) return ok;
  if (multiplies_int8())
    if (auto ok = ask(Precision::int8, manifest.int8_agrees); !ok) return ok;
  if (quickest_precision(manifest) == Precision::fp32)
    evaluation_.warnings.push_back(
        "The model is run in fp32, which takes more time: with fewer digits it decides otherwise on pictures near its "
        "threshold.");
  return {};
}

Result<void> Trainer::write(const std::filesystem::path& folder) {
  meter_.report("writing the model", 0.99);
  // The score is measured as the engine will measure it at load time: the picture has the model's input size already.
  Artifact at_input_size = artifact_;
  at_input_size.manifest.image_height = input_.height;
  at_input_size.manifest.image_width = input_.width;
  // The precision is the one in which everything was measured.
  const auto quickest = quickest_precision(artifact_.manifest);
  auto engine = Engine::create(at_input_size, std::min(quickest, Precision::bf16));
  if (!engine) return internal_error(engine.error().message);
  // The golden sample is a defect if there is one, because a defect moves through every part of the decision. A picture
  // that the model can judge is preferred: one that is hardly implausible may be plausible on another machine, whose
  // score would then differ.
  const bool has_defects = normals_.size() < pictures_.size();
  std::optional<RgbImage> golden;
  double score = 0;
  for (const auto& picture : pictures_) {
    if (picture.is_anomalous != has_defects) continue;
    auto loaded = load(picture);
    if (!loaded) return loaded.error();
    auto small = to_image(resize_to_planes(loaded->image, input_.height, input_.width));
    auto detection = (*engine)->detect(small);
    if (!detection) return internal_error(detection.error().message);
    if (golden && !detection->reason.empty()) continue;
    golden = std::move(small);
    score = detection->anomaly_score;
    if (detection->reason.empty()) break;
  }
  artifact_.tensors.insert_or_assign(
      "golden.0",
      Tensor::make({input_.height, input_.width, 3}, std::vector<float>(golden->pixels.begin(), golden->pixels.end())));
  blobs_.push_back({"golden.0"});
  artifact_.manifest.golden = {{"golden.0", score}};
  if (quickest == Precision::int8) {
    // A score far beyond the threshold moves in int8, although no verdict does. Other machines are to reach this one.
    auto quick = Engine::create(std::move(at_input_size), Precision::int8);
    if (!quick) return internal_error(quick.error().message);
    auto detection = (*quick)->detect(*golden);
    if (!detection) return internal_error(detection.error().message);
    artifact_.manifest.golden[0].int8_score = detection->anomaly_score;
  }
  if (auto ok = write_artifact(folder, artifact_.manifest, artifact_.tensors, blobs_); !ok) return ok;
  // What was written is read again, since hosts will read it.
  if (auto read = Engine::load(folder); !read) return internal_error(read.error().message);
  return {};
}

Result<Evaluation> train(const TrainingJob& job, const std::filesystem::path& model_folder, int threads,
                         const ProgressSink& progress) {
  const ThreadCount count(threads);
  return Trainer(job, ThreadCount::current(), progress).run(model_folder);
}

}  // namespace vedette
