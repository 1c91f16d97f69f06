#include <fmt/format.h>

#include <algorithm>

#include "vision/infer/graph.hpp"
#include "vision/learn/detectors/detector.hpp"
#include "vision/learn/patch_mixture.hpp"
#include "vision/learn/pools.hpp"

namespace vedette {
namespace {

constexpr int kSide = 8, kStride = 4;  // Of patches, in pixels of the close picture.
constexpr std::size_t kChannels = kSide * kSide;
constexpr std::size_t kPatches = 300'000, kMostOfPicture = 20'000;
constexpr double kMapBlur = 1;               // In patches.
constexpr double kSpot = 1, kWiderSpot = 8;  // Patches that a tiny defect covers.

class CloseLook final : public Detector {
 public:
  [[nodiscard]] const char* name() const override { return "close_look"; }
  /// The oddest spot counts, however the rest of the picture looks.
  [[nodiscard]] bool is_default(const Pool& pool, const InputSize& input) const override {
    return pool.level_exponent == 0 && pool.fraction * cells(input) <= kWiderSpot + 0.5;
  }
  void see(const Workshop& w, std::size_t normal, const PictureFeatures& features) override;
  Result<void> fit(Workshop& w) override;

 private:
  static double cells(const InputSize& input) {
    return (static_cast<double>(input.close_height - kSide) / kStride + 1) *
           (static_cast<double>(input.close_width - kSide) / kStride + 1);
  }
  std::vector<float> patches_;           // [patches, kChannels]
  std::vector<std::size_t> picture_of_;  // The good picture of each patch; its fold is chosen later.
};

void CloseLook::see(const Workshop& w, std::size_t normal, const PictureFeatures& features) {
  if (features.close.empty()) return;
  Random random = w.random.fork(3'000'000 + normal);
  const auto height = static_cast<std::size_t>(w.input.close_height),
             width = static_cast<std::size_t>(w.input.close_width);
  const auto count = std::clamp<std::size_t>(kPatches / w.normals.size(), 1, kMostOfPicture);
  for (std::size_t i = 0; i < count; ++i) {
    const auto top = random.below(height - kSide + 1), left = random.below(width - kSide + 1);
    for (std::size_t y = 0; y < kSide; ++y) {
      const auto row = features.close.begin() + static_cast<std::ptrdiff_t>((top + y) * width + left);
      patches_.insert(patches_.end(), row, row + kSide);
    }
    picture_of_.push_back(normal);
  }
}

Result<void> CloseLook::fit(Workshop& w) {
  if (patches_.empty()) return {};
  std::vector<std::int64_t> fold_of;
  for (const auto normal : picture_of_) fold_of.push_back(w.pictures[w.normals[normal]].fold);
  const auto mixture = fit_patch_mixture(patches_, kChannels, fold_of, w.folds, w.random.fork(400).next(), w.threads);
  std::vector<float>().swap(patches_);
  auto& graph = w.artifact.manifest.graph;
  graph.push_back({kClosePicture, "close", {}, {}, {{"height", w.input.close_height}, {"width", w.input.close_width}}});
  graph.push_back({"light_normalize", "close_light", {"close"}, {}, {{"sigma", kCloseLightSigma}}});
  graph.push_back({"patch_mixture",
                   "close_distance",
                   {"close_light"},
                   {{"centers", w.keep("close.centers", mixture.centers)},
                    {"whitening", w.keep("close.whitening", mixture.whitening)},
                    {"basis", w.keep("close.basis", mixture.basis)},
                    {"weight", w.keep("close.weight", mixture.weight)},
                    {"scale", w.keep("close.scale", mixture.scale)},
                    {"offset", w.keep("close.offset", mixture.offset)}},
                   {{"side", kSide}, {"stride", kStride}}});
  Contestant contestant{.name = name(), .maps = {}, .pools = {}};
  for (std::int64_t fold = 0; fold < w.folds; ++fold) {
    const auto own = fmt::format("close.{}", fold);
    graph.push_back({"slice", own, {"close_distance"}, {}, {{"channel", static_cast<double>(fold)}}});
    graph.push_back({"blur", own + ".map", {own}, {}, {{"sigma", kMapBlur}}});
    contestant.maps.push_back(own + ".map");
  }
  for (const double exponent : {0.0, 0.5})
    for (const double fraction : {kSpot / cells(w.input), kWiderSpot / cells(w.input), 0.002, 0.02})
      contestant.pools.push_back({.fraction = fraction, .level_exponent = exponent});
  w.enter(*this, std::move(contestant));
  return {};
}

}  // namespace

std::unique_ptr<Detector> make_close_look() {
  return std::make_unique<CloseLook>();
}

}  // namespace vedette
