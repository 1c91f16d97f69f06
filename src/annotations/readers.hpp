#pragma once

#include <array>
#include <string>
#include <string_view>

#include "annotations/annotations.hpp"

/// One reader per format. Each adds the pictures of one file, or of a source as a whole, to a set. `file` is the file's
/// name for messages. A reader fails with invalid_input if its text as a whole is broken; what is bad by itself goes to
/// the problems of the set.
namespace vedette {

/// COCO object detection (one JSON object with images, annotations and categories), as cocodataset.org describes it.
/// Sizes of segmentations are (height, width), runs go along columns.
Result<void> read_coco(std::string_view text, const std::string& file, AnnotationSet& set);
/// The JSON export of Label Studio: a list of tasks. Coordinates are per cent of the picture's sides.
Result<void> read_label_studio(std::string_view text, const std::string& file, AnnotationSet& set);
/// One JSON file of LabelMe, which describes one picture.
Result<void> read_labelme(std::string_view text, const std::string& file, AnnotationSet& set);
/// "CVAT for images" 1.1: one XML document.
Result<void> read_cvat(std::string_view text, const std::string& file, AnnotationSet& set);
/// One XML file of Pascal VOC, which describes one picture. Pixels count from 1, and the last one belongs to a box.
Result<void> read_voc(std::string_view text, const std::string& file, AnnotationSet& set);
/// Gives the pictures of a VOC folder their splits (ImageSets) and label files (SegmentationClass).
Result<void> read_voc_folder(const AnnotationFiles& annotations, AnnotationSet& set);
/// A folder of YOLO: text files with one line per object, in shares of the picture's sides.
Result<void> read_yolo(const AnnotationFiles& annotations, const AnnotationFiles& pictures, AnnotationSet& set);
/// A category of MVTec AD: train/good, test/<defect>, ground_truth/<defect>/<name>_mask.png.
Result<void> read_mvtec(const AnnotationFiles& annotations, const AnnotationFiles& pictures, AnnotationSet& set);
/// Pictures with black-and-white masks, matched by their names (vision/image/mask_match).
Result<void> read_mask_folder(const AnnotationFiles& annotations, const AnnotationFiles& pictures, AnnotationSet& set);

/// Tells the split by a name: parts of it that say train, val, valid, validation or test, with or without digits.
Split split_of(std::string_view name);
inline constexpr std::array<std::string_view, 10> kPictureSuffixes = {".jpg", ".jpeg", ".jpe", ".jfif", ".png",
                                                                      ".bmp", ".dib",  ".tif", ".tiff", ".webp"};
/// Whether a file's name is one of a picture.
bool is_picture_name(std::string_view name);
/// The name without its extension, with its folders.
std::string_view without_suffix(std::string_view name);

}  // namespace vedette
