#include <cmath>

#include "base/log.hpp"
#include "base/text.hpp"
#include "service/service.hpp"
#include "vision/image/image.hpp"
#include "vision/verdict/verdict.hpp"

namespace vedette {
namespace {

constexpr std::size_t kLargestMask = 5'242'880;  // the most bytes of PNG that the API model allows for a mask

Result<ImageFormat> parse_content_type(std::string_view content_type) {
  const auto type = trim(content_type.substr(0, content_type.find(';')));
  if (equals_ignore_case(type, "image/jpeg")) return ImageFormat::jpeg;
  if (equals_ignore_case(type, "image/png")) return ImageFormat::png;
  return invalid_input("content-type must be one of the following. image/jpeg, image/png");
}

/// Finds the faults of a picture that can be found without a model.
Result<void> check_picture(ImageFormat format, std::span<const std::uint8_t> image) {
  const auto header = read_image_header(image);
  if (!header) return header.error();
  if (header->format != format) return invalid_input("The image is not of the type that content-type names.");
  return {};
}

}  // namespace

Error LookoutVision::not_hosted(const Model& model) {
  return conflict("MODEL", std::to_string(model.version),
                  "The model is " + std::string(to_text(model.status)) + "; start it first.");
}

Result<ModelLease> LookoutVision::lease_or_pass_on(const CallContext& call, const Model& model) {
  if (call.pass_on != nullptr && model.status == ModelStatus::hosted) {
    call.pass_on->nodes = hosting_.better_nodes(model);
    if (!call.pass_on->nodes.empty()) return fail(ErrorKind::unavailable, "Another node hosts the model.");
  }
  return hosting_.lease_to_look(model);
}

Result<void> LookoutVision::decide_now(Verdict& verdict, const Model& model, const Manifest& manifest,
                                       const std::optional<MovedThreshold>& moved,
                                       const VerifiedPictureRepository::Revision& verified) {
  const double threshold = moved ? moved->threshold : manifest.threshold;
  if (moved) move_threshold(verdict, manifest, threshold);
  if (verified.count == 0) return {};
  const auto corrections = corrections_.of(model.uid, verified, threshold);
  if (!corrections) return corrections.error();
  correct(verdict, manifest, threshold, **corrections);
  return {};
}

Result<lookoutvision::DetectionResult> LookoutVision::detect_anomalies(const CallContext& call,
                                                                       const lookoutvision::ModelRequest& request,
                                                                       std::string_view content_type,
                                                                       std::span<const std::uint8_t> image) {
  const auto format = parse_content_type(content_type);
  if (!format) return format.error();
  auto work = metadata_.read();
  auto model = find_model(*work, call.scope, request);
  if (!model) return model.error();
  // The metadata are asked in each call, so a moved threshold works at once on every node.
  const auto moved = work->models().threshold(model->uid);
  const auto verified = work->verified_pictures().revision(model->uid);
  work.reset();
  const auto version = std::to_string(model->version);
  const auto count = [&](Metric metric, double value) {
    metrics_.add(call.scope, model->project, version, metric, value);
  };
  if (model->status != ModelStatus::hosted) return not_hosted(*model);
  if (auto ok = check_picture(*format, image); !ok) {
    count(Metric::invalid_image_count, 1);
    return ok.error();
  }
  auto lease = lease_or_pass_on(call, *model);
  if (!lease) return lease.error();
  const auto start = std::chrono::steady_clock::now();
  auto verdict = hosting_.judge(*lease, image, call.abandoned, verified.count > 0);
  if (!verdict) {
    if (verdict.error().kind == ErrorKind::invalid_input) count(Metric::invalid_image_count, 1);
    if (verdict.error().kind == ErrorKind::throttled && call.pass_on != nullptr)
      call.pass_on->nodes = hosting_.other_hosts(*model);
    return verdict.error();
  }
  const std::chrono::duration<double, std::milli> elapsed = std::chrono::steady_clock::now() - start;
  count(Metric::time, elapsed.count());
  count(Metric::processed_image_count, 1);
  if (const auto change = lease->stream->add({verdict->anomaly_score, verdict->statistics})) {
    const bool has_left = change->kind == StreamState::Kind::unlike_training;
    log::warning(has_left ? "pictures unlike the training" : "pictures like the training again",
                 {{"model", model_arn(call.scope, model->project, model->version)}, {"reason", describe(*change)}});
  }
  if (auto ok = decide_now(*verdict, *model, lease->engine->manifest(), moved, verified); !ok) return ok.error();
  count(Metric::detected_anomaly_count, verdict->is_anomalous ? 1 : 0);
  const auto count_look = [&](Metric metric, double value) {
    if (std::isfinite(value)) count(metric, value);  // Only a broken model makes other numbers, and they have no sum.
  };
  // The scores of anomalous pictures lie so high that a few of them would hide in the mean what the others are like;
  // that of a corrected picture says what a person said.
  if (!verdict->is_anomalous && verdict->corrected_by.empty())
    count_look(Metric::anomaly_score, verdict->anomaly_score);
  count_look(Metric::level, verdict->statistics.level);
  count_look(Metric::brightness, verdict->statistics.brightness);
  count_look(Metric::sharpness, verdict->statistics.sharpness);
  lookoutvision::DetectionResult result;
  result.is_anomalous = verdict->is_anomalous;
  result.confidence = static_cast<float>(verdict->confidence);
  // The names of pictures are not for everybody who may have pictures judged.
  if (authorize(call.caller, "vedette:ListModelCorrections", model_arn(call.scope, model->project, model->version)))
    result.corrected_by = verdict->corrected_by;
  for (const auto& stage : verdict->stages) result.timing.emplace_back(stage.name, stage.ms);
  if (verdict->label_map) {
    if (verdict->mask_png.size() > kLargestMask) return internal_error("The anomaly mask exceeds 5 MiB.");
    auto& segmentation = result.segmentation.emplace();
    segmentation.mask_png = std::string(as_text(verdict->mask_png));
    for (auto& area : verdict->areas)
      segmentation.anomalies.push_back(
          {std::move(area.name), std::move(area.color), static_cast<float>(area.fraction)});
  }
  return result;
}

}  // namespace vedette
