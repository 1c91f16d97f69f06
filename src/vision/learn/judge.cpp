#include <algorithm>
#include <cmath>

#include "vision/assess/assess.hpp"
#include "vision/evaluate/evaluate.hpp"
#include "vision/learn/decision.hpp"
#include "vision/learn/trainer.hpp"

namespace vedette {
namespace {

constexpr std::size_t kMostMapPictures = 400;  // pictures per class whose maps are kept to choose the map threshold

}  // namespace

Result<void> Trainer::measure_out_of_fold() {
  auto engine = Engine::create(artifact_);
  if (!engine) return internal_error(engine.error().message);
  measured_.resize(pictures_.size());
  std::vector<std::optional<Error>> failures(pictures_.size());
  std::vector<char> keep_maps(pictures_.size());
  std::size_t kept_normals = 0, kept_masked = 0;
  for (std::size_t i = 0; i < pictures_.size() && is_segmentation_; ++i) {
    if (pictures_[i].has_mask) keep_maps[i] = kept_masked++ < kMostMapPictures;
    if (!pictures_[i].is_anomalous) keep_maps[i] = kept_normals++ < kMostMapPictures;
  }
  for (std::size_t first = 0; first < pictures_.size(); first += kChunk) {
    meter_.report("scoring out of fold",
                  0.8 + 0.15 * static_cast<double>(first) / static_cast<double>(pictures_.size()));
    parallel_for(std::min(kChunk, pictures_.size() - first), threads_, [&](std::size_t k) {
      const std::size_t i = first + k;
      const auto& picture = pictures_[i];
      auto loaded = load_sample(*picture.sample, labels_, image_height_, image_width_, job_.letterbox_mixed_sizes);
      auto measurement = loaded ? (*engine)->measure(loaded->image) : Result<Engine::Measurement>(loaded.error());
      if (!measurement) {
        failures[i] = measurement.error();
        return;
      }
      auto& out = measured_[i];
      for (auto& output : measurement->outputs) {
        auto& map = output.maps[static_cast<std::size_t>(picture.fold)];
        std::vector<double> pooled;
        for (double fraction : kPoolFractions) pooled.push_back(pool_largest(map.values, fraction));
        out.pooled.push_back(std::move(pooled));
        if (keep_maps[i]) out.maps.push_back({{std::move(map)}, {0.0}});
      }
      if (keep_maps[i]) {
        out.class_maps = {std::move(measurement->class_maps[static_cast<std::size_t>(picture.fold)])};
        out.truth = loaded->truth.value_or(Grid<std::uint8_t>(image_height_, image_width_));
      }
    });
  }
  for (const auto& failure : failures)
    if (failure) return *failure;
  return {};
}

void Trainer::decide() {
  auto& m = artifact_.manifest;
  std::vector<std::uint8_t> labels;
  std::vector<std::int64_t> fold;
  for (const auto& p : pictures_) {
    labels.push_back(p.is_anomalous ? 1 : 0);
    fold.push_back(p.fold);
  }
  const bool has_both = normals_.size() < pictures_.size();
  ScoreRows rows(pictures_.size());
  for (std::size_t c = 0; c < m.contestants.size(); ++c) {
    std::size_t best = kDefaultPool;
    if (has_both) {
      double best_auroc = 0;
      for (std::size_t f = 0; f < kPoolFractions.size(); ++f) {
        std::vector<double> scores;
        for (const auto& picture : measured_) scores.push_back(picture.pooled[c][f]);
        const double value = auroc(scores, labels);
        // The choice costs evidence: a wider pool must win by more than noise.
        if (f == kDefaultPool || value > best_auroc + 0.01) best_auroc = value, best = f;
      }
    }
    auto& contestant = m.contestants[c];
    contestant.pool_fraction = kPoolFractions[best];
    double mean = 0, square = 0;
    const auto log_score = [&](std::size_t i) { return std::log(std::max(measured_[i].pooled[c][best], 1e-12)); };
    for (auto i : normals_) mean += log_score(i) / static_cast<double>(normals_.size());
    for (auto i : normals_)
      square += (log_score(i) - mean) * (log_score(i) - mean) / static_cast<double>(normals_.size());
    contestant.location = mean;
    contestant.scale = std::max(std::sqrt(square), 1e-3);
    for (std::size_t i = 0; i < pictures_.size(); ++i) rows[i].push_back((log_score(i) - mean) / contestant.scale);
  }
  const auto choice = choose_fusion(rows, labels, fold, folds_);
  std::vector<double> logits;
  for (const auto& row : rows) logits.push_back(choice.fusion.logit(row));
  const auto decision = choose_decision(logits, labels);
  for (std::size_t c = 0; c < m.contestants.size(); ++c) {
    m.contestants[c].score_weight = choice.fusion.weights[c];
    m.contestants[c].map_weight = choice.fusion.weights[c];
  }
  m.fusion_bias = choice.fusion.bias;
  const auto softplus = [](double x) { return x > 30 ? x : std::log1p(std::exp(x)); };
  m.threshold = softplus(decision.threshold);
  m.confidence_slope = decision.confidence_slope;
  m.confidence_limit = decision.confidence_limit;
  if (job_.test) return;

  // Each picture is judged by a fusion and a threshold chosen without its fold, too.
  evaluation_.is_out_of_fold = true;
  evaluation_.predictions.resize(pictures_.size());
  for (std::int64_t f = 0; f < folds_; ++f) {
    std::vector<double> other_logits;
    std::vector<std::uint8_t> other_labels;
    for (std::size_t i = 0; i < pictures_.size(); ++i)
      if (fold[i] != f) other_logits.push_back(choice.cross_fitted_logits[i]), other_labels.push_back(labels[i]);
    const auto judge = choose_decision(other_logits, other_labels);
    for (std::size_t i = 0; i < pictures_.size(); ++i) {
      if (fold[i] != f) continue;
      const double beyond = choice.cross_fitted_logits[i] - judge.threshold;
      const double confidence =
          std::clamp(1 / (1 + std::exp(-judge.confidence_slope * std::abs(beyond))), 0.5, judge.confidence_limit);
      evaluation_.predictions[i] = {pictures_[i].sample->source_ref, pictures_[i].is_anomalous, beyond >= 0, confidence,
                                    softplus(beyond + decision.threshold)};
    }
  }
  summarize_predictions(evaluation_);
}

}  // namespace vedette
