#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "vision/artifact/artifact.hpp"
#include "vision/image/image.hpp"
#include "vision/infer/infer.hpp"
#include "vision/verdict/corrections.hpp"

/// Gets from a picture to a verdict in one call, without a server. The server's DetectAnomalies and `vedette detect`
/// give their answers through these functions. docs/tools.md shows how to link this module to a program of your own,
/// and docs/examples/verdict is such a program:
///
///   const auto engine = vedette::Engine::load("model");          // a folder that `vedette train --out model` wrote
///   if (!engine) return complain(engine.error().message);
///   const auto verdict = vedette::judge(**engine, jpeg_or_png_bytes);
///   if (!verdict) return complain(verdict.error().message);
///   if (verdict->is_anomalous) reject_part(verdict->confidence, verdict->mask_png);
namespace vedette {

/// Says how much of the picture one label covers.
struct LabelArea {
  std::string name;  ///< the label's name, or "background"
  std::string
      color;  ///< what the mask shows it in, "#rrggbb" as the dataset wrote it, or "#RRGGBB" if that had to give way
  double fraction = 0;  ///< the share of the picture's pixels that the label covers, 0 … 1
};

/// Holds what one model says about one picture. It is a plain value that may be copied, moved and kept.
struct Verdict {
  bool is_anomalous = false;
  double confidence = 0;     ///< calibrated confidence in the verdict, 0.5 … 1; 0 … 1 if the threshold was moved
  double anomaly_score = 0;  ///< > 0; a larger score is more anomalous; scores of two models cannot be compared
  /// If this text is not empty, the model cannot judge the picture (it is too dark, out of focus or shows another
  /// part), which therefore counts as anomalous; the text says why, in words for people.
  std::string reason;
  Grid<float> anomaly_map;  ///< [map height, map width], values ≥ 0; 1 is the height that good pictures reach
  /// The areas that the labels cover. This list and the next two members are empty if the model has no labels. The
  /// background comes first, then each label that covers anything, in the model's order; the fractions add up to 1.
  std::vector<LabelArea> areas;
  std::optional<Grid<std::uint8_t>>
      label_map;                  ///< [picture height, width]; 0 is background, else index of the model's label + 1
  PictureStatistics statistics;   ///< of the picture, for a StreamMonitor (vision/infer/drift.hpp)
  std::vector<Place> places;      ///< only if they were asked for: for corrections (vision/verdict/corrections.hpp)
  std::string corrected_by;       ///< the verified picture that corrected the verdict; empty if none did
  Bytes mask_png;                 ///< the label map in the labels' colours on white: PNG, RGB, 8 bit
  std::vector<StageTime> stages;  ///< how long each step took, in order: decode resize network mask encode
};

struct JudgeOptions {
  bool with_places = false;                   ///< whether the verdict has the places that stand out
  std::optional<PicturePoint> place_at = {};  ///< a place that comes first among them
  bool with_mask_png = true;                  ///< if false, mask_png stays empty, which saves the time to encode it
  /// The number of threads that the call may use, including the calling one. 0 means as many as the calling thread's
  /// ThreadCount (base/parallel.hpp) allows, and all cores if it has none. If several calls run at the same time, one
  /// thread per call judges the most pictures per second.
  int threads = 0;
  std::stop_token abandoned = {};  ///< once requested, decoding ends early
};

/// Decodes a picture (JPEG or PNG, told by its content) and judges it. Any number of threads may call this with one
/// engine at the same time; each call blocks until its verdict is there. Fails with invalid_input, in words for whoever
/// sent the picture, if the bytes are not a JPEG or PNG picture or if its size is not that of the training pictures.
/// Fails with unavailable once `abandoned` is requested.
Result<Verdict> judge(const Engine& engine, std::span<const std::uint8_t> picture, const JudgeOptions& options = {});

/// Judges a picture that is decoded already: 8-bit RGB at the size of the training pictures, or at the size that
/// Engine::decode gives it.
Result<Verdict> judge(const Engine& engine, const RgbImage& picture, const JudgeOptions& options = {});

/// Decides once more by another threshold than that of the model which gave the verdict: changes is_anomalous,
/// confidence, and the score of a picture that the model cannot judge. The map and the mask do not depend on the
/// threshold.
void move_threshold(Verdict& verdict, const Manifest& manifest, double threshold);

/// Lets the corrections of the model speak, by the threshold in force: changes is_anomalous, confidence, anomaly_score
/// and corrected_by, and empties the mask of a picture that becomes normal. The verdict must have its places.
void correct(Verdict& verdict, const Manifest& manifest, double threshold, const Corrections& corrections);

/// The colour in which masks show a label of a model. It is the dataset's colour, unless that is white, which means the
/// background, or an earlier label has it already; then the label gets another colour.
struct LabelColor {
  Rgb rgb;
  std::string text;  ///< the colour as text, as in LabelArea::color
};
std::vector<LabelColor> label_colors(std::span<const Label> labels);

/// Measures how much of a label map (Verdict::label_map) each label covers; Verdict::areas holds the result.
std::vector<LabelArea> measure_areas(std::span<const Label> labels, const Grid<std::uint8_t>& label_map);

}  // namespace vedette
