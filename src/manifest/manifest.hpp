#pragma once

#include <cstddef>
#include <functional>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"

/// Reads dataset manifests: JSON Lines in the form of SageMaker Ground Truth, as they occur in the wild. The functions
/// are pure; any thread may call them.
namespace vedette {

/// The longest line in characters that ListDatasetEntries can return.
inline constexpr std::size_t kManifestLineLimit = 8192;

struct ManifestColor {
  std::string name;
  std::string color;  ///< "#rrggbb", as the manifest has it
};

struct ManifestLine {
  std::string source_ref;
  std::optional<bool> is_anomalous;  ///< Empty if the line is unlabelled.
  std::string other_class;  ///< The first class name of an unlabelled line, if it is neither normal nor anomaly.
  std::optional<std::string> mask_ref;
  std::vector<ManifestColor> mask_colors;
  std::optional<Timestamp> creation_date;  ///< When the label was made.
  /// The line itself, with the label's number set to 1 for anomaly and 0 for normal.
  std::string text;
};

/// Reads one line of a manifest. The label is the member whose metadata has the type groundtruth/image-classification
/// and a class-name of normal or anomaly (in upper or lower case); a person's label counts before a model's. The
/// label's number is ignored. Other class names, or none, leave the picture unlabelled. A mask whose map names only
/// background is no mask. A member named …-ref beside source-ref must have its metadata, because a mask without colours
/// would be lost; if the picture is normal it need not. Fails with invalid_input and a reason fit for a user; the
/// caller adds the line number.
Result<ManifestLine> parse_manifest_line(std::string_view line);

/// Counts what class names the lines of a dataset have, so that a user who has class names of their own is told, and
/// the names are not silently ignored.
class ClassTally {
 public:
  void add(const ManifestLine& line);
  [[nodiscard]] bool has_labelled() const { return labelled_ > 0; }
  /// Returns "None of the 8 lines is labelled normal or anomaly; their class names are: good (4), scratch (4).", or the
  /// same of some of the lines if other lines are labelled. Returns an empty text if no line has another class name.
  /// The text holds at most five names, the most frequent ones, of 64 bytes each.
  [[nodiscard]] std::string describe() const;

 private:
  std::size_t lines_ = 0, labelled_ = 0;
  std::map<std::string, std::size_t> others_;
};

struct NumberedLine {
  std::string_view text;   ///< The line, trimmed; it is never empty.
  std::size_t number = 0;  ///< The number of the line in the manifest, which counts from 1 and counts empty lines, too.
};

/// Iterates over the lines of a manifest that are not empty. A byte-order mark, CRLF and a missing last
/// newline are accepted. This range finds each line when it is asked for, so that it costs no memory, however long the
/// text is. The text must outlive it.
class ManifestLines {
 public:
  explicit ManifestLines(std::string_view text) : text_(text) {}

  class Iterator {
   public:
    using value_type = NumberedLine;
    using difference_type = std::ptrdiff_t;
    Iterator() = default;
    explicit Iterator(std::string_view rest) : rest_(rest) { ++*this; }
    NumberedLine operator*() const { return line_; }
    Iterator& operator++();
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const { return is_end_; }

   private:
    std::string_view rest_;
    NumberedLine line_;
    bool is_end_ = true;
  };
  [[nodiscard]] Iterator begin() const;
  [[nodiscard]] static std::default_sentinel_t end() { return {}; }

 private:
  std::string_view text_;
};
inline ManifestLines manifest_lines(std::string_view text) {
  return ManifestLines(text);
}

/// Finds the same lines as ManifestLines in a manifest that arrives in pieces, and keeps at most one line in memory. If
/// a line is longer than parse_manifest_line accepts, only its beginning is handed on, which that function then
/// refuses.
class ManifestLineFeed {
 public:
  /// Is called with each line that is not empty, trimmed, in order, and with its number in the manifest, which counts
  /// from 1 and counts empty lines, too. An error ends the reading.
  using OnLine = std::function<Result<void>(std::string_view line, std::size_t number)>;
  explicit ManifestLineFeed(OnLine on_line) : on_line_(std::move(on_line)) {}

  /// Returns the first error of `on_line`; nothing may be added after that.
  Result<void> add(std::string_view piece);
  /// Hands on a last line that has no line feed.
  Result<void> finish();

 private:
  void keep(std::string_view part);

  const OnLine on_line_;
  std::string line_;  ///< the beginning of a line whose end has not come
  std::size_t number_ = 0;
};

struct S3Uri {
  std::string bucket;
  std::string key;
};
/// Reads s3://bucket/key. The text is split at the first slash after the bucket, and the key is taken literally.
/// Returns nothing if the text has another form.
std::optional<S3Uri> parse_s3_uri(std::string_view uri);

}  // namespace vedette
