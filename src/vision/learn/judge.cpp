#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "vision/assess/assess.hpp"
#include "vision/evaluate/evaluate.hpp"
#include "vision/learn/decision.hpp"
#include "vision/learn/trainer.hpp"
#include "vision/render/surfaces.hpp"

namespace vedette {
namespace {

constexpr double kMostMapPixels =
    130e6;  // pixels of all pictures of a class whose maps are kept to choose the map threshold (400 of 640 × 480)
constexpr double kSuspectConfidence = 0.9;
constexpr double kRuleMargin = 0.01;  // the least gain in AUROC
constexpr std::size_t kMostDamaged = 120;
constexpr double kSmallestDamage = 0.02, kLargestDamage = 0.6;  // sizes as shares of the picture's shorter side
constexpr double kFaintestDamage = 0.1;

std::vector<double> scores_of(const Grid<float>& map, const InputSize& input) {
  std::vector<double> out;
  for (const auto& rule : score_rules(input))
    out.push_back(score_map(map.values, rule.pool_fraction, rule.level_exponent));
  return out;
}

}  // namespace

Result<void> Trainer::measure_out_of_fold() {
  auto engine = Engine::create(artifact_);
  if (!engine) return internal_error(engine.error().message);
  measured_.resize(pictures_.size());
  std::vector<std::optional<Error>> failures(pictures_.size());
  std::vector<bool> keep_maps(pictures_.size());
  std::size_t kept_normals = 0, kept_masked = 0;
  const auto most = static_cast<std::size_t>(kMostMapPixels / (static_cast<double>(input_.height) * input_.width)) + 1;
  for (std::size_t i = 0; i < pictures_.size() && is_segmentation_; ++i) {
    if (pictures_[i].has_mask) keep_maps[i] = kept_masked++ < most;
    if (!pictures_[i].is_anomalous) keep_maps[i] = kept_normals++ < most;
  }
  for (std::size_t first = 0; first < pictures_.size(); first += chunk()) {
    meter_.report("scoring out of fold",
                  0.8 + 0.15 * static_cast<double>(first) / static_cast<double>(pictures_.size()));
    for_pictures(std::min(chunk(), pictures_.size() - first), [&](std::size_t k) {
      const std::size_t i = first + k;
      const auto& picture = pictures_[i];
      auto loaded = load(picture, labels_);
      auto measurement = loaded ? (*engine)->measure(loaded->image) : Result<Engine::Measurement>(loaded.error());
      if (!measurement) {
        failures[i] = measurement.error();
        return;
      }
      auto& out = measured_[i];
      out.statistics = measurement->statistics;
      out.statistics.level = level_of(artifact_.manifest, measurement->outputs, picture.fold);
      for (auto& output : measurement->outputs) {
        auto& map = output.maps[static_cast<std::size_t>(picture.fold)];
        out.scores.push_back(scores_of(map, input_));
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

Result<void> Trainer::measure_damaged() {
  Artifact at_input_size = artifact_;
  at_input_size.manifest.image_height = input_.height;
  at_input_size.manifest.image_width = input_.width;
  auto engine = Engine::create(std::move(at_input_size));
  if (!engine) return internal_error(engine.error().message);
  const std::size_t count = std::min(kMostDamaged, normals_.size());
  damaged_.resize(count);
  std::vector<std::optional<Error>> failures(count);
  const auto load_small = [&](std::size_t normal) -> Result<RgbImage> {
    auto loaded = load(pictures_[normals_[normal]]);
    if (!loaded) return loaded.error();
    return to_image(resize_to_planes(loaded->image, input_.height, input_.width));
  };
  for_pictures(count, [&](std::size_t i) {
    const std::size_t normal = i * normals_.size() / count;
    auto image = load_small(normal), foreign = load_small((normal + normals_.size() / 2) % normals_.size());
    if (!image || !foreign) {
      failures[i] = image ? foreign.error() : image.error();
      return;
    }
    Random r = random_.fork(2'000'000 + i);
    const double side = std::min(input_.height, input_.width);
    for (int attempt = 0; attempt < 20; ++attempt) {
      const render::Damage damage{render::kFills[r.below(render::kFills.size())],
                                  render::kOutlines[r.below(render::kOutlines.size())],
                                  r.uniform(0.05, 0.95) * input_.height,
                                  r.uniform(0.05, 0.95) * input_.width,
                                  side * std::exp(r.uniform(std::log(kSmallestDamage), std::log(kLargestDamage))),
                                  r.uniform(kFaintestDamage, 1)};
      const auto mask = render::damage(*image, damage, *foreign, r.fork(1));
      if (std::any_of(mask.values.begin(), mask.values.end(), [](auto v) { return v != 0; })) break;
    }
    auto measurement = (*engine)->measure(*image);
    if (!measurement) {
      failures[i] = measurement.error();
      return;
    }
    damaged_[i].fold = pictures_[normals_[normal]].fold;
    for (const auto& output : measurement->outputs)
      damaged_[i].measured.scores.push_back(scores_of(output.maps[static_cast<std::size_t>(damaged_[i].fold)], input_));
  });
  for (const auto& failure : failures)
    if (failure) return *failure;
  return {};
}

void Trainer::decide() {
  auto& m = artifact_.manifest;
  // The lists hold the pictures first and then the damaged copies.
  std::vector<std::uint8_t> labels;
  std::vector<std::int64_t> fold;
  std::vector<const OutOfFold*> measured;
  for (std::size_t i = 0; i < pictures_.size(); ++i) {
    labels.push_back(pictures_[i].is_anomalous ? 1 : 0);
    fold.push_back(pictures_[i].fold);
    measured.push_back(&measured_[i]);
  }
  for (const auto& d : damaged_) {
    labels.push_back(1);
    fold.push_back(d.fold);
    measured.push_back(&d.measured);
  }
  const bool has_both = normals_.size() < measured.size();
  const auto rules = score_rules(input_);
  ScoreRows rows(measured.size());
  for (std::size_t c = 0; c < m.contestants.size(); ++c) {
    auto& contestant = m.contestants[c];
    const auto is_default = [&](const ScoreRule& rule) {
      return rule.pool_fraction == contestant.pool_fraction && rule.level_exponent == contestant.level_exponent;
    };
    auto best = static_cast<std::size_t>(std::find_if(rules.begin(), rules.end(), is_default) - rules.begin());
    if (has_both) {
      const auto quality = [&](std::size_t rule) {
        std::vector<double> scores;
        for (const auto* picture : measured) scores.push_back(picture->scores[c][rule]);
        return auroc(scores, labels);
      };
      double best_auroc = quality(best);
      for (std::size_t rule = 0; rule < rules.size(); ++rule)
        // Choosing among rules uses up evidence, so another rule must win by more than noise.
        if (const double value = quality(rule); value > best_auroc + kRuleMargin) best_auroc = value, best = rule;
    }
    contestant.pool_fraction = rules[best].pool_fraction;
    contestant.level_exponent = rules[best].level_exponent;
    double mean = 0, square = 0;
    const auto log_score = [&](std::size_t i) { return std::log(std::max(measured[i]->scores[c][best], 1e-12)); };
    for (auto i : normals_) mean += log_score(i) / static_cast<double>(normals_.size());
    for (auto i : normals_)
      square += (log_score(i) - mean) * (log_score(i) - mean) / static_cast<double>(normals_.size());
    contestant.location = mean;
    contestant.scale = std::max(std::sqrt(square), 1e-3);
    for (std::size_t i = 0; i < rows.size(); ++i) rows[i].push_back((log_score(i) - mean) / contestant.scale);
  }
  const auto choice = choose_fusion(rows, labels, fold, folds_);
  labels.resize(pictures_.size());
  std::vector<double> logits;
  for (std::size_t i = 0; i < pictures_.size(); ++i) logits.push_back(choice.fusion.logit(rows[i]));
  const auto budget = job_.plan.false_alarm_budget;
  const auto decision = choose_decision(logits, labels, budget);
  const auto good = static_cast<std::int64_t>(normals_.size());
  if (budget && *budget * static_cast<double>(good + 1) < 1)
    evaluation_.warnings.push_back(
        fmt::format("{} good pictures cannot show that at most 1 in {:.0f} is a false alarm: it takes {:.0f}.", good,
                    1 / *budget, std::ceil(1 / *budget) - 1));
  for (std::size_t c = 0; c < m.contestants.size(); ++c) {
    ContestEntry entry{m.contestants[c].name, {}, 0, 0};  // run() sets the weights at its end, when all is fitted
    if (normals_.size() < pictures_.size()) {
      std::vector<double> alone;
      for (std::size_t i = 0; i < pictures_.size(); ++i) alone.push_back(rows[i][c]);
      entry.auroc = auroc(alone, labels);
    }
    evaluation_.contest.push_back(std::move(entry));
    m.contestants[c].score_weight = choice.fusion.weights[c];
    m.contestants[c].map_weight = choice.fusion.weights[c];
  }
  m.fusion_bias = choice.fusion.bias;
  m.threshold = anomaly_score_of(decision.threshold);
  m.confidence_slope = decision.confidence_slope;
  m.confidence_limit = decision.confidence_limit;
  std::vector<PictureStatistics> statistics;
  for (const auto& picture : measured_) statistics.push_back(picture.statistics);
  m.plausibility = choose_plausibility(statistics);
  std::int64_t alarms = 0;
  for (auto i : normals_) alarms += vedette::decide(logits[i], decision_numbers(m), statistics[i]).is_anomalous ? 1 : 0;
  const auto expected = exceedance_interval(alarms, good);
  evaluation_.intervals["expected_false_alarm_rate"] = {expected.low, expected.high};
  if (job_.test) return;

  evaluation_.is_out_of_fold = true;
  fold.resize(pictures_.size());
  const auto verdicts = decide_out_of_fold({choice.cross_fitted_logits.data(), pictures_.size()}, labels, fold,
                                           statistics, decision, budget);
  for (std::size_t i = 0; i < pictures_.size(); ++i) {
    const auto& verdict = verdicts[i];
    const bool is_wrong = pictures_[i].is_anomalous != verdict.is_anomalous;
    evaluation_.predictions.push_back(
        {.source_ref = pictures_[i].sample->source_ref,
         .is_anomalous = pictures_[i].is_anomalous,
         .called_anomalous = verdict.is_anomalous,
         .confidence = verdict.confidence,
         .anomaly_score = verdict.anomaly_score,
         .image = pictures_[i].sample->image.string(),
         .fold = fold[i],
         .is_suspect = is_wrong && verdict.reason.empty() && verdict.confidence >= kSuspectConfidence,
         .reason = verdict.reason});
  }
  summarize_predictions(evaluation_);
}

}  // namespace vedette
