#include <algorithm>
#include <numeric>

#include "vision/assess/assess.hpp"
#include "vision/evaluate/evaluate.hpp"
#include "vision/learn/trainer.hpp"

namespace vedette {
namespace {

constexpr int kThresholds = 40;

}  // namespace

Grid<float> Trainer::coverage(const Grid<std::uint8_t>& truth, int height, int width) {
  Grid<float> out(height, width), area(height, width);
  for (int y = 0; y < truth.height; ++y)
    for (int x = 0; x < truth.width; ++x) {
      const int cy = y * out.height / truth.height, cx = x * out.width / truth.width;
      area.at(cy, cx) += 1;
      out.at(cy, cx) += truth.at(y, x) != 0 ? 1.0F : 0.0F;
    }
  for (std::size_t i = 0; i < out.values.size(); ++i) out.values[i] /= std::max(1.0F, area.values[i]);
  return out;
}

Trainer::MapChoice Trainer::best_threshold(const std::vector<std::size_t>& kept,
                                           const std::vector<Grid<float>>& coverages) const {
  std::vector<Grid<float>> maps;
  std::vector<float> pooled;
  std::vector<double> truths;
  double masked = 0;
  for (std::size_t k = 0; k < kept.size(); ++k) {
    maps.push_back(combine_maps(artifact_.manifest, measured_[kept[k]].maps, 0));
    truths.push_back(std::accumulate(coverages[k].values.begin(), coverages[k].values.end(), 0.0));
    masked += truths[k] > 0 ? 1 : 0;
    // Thresholds worth trying lie in the upper tail of the maps.
    auto values = maps.back().values;
    std::sort(values.begin(), values.end(), std::greater<>());
    for (std::size_t rank = 0; rank < values.size() / 4; rank += 1 + rank / 8) pooled.push_back(values[rank]);
  }
  std::sort(pooled.begin(), pooled.end());
  if (masked == 0)
    return {0, pooled.back(), pooled.back()};  // nothing is marked at this size: hardly anything shall be
  const auto quantile = [&](double share) {
    return pooled[static_cast<std::size_t>(share * static_cast<double>(pooled.size() - 1))];
  };
  MapChoice best;
  for (int low = 0; low < kThresholds; ++low) {
    const double threshold = quantile(static_cast<double>(low) / kThresholds);
    // Regions and their peaks do not depend on the second threshold: found once.
    struct Region {
      double peak, hit, cells;
    };
    std::vector<std::vector<Region>> regions(kept.size());
    parallel_for(kept.size(), threads_, [&](std::size_t k) {
      int count = 0;
      const auto marked = find_regions(maps[k], threshold, threshold, count);
      regions[k].assign(static_cast<std::size_t>(count), {});
      for (std::size_t c = 0; c < marked.values.size(); ++c) {
        if (marked.values[c] == 0) continue;
        auto& region = regions[k][static_cast<std::size_t>(marked.values[c]) - 1];
        region.peak = std::max<double>(region.peak, maps[k].values[c]);
        region.hit += coverages[k].values[c];
        region.cells += 1;
      }
    });
    for (int high = low; high < kThresholds; ++high) {
      const double peak = high == low ? threshold : quantile(static_cast<double>(high) / kThresholds);
      double sum = 0, all_hit = 0, all_united = 0, found = 0, alarms = 0;
      for (std::size_t k = 0; k < kept.size(); ++k) {
        double hit = 0, cells = 0;
        for (const auto& r : regions[k])
          if (r.peak >= peak) hit += r.hit, cells += r.cells;
        const double united = cells + truths[k] - hit;
        if (truths[k] > 0)
          sum += hit / united, found += hit > 0 ? 1 : 0;
        else
          alarms += cells > 0 ? 1 : 0;
        all_hit += hit, all_united += united;
      }
      const double good = static_cast<double>(kept.size()) - masked;
      const double told_apart = 0.5 * (found / masked + (good > 0 ? 1 - alarms / good : 1));
      const double quality = 0.45 * (sum / masked + all_hit / all_united) + 0.1 * told_apart;
      if (quality > best.quality) best = {quality, threshold, peak};
    }
  }
  return best;
}

void Trainer::fit_segmentation() {
  meter_.report("drawing masks", 0.95);
  auto& m = artifact_.manifest;
  auto& s = *m.segmentation;
  std::vector<std::size_t> kept;
  std::vector<Grid<float>> coverages;
  for (std::size_t i = 0; i < pictures_.size(); ++i)
    if (!measured_[i].maps.empty()) {
      const auto map = combine_maps(m, measured_[i].maps, 0);  // for its size alone
      kept.push_back(i);
      coverages.push_back(coverage(*measured_[i].truth, map.height, map.width));
    }

  // Which contestants draw best is another question than which decide best.
  std::vector<std::vector<double>> candidates;
  std::vector<double> fused;
  for (const auto& c : m.contestants) fused.push_back(c.score_weight);
  if (std::accumulate(fused.begin(), fused.end(), 0.0) > 0) candidates.push_back(fused);
  candidates.emplace_back(m.contestants.size(), 1.0);
  for (std::size_t c = 0; c < m.contestants.size(); ++c) {
    candidates.emplace_back(m.contestants.size(), 0.0);
    candidates.back()[c] = 1;
  }
  MapChoice best;
  std::vector<double> best_weights;
  for (const auto& weights : candidates) {
    for (std::size_t c = 0; c < weights.size(); ++c) m.contestants[c].map_weight = weights[c];
    if (const auto choice = best_threshold(kept, coverages); choice.quality > best.quality)
      best = choice, best_weights = weights;
  }
  for (std::size_t c = 0; c < best_weights.size(); ++c) m.contestants[c].map_weight = best_weights[c];
  s.map_threshold = best.threshold;
  s.peak_threshold = best.peak;

  if (job_.test) return;

  std::vector<std::string> names;
  for (const auto& l : labels_) names.push_back(l.name);
  SegmentationTally tally(names);
  std::vector<std::vector<float>> maps;
  std::vector<std::vector<std::uint8_t>> truths;
  for (std::size_t k = 0; k < kept.size(); ++k) {
    const auto& picture = measured_[kept[k]];
    const auto detection = combine(m, picture.maps, picture.class_maps, 0);
    tally.add(*detection.label_map, *picture.truth);
    maps.push_back(detection.anomaly_map.values);
    truths.emplace_back();
    for (float share : coverages[k].values) truths.back().push_back(share >= 0.5F ? 1 : 0);
  }
  evaluation_.labels = tally.metrics();
  const auto pixels = pixel_metrics(maps, truths);
  evaluation_.pixel_auroc = pixels.auroc;
  evaluation_.pixel_average_precision = pixels.average_precision;
}

}  // namespace vedette
