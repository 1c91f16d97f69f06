#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "vision/image/mask_file.hpp"
#include "vision/image/mask_match.hpp"

/// Reads all masks of a folder together. Any thread may call this function.
namespace vedette {

struct MaskSurvey {
  std::optional<MaskColor16> background;  ///< The background that the masks have in common (vision/image/mask_file).
  std::vector<std::string> warnings;      ///< They name masks that mark more than half of their picture.
};
/// Reads all masks. Fails with invalid_input, and names the file, if a mask cannot be read or marks nothing or nearly
/// everything.
Result<MaskSurvey> survey_masks(std::span<const std::filesystem::path> masks);

}  // namespace vedette
