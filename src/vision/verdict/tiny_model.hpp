#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "vision/artifact/artifact.hpp"
#include "vision/image/image.hpp"

/// A model for tests, whose verdict anybody can work out.
namespace vedette {

inline constexpr int kTinySide = 64;  ///< height and width of its pictures

/// Writes a model that calls a picture anomalous if ln(1 + its red, 0 … 1) reaches the threshold: with 0.6, a red of 255
/// is anomalous and one of 128 is not. It also holds `bytes` of weights that no
/// operation uses and that are the same in models of equal `weight`.
inline Result<void> write_tiny_model(const std::filesystem::path& folder, double threshold, std::size_t bytes = 1024,
                                     float weight = 0.3F) {
  Manifest m;
  m.image_height = m.image_width = m.input_height = m.input_width = kTinySide;
  m.graph = {{"average_pool", "cells", {"image"}, {}, {{"size", 8}}},
             {"slice", "map", {"cells"}, {}, {{"channel", 0}}},
             {"scale_cells", "scaled", {"map"}, {{"factors", "factors"}}, {}}};
  m.folds = 1;
  m.contestants = {
      {.name = "red", .maps = {"scaled"}, .pools = {{.fraction = 1.0 / 64, .weight = 1}}, .map_weight = 1}};
  m.threshold = threshold;
  m.confidence_slope = 1;
  m.confidence_limit = 0.9;
  const std::map<std::string, Tensor> tensors = {
      {"factors", Tensor::make({8, 8}, std::vector<float>(64, 1.0F))},
      {"weight", Tensor::make({static_cast<std::int64_t>(bytes / 4)}, std::vector<float>(bytes / 4, weight))}};
  return write_artifact(folder, m, tensors, {{"factors"}, {"weight"}});
}

/// A picture in which red is the same everywhere, and green and blue are 0.
inline RgbImage red_picture(std::uint8_t red, int side = kTinySide) {
  RgbImage image{side, side, {}};
  for (int i = 0; i < side * side; ++i)
    for (const auto value : {red, std::uint8_t{0}, std::uint8_t{0}}) image.pixels.push_back(value);
  return image;
}

}  // namespace vedette
