#pragma once

#include <optional>

#include "vision/image/image.hpp"

/// Rigid registration: finds where a part lies in a picture, compared with a reference. The functions are pure; any
/// thread may call them.
namespace vedette {

/// A point q of the reference lies at rotate(q − centre) + centre + (dy, dx) in the picture. The unit is a pixel of the
/// map on which the transform was estimated; multiply dy and dx by the scale to use it on a larger map.
struct RigidTransform {
  double dy = 0, dx = 0, angle = 0;  ///< The angle is in radians, from x towards y.
};

/// The constants below are the largest displacement and the largest rotation that are looked for.
inline constexpr double kLargestShift = 0.1;    ///< A share of the shorter side.
inline constexpr double kLargestAngle = 0.157;  ///< In radians: 9°.

/// Returns a picture's luminance, reduced: the map on which registration works. The picture is [3, height, width], 0 …
/// 1. The effort of registration grows with the square of this map's cells: 160 × 120 are plenty.
Grid<float> registration_map(const float* rgb, int height, int width, int reduction);
inline Grid<float> registration_map(const Planes& image, int reduction) {
  return registration_map(image.values.data(), image.height, image.width, reduction);
}

/// Finds the transform with the highest normalised cross-correlation: exhaustive search at half the map's size, then
/// pattern search (Hooke & Jeeves 1961) at full size, to about a tenth of a pixel. Both maps have the same size.
RigidTransform estimate_registration(const Grid<float>& reference, const Grid<float>& picture);

/// Returns the normalised cross-correlation, −1 … 1, of reference and picture under the transform. Borders are left
/// out.
double registration_score(const Grid<float>& reference, const Grid<float>& picture, const RigidTransform& transform);

/// Returns whether the reference shows something that has one place. It has none if the reference, shifted by some
/// distance, fits itself as well as `score` (the correlation that registered pictures reach): a weave, a grating, or a
/// surface without a pattern. Their registration would move pictures as chance has it, and parts of them out of sight.
bool has_one_place(const Grid<float>& reference, double score);

/// Returns the pose in which to see a picture. Without `in_place` it is always the one that estimate_registration()
/// finds. With `in_place` (0 … 1), a picture whose score without motion is at least `in_place` stays as it is. Any
/// other picture is moved only if that removes half of what its correlation lacks: so pictures of a part that a fixture
/// holds keep every pixel until somebody knocks the camera.
RigidTransform find_pose(const Grid<float>& reference, const Grid<float>& picture, std::optional<double> in_place);

/// A point of a map. The unit is a pixel of it, whose centre lies at integers.
struct MapPoint {
  double y = 0, x = 0;
};
/// Returns where a point of the picture lies in the reference, or the other way. Both maps are [height, width], in the
/// unit of the transform.
MapPoint to_reference(const RigidTransform& transform, MapPoint in_picture, int height, int width);
MapPoint from_reference(const RigidTransform& transform, MapPoint in_reference, int height, int width);

/// Warps a picture to what the reference sees, channel by channel. Beyond its border the nearest pixel is taken.
/// `scale` is the number of pixels of this picture per pixel of the transform's map.
void warp_to_reference(const float* in, float* out, int channels, int height, int width,
                       const RigidTransform& transform, double scale);
/// Warps in the opposite direction: back to where things lie in the picture.
void warp_from_reference(const float* in, float* out, int channels, int height, int width,
                         const RigidTransform& transform, double scale);

}  // namespace vedette
