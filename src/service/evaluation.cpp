// Implements the operations of the service `vedette` that return the results of a training.
#include <algorithm>

#include "base/text.hpp"
#include "service/extension.hpp"
#include "service/pagination.hpp"
#include "training/training.hpp"
#include "vision/artifact/artifact.hpp"

namespace vedette {
namespace {

/// Returns the name that the API gives to a figure that has an interval.
const char* interval_name(const std::string& name) {
  if (name == "image_auroc") return "ROCAUC";
  if (name == "precision") return "Precision";
  if (name == "recall") return "Recall";
  if (name == "false_alarm_rate") return "FalseAlarmRate";
  if (name == "expected_false_alarm_rate") return "ExpectedFalseAlarmRate";
  return nullptr;
}

extension::Evaluation to_wire(const Evaluation& e) {
  extension::Evaluation out;
  out.is_out_of_fold = e.is_out_of_fold;
  out.training_images = e.training_images;
  out.testing_images = e.testing_images;
  out.suspects = std::count_if(e.predictions.begin(), e.predictions.end(), [](const auto& p) { return p.is_suspect; });
  out.skipped = static_cast<std::int64_t>(e.skipped.size());
  out.seconds = e.seconds;
  out.metrics = {{"ROCAUC", e.image_auroc},
                 {"AveragePrecision", e.average_precision},
                 {"Precision", e.precision},
                 {"Recall", e.recall},
                 {"F1Score", e.f1},
                 {"FalseAlarmRate", e.false_alarm_rate},
                 {"ExpectedCalibrationError", e.ece},
                 {"BrierScore", e.brier},
                 {"PixelROCAUC", e.pixel_auroc},
                 {"PixelAveragePrecision", e.pixel_average_precision}};
  if (e.batches) out.batches = {e.batches->are_clear, e.batches->share, e.batches->known_auroc, e.batches->known_f1};
  for (const auto& [name, interval] : e.intervals)
    if (const char* known = interval_name(name)) out.intervals.push_back({known, interval.first, interval.second});
  for (const auto& l : e.labels) out.classes.push_back({l.name, l.precision, l.recall, l.f1, l.aiou});
  double verdict = 0, map = 0;
  for (const auto& c : e.contest) verdict += c.score_weight, map += c.map_weight;
  const auto share = [](double weight, double all) { return all > 0 ? weight / all : 0; };
  for (const auto& c : e.contest)
    out.contest.push_back({c.name, c.auroc, share(c.score_weight, verdict), share(c.map_weight, map)});
  out.warnings = e.warnings;
  return out;
}

extension::Evaluation::Stream to_wire(const StreamState& stream) {
  const auto* state = "UNKNOWN";
  switch (stream.kind) {
    case StreamState::Kind::unknown:
      break;
    case StreamState::Kind::too_few:
      state = "TOO_FEW_IMAGES";
      break;
    case StreamState::Kind::like_training:
      state = "LIKE_TRAINING";
      break;
    case StreamState::Kind::unlike_training:
      state = "UNLIKE_TRAINING";
      break;
  }
  return {state, stream.pictures, stream.differences};
}

extension::Evaluation::TrainingLooks to_wire(const TrainingLooks& looks) {
  extension::Evaluation::TrainingLooks out{looks.pictures, {}};
  const auto add = [&](Metric metric, const std::vector<double>& quantiles) {
    out.statistics.push_back(
        {std::string(to_text(metric)), quantile(quantiles, 0.05), quantile(quantiles, 0.5), quantile(quantiles, 0.95)});
  };
  add(Metric::anomaly_score, looks.anomaly_score);
  add(Metric::level, looks.level);
  add(Metric::brightness, looks.brightness);
  add(Metric::sharpness, looks.sharpness);
  return out;
}

/// Returns the picture at a place in the list that begins with the judged pictures and ends with the skipped ones.
extension::Evaluation::Picture picture_at(const Evaluation& e, std::size_t place) {
  if (place < e.predictions.size()) {
    const auto& p = e.predictions[place];
    return {p.source_ref, p.is_anomalous, p.called_anomalous, p.confidence, p.anomaly_score,
            p.fold,       p.is_suspect,   p.labels,           p.reason,     {}};
  }
  const auto& s = e.skipped[place - e.predictions.size()];
  return {s.source_ref, {}, {}, {}, {}, {}, {}, {}, {}, s.reason};
}

}  // namespace

Result<EvaluationPage> describe_evaluation(ExtensionServices& services, const CallContext& call,
                                           const lookoutvision::ModelRequest& request,
                                           const lookoutvision::PageRequest& page) {
  auto model = services.lookout_vision.describe_model(call, request);
  if (!model) return model.error();
  const auto version = std::to_string(model->version);
  const std::string query = "DescribeModelEvaluation/" + model->uid;
  const auto after = read_page_token(query, page.next_token);
  if (!after) return after.error();
  const auto named = "The model version " + version + " of the project " + model->project;
  if (!model->evaluation_end || model->status == ModelStatus::deleting)
    return not_found("MODEL", version,
                     named + " is " + std::string(to_text(model->status)) + ": it has no evaluation.");
  const auto text = services.models.evaluation(model->uid);
  if (!text && text.error().kind == ErrorKind::not_found)
    return not_found("MODEL", version, named + " was trained before evaluations were kept: there is none of it.");
  if (!text) return text.error();
  const auto evaluation = parse_evaluation(*text);
  if (!evaluation) return evaluation.error();
  const auto all = evaluation->predictions.size() + evaluation->skipped.size();
  const auto first = std::min(static_cast<std::size_t>(after->empty() ? 0 : parse_integer(*after).value_or(0)), all);
  const auto last = std::min(first + static_cast<std::size_t>(page.max_results), all);
  EvaluationPage out{std::move(*model), to_wire(*evaluation), ""};
  const auto manifest = services.models.manifest(out.model.uid);
  if (!manifest && manifest.error().kind == ErrorKind::unavailable) return manifest.error();
  if (const auto parsed = manifest ? parse_manifest(*manifest) : Result<Manifest>(manifest.error());
      parsed && parsed->looks)
    out.evaluation.looks = to_wire(*parsed->looks);
  if (const auto stream = services.lookout_vision.stream(out.model)) out.evaluation.stream = to_wire(*stream);
  for (auto place = first; place < last; ++place) out.evaluation.pictures.push_back(picture_at(*evaluation, place));
  if (last < all) out.next_token = make_page_token(query, std::to_string(last));
  return out;
}

}  // namespace vedette
