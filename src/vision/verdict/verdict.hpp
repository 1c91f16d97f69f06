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

/// From a picture to a verdict in one call, without a server. The server's DetectAnomalies and `vedette detect` give their answers
/// through it. docs/tools.md shows how to link it to a program of your own, and docs/examples/verdict is such a program:
///
///   const auto engine = vedette::Engine::load("model");          // a folder that `vedette train --out model` wrote
///   if (!engine) return complain(engine.error().message);
///   const auto verdict = vedette::judge(**engine, jpeg_or_png_bytes);
///   if (!verdict) return complain(verdict.error().message);
///   if (verdict->is_anomalous) reject_part(verdict->confidence, verdict->mask_png);
namespace vedette {

/// How much of the picture one label covers.
struct LabelArea {
  std::string name;  ///< the label's, or "background"
  std::string
      color;  ///< what the mask shows it in, "#rrggbb" as the dataset wrote it, or "#RRGGBB" if that had to give way
  double fraction = 0;  ///< of the picture's pixels, 0 … 1
};

/// What one model says about one picture. A value: copy it, move it, keep it.
struct Verdict {
  bool is_anomalous = false;
  double confidence = 0;     ///< 0.5 … 1, calibrated, of the class that was decided for
  double anomaly_score = 0;  ///< > 0, larger is more anomalous; not comparable between models
  /// Not empty: the picture is anomalous because it is none that the model can judge (too dark, out of focus, another part), in words for
  /// people.
  std::string reason;
  Grid<float> anomaly_map;  ///< [map height, map width], ≥ 0; 1 is the height that good pictures reach
  /// Empty, like the next two, if the model has no labels. The background comes first, then each label that covers anything, in the model's
  /// order; the fractions add up to 1.
  std::vector<LabelArea> areas;
  std::optional<Grid<std::uint8_t>>
      label_map;                  ///< [picture height, width]; 0 is background, else index of the model's label + 1
  Bytes mask_png;                 ///< the label map in the labels' colours on white: PNG, RGB, 8 bit
  std::vector<StageTime> stages;  ///< how long each step took, in order: decode resize network mask encode
};

struct JudgeOptions {
  bool with_mask_png = true;  ///< false: mask_png stays empty, which saves its encoding
  /// How many threads the call may use, the calling one among them. 0: as many as the calling thread's ThreadCount (base/parallel.hpp)
  /// allows; without one, all cores. One per call judges the most pictures per second where several calls run side by side.
  int threads = 0;
  std::stop_token abandoned = {};  ///< once requested, decoding ends early
};

/// Decodes a picture (JPEG or PNG, told by its content) and judges it. Any number of calls may use one engine at the same time, from any
/// threads; each blocks until its verdict is there.
/// Fails with invalid_input, in words for whoever sent the picture, if the bytes are no such picture or its size is not that of the training
/// pictures; with unavailable once `abandoned` is requested.
Result<Verdict> judge(const Engine& engine, std::span<const std::uint8_t> picture, const JudgeOptions& options = {});

/// The same for a picture that is decoded already: 8-bit RGB at the size of the training pictures, or as Engine::decode gives it.
Result<Verdict> judge(const Engine& engine, const RgbImage& picture, const JudgeOptions& options = {});

/// The colours that masks show a model's labels in: the dataset's, but white, which is the background's, and a colour that an earlier label
/// has give way to another one.
struct LabelColor {
  Rgb rgb;
  std::string text;  ///< as LabelArea::color
};
std::vector<LabelColor> label_colors(std::span<const Label> labels);

/// What the labels cover of a label map (Verdict::label_map): Verdict::areas.
std::vector<LabelArea> measure_areas(std::span<const Label> labels, const Grid<std::uint8_t>& label_map);

}  // namespace vedette
