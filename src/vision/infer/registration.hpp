#pragma once

#include <optional>

#include "vision/image/image.hpp"

/// Rigid registration: where a part lies in a picture, compared with a reference. Pure functions; any thread.
namespace vedette {

/// A point q of the reference lies at rotate(q − centre) + centre + (dy, dx) in the picture. Pixels of the map it was
/// estimated on; multiply dy and dx by the scale to use it on a larger one.
struct RigidTransform {
  double dy = 0, dx = 0, angle = 0;  ///< angle in radians, from x towards y
};

/// Largest displacement and rotation that are looked for.
inline constexpr double kLargestShift = 0.1;    ///< of the shorter side
inline constexpr double kLargestAngle = 0.157;  ///< 9°

/// A picture's luminance ([3, height, width], 0 … 1), reduced: what registration works on. Its effort grows with the square of this map's cells: 160 × 120 are plenty.
Grid<float> registration_map(const float* rgb, int height, int width, int reduction);
inline Grid<float> registration_map(const Planes& image, int reduction) {
  return registration_map(image.values.data(), image.height, image.width, reduction);
}

/// Finds the transform with the highest normalised cross-correlation: exhaustive search at half the map's size, then
/// pattern search (Hooke & Jeeves 1961) at full size, to about a tenth of a pixel. Both maps have the same size.
RigidTransform estimate_registration(const Grid<float>& reference, const Grid<float>& picture);

/// Normalised cross-correlation, −1 … 1, of reference and picture under the transform, borders left out.
double registration_score(const Grid<float>& reference, const Grid<float>& picture, const RigidTransform& transform);

/// The pose to see a picture in. Without `in_place` always the one that estimate_registration() finds. With it, a picture whose
/// score unmoved is at least `in_place` (0 … 1) stays as it is, and another is moved only if that takes away half of what its
/// correlation lacks: so pictures of a part that a fixture holds keep every pixel until somebody knocks the camera.
RigidTransform find_pose(const Grid<float>& reference, const Grid<float>& picture, std::optional<double> in_place);

/// The picture as the reference sees it, channel by channel; beyond its border the nearest pixel. `scale`: pixels of
/// this picture per pixel of the transform's map.
void warp_to_reference(const float* in, float* out, int channels, int height, int width,
                       const RigidTransform& transform, double scale);
/// The opposite direction: back to where things lie in the picture.
void warp_from_reference(const float* in, float* out, int channels, int height, int width,
                         const RigidTransform& transform, double scale);

}  // namespace vedette
