#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <vector>

/// Finds masks in a folder beside a folder of defective pictures, as annotation tools and public data sets lay them
/// out. The functions look at names only and are pure; any thread may call them.
namespace vedette {

struct MatchedMasks {
  /// One entry per picture, in the order of the pictures.
  std::vector<std::optional<std::filesystem::path>> of_picture;
  std::vector<std::filesystem::path> unused;  ///< The masks without a picture.
};

/// Finds each picture's mask by its path below the folder without extensions, in this order:
/// 1. the same path;
/// 2. the same path with an ending of this list after "_", "-", "." or a space, in upper or lower case: mask, masks,
///    gt, ground_truth, groundtruth, label, labels, seg, segmentation (MVTec: 000_mask.png); or the picture's whole
///    file name (000.jpg.png);
/// 3. the folder <stem>_json with label.png (labelme);
/// 4. in another sub-folder, a name that 1 or 2 would take, if only one picture and only one mask have it.
/// A picture is never its own mask. All paths are those that listing the two folders gives.
MatchedMasks match_masks(const std::filesystem::path& picture_folder, std::span<const std::filesystem::path> pictures,
                         const std::filesystem::path& mask_folder, std::span<const std::filesystem::path> masks);

struct PicturesAndMasks {
  std::vector<std::filesystem::path> pictures, masks;
};
/// Says of each file what it is, where one of the two folders lies in the other, or they are one, so that files were
/// listed in both. A file below a folder of masks is a mask. Any other file is a mask if its name has an ending of the
/// list above, or if it lies in a folder <stem>_json.
PicturesAndMasks tell_masks_from_pictures(const std::filesystem::path& picture_folder,
                                          std::span<const std::filesystem::path> pictures,
                                          const std::filesystem::path& mask_folder,
                                          std::span<const std::filesystem::path> masks);

}  // namespace vedette
