#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "vision/image/image.hpp"

/// Procedural pictures of machined parts, with exact masks: the sample set, and later the backbone's pretraining.
/// Deterministic by seed. Pure functions; any thread.
namespace vedette::render {

enum class Defect { scratch, dent, stain, missing_hole };
inline constexpr std::array kDefects = {Defect::scratch, Defect::dent, Defect::stain, Defect::missing_hole};

struct DefectLabel {
  const char* name;   ///< as the API allows label names: letters and digits
  const char* color;  ///< "#rrggbb"
};
DefectLabel label_of(Defect defect);

struct Picture {
  RgbImage image;           ///< 640 × 480
  Grid<std::uint8_t> mask;  ///< 1 where the defect is
};

/// A turned steel flange with six bolt holes on a conveyor belt, seen from above. Pose, light, belt, machining marks,
/// focus and sensor noise vary with the seed; at most one defect.
Picture render_flange(std::uint64_t seed, std::optional<Defect> defect);

/// Writes a set of `count` pictures (two thirds to train, one third to test, half of each defective) as JPEG with PNG
/// masks and Ground Truth manifests with relative references:
///   manifests/{train,test}.manifest  training-images/  test-images/  mask-images/
/// `progress` is called after each picture, from any thread. Fails with invalid_input if count < 60, else if a file
/// cannot be written.
Result<void> write_sample(const std::filesystem::path& folder, std::uint64_t seed, int count, int threads,
                          const std::function<void(int done)>& progress);

}  // namespace vedette::render
