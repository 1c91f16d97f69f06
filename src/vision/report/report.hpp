#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "training/training.hpp"
#include "vision/artifact/artifact.hpp"
#include "vision/image/image.hpp"

/// Writes a page that shows a quality engineer what a model learnt and how far to trust it.
namespace vedette {

/// A picture as the page shows it.
struct ReportedPicture {
  Prediction prediction;
  RgbImage picture;  ///< The picture, small; empty if the file is not where it was.
  RgbImage heat;     ///< The same picture with the anomaly map over it.
  /// The place that is farthest from the memory bank, and what the bank holds nearest to it. Both may be empty.
  RgbImage oddest, nearest_normal;
};

/// How one contestant does alone on the same pictures.
struct ContestRow {
  std::string name;
  std::optional<double> auroc;  ///< of its score; empty if a class is missing
  double score_weight = 0, map_weight = 0;
};

struct Report {
  std::string title;
  Manifest manifest;
  Evaluation evaluation;
  std::vector<ReportedPicture> pictures;  ///< Wrong verdicts come first, then the least certain.
  std::vector<ContestRow> contest;
  std::vector<std::pair<std::string, double>> milliseconds;  ///< The median of each stage of a detection, per picture.
};

/// Runs the model in `folder` again on the pictures of the evaluation, each with the fold that judged it. At most `shown` of them
/// are kept as pictures. Those that cannot be read are left without picture. Fails with invalid_input if the model cannot be read
/// or the evaluation is of another one. Blocks; uses at most `threads` threads, the calling one among them.
Result<Report> collect_report(const std::filesystem::path& folder, Evaluation evaluation, std::size_t shown,
                              int threads);

/// Returns one self-contained HTML page (no scripts, nothing loaded from elsewhere) in UTF-8. All text from outside is
/// escaped.
std::string to_html(const Report& report);

}  // namespace vedette
