#pragma once

#include <string>

#include "vision/artifact/artifact.hpp"
#include "vision/image/image.hpp"

/// Is this a picture of what the model knows? A black frame, a defocused lens or another part must not pass as good only because no
/// single place stands out. Pure functions.
namespace vedette {

struct PictureStatistics {
  double brightness = 0;  ///< mean of all channels, 0 … 1
  /// Energy of edges over variance, of cells of 4 × 4 pixels: falls with blur, not with contrast; 0 if flat.
  double sharpness = 0;
  double beyond_range = 0;  ///< RgbImage::beyond_range; set by Engine::measure
  double level = 0;         ///< level_of(): it depends on the folds that judge; set by whoever decides
};
/// Brightness and sharpness of a picture [3, height, width], 0 … 1, of at least 32 × 32 pixels.
PictureStatistics describe_picture(const float* rgb, int height, int width);
inline PictureStatistics describe_picture(const Planes& planes) {
  return describe_picture(planes.values.data(), planes.height, planes.width);
}

/// Why the picture is none the model can judge, as a sentence for people; empty if it is.
std::string implausible_because(const Plausibility& limits, const PictureStatistics& picture);

}  // namespace vedette
