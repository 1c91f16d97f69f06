#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "annotations/annotations.hpp"
#include "vision/image/image.hpp"

namespace vedette {

/// What a picture without any annotation is.
enum class Unannotated { unlabelled, normal, skip };

struct DatasetRules {
  Unannotated unannotated = Unannotated::unlabelled;
  bool boxes_are_masks =
      true;  ///< Boxes are drawn as filled rectangles; otherwise they only say that there is a defect.
  /// Labels of good parts, in upper or lower case. Whatever else labels a picture or an area tells of a defect.
  std::vector<std::string> normal_labels = {"normal", "good"};
  std::string reference_prefix;            ///< "s3://bucket/prefix/", or empty for references relative to the pictures
  std::optional<std::string> mask_prefix;  ///< the same for masks, if they are kept elsewhere than the pictures
  FormatSet formats = kAllFormats;         ///< Pictures of other formats are problems.
  std::string creation_date;  ///< for the metadata of the labels, in the form of data sets (2026-01-31T12:00:00)
};

struct DatasetLabel {
  std::string source, name, color;  ///< as the source names it; as the dataset does; "#RRGGBB"
};

struct DatasetCounts {
  std::size_t normal = 0, anomaly = 0, unlabelled = 0, masks = 0;
};

struct DatasetSummary {
  DatasetCounts train, test;
  bool has_test = false;
  std::vector<DatasetLabel> labels;  ///< the labels of the masks, in the order in which they were met
  Problems problems;                 ///< including those of the AnnotationSet
  std::vector<std::string> notes;    ///< what the user should know, one sentence each
};

/// Is called with each file of the dataset: masks/….png, then manifests/train.manifest and, if the source has test
/// pictures, manifests/test.manifest. An error ends the conversion.
using WriteFile = std::function<Result<void>(const std::string& name, std::string_view content)>;

/// Makes a dataset (docs/tools.md): manifests in the form of SageMaker Ground Truth, and masks of the raw pixel grid in
/// the labels' colours on white.
/// - A picture with an area, or with a label that is not normal, is an anomaly; one with normal labels alone is normal.
/// - If the sizes say that annotations were made on the picture as its EXIF orientation turns it, or if the tool is known
///   to show it so (AnnotationSet::shows_turned), they are turned back.
/// - Label names keep their letters and digits only. At most 100 labels are allowed, and 20 in one mask.
/// Pictures that cannot be found or read, and annotations that do not fit their picture, are problems; the picture is
/// then left out, or has no mask. Fails with invalid_input if there are more than 100 labels, and with not_found
/// if no picture is left.
Result<DatasetSummary> write_dataset(AnnotationSet set, const AnnotationFiles& annotations,
                                     const AnnotationFiles& pictures, const DatasetRules& rules,
                                     const WriteFile& write);

}  // namespace vedette
