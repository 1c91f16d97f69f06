// Describes one picture, and looks at one mask.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/digest.hpp"
#include "vision/backbone/backbone.hpp"
#include "vision/dataset_check/dataset_check.hpp"
#include "vision/image/mask_file.hpp"
#include "vision/infer/graph.hpp"
#include "vision/infer/plausibility.hpp"

namespace vedette::dataset_check {
namespace {

// What a training works on (vision/learn/features.hpp): with as many pixels, brightness and sharpness are the numbers
// that a model compares with its training.
constexpr double kStatisticsPixels = 307'200;
// The side of the square at which the backbone sees the picture. It does not depend on the picture, so that pictures
// of all sizes can be compared.
constexpr int kFeatureSide = 320;
constexpr double kTopShare = 0.02;
constexpr SizeLimits kMaskLimits{1, 4096};

/// Returns a size with the picture's aspect, of about kStatisticsPixels or the picture's own, and multiples of 4.
std::pair<int, int> statistics_size(int height, int width) {
  const double scale = std::min(1.0, std::sqrt(kStatisticsPixels / (static_cast<double>(height) * width)));
  const auto side = [&](int pixels) { return std::max(32, static_cast<int>(pixels * scale) / 4 * 4); };
  return {side(height), side(width)};
}

std::vector<std::uint16_t> thumbnail_of(const RgbImage& image) {
  const auto small = resize_to_planes(image, kThumbnailSide, kThumbnailSide);
  std::vector<std::uint16_t> out(static_cast<std::size_t>(kThumbnailSide * kThumbnailSide));
  for (std::size_t i = 0; i < out.size(); ++i) {
    const float grey = (small.values[i] + small.values[out.size() + i] + small.values[2 * out.size() + i]) / 3;
    out[i] = static_cast<std::uint16_t>(std::lround(std::clamp(grey, 0.0F, 1.0F) * 65'535.0F));
  }
  return out;
}

}  // namespace

struct Describer::State {
  State(std::vector<Node> nodes, std::map<std::string, Tensor> tensors)
      : graphs(std::move(nodes), std::move(tensors), {"described"}) {}
  GraphPool graphs;
};

Describer::Describer() {
  const auto& backbone = shipped_backbone();
  std::vector<Node> nodes = {{"light_normalize", "light", {"image"}, {}, {{"sigma", kLightSigma}}},
                             {"affine", "entered", {"light"}, {}, {{"scale", backbone.gain}, {"offset", 0}}}};
  const auto maps = backbone.append(nodes, "", "entered");
  nodes.push_back({"upsample", "wide", {maps[2]}, {}, {{"factor", 2}}});
  nodes.push_back({"concatenate", "joined", {maps[1], "wide"}, {}, {}});
  nodes.push_back({"tokens", "rows", {"joined"}, {}, {}});
  nodes.push_back({"summarize_rows", "described", {"rows"}, {}, {{"share", kTopShare}}});
  state_ = std::make_unique<State>(std::move(nodes), backbone.tensors);
}
Describer::~Describer() = default;

Result<Look> Describer::look_at(std::span<const std::uint8_t> picture) const {
  const auto header = read_image_header(picture);
  if (!header) return header.error();
  const auto [height, width] = statistics_size(header->height, header->width);
  const auto image = decode_image(picture, {}, {std::max(height, kFeatureSide), std::max(width, kFeatureSide)});
  if (!image) return image.error();
  Look out;
  out.height = header->height;
  out.width = header->width;
  const auto digest = sha256(image->pixels);
  out.digest.assign(digest.begin(), digest.end());
  const auto statistics = describe_picture(resize_to_planes(*image, height, width));
  out.brightness = static_cast<float>(statistics.brightness);
  out.sharpness = static_cast<float>(statistics.sharpness);
  out.thumbnail = thumbnail_of(*image);
  auto graph = state_->graphs.take(kFeatureSide, kFeatureSide);
  if (!graph) return graph.error();
  (*graph)->run(resize_to_planes(*image, kFeatureSide, kFeatureSide));
  out.features = (*graph)->output("described").copy();
  state_->graphs.give_back(std::move(*graph));
  return out;
}

MaskLook look_at_mask(std::span<const std::uint8_t> mask, std::span<const MaskLabel> colors, int height, int width) {
  const auto trouble = [](FindingKind kind, std::string detail) {
    return MaskLook{MaskTrouble{kind, std::move(detail)}, {}};
  };
  const auto header = read_image_header(mask);
  if (!header || header->format != ImageFormat::png)
    return trouble(FindingKind::unreadable_mask, "The mask is not a PNG image.");
  if (header->height != height || header->width != width)
    return trouble(FindingKind::other_mask_size, fmt::format("The mask has {}x{} pixels, the picture {}x{}.",
                                                             header->width, header->height, width, height));
  const auto image = decode_image(mask, kMaskLimits);
  if (!image) return trouble(FindingKind::unreadable_mask, "The mask cannot be read: " + image.error().message);
  const auto split = split_mask(*image, colors);
  if (!split) return trouble(FindingKind::unknown_mask_color, "In its mask: " + split.error().message + ".");
  std::vector<std::int64_t> pixels(colors.size() + 1);
  for (const auto value : split->values) ++pixels[value];
  MaskLook out;
  for (std::size_t i = 0; i < colors.size(); ++i)
    if (pixels[i + 1] > 0) out.labels.push_back(colors[i].name);
  const auto all = static_cast<double>(split->values.size());
  if (out.labels.empty()) return trouble(FindingKind::empty_mask, "The mask marks nothing.");
  const double marked = 1 - static_cast<double>(pixels[0]) / all;
  if (marked > kMostMarked)
    return trouble(FindingKind::full_mask, fmt::format("The mask marks {:.0f} % of the picture.", 100 * marked));
  return out;
}

}  // namespace vedette::dataset_check
