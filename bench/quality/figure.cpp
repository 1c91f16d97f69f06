#include "figure.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/files.hpp"
#include "vision/assess/assess.hpp"

namespace vedette::bench {
namespace {

constexpr int kPanelWidth = 240, kGap = 6, kQuality = 88;
constexpr std::size_t kMostRows = 4;
constexpr double kWarm = 1.5, kHot = 6;  // Heights of the anomaly map at which colour begins and is full.

/// Returns the picture at the size of a panel, faded to grey where an overlay shall be seen.
RgbImage panel_of(const RgbImage& image, int height, bool is_faded) {
  const auto planes = resize_to_planes(image, height, kPanelWidth);
  const auto plane = static_cast<std::size_t>(height) * kPanelWidth;
  RgbImage out{.height = height, .width = kPanelWidth, .pixels = std::vector<std::uint8_t>(3 * plane)};
  for (std::size_t i = 0; i < plane; ++i) {
    const float grey = (planes.values[i] + planes.values[plane + i] + planes.values[2 * plane + i]) / 3;
    for (std::size_t c = 0; c < 3; ++c) {
      const float value = is_faded ? 0.25F + 0.6F * grey : planes.values[c * plane + i];
      out.pixels[3 * i + c] = static_cast<std::uint8_t>(std::lround(255 * std::clamp(value, 0.0F, 1.0F)));
    }
  }
  return out;
}

void mix(std::uint8_t* pixel, const std::array<double, 3>& color, double share) {
  for (std::size_t c = 0; c < 3; ++c)
    pixel[c] = static_cast<std::uint8_t>(std::lround((1 - share) * pixel[c] + share * color[c]));
}

RgbImage map_panel(const RgbImage& image, int height, const Grid<float>& anomaly_map) {
  auto out = panel_of(image, height, true);
  const auto map = resize_map(anomaly_map, height, kPanelWidth);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < kPanelWidth; ++x) {
      const double heat = std::clamp((map.at(y, x) - kWarm) / (kHot - kWarm), 0.0, 1.0);
      mix(out.at(y, x), {255, 210 * (1 - heat), 0}, 0.85 * std::sqrt(heat));
    }
  return out;
}

RgbImage mask_panel(const RgbImage& image, int height, const Grid<std::uint8_t>& labels,
                    const std::array<double, 3>& color) {
  auto out = panel_of(image, height, true);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < kPanelWidth; ++x)
      if (labels.at(y * labels.height / height, x * labels.width / kPanelWidth) != 0) mix(out.at(y, x), color, 0.8);
  return out;
}

/// Returns the anomalous pictures to show: the first of each label, then further ones.
std::vector<const TrainingPicture*> choose(const Samples& test) {
  std::vector<const TrainingPicture*> out;
  std::set<std::string> shown;
  for (const bool wants_new_label : {true, false})
    for (const auto& sample : test) {
      if (out.size() == kMostRows) return out;
      if (!*sample.is_anomalous || std::find(out.begin(), out.end(), &sample) != out.end()) continue;
      const auto named = std::find_if(sample.mask_colors.begin(), sample.mask_colors.end(),
                                      [](const auto& c) { return c.name != "BACKGROUND"; });
      const bool is_new = named != sample.mask_colors.end() && shown.insert(named->name).second;
      if (is_new || !wants_new_label) out.push_back(&sample);
    }
  return out;
}

}  // namespace

void draw_figure(const std::filesystem::path& file, const Engine& engine, const Samples& test) {
  const auto& m = engine.manifest();
  const auto labels = m.segmentation ? m.segmentation->labels : std::vector<Label>{};
  std::vector<std::vector<RgbImage>> rows;
  const int height = kPanelWidth * m.image_height / m.image_width;
  for (const auto* sample : choose(test)) {
    const auto loaded = required(load_picture(*sample, labels, m.image_height, m.image_width, false, {}, {}));
    const auto detection = required(engine.detect(loaded.image));
    auto& row = rows.emplace_back();
    row.push_back(panel_of(loaded.image, height, false));
    row.push_back(map_panel(loaded.image, height, detection.anomaly_map));
    if (!detection.label_map || !loaded.truth) continue;
    row.push_back(mask_panel(loaded.image, height, *detection.label_map, {255, 80, 0}));
    row.push_back(mask_panel(loaded.image, height, *loaded.truth, {0, 160, 255}));
  }
  if (rows.empty()) return;
  const auto columns = static_cast<int>(rows.front().size()), count = static_cast<int>(rows.size());
  RgbImage sheet{
      .height = count * (height + kGap) - kGap, .width = columns * (kPanelWidth + kGap) - kGap, .pixels = {}};
  sheet.pixels.assign(3 * static_cast<std::size_t>(sheet.height) * static_cast<std::size_t>(sheet.width), 255);
  for (int r = 0; r < count; ++r)
    for (int c = 0; c < columns && c < static_cast<int>(rows[static_cast<std::size_t>(r)].size()); ++c) {
      const auto& panel = rows[static_cast<std::size_t>(r)][static_cast<std::size_t>(c)];
      for (int y = 0; y < height; ++y)
        std::copy_n(panel.at(y, 0), 3 * kPanelWidth, sheet.at(r * (height + kGap) + y, c * (kPanelWidth + kGap)));
    }
  required(write_file_atomically(file, as_text(required(encode_jpeg(sheet, kQuality)))));
}

}  // namespace vedette::bench
