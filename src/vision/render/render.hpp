#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "vision/image/image.hpp"

/// Renders procedural pictures of machined parts with exact masks: the sample set. The seed determines the pictures.
/// The functions are pure; any thread may call them.
namespace vedette::render {

enum class Defect { scratch, dent, stain, missing_hole };
inline constexpr std::array kDefects = {Defect::scratch, Defect::dent, Defect::stain, Defect::missing_hole};

struct DefectLabel {
  const char* name;   ///< The name has letters and digits only, as the API allows label names.
  const char* color;  ///< "#rrggbb"
};
DefectLabel label_of(Defect defect);

struct Picture {
  RgbImage image;           ///< 640 × 480 pixels
  Grid<std::uint8_t> mask;  ///< 1 where the defect is, otherwise 0
};

/// Renders a turned steel flange with six bolt holes on a conveyor belt, seen from above. Pose, light, belt, machining
/// marks, focus and sensor noise vary with the seed. The part has at most one defect.
Picture render_flange(std::uint64_t seed, std::optional<Defect> defect);

/// Writes a set of `count` pictures as JPEG, with PNG masks and with Ground Truth manifests whose references are
/// relative. Two thirds are for training and one third for testing; half of each are defective.
///   manifests/{train,test}.manifest  training-images/  test-images/  mask-images/
/// `progress` is called after each picture, from any thread. Fails with invalid_input if count < 60, and with internal
/// if a file cannot be written.
Result<void> write_sample(const std::filesystem::path& folder, std::uint64_t seed, int count, int threads,
                          const std::function<void(int done)>& progress);

}  // namespace vedette::render
