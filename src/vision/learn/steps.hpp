#pragma once

#include <memory>

#include "vision/infer/infer.hpp"
#include "vision/learn/detectors/detector.hpp"
#include "vision/learn/fusion.hpp"
#include "vision/learn/workshop.hpp"

/// The steps of one training, in the order in which train() takes them. Each takes what the earlier ones left in the
/// workshop. Only files of vision/learn include this header.
namespace vedette {

// These steps choose the pictures (pictures.cpp).
Result<void> select_pictures(Workshop& w);
/// Finds out whether the good pictures show one part in slightly different places. If so, everything is compared in the
/// frame of their mean. Then makes the feature graph.
Result<void> find_reference(Workshop& w);
/// Puts every picture into a fold, by chance.
void draw_folds(Workshop& w);
/// Puts every picture into a fold: if the good pictures come in batches (batches.hpp), into that of its run, otherwise
/// by chance. `descriptions` has one row per good picture (summarize_cells). Says in the evaluation what was found.
void find_batches(Workshop& w, std::span<const std::vector<float>> descriptions);

/// Begins the model with the size of its pictures and the feature graph (levels.cpp).
void begin_model(Workshop& w);
/// Appends for each fold what every distance map of a contestant gets: a blur, the levels of its cells, which are one
/// until calibrate_cells() has measured them, and the way back to where things lie in the picture. `maps` are the
/// distances, one per fold, on `grid`, whose cells have `cell` pixels. Returns the maps of the contestant, which must be
/// entered next.
std::vector<std::string> append_levels(Workshop& w, const std::vector<std::string>& maps, const CellGrid& grid,
                                       int cell);
/// Calibrates the cells of these maps. At some places (the edges of a part that moves) good pictures are farther from
/// the models than at others. So each fold's map is divided by the level that good pictures outside the fold, each
/// judged by the models of its own fold, have at that place.
Result<void> calibrate_cells(Workshop& w);

/// The results for one picture of the models of its own fold, which never saw it.
struct OutOfFold {
  ScoreRow scores;                     ///< not standardised
  std::vector<ContestantOutput> maps;  ///< One map per contestant; empty if they are not kept.
  std::vector<Planes> class_maps;      ///< One element, or none if it is not kept.
  PixelMaps details;                   ///< Of the own fold alone, or empty if they are not kept.
  std::optional<Grid<std::uint8_t>> truth;
  PictureStatistics statistics;
};
/// Good pictures with rendered damage, by the models of their own folds.
struct Damaged {
  std::int64_t fold;
  OutOfFold measured;
};
// These steps decide the verdicts (judge.cpp).
/// Returns one element per picture.
Result<std::vector<OutOfFold>> measure_out_of_fold(Workshop& w);
/// Measures what weighs contestants against each other when no defect was shown: copies of the good pictures with
/// rendered damage, small and large, faint and plain, stand in for defects. They do not decide any threshold, because
/// real defects look different.
Result<std::vector<Damaged>> measure_damaged(Workshop& w);
void decide(Workshop& w, std::span<const OutOfFold> measured, std::span<const Damaged> damaged);

/// Chooses which maps draw masks, and their thresholds (segmentation.cpp).
void fit_segmentation(Workshop& w, std::span<const OutOfFold> measured);

inline constexpr std::size_t kMostRanged = 16;  ///< The number of pictures on which ranges are measured.
// These steps end a training (finish.cpp).
/// Judges the test set with the whole model.
Result<void> evaluate_test_set(Workshop& w);
/// Finds out whether bf16 and int8 decide and draw as fp32 does, by judging those of the pictures `judged` that are next
/// to the threshold.
Result<void> compare_precisions(Workshop& w, std::vector<Prediction> judged);
/// Writes the training pictures as examples (infer/examples.hpp), each as the models of its own fold see it.
Result<void> write_examples(Workshop& w, const std::filesystem::path& file);
/// Writes the model with its golden sample, and reads it again.
Result<void> write_model(Workshop& w, const std::filesystem::path& folder);

}  // namespace vedette
