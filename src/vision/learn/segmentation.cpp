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
/// Which pixels are drawn: those of the threshold with this number, in regions that reach the peak.
struct PixelChoice {
  std::size_t layer = 0;
  double peak = 2;
};
/// In the first choice there are none, and the map alone draws.
constexpr std::array<PixelChoice, 16> kPixelChoices = {{{},
                                                        {0, 0.25},
                                                        {0, 0.6},
                                                        {0, 0.85},
                                                        {1, 0.35},
                                                        {1, 0.6},
                                                        {1, 0.85},
                                                        {2, 0.45},
                                                        {2, 0.6},
                                                        {2, 0.85},
                                                        {3, 0.55},
                                                        {3, 0.7},
                                                        {3, 0.85},
                                                        {4, 0.65},
                                                        {4, 0.8},
                                                        {4, 0.9}}};
using PerChoice = std::array<float, kPixelChoices.size()>;
// All labels together count for so many pictures when a label's own thresholds are chosen.
constexpr double kPriorPictures = 4;

/// The regions of pixels at or above a threshold.
struct PixelLayer {
  Grid<int> near;                      ///< The number of the region that the cell is in or beside, or 0.
  std::vector<float> peaks;            ///< One per region, after one of region 0.
  std::vector<std::uint8_t> label_of;  ///< As classify_regions returns it.
  Grid<float> drawn;                   ///< The share of each cell that is drawn if the cell is near a region.
  std::vector<Grid<float>> hits;       ///< The shares that are drawn and that the truth covers, as Drawing::coverage.
};
/// A picture and its map, from which a mask is to be drawn.
struct Drawing {
  Grid<float> map;
  /// The number of cells that the truth covers: with any label first, then with each label.
  std::vector<double> marked;
  /// The shares of each cell that the truth covers, in the same order; empty where nothing is marked.
  std::vector<Grid<float>> coverage;
  std::array<PixelLayer, kPixelThresholds.size()> layers;
  const Planes* classes = nullptr;  ///< The logits of the labels.
  [[nodiscard]] int region_of_pixels(const PixelChoice& choice, std::size_t cell) const {
    const auto& layer = layers[choice.layer];
    const int region = choice.peak > 1 ? 0 : layer.near.values[cell];
    return layer.peaks[static_cast<std::size_t>(region)] >= choice.peak ? region : 0;
  }
};
/// Thresholds of cells and of the peaks of regions, with choices of pixels, and how good they are together.
struct ThresholdTable {
  std::vector<double> thresholds;  ///< They are in rising order; nothing reaches the last.
  /// [threshold of cells][threshold of peaks][choice of pixels]; 0 where the second is lower than the first
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
  for (std::size_t t = 0; t + 1 < kThresholds; ++t)
    table.thresholds.push_back(pooled[static_cast<std::size_t>(static_cast<double>(t) / (kThresholds - 1) *
                                                               static_cast<double>(pooled.size() - 1))]);
  table.thresholds.push_back(2.0 * pooled.back() + 1);
  constexpr auto kChoices = kPixelChoices.size();
  table.quality.assign(kThresholds * kThresholds * kChoices, 0);
  if (table.pictures == 0) return table;
  const double good = static_cast<double>(drawings.size()) - table.pictures;
  struct Region {
    double peak = 0;
    PerChoice hit{}, cells{};
  };
  // What is drawn pixel by pixel does not depend on the thresholds of the map.
  std::vector<Region> by_pixels(drawings.size());
  std::vector<Grid<std::uint32_t>> taken(drawings.size());
  run_parallel(drawings.size(), threads, [&](std::size_t k) {
    const auto& d = drawings[k];
    taken[k] = Grid<std::uint32_t>(d.map.height, d.map.width);
    for (std::size_t c = 0; c < taken[k].values.size(); ++c)
      for (std::size_t p = 0; p < kChoices; ++p) {
        const auto number = static_cast<std::size_t>(d.region_of_pixels(kPixelChoices[p], c));
        if (number == 0) continue;
        taken[k].values[c] |= 1U << p;
        const auto& layer = d.layers[kPixelChoices[p].layer];
        if (label != 0 && layer.label_of[number] != label) continue;
        by_pixels[k].cells[p] += layer.drawn.values[c];
        if (d.marked[label] > 0) by_pixels[k].hit[p] += layer.hits[label].values[c];
      }
  });
  for (std::size_t low = 0; low < kThresholds; ++low) {
    const double threshold = table.thresholds[low];
    // Regions and their peaks do not depend on the second threshold, so they are found once.
    std::vector<std::vector<Region>> regions(drawings.size());
    run_parallel(drawings.size(), threads, [&](std::size_t k) {
      const auto& d = drawings[k];
      int count = 0;
      const auto marked = find_regions(d.map, threshold, threshold, count);
      std::vector<std::uint8_t> label_of;
      if (label != 0) label_of = classify_regions(d.map, marked, count, {d.classes, 1}, 0);
      regions[k].assign(static_cast<std::size_t>(count), {});
      for (std::size_t c = 0; c < marked.values.size(); ++c) {
        const auto number = static_cast<std::size_t>(marked.values[c]);
        if (number == 0 || (label != 0 && label_of[number] != label)) continue;
        auto& region = regions[k][number - 1];
        region.peak = std::max<double>(region.peak, d.map.values[c]);
        for (std::size_t p = 0; p < kChoices; ++p) {
          if ((taken[k].values[c] >> p & 1U) != 0) continue;
          if (d.marked[label] > 0) region.hit[p] += d.coverage[label].values[c];
          region.cells[p] += 1;
        }
      }
    });
    for (std::size_t i = low * kChoices; i < kThresholds * kChoices; ++i) {
      const auto high = i / kChoices, p = i % kChoices;
      double sum = 0, all_hit = 0, all_united = 0, found = 0, alarms = 0;
      for (std::size_t k = 0; k < drawings.size(); ++k) {
        const double marked = drawings[k].marked[label];
        double hit = by_pixels[k].hit[p], cells = by_pixels[k].cells[p];
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
      table.quality[(low * kThresholds + high) * kChoices + p] =
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
    std::vector<char> holds(w.labels.size() + 1);
    for (auto v : truth.values) holds[v] = 1;
    holds[0] = 1;
    d.marked.resize(holds.size());
    d.coverage.resize(holds.size());
    for (std::size_t label = 0; label < holds.size(); ++label) {
      if (!holds[label]) continue;
      const auto is_marked = [&](int y, int x) { return label == 0 ? truth.at(y, x) != 0 : truth.at(y, x) == label; };
      auto covered = share(is_marked);
      d.marked[label] = std::accumulate(covered.values.begin(), covered.values.end(), 0.0);
      if (d.marked[label] == 0) continue;
      d.coverage[label] = std::move(covered);
    }
    const auto details = details_of(measured.details, 0);
    const auto highest = highest_pixels(details, cells.height, cells.width);
    const auto pixels = resize_map(details, truth.height, truth.width);
    for (std::size_t p = 0; p < kPixelThresholds.size(); ++p) {
      auto& layer = d.layers[p];
      const double threshold = kPixelThresholds[p];
      int count = 0;
      const auto regions = find_regions(highest, threshold, threshold, count);
      layer.label_of = classify_regions(highest, regions, count, {d.classes, 1}, 0);
      layer.peaks.resize(static_cast<std::size_t>(count) + 1);
      layer.near = Grid<int>(cells.height, cells.width);
      for (int y = 0; y < cells.height; ++y)
        for (int x = 0; x < cells.width; ++x) {
          layer.near.at(y, x) = region_near(regions, y, x);
          auto& peak = layer.peaks[static_cast<std::size_t>(regions.at(y, x))];
          if (regions.at(y, x) != 0) peak = std::max(peak, highest.at(y, x));
        }
      layer.drawn = share([&](int y, int x) { return pixels.at(y, x) >= threshold; });
      layer.hits.resize(holds.size());
      for (std::size_t label = 0; label < holds.size(); ++label)
        if (d.marked[label] > 0)
          layer.hits[label] = share([&](int y, int x) {
            return pixels.at(y, x) >= threshold && (label == 0 ? truth.at(y, x) != 0 : truth.at(y, x) == label);
          });
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
                                       : any.quality.size() - kPixelChoices.size();
    const auto pair = best / kPixelChoices.size();
    const auto& choice = kPixelChoices[best % kPixelChoices.size()];
    s.thresholds[l] = {any.thresholds[pair / kThresholds], any.thresholds[pair % kThresholds],
                       choice.peak > 1 ? choice.peak : kPixelThresholds[choice.layer], choice.peak};
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
