#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "vision/image/mask_file.hpp"

/// A folder of masks beside a folder of defective pictures, as annotation tools and public data sets lay them out. Any thread.
namespace vedette {

struct MatchedMasks {
  std::vector<std::optional<std::filesystem::path>> of_picture;  ///< per picture, in their order
  std::vector<std::filesystem::path> unused;                     ///< masks without a picture
};

/// Finds each picture's mask by its path below the folder, extensions aside, in this order:
/// 1. the same path;
/// 2. the same path with an ending of the list below after "_", "-", "." or a space, in any case: mask, masks, gt, ground_truth, groundtruth,
///    label, labels, seg, segmentation (MVTec: 000_mask.png); or the picture's whole file name (000.jpg.png);
/// 3. the folder <stem>_json with label.png (labelme);
/// 4. in another sub-folder, a name that 1 or 2 would take, if only one picture and only one mask have it.
/// A picture is never its own mask. All paths are those that listing the two folders gives.
MatchedMasks match_masks(const std::filesystem::path& picture_folder, std::span<const std::filesystem::path> pictures,
                         const std::filesystem::path& mask_folder, std::span<const std::filesystem::path> masks);

struct PicturesAndMasks {
  std::vector<std::filesystem::path> pictures, masks;
};
/// Where one of the two folders lies in the other, or they are one, says of each file that was listed in both what it is: below a folder of
/// masks of its own it is a mask; else it is one if its name has an ending of the list above, or it lies in a folder <stem>_json.
PicturesAndMasks tell_masks_from_pictures(const std::filesystem::path& picture_folder,
                                          std::span<const std::filesystem::path> pictures,
                                          const std::filesystem::path& mask_folder,
                                          std::span<const std::filesystem::path> masks);

struct MaskSurvey {
  std::optional<MaskColor16> background;  ///< that the masks have in common (vision/image/mask_file)
  std::vector<std::string> warnings;      ///< of masks that mark more than half of their picture
};
/// Reads all masks. Fails with invalid_input, naming the file, if one cannot be read or marks nothing or nearly everything.
Result<MaskSurvey> survey_masks(std::span<const std::filesystem::path> masks);

}  // namespace vedette
