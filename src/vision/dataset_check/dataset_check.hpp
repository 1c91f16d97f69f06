#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "vision/image/image.hpp"

/// Looks for what may spoil a training in the labelled pictures of a project, before they are trained on: pictures and
/// masks that cannot be used, copies, labels that similar pictures contradict, and pictures that look otherwise than the
/// others. Each picture is described once, in a few thousand bytes; the descriptions then tell everything else, so that
/// tens of thousands of pictures fit into memory. The functions are pure; any thread may call them.
namespace vedette::dataset_check {

/// What may be wrong with one picture. Each picture has at most one finding of a kind. The order is that in which people
/// should mend things.
enum class FindingKind {
  missing,                ///< its object does not exist, or may not be read
  unreadable,             ///< it cannot be decoded, or has sides that no training takes
  other_size,             ///< its size is not that of most pictures
  unreadable_mask,        ///< its mask cannot be read, or is no PNG
  other_mask_size,        ///< its mask has another size than the picture
  unknown_mask_color,     ///< its mask holds a colour that its colour map does not name
  empty_mask,             ///< its mask marks nothing
  full_mask,              ///< its mask marks more than kMostMarked of the picture
  conflicting_duplicate,  ///< an earlier picture is the same, or nearly, and has the other label
  train_test_duplicate,   ///< a picture of the training dataset is the same, or nearly, as this one for testing
  exact_duplicate,        ///< an earlier picture of the same dataset and label has the same pixels
  near_duplicate,         ///< an earlier picture of the same dataset and label is nearly the same
  contradicted_label,     ///< the pictures that look most like it have the other label
  brightness_outlier,     ///< it is much brighter or darker than good pictures are
  focus_outlier,          ///< it is much less sharp than good pictures are, or much sharper
  framing_outlier,        ///< it shows something else than good pictures do, or shows it at another place
  too_few,                ///< there are too few pictures for a training; concerns no single picture
  imbalance               ///< there are far more pictures of one label than of the other; concerns no single picture
};
inline constexpr std::size_t kFindingKinds = static_cast<std::size_t>(FindingKind::imbalance) + 1;

/// Returns the name that the API gives to a kind, such as "EXACT_DUPLICATE".
std::string_view to_text(FindingKind kind);

inline constexpr int kThumbnailSide = 48;

/// What one look at a picture tells.
struct Look {
  int height = 0, width = 0;  ///< of the file
  std::string digest;         ///< the SHA-256 of the pixels at the size at which they were decoded, 32 bytes
  float brightness = 0;       ///< the mean of all channels, 0 … 1
  float sharpness = 0;        ///< as PictureStatistics (vision/infer/plausibility.hpp) says; 0 if the picture is flat
  std::vector<std::uint16_t> thumbnail;  ///< [kThumbnailSide, kThumbnailSide]: its grey values, 0 … 65,535
  std::vector<float> features;           ///< what the backbone says of it
};

/// Describes pictures with the shipped backbone. Thread-safe; concurrent calls have a working memory each, of some tens
/// of megabytes.
class Describer {
 public:
  Describer();
  ~Describer();
  Describer(const Describer&) = delete;
  Describer& operator=(const Describer&) = delete;
  /// Fails with invalid_input if the bytes are no JPEG or PNG, are damaged, or have sides outside of SizeLimits; the
  /// message is a sentence without the name of the picture.
  Result<Look> look_at(std::span<const std::uint8_t> picture) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

struct MaskTrouble {
  FindingKind kind;
  std::string detail;  ///< a sentence
};
/// What a mask says. If there is a trouble, the labels are empty.
struct MaskLook {
  std::optional<MaskTrouble> trouble;
  std::vector<std::string> labels;  ///< the names of the labels that it marks, without the background
};
/// Looks at a mask as a training does: it must be a PNG of the picture's size and hold no colours but those of its map,
/// black and white. `height` and `width` are those of the picture.
MaskLook look_at_mask(std::span<const std::uint8_t> mask, std::span<const MaskLabel> colors, int height, int width);

/// A labelled picture of the training or the test dataset.
struct CheckedPicture {
  bool is_test = false;
  bool is_anomalous = false;
  Result<Look> look = invalid_input("");  ///< or why the picture cannot be used
  bool is_missing = false;                ///< if there are no bytes that could be looked at
  std::optional<MaskLook> mask;           ///< if the picture is anomalous and has a mask that could be looked at
};

struct Finding {
  FindingKind kind;
  std::optional<std::size_t> picture;  ///< an index; empty if the finding concerns no single picture
  std::optional<std::size_t> related;  ///< the picture that it is a copy of, or that contradicts it
  bool is_test = false;                ///< which dataset a finding without a picture concerns
  std::string detail;                  ///< one sentence
};

/// The least numbers of pictures that a training needs.
struct LeastPictures {
  std::int64_t train_normal = 0, train_anomaly = 0, test_normal = 0, test_anomaly = 0;
  std::int64_t train_per_label = 0;  ///< with masks: pictures that show only one label, needed for at least one label
};

/// Returns the findings in the order of their kinds and then of the pictures. The pictures of the training dataset come
/// first. Works on up to `threads` new threads of low priority, and takes time that grows with the square of the number
/// of pictures: about a minute of one core for 20,000. Fails with unavailable once `cancelled` is true.
Result<std::vector<Finding>> find_all(const std::vector<CheckedPicture>& pictures, const LeastPictures& least,
                                      int threads, const std::atomic<bool>& cancelled);

}  // namespace vedette::dataset_check
