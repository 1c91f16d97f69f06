#pragma once

#include <optional>
#include <string>

#include "annotations/annotations.hpp"
#include "annotations/labels.hpp"
#include "vision/image/mask_file.hpp"

namespace vedette {

/// A mask that is being drawn, and what was noticed.
struct DrawnMask {
  Grid<std::uint8_t> labels;    ///< [height, width]: 0, or the number of a label in the LabelTable
  bool has_overlap = false;     ///< An area covers a part of an earlier one with another label.
  std::size_t empty_areas = 0;  ///< the number of areas that mark no pixel
};

/// Draws the regions of a picture on a grid of this size. Fails with invalid_input, in words that follow the picture's
/// name, if they cost too much; with quota_exceeded if there are too many labels.
Result<DrawnMask> draw_regions(const AnnotatedPicture& picture, int height, int width, LabelTable& table);

/// Makes labels of a label file's pixels. `background` is what the black-and-white masks of a source have in common.
/// Returns a mask without marks if the file marks nothing. Fails with invalid_input, in words that follow the file's
/// name, if it holds colours without a label or marks nearly everything; with quota_exceeded if there are too many
/// labels.
Result<DrawnMask> draw_label_file(const MaskFile& mask, const LabelFile& file,
                                  const std::optional<MaskColor16>& background, LabelTable& table);

}  // namespace vedette
