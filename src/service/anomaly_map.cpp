// Implements the operation ComputeAnomalyMap of the service `vedette`.
#include <algorithm>
#include <cmath>

#include "api/vedette/messages.hpp"
#include "base/text.hpp"
#include "service/read_picture.hpp"
#include "service/service.hpp"
#include "vision/image/grey_png.hpp"
#include "vision/image/image.hpp"
#include "vision/verdict/verdict.hpp"

namespace vedette {
namespace {

constexpr double kGreyAtThreshold = 128, kGreysPerDoubling = 32;

/// Returns the value of the anomaly map from which the model's masks mark: the lowest of its labels. A model without
/// masks has none, so it is the height that good pictures reach.
double mask_threshold(const Manifest& manifest) {
  if (!manifest.segmentation) return 1;
  double lowest = manifest.segmentation->thresholds.front().map;
  for (const auto& t : manifest.segmentation->thresholds) lowest = std::min(lowest, t.map);
  return lowest > 0 ? lowest : 1;
}

/// The scale is logarithmic, because the values of defects lie far apart, and what matters is how far they stand above
/// the threshold.
std::uint8_t grey_of(float value, double threshold) {
  const double grey = kGreyAtThreshold + kGreysPerDoubling * std::log2(static_cast<double>(value) / threshold);
  if (!(grey > 0)) return 0;  // also of a value that is 0, or no number
  return static_cast<std::uint8_t>(std::min(std::floor(grey), 255.0));
}

}  // namespace

Result<extension::AnomalyMap> LookoutVision::compute_anomaly_map(const CallContext& call,
                                                                 const extension::AnomalyMapRequest& request) {
  Result<Model> model = internal_error("");
  std::optional<MovedThreshold> moved;
  VerifiedPictureRepository::Revision verified;
  {
    auto work = metadata_.read();
    model = find_model(*work, call.scope, request.model);
    if (!model) return model.error();
    if (model->status != ModelStatus::hosted) return not_hosted(*model);
    moved = work->models().threshold(model->uid);
    verified = work->verified_pictures().revision(model->uid);
  }
  const auto bytes = read_picture(objects_, call.caller, request.source_ref);
  if (!bytes) return bytes.error();
  const auto header = read_image_header(as_bytes(*bytes));
  if (!header) return header.error();
  auto lease = hosting_.lease(*model);
  if (!lease) return lease.error();
  auto verdict = hosting_.judge(*lease, as_bytes(*bytes), call.abandoned, verified.count > 0);
  if (!verdict) return verdict.error();
  const auto& manifest = lease->engine->manifest();
  if (auto ok = decide_now(*verdict, *model, manifest, moved, verified); !ok) return ok.error();
  const double threshold = mask_threshold(manifest);
  const auto& map = verdict->anomaly_map;
  Grid<std::uint8_t> grey(map.height, map.width);
  std::transform(map.values.begin(), map.values.end(), grey.values.begin(),
                 [&](float value) { return grey_of(value, threshold); });
  const auto png = encode_grey_png(grey);
  if (!png) return png.error();
  extension::AnomalyMap out;
  out.height = header->height;
  out.width = header->width;
  out.map_height = map.height;
  out.map_width = map.width;
  out.png = as_text(*png);
  out.map_threshold = static_cast<int>(kGreyAtThreshold);
  out.is_anomalous = verdict->is_anomalous;
  out.confidence = verdict->confidence;
  out.anomaly_score = verdict->anomaly_score;
  out.threshold = moved ? moved->threshold : manifest.threshold;
  out.corrected_by = std::move(verdict->corrected_by);
  return out;
}

}  // namespace vedette
