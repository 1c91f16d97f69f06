#include "annotations/labels.hpp"

#include <algorithm>
#include <cmath>

namespace vedette {
namespace {

constexpr std::size_t kLongestLabel = 64;
constexpr const char* kNameless = "defect";  ///< what a label without letters and digits becomes

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/// A colour of the given hue in degrees, full saturation and the given brightness 0 … 1 (the HSV cone).
Rgb hue_color(double hue, double brightness) {
  const auto channel = [&](double n) {
    const double k = std::fmod(n + hue / 60, 6);
    return static_cast<std::uint8_t>(std::lround(255 * brightness * (1 - std::max(0.0, std::min({k, 4 - k, 1.0})))));
  };
  return {channel(5), channel(3), channel(1)};
}

}  // namespace

LabelTable::LabelTable(const std::vector<std::pair<std::string, std::string>>& colors) {
  for (const auto& [name, text] : colors)
    if (const auto color = parse_color(text)) wishes_.emplace(name, *color);
}

Rgb LabelTable::choose_color(const std::string& source) {
  const auto wish = wishes_.find(source);
  if (wish != wishes_.end() && taken_.insert(wish->second).second) return wish->second;
  // Hues that follow each other lie a golden angle apart, so that neighbours in the list look different.
  constexpr double kGoldenAngle = 137.50776;
  for (int i = 0;; ++i) {
    const auto color = hue_color(std::fmod(i * kGoldenAngle, 360), i % 3 == 0 ? 0.9 : i % 3 == 1 ? 0.7 : 0.5);
    if (taken_.insert(color).second) return color;
  }
}

std::optional<std::uint8_t> LabelTable::number_of(const std::string& source) {
  if (const auto it = numbers_.find(source); it != numbers_.end()) return it->second;
  if (labels_.size() >= kMostProjectLabels) return std::nullopt;
  std::string plain;
  std::copy_if(source.begin(), source.end(), std::back_inserter(plain), is_plain);
  plain.resize(std::min(plain.size(), kLongestLabel));
  if (plain.empty()) plain = kNameless;
  auto name = plain;
  for (int i = 2; !names_.insert(to_lower(name)).second; ++i) name = plain + std::to_string(i);
  const auto color = choose_color(source);
  labels_.push_back({source, name, to_text(color)});
  colors_.push_back(color);
  const auto number = static_cast<std::uint8_t>(labels_.size());
  numbers_.emplace(source, number);
  return number;
}

bool is_background_label(std::string_view label) {
  return equals_ignore_case(label, "background") || equals_ignore_case(label, "_background_") ||
         equals_ignore_case(label, "__ignore__");
}

}  // namespace vedette
