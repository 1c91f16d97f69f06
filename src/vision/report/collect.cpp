#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>

#include "base/files.hpp"
#include "base/parallel.hpp"
#include "vision/assess/assess.hpp"
#include "vision/evaluate/evaluate.hpp"
#include "vision/infer/bank_search.hpp"
#include "vision/infer/infer.hpp"
#include "vision/report/report.hpp"

namespace vedette {
namespace {

constexpr std::size_t kMostMeasured = 2'000;  // The most pictures on which the contest and the times are measured.
constexpr int kShownSide = 320, kPatch = 96;  // in pixels

double milliseconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

RgbImage shrunk(const RgbImage& image) {
  const double scale = std::min(1.0, static_cast<double>(kShownSide) / std::max(image.height, image.width));
  const auto side = [&](int pixels) { return std::max(8, static_cast<int>(std::lround(scale * pixels))); };
  return to_image(resize_to_planes(image, side(image.height), side(image.width)));
}

/// Says at which map value colour begins, and where everything is red.
struct HeatScale {
  double low, high;
  explicit HeatScale(const Manifest& m)
      // Masks are drawn between their two thresholds. Without masks, 1 is the height that good pictures reach.
      : low(0.7), high(4) {
    if (!m.segmentation) return;
    const auto& thresholds = m.segmentation->thresholds;
    low = 0.5 * std::min_element(thresholds.begin(), thresholds.end(), [](const auto& a, const auto& b) {
                  return a.map < b.map;
                })->map;
    high = 2 * std::max_element(thresholds.begin(), thresholds.end(), [](const auto& a, const auto& b) {
                 return a.peak < b.peak;
               })->peak;
  }
};

/// Returns the picture in grey, under colours from yellow to red.
RgbImage heated(const RgbImage& picture, const Grid<float>& map, const HeatScale& scale) {
  const auto heat = resize_map(map, picture.height, picture.width);
  const double low = std::max(scale.low, 1e-6), range = std::log(std::max(scale.high, 2 * low) / low);
  RgbImage out = picture;
  for (std::size_t i = 0; i < heat.values.size(); ++i) {
    const double v = std::clamp(std::log(std::max<double>(heat.values[i], 1e-6) / low) / range, 0.0, 1.0);
    const double color[3] = {255, 225 * (1 - v), 30 * (1 - v)}, opacity = 0.75 * std::sqrt(v);
    const double grey = 0.3 * out.pixels[3 * i] + 0.6 * out.pixels[3 * i + 1] + 0.1 * out.pixels[3 * i + 2];
    for (std::size_t c = 0; c < 3; ++c)
      out.pixels[3 * i + c] = static_cast<std::uint8_t>(std::lround(grey * (1 - opacity) + color[c] * opacity));
  }
  return out;
}

/// Shows what the memory bank holds nearest to the oddest place of a picture.
class BankReader {
 public:
  static std::optional<BankReader> open(const Engine& engine, const std::vector<BankSource>& sources) {
    auto search = BankSearch::plan(engine.artifact(), engine.precision());
    if (!search || search->rows() != sources.size()) return std::nullopt;
    return BankReader(std::move(*search), engine.manifest(), sources);
  }

  void show(const RgbImage& image, std::optional<std::int64_t> fold, ReportedPicture& out) {
    search_.look(image);
    const auto oddest = search_.oddest(fold);
    const auto row = search_.nearest(oddest, [&](std::size_t r) { return !fold || !search_.is_of_fold(r, *fold); });
    out.oddest = patch(oddest);
    if (!row) return;
    const auto& source = sources_[*row];
    TrainingPicture sample;
    sample.source_ref = source.image;
    sample.image = source.image;
    const auto loaded = load_picture(sample, {}, manifest_.image_height, manifest_.image_width, true,
                                     {manifest_.input_height, manifest_.input_width},
                                     {.formats = kAllFormats, .sample_bits = manifest_.sample_bits});
    if (!loaded) return;
    search_.look(loaded->image);
    out.nearest_normal =
        patch({std::clamp(source.row, 0, search_.height() - 1), std::clamp(source.column, 0, search_.width() - 1)});
  }

 private:
  BankReader(BankSearch search, const Manifest& manifest, const std::vector<BankSource>& sources)
      : search_(std::move(search)), manifest_(manifest), sources_(sources) {}
  [[nodiscard]] RgbImage patch(BankSearch::Cell cell) const {
    const auto& seen = search_.seen();
    const int side = std::min({kPatch, seen.height, seen.width});
    const int top =
        std::clamp((2 * cell.row + 1) * seen.height / (2 * search_.height()) - side / 2, 0, seen.height - side);
    const int left =
        std::clamp((2 * cell.column + 1) * seen.width / (2 * search_.width()) - side / 2, 0, seen.width - side);
    Planes out{3, side, side, {}};
    for (int c = 0; c < 3; ++c)
      for (int y = 0; y < side; ++y) {
        const auto begin =
            seen.values.begin() + (static_cast<std::ptrdiff_t>(c) * seen.height + top + y) * seen.width + left;
        out.values.insert(out.values.end(), begin, begin + side);
      }
    return to_image(out);
  }

  BankSearch search_;
  const Manifest& manifest_;
  const std::vector<BankSource>& sources_;
};

}  // namespace

Result<Report> collect_report(const std::filesystem::path& folder, Evaluation evaluation, std::size_t shown,
                              int threads) {
  const ThreadCount count(threads);
  auto engine = Engine::load(folder);
  if (!engine) return engine.error();
  Report report;
  report.title = std::filesystem::absolute(folder).filename().string();
  report.manifest = (*engine)->manifest();
  report.evaluation = std::move(evaluation);
  const auto& m = report.manifest;
  const auto& predictions = report.evaluation.predictions;

  for (const auto& p : predictions)
    if (p.fold && (*p.fold < 0 || *p.fold >= m.folds))
      return invalid_input("The evaluation is of another model: " + p.source_ref + " was judged by a fold it lacks.");

  // Wrong verdicts come first, the most confident at the top; then come the least certain right ones.
  std::vector<std::size_t> order(predictions.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  const auto rank = [&](std::size_t i) {
    const auto& p = predictions[i];
    return p.is_anomalous != p.called_anomalous ? -p.confidence : p.confidence;
  };
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return rank(a) < rank(b); });
  shown = std::min(shown, order.size());

  auto bank = BankReader::open(**engine, report.evaluation.bank_sources);
  std::vector<std::vector<double>> scores(m.contestants.size());
  std::vector<std::uint8_t> labels;
  std::map<std::string, std::vector<double>> times;
  const std::size_t every = (order.size() + kMostMeasured - 1) / std::max<std::size_t>(1, kMostMeasured);
  for (std::size_t place = 0; place < order.size(); ++place) {
    const auto& p = predictions[order[place]];
    if (place >= shown && place % every != 0) continue;
    ReportedPicture out;
    out.prediction = p;
    TrainingPicture sample;
    sample.source_ref = p.source_ref;
    sample.image = p.image;
    auto clock = std::chrono::steady_clock::now();
    const auto loaded = load_picture(sample, {}, m.image_height, m.image_width, true, least_size(m),
                                     {.formats = kAllFormats, .sample_bits = m.sample_bits});
    if (loaded) {
      times["1 read and decode"].push_back(milliseconds_since(clock));
      clock = std::chrono::steady_clock::now();
      const auto measured = (*engine)->measure(loaded->image);
      if (!measured) return measured.error();
      times["2 resize, network, scores"].push_back(milliseconds_since(clock));
      clock = std::chrono::steady_clock::now();
      const auto detection =
          combine(m, measured->outputs, measured->class_maps, measured->details, measured->statistics, p.fold);
      times["3 verdict, mask"].push_back(milliseconds_since(clock));
      labels.push_back(p.is_anomalous ? 1 : 0);
      for (std::size_t c = 0; c < scores.size(); ++c) {
        const auto& all = measured->outputs[c].scores;
        double sum = 0;
        for (std::size_t f = 0; f < all.size(); ++f)
          if (!p.fold || static_cast<std::size_t>(*p.fold) == f) sum += m.contestants[c].alone(all[f]);
        scores[c].push_back(sum);
      }
      if (place < shown) {
        out.picture = shrunk(loaded->image);
        out.heat = heated(out.picture, detection.anomaly_map, HeatScale(m));
        if (bank && (p.is_anomalous || p.called_anomalous)) bank->show(loaded->image, p.fold, out);
      }
    }
    if (place < shown) report.pictures.push_back(std::move(out));
  }
  const auto positives = std::count(labels.begin(), labels.end(), 1);
  const bool has_both = positives > 0 && positives < static_cast<std::ptrdiff_t>(labels.size());
  for (std::size_t c = 0; c < scores.size(); ++c)
    report.contest.push_back({m.contestants[c].name, has_both ? std::optional(auroc(scores[c], labels)) : std::nullopt,
                              m.contestants[c].score_weight(), m.contestants[c].map_weight});
  for (auto& [stage, values] : times) report.milliseconds.emplace_back(stage.substr(2), median(std::move(values)));
  return report;
}

}  // namespace vedette
