#include "vision/assess/mask_folder.hpp"

#include <fmt/format.h>

#include "base/files.hpp"
#include "base/parallel.hpp"
#include "vision/assess/assess.hpp"

namespace vedette {
namespace fs = std::filesystem;
namespace {

constexpr double kLarge = 0.5;  // Marks that cover a larger share of the picture than this are worth a second look.
constexpr int kReadAtOnce = 8;

}  // namespace

Result<MaskSurvey> survey_masks(std::span<const fs::path> masks) {
  std::vector<MaskPalette> palettes(masks.size());
  std::vector<std::string> faults(masks.size());
  run_parallel(masks.size(), kReadAtOnce, [&](std::size_t i) {
    const auto bytes = read_file(masks[i], kImageFileLimit);
    if (!bytes) {
      faults[i] = "cannot be read";
      return;
    }
    auto mask = read_mask_file(*bytes, kTrainingSizeLimits);
    if (mask) {
      palettes[i] = std::move(mask->palette);
    } else {
      faults[i] = "cannot be used: " + mask.error().message;
    }
  });
  MaskSurvey survey{common_background(palettes), {}};
  std::size_t large = 0, first_large = 0;
  for (std::size_t i = 0; i < masks.size(); ++i) {
    if (faults[i].empty()) {
      const auto marks = marked_shades(palettes[i], survey.background);
      if (!marks) faults[i] = marks.error().message;
      if (marks && marks->share > kLarge && large++ == 0) first_large = i;
    }
    if (!faults[i].empty()) return invalid_input("the mask " + masks[i].string() + " " + faults[i]);
  }
  if (large > 0)
    survey.warnings.push_back(fmt::format("{} of {} masks mark more than half of their picture, first {}", large,
                                          masks.size(), masks[first_large].string()));
  return survey;
}

}  // namespace vedette
