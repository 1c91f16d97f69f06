#include "vision/verdict/verdict.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>

#include "base/parallel.hpp"
#include "vision/infer/decide.hpp"

namespace vedette {
namespace {

constexpr Rgb kBackground{255, 255, 255};

double milliseconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

/// Counts the pixels of each label in a map; the count of the background comes first. Most rows of a map are like the
/// row above, which makes the count quick.
std::vector<std::int64_t> count_labels(const Grid<std::uint8_t>& map, std::size_t labels) {
  std::vector<std::int64_t> all(labels + 1), row_count(labels + 1);
  const auto width = static_cast<std::size_t>(map.width);
  for (int y = 0; y < map.height; ++y) {
    const auto* row = &map.at(y, 0);
    if (y == 0 || std::memcmp(row, row - width, width) != 0) {
      std::fill(row_count.begin(), row_count.end(), 0);
      for (std::size_t x = 0; x < width; ++x) ++row_count[row[x]];
    }
    for (std::size_t l = 0; l < all.size(); ++l) all[l] += row_count[l];
  }
  return all;
}

Bytes encode_mask(std::span<const Label> labels, const Grid<std::uint8_t>& label_map) {
  std::vector<Rgb> palette = {kBackground};
  for (const auto& color : label_colors(labels)) palette.push_back(color.rgb);
  return encode_label_png(label_map, palette);
}

/// Judges a decoded picture. The caller has set the thread count. `stages` are the stages before this one with their
/// times.
Result<Verdict> judge_decoded(const Engine& engine, const RgbImage& picture, const JudgeOptions& options,
                              std::vector<StageTime> stages) {
  auto detection = engine.detect(picture, options.with_places, options.place_at);
  if (!detection) return detection.error();
  Verdict out;
  out.is_anomalous = detection->is_anomalous;
  out.confidence = detection->confidence;
  out.anomaly_score = detection->anomaly_score;
  out.reason = std::move(detection->reason);
  out.anomaly_map = std::move(detection->anomaly_map);
  out.label_map = std::move(detection->label_map);
  out.statistics = detection->statistics;
  out.places = std::move(detection->places);
  out.stages = std::move(stages);
  out.stages.insert(out.stages.end(), detection->stages.begin(), detection->stages.end());
  if (!out.label_map) return out;
  const auto start = std::chrono::steady_clock::now();
  const auto& labels = engine.manifest().segmentation->labels;
  out.areas = measure_areas(labels, *out.label_map);
  if (options.with_mask_png) out.mask_png = encode_mask(labels, *out.label_map);
  out.stages.push_back({"encode", milliseconds_since(start)});
  return out;
}

}  // namespace

void move_threshold(Verdict& verdict, const Manifest& manifest, double threshold) {
  auto numbers = decision_numbers(manifest);
  if (!numbers.even_score) numbers.even_score = numbers.threshold;
  numbers.threshold = threshold;
  const auto decided = decide_by_score(verdict.anomaly_score, numbers, verdict.reason);
  verdict.is_anomalous = decided.is_anomalous;
  verdict.confidence = decided.confidence;
  verdict.anomaly_score = decided.anomaly_score;
}

void correct(Verdict& verdict, const Manifest& manifest, double threshold, const Corrections& corrections) {
  // A picture that the model cannot judge looks like nothing that anybody verified.
  if (!verdict.reason.empty()) return;
  auto correction = corrections.correct(verdict.is_anomalous, verdict.anomaly_score, verdict.places);
  if (!correction) return;
  auto numbers = decision_numbers(manifest);
  if (!numbers.even_score) numbers.even_score = numbers.threshold;
  numbers.threshold = threshold;
  // n pictures that all speak for one verdict support so much confidence in it (vision/learn chooses confidence_limit
  // likewise), and the score is what says so.
  const double probability = std::min(1 - 0.5 / (correction->agreeing + 2), numbers.confidence_limit);
  const double beyond = std::log(probability / (1 - probability)) / numbers.confidence_slope;
  const double logit = logit_of(*numbers.even_score) + (correction->is_anomalous ? beyond : -beyond);
  double score = anomaly_score_of(logit);
  score = correction->is_anomalous ? std::max(score, threshold) : std::min(score, std::nextafter(threshold, 0.0));
  const auto decided = decide_by_score(score, numbers, {});
  verdict.is_anomalous = decided.is_anomalous;
  verdict.confidence = decided.confidence;
  verdict.anomaly_score = decided.anomaly_score;
  verdict.corrected_by = std::move(correction->source_ref);
  if (verdict.is_anomalous || !verdict.label_map) return;
  // What the model marked are the places that a person found harmless.
  const auto& labels = manifest.segmentation->labels;
  std::fill(verdict.label_map->values.begin(), verdict.label_map->values.end(), std::uint8_t{0});
  verdict.areas = measure_areas(labels, *verdict.label_map);
  if (!verdict.mask_png.empty()) verdict.mask_png = encode_mask(labels, *verdict.label_map);
}

std::vector<LabelColor> label_colors(std::span<const Label> labels) {
  std::vector<LabelColor> out;
  for (const auto& label : labels) {
    const auto own = parse_color(label.color);
    LabelColor color{own ? *own : Rgb{0, 0, 0}, label.color};
    const auto is_taken = [&] {
      return color.rgb == kBackground ||
             std::any_of(out.begin(), out.end(), [&](const auto& c) { return c.rgb == color.rgb; });
    };
    // 256 different colours come up before they repeat, which is more than a model can have labels.
    for (std::uint8_t step = 1; is_taken(); ++step) {
      color.rgb = {static_cast<std::uint8_t>(37 * step), static_cast<std::uint8_t>(255 - 59 * step),
                   static_cast<std::uint8_t>(91 * step)};
      color.text = to_text(color.rgb);
    }
    out.push_back(std::move(color));
  }
  return out;
}

std::vector<LabelArea> measure_areas(std::span<const Label> labels, const Grid<std::uint8_t>& label_map) {
  const auto pixels = count_labels(label_map, labels.size());
  const auto colors = label_colors(labels);
  const auto fraction = [&](std::size_t number) {
    return static_cast<double>(pixels[number]) / static_cast<double>(label_map.values.size());
  };
  std::vector<LabelArea> out = {{"background", to_text(kBackground), fraction(0)}};
  for (std::size_t l = 0; l < labels.size(); ++l)
    if (pixels[l + 1] > 0) out.push_back({labels[l].name, colors[l].text, fraction(l + 1)});
  return out;
}

Result<Verdict> judge(const Engine& engine, std::span<const std::uint8_t> picture, const JudgeOptions& options) {
  const ThreadCount count(options.threads > 0 ? options.threads : ThreadCount::current());
  const auto start = std::chrono::steady_clock::now();
  const auto image = engine.decode(picture, options.abandoned);
  if (!image) return image.error();
  return judge_decoded(engine, *image, options, {{"decode", milliseconds_since(start)}});
}

Result<Verdict> judge(const Engine& engine, const RgbImage& picture, const JudgeOptions& options) {
  const ThreadCount count(options.threads > 0 ? options.threads : ThreadCount::current());
  return judge_decoded(engine, picture, options, {});
}

}  // namespace vedette
