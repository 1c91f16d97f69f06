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

/// A page that shows a quality engineer what a model learnt and how far to trust it.
namespace vedette {

/// A picture as the page shows it.
struct ReportedPicture {
  Prediction prediction;
  RgbImage picture;  ///< small; empty if the file is not where it was
  RgbImage heat;     ///< the same with the anomaly map over it
  RgbImage oddest,
      nearest_normal;  ///< the place farthest from the memory bank, and what the bank holds nearest to it; may be empty
};

/// How one contestant does alone on the same pictures.
struct ContestRow {
  std::string name;
  double auroc = 0;  ///< of its score; 0 if a class is missing
  double score_weight = 0, map_weight = 0;
};

struct Report {
  std::string title;
  Manifest manifest;
  Evaluation evaluation;
  std::vector<ReportedPicture> pictures;  ///< wrong verdicts first, then the least certain
  std::vector<ContestRow> contest;
  std::vector<std::pair<std::string, double>> milliseconds;  ///< per picture and stage of a detection, medians
};

/// Runs the model in `folder` again on the pictures of the evaluation, each with the fold that judged it. At most `shown` of them
/// are kept as pictures. Those that cannot be read are left without picture. Fails with invalid_input if the model cannot be read
/// or the evaluation is of another one. Blocks; uses at most `threads` threads, the calling one among them.
Result<Report> collect_report(const std::filesystem::path& folder, Evaluation evaluation, std::size_t shown,
                              int threads);

/// One self-contained HTML page (no scripts, nothing loaded from elsewhere), UTF-8. All text from outside is escaped.
std::string to_html(const Report& report);

}  // namespace vedette
