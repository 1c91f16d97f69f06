#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"

/// Dataset manifests: JSON Lines in SageMaker Ground Truth form, as they occur in the wild. Pure functions; any thread.
namespace vedette {

inline constexpr std::size_t kManifestLineLimit = 8192;  ///< characters: what ListDatasetEntries can return

struct ManifestColor {
  std::string name;
  std::string color;  ///< "#rrggbb" as written
};

struct ManifestLine {
  std::string source_ref;
  std::optional<bool> is_anomalous;  ///< empty: unlabelled
  std::string other_class;  ///< of an unlabelled line: its first class name, if that is neither normal nor anomaly
  std::optional<std::string> mask_ref;
  std::vector<ManifestColor> mask_colors;
  std::optional<Timestamp> creation_date;  ///< of the label
  std::string text;                        ///< the line, with the label's number made 1 for anomaly and 0 for normal
};

/// Reads one line. The label is the member whose metadata has the type groundtruth/image-classification and a
/// class-name of normal or anomaly (any case), a person's before a model's; its number is ignored. Other class names, or
/// none, leave the picture unlabelled. A mask whose map names only background is no mask. A
/// member named …-ref beside source-ref must have its metadata, unless the picture is normal: a mask without colours would be lost. Fails with invalid_input and a reason fit for a user; the caller adds the line number.
Result<ManifestLine> parse_manifest_line(std::string_view line);

/// What a set says of the classes of its lines, so that class names of somebody's own are told and not silently ignored.
class ClassTally {
 public:
  void add(const ManifestLine& line);
  [[nodiscard]] bool has_labelled() const { return labelled_ > 0; }
  /// "None of the 8 lines is labelled normal or anomaly; their class names are: good (4), scratch (4)."; the same of some of the lines if
  /// others are labelled; empty if no line has another class name. Holds at most five names, the most frequent ones, of 64 bytes.
  [[nodiscard]] std::string describe() const;

 private:
  std::size_t lines_ = 0, labelled_ = 0;
  std::map<std::string, std::size_t> others_;
};

/// Splits a manifest into its non-empty lines; tolerates a byte-order mark, CRLF and a missing last newline.
std::vector<std::string_view> manifest_lines(std::string_view text);

struct S3Uri {
  std::string bucket;
  std::string key;
};
/// s3://bucket/key, split at the first slash, the key taken literally. Empty if it has no such form.
std::optional<S3Uri> parse_s3_uri(std::string_view uri);

}  // namespace vedette
