#pragma once

#include <string>

#include "vision/artifact/artifact.hpp"
#include "vision/image/image.hpp"

/// Tells whether a picture shows what the model knows. A black frame, a defocused lens or another part must not pass as
/// good only because no single place stands out. The functions are pure.
namespace vedette {

struct PictureStatistics {
  double brightness = 0;  ///< The mean of all channels, 0 … 1.
  /// The energy of edges over the variance, of cells of 4 × 4 pixels. It falls with blur and not with contrast; it is 0
  /// if the picture is flat.
  double sharpness = 0;
  double beyond_range = 0;  ///< the picture's RgbImage::beyond_range; Engine::measure sets it
  double level = 0;         ///< the result of level_of() for the folds that judge
};
/// Returns brightness and sharpness of a picture [3, height, width] with values 0 … 1 and at least 32 × 32 pixels.
PictureStatistics describe_picture(const float* rgb, int height, int width);
inline PictureStatistics describe_picture(const Planes& planes) {
  return describe_picture(planes.values.data(), planes.height, planes.width);
}

/// Returns why the model cannot judge the picture, as a sentence for people, or an empty text if it can.
std::string implausible_because(const Plausibility& limits, const PictureStatistics& picture);

}  // namespace vedette
