#include <algorithm>
#include <array>
#include <numeric>

#include "base/parallel.hpp"
#include "vision/assess/assess.hpp"
#include "vision/evaluate/evaluate.hpp"
#include "vision/learn/steps.hpp"

namespace vedette {
namespace {

constexpr std::size_t kThresholds = 40;
constexpr std::array kPixelThresholds = {0.25, 0.35, 0.45, 0.55, 0.65};
using PerPixelThreshold = std::array<float, kPixelThresholds.size()>;
// All labels together count for so many pictures when a label's own thresholds are chosen.
constexpr double kPriorPictures = 4;

/// A picture and its map, from which a mask is to be drawn.
struct Drawing {
  Grid<float> map;
  /// The number of cells that the truth covers: with any label first, then with each label.
  std::vector<double> marked;
  /// The shares of each cell that the truth covers, in the same order; empty where nothing is marked.
  std::vector<Grid<float>> coverage;
  /// The share of each cell that is drawn if the cell lies in a region, by the threshold of pixels.
  Grid<PerPixelThreshold> drawn;
  /// The shares of each cell that are drawn and that the truth covers, as `coverage`.
  std::vector<Grid<PerPixelThreshold>> hits;
  Grid<std::uint8_t>
      is_near;  ///< 1 if the cell was looked at pixel by pixel, so that regions beside it may reach into it
  const Planes* classes = nullptr;  ///< The logits of the labels.
};
/// Thresholds of cells, of the peaks of regions and of pixels, and how good they are together.
struct ThresholdTable {
  std::vector<double> thresholds;  ///< They are in rising order.
  /// [threshold of cells][threshold of peaks][threshold of pixels]; 0 where the second is lower than the first
  std::vector<double> quality;
  double pictures = 0;  ///< The number of pictures that hold what shall be drawn.
};

/// Returns the share of each cell in which `is_marked(y, x)` holds, where y and x are pixels of a grid of this size.
template <typename F>
Grid<float> share_of_cells(int pixel_rows, int pixel_columns, int height, int width, F is_marked) {
  Grid<float> out(height, width), area(height, width);
  for (int y = 0; y < pixel_rows; ++y)
    for (int x = 0; x < pixel_columns; ++x) {
      const int cy = y * out.height / pixel_rows, cx = x * out.width / pixel_columns;
      area.at(cy, cx) += 1;
      out.at(cy, cx) += is_marked(y, x) ? 1.0F : 0.0F;
    }
  for (std::size_t i = 0; i < out.values.size(); ++i) out.values[i] /= std::max(1.0F, area.values[i]);
  return out;
}

/// Rates thresholds by three measures together: the mean IoU over pictures with defects, so that small defects count;
/// the IoU of all pictures together, so that false regions cost what they cover; and how well "something
/// is marked" tells defective pictures, where it must touch the defect, from good ones. Cells are weighted by how far
/// they are drawn and how far the truth covers them. All regions count (label 0), or only those that are called the
/// label.
ThresholdTable rate_thresholds(const std::vector<Drawing>& drawings, std::uint8_t label, int threads) {
  std::vector<float> pooled;
  ThresholdTable table;
  for (const auto& d : drawings) {
    table.pictures += d.marked[label] > 0 ? 1 : 0;
    // Thresholds worth trying lie in the upper tail of the maps.
    auto values = d.map.values;
    std::sort(values.begin(), values.end(), std::greater<>());
    for (std::size_t rank = 0; rank < values.size() / 4; rank += 1 + rank / 8) pooled.push_back(values[rank]);
  }
  std::sort(pooled.begin(), pooled.end());
  for (std::size_t t = 0; t < kThresholds; ++t)
    table.thresholds.push_back(pooled[static_cast<std::size_t>(static_cast<double>(t) / kThresholds *
                                                               static_cast<double>(pooled.size() - 1))]);
  table.quality.assign(kThresholds * kThresholds * kPixelThresholds.size(), 0);
  if (table.pictures == 0) return table;
  const double good = static_cast<double>(drawings.size()) - table.pictures;
  for (std::size_t low = 0; low < kThresholds; ++low) {
    const double threshold = table.thresholds[low];
    // Regions and their peaks do not depend on the second threshold, so they are found once.
    struct Region {
      double peak = 0;
      PerPixelThreshold hit{}, cells{};
    };
    std::vector<std::vector<Region>> regions(drawings.size());
    run_parallel(drawings.size(), threads, [&](std::size_t k) {
      const auto& d = drawings[k];
      int count = 0;
      const auto marked = find_regions(d.map, threshold, threshold, count);
      std::vector<std::uint8_t> label_of;
      if (label != 0) label_of = classify_regions(d.map, marked, count, {d.classes, 1}, 0);
      regions[k].assign(static_cast<std::size_t>(count), {});
      for (std::size_t c = 0; c < marked.values.size(); ++c) {
        auto number = static_cast<std::size_t>(marked.values[c]);
        if (number == 0 && d.is_near.values[c] != 0)
          number = static_cast<std::size_t>(
              region_near(marked, static_cast<int>(c) / marked.width, static_cast<int>(c) % marked.width));
        if (number == 0 || (label != 0 && label_of[number] != label)) continue;
        auto& region = regions[k][number - 1];
        region.peak = std::max<double>(region.peak, d.map.values[c]);
        for (std::size_t p = 0; p < kPixelThresholds.size(); ++p) {
          if (d.marked[label] > 0) region.hit[p] += d.hits[label].values[c][p];
          region.cells[p] += d.drawn.values[c][p];
        }
      }
    });
    for (std::size_t i = low * kPixelThresholds.size(); i < kThresholds * kPixelThresholds.size(); ++i) {
      const auto high = i / kPixelThresholds.size(), p = i % kPixelThresholds.size();
      double sum = 0, all_hit = 0, all_united = 0, found = 0, alarms = 0;
      for (std::size_t k = 0; k < drawings.size(); ++k) {
        const double marked = drawings[k].marked[label];
        double hit = 0, cells = 0;
        for (const auto& r : regions[k])
          if (r.peak >= table.thresholds[high]) hit += r.hit[p], cells += r.cells[p];
        const double united = cells + marked - hit;
        if (marked > 0)
          sum += hit / united, found += hit > 0 ? 1 : 0;
        else
          alarms += cells > 0 ? 1 : 0;
        all_hit += hit, all_united += united;
      }
      const double told_apart = 0.5 * (found / table.pictures + (good > 0 ? 1 - alarms / good : 1));
      table.quality[(low * kThresholds + high) * kPixelThresholds.size() + p] =
          0.45 * (sum / table.pictures + all_hit / all_united) + 0.1 * told_apart;
    }
  }
  return table;
}

}  // namespace

void fit_segmentation(Workshop& w, std::span<const OutOfFold> out_of_fold) {
  w.meter.report("drawing masks", 0.95);
  auto& m = w.artifact.manifest;
  auto& s = *m.segmentation;
  std::vector<std::size_t> kept;
  std::vector<Drawing> drawings;
  for (std::size_t i = 0; i < w.pictures.size(); ++i) {
    const auto& measured = out_of_fold[i];
    if (measured.maps.empty()) continue;
    kept.push_back(i);
    auto& d = drawings.emplace_back();
    d.classes = &measured.class_maps[0];
  }
  run_parallel(kept.size(), w.threads, [&](std::size_t k) {
    auto& d = drawings[k];
    const auto& measured = out_of_fold[kept[k]];
    const auto& truth = *measured.truth;
    const auto cells = combine_maps(m, measured.maps, 0);  // This map is computed for its size alone.
    const auto share = [&](auto is_marked) {
      return share_of_cells(truth.height, truth.width, cells.height, cells.width, is_marked);
    };
    const auto pixels = resize_map(details_of(measured.details, 0), truth.height, truth.width);
    const auto near = share([&](int y, int x) { return pixels.at(y, x) > 0; });
    d.is_near = Grid<std::uint8_t>(cells.height, cells.width);
    for (std::size_t c = 0; c < near.values.size(); ++c) d.is_near.values[c] = near.values[c] >= 0.5F ? 1 : 0;
    // The share of each cell that is drawn, of all pixels or of those where `is_marked`. Where nobody looked at pixels,
    // `all` says what a cell that is drawn as a whole has of them.
    const auto drawn = [&](const Grid<float>& all, auto is_marked) {
      Grid<PerPixelThreshold> out(cells.height, cells.width);
      for (std::size_t p = 0; p < kPixelThresholds.size(); ++p) {
        const auto own = share([&](int y, int x) { return pixels.at(y, x) >= kPixelThresholds[p] && is_marked(y, x); });
        for (std::size_t c = 0; c < out.values.size(); ++c)
          out.values[c][p] = d.is_near.values[c] != 0 ? own.values[c] : all.values[c];
      }
      return out;
    };
    d.drawn = drawn(Grid<float>(cells.height, cells.width, 1.0F), [](int, int) { return true; });
    std::vector<char> holds(w.labels.size() + 1);
    for (auto v : truth.values) holds[v] = 1;
    holds[0] = 1;
    d.marked.resize(holds.size());
    d.coverage.resize(holds.size());
    d.hits.resize(holds.size());
    for (std::size_t label = 0; label < holds.size(); ++label) {
      if (!holds[label]) continue;
      const auto is_marked = [&](int y, int x) { return label == 0 ? truth.at(y, x) != 0 : truth.at(y, x) == label; };
      auto covered = share(is_marked);
      d.marked[label] = std::accumulate(covered.values.begin(), covered.values.end(), 0.0);
      if (d.marked[label] == 0) continue;
      d.hits[label] = drawn(covered, is_marked);
      d.coverage[label] = std::move(covered);
    }
  });
  const auto draw = [&](const std::vector<double>& weights) {
    for (std::size_t c = 0; c < weights.size(); ++c) m.contestants[c].map_weight = weights[c];
    for (std::size_t k = 0; k < kept.size(); ++k) drawings[k].map = combine_maps(m, out_of_fold[kept[k]].maps, 0);
  };

  // Which contestants draw best is another question than which decide best.
  std::vector<std::vector<double>> candidates;
  std::vector<double> fused;
  for (const auto& c : m.contestants) fused.push_back(c.map_weight);
  if (std::accumulate(fused.begin(), fused.end(), 0.0) > 0) candidates.push_back(fused);
  std::vector<double> all;
  for (const auto* detector : w.entered) all.push_back(detector->says_where() ? 1 : 0);
  candidates.push_back(all);
  for (std::size_t c = 0; c < all.size(); ++c) {
    if (all[c] == 0) continue;
    candidates.emplace_back(all.size(), 0.0);
    candidates.back()[c] = 1;
  }
  const auto best_of = [](const ThresholdTable& table) {
    return static_cast<std::size_t>(std::max_element(table.quality.begin(), table.quality.end()) -
                                    table.quality.begin());
  };
  ThresholdTable any;
  std::vector<double> best_weights;
  for (const auto& weights : candidates) {
    draw(weights);
    auto table = rate_thresholds(drawings, 0, w.threads);
    if (best_weights.empty() || table.quality[best_of(table)] > any.quality[best_of(any)])
      any = std::move(table), best_weights = weights;
  }
  draw(best_weights);
  for (std::size_t l = 0; l < w.labels.size(); ++l) {
    const auto own = rate_thresholds(drawings, static_cast<std::uint8_t>(l + 1), w.threads);
    auto together = any;
    for (std::size_t i = 0; i < together.quality.size(); ++i)
      together.quality[i] = kPriorPictures * any.quality[i] + own.pictures * own.quality[i];
    const auto best = any.pictures > 0 ? best_of(together)
                                       // Nothing is marked at this size, so hardly anything shall be drawn.
                                       : any.quality.size() - 1;
    const auto pair = best / kPixelThresholds.size();
    s.thresholds[l] = {any.thresholds[pair / kThresholds], any.thresholds[pair % kThresholds],
                       kPixelThresholds[best % kPixelThresholds.size()]};
  }

  if (w.job.test) return;

  std::vector<std::string> names;
  for (const auto& l : w.labels) names.push_back(l.name);
  SegmentationTally tally(names);
  std::vector<std::vector<float>> maps;
  std::vector<std::vector<std::uint8_t>> truths;
  for (std::size_t k = 0; k < kept.size(); ++k) {
    const auto& picture = out_of_fold[kept[k]];
    const auto detection = combine(m, picture.maps, picture.class_maps, picture.details, picture.statistics, 0);
    tally.add(*detection.label_map, *picture.truth);
    maps.push_back(detection.anomaly_map.values);
    truths.emplace_back(maps.back().size());
    for (std::size_t i = 0; i < drawings[k].coverage[0].values.size(); ++i)
      truths.back()[i] = drawings[k].coverage[0].values[i] >= 0.5F ? 1 : 0;
  }
  w.evaluation.labels = tally.metrics();
  const auto pixels = pixel_metrics(maps, truths);
  w.evaluation.pixel_auroc = pixels.auroc;
  w.evaluation.pixel_average_precision = pixels.average_precision;
}

}  // namespace vedette
