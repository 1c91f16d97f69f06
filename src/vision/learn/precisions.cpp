#include "vision/learn/precisions.hpp"

#include <optional>
#include <vector>

#include "base/parallel.hpp"
#include "vision/evaluate/evaluate.hpp"

namespace vedette {
namespace {

constexpr double kLeastOverlap = 0.9;  // The least IoU of what two precisions draw.

}  // namespace

void side_by_side(std::size_t count, int strands, const std::function<void(std::size_t)>& work) {
  if (strands > 1) return run_parallel(count, strands, work);
  for (std::size_t i = 0; i < count; ++i) work(i);
}

Result<void> compare_precisions(Artifact& artifact, std::span<const RgbImage> pictures, int strands) {
  auto& manifest = artifact.manifest;
  using Detections = std::vector<std::optional<Detection>>;
  const auto judge = [&](Precision precision) -> Result<Detections> {
    auto engine = Engine::create(artifact, precision);
    if (!engine) return internal_error(engine.error().message);
    Detections out(pictures.size());
    std::vector<std::optional<Error>> failures(pictures.size());
    side_by_side(pictures.size(), strands, [&](std::size_t i) {
      auto detection = (*engine)->detect(pictures[i]);
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
    for (std::size_t i = 0; i < pictures.size(); ++i) {
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
  return {};
}

}  // namespace vedette
