#include <algorithm>
#include <numeric>
#include <set>

#include "vision/assess/assess.hpp"
#include "vision/evaluate/evaluate.hpp"
#include "vision/learn/trainer.hpp"

namespace vedette {
namespace {

constexpr double kNormalWeight = 0.25;  // of a good picture when the map threshold is chosen
constexpr std::size_t kThresholds = 400;

}  // namespace

Grid<float> Trainer::coverage(const Grid<std::uint8_t>& truth) const {
  Grid<float> out(features_.grid_height, features_.grid_width);
  Grid<float> area(features_.grid_height, features_.grid_width);
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
  struct Curve {
    std::vector<float> values;    // descending
    std::vector<double> covered;  // truth under the first n cells
    double weight;
  };
  std::vector<Curve> curves;
  std::vector<float> pooled;
  for (std::size_t k = 0; k < kept.size(); ++k) {
    const auto map = combine_maps(artifact_.manifest, measured_[kept[k]].maps, 0);
    std::vector<std::size_t> order(map.values.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(), [&](auto a, auto b) { return map.values[a] > map.values[b]; });
    Curve curve{{}, {0.0}, pictures_[kept[k]].has_mask ? 1.0 : kNormalWeight};
    for (auto i : order) {
      curve.values.push_back(map.values[i]);
      curve.covered.push_back(curve.covered.back() + coverages[k].values[i]);
    }
    // Thresholds worth trying lie in the upper tail of the maps.
    for (std::size_t i = 0; i < order.size() / 4; i += 1 + i / 8) pooled.push_back(curve.values[i]);
    curves.push_back(std::move(curve));
  }
  std::sort(pooled.begin(), pooled.end());
  MapChoice best;
  const std::size_t step = std::max<std::size_t>(1, pooled.size() / kThresholds);
  for (std::size_t p = 0; p < pooled.size(); p += step) {
    double sum = 0, weights = 0;
    for (const auto& curve : curves) {
      const auto called = static_cast<std::size_t>(
          std::upper_bound(curve.values.begin(), curve.values.end(), pooled[p], std::greater<>()) -
          curve.values.begin());
      const double hit = curve.covered[called], united = static_cast<double>(called) + curve.covered.back() - hit;
      sum += curve.weight * (united > 0 ? hit / united : 1.0);
      weights += curve.weight;
    }
    if (sum / weights > best.quality) best = {sum / weights, pooled[p]};
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
    if (!measured_[i].maps.empty()) kept.push_back(i), coverages.push_back(coverage(*measured_[i].truth));

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

  // What each label's regions look like: the regions that the map marks over a label's pixels, as in serving; where it
  // marks none, the label's own cells.
  struct Region {
    std::int64_t fold;
    std::size_t label;
    std::vector<float> description;
  };
  std::vector<Region> regions;
  for (auto i : kept) {
    if (!pictures_[i].has_mask) continue;
    const auto& truth = *measured_[i].truth;
    int marked_count = 0;
    const auto marked = find_regions(combine_maps(m, measured_[i].maps, 0), s.map_threshold, marked_count);
    for (std::size_t l = 0; l < labels_.size(); ++l) {
      Grid<int> label_cells(features_.grid_height, features_.grid_width);
      std::set<int> hit;
      bool any = false;
      for (int y = 0; y < truth.height; ++y)
        for (int x = 0; x < truth.width; ++x) {
          if (truth.at(y, x) != l + 1) continue;
          const int cy = y * label_cells.height / truth.height, cx = x * label_cells.width / truth.width;
          label_cells.at(cy, cx) = 1;
          hit.insert(marked.at(cy, cx));
          any = true;
        }
      hit.erase(0);
      const auto add = [&](const Grid<int>& grid, int region) {
        regions.push_back({pictures_[i].fold, l, describe_region(grid, region, measured_[i].region_features)});
      };
      for (int region : hit) add(marked, region);
      if (any && hit.empty()) add(label_cells, 1);
    }
  }
  const auto set_bank = [&](Artifact& artifact, std::optional<std::int64_t> without_fold) {
    std::vector<float> rows, row_labels;
    for (const auto& r : regions) {
      if (without_fold && r.fold == *without_fold) continue;
      rows.insert(rows.end(), r.description.begin(), r.description.end());
      row_labels.push_back(static_cast<float>(r.label));
    }
    if (row_labels.empty()) return;  // one fold holds all regions: keep the bank there is
    const auto count = static_cast<std::int64_t>(row_labels.size());
    const auto width = static_cast<std::int64_t>(rows.size()) / count;
    artifact.tensors.insert_or_assign(s.region_bank, Tensor::make({count, width}, std::move(rows)));
    artifact.tensors.insert_or_assign(s.region_labels, Tensor::make({count}, std::move(row_labels)));
  };
  set_bank(artifact_, std::nullopt);
  if (job_.test) return;

  std::vector<std::string> names;
  for (const auto& l : labels_) names.push_back(l.name);
  SegmentationTally tally(names);
  std::vector<std::vector<float>> maps;
  std::vector<std::vector<std::uint8_t>> truths;
  for (std::int64_t f = 0; f < folds_; ++f) {
    Artifact judge = artifact_;
    set_bank(judge, f);
    for (std::size_t k = 0; k < kept.size(); ++k) {
      if (pictures_[kept[k]].fold != f) continue;
      const auto& picture = measured_[kept[k]];
      const auto detection = combine(judge, picture.maps, picture.region_features, 0);
      tally.add(*detection.label_map, *picture.truth);
      maps.push_back(detection.anomaly_map.values);
      truths.emplace_back();
      for (float share : coverages[k].values) truths.back().push_back(share >= 0.5F ? 1 : 0);
    }
  }
  evaluation_.labels = tally.metrics();
  evaluation_.pixel_auroc = pixel_auroc(maps, truths);
}

}  // namespace vedette
