#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "vision/assess/assess.hpp"
#include "vision/evaluate/evaluate.hpp"
#include "vision/infer/drift.hpp"
#include "vision/learn/decision.hpp"
#include "vision/learn/steps.hpp"
#include "vision/render/surfaces.hpp"

namespace vedette {
namespace {

constexpr double kMostMapPixels =
    130e6;  // pixels of all pictures of a class whose maps are kept to choose the map threshold (400 of 640 × 480)
constexpr double kSuspectConfidence = 0.9;
constexpr std::size_t kMostDamaged = 120;
constexpr double kSmallestDamage = 0.02, kLargestDamage = 0.6;  // sizes as shares of the picture's shorter side
constexpr double kTiniestDamage = 0.004;                        // The smallest one where the models look closely.
constexpr double kFaintestDamage = 0.1;
// How much rendered damage says about real defects, if so many good pictures carry it; fewer say less.
constexpr double kWorthOfDamage = 0.3, kEnoughNormals = 24;

}  // namespace

Result<std::vector<OutOfFold>> measure_out_of_fold(Workshop& w) {
  auto engine = Engine::create(w.artifact);
  if (!engine) return internal_error(engine.error().message);
  std::vector<OutOfFold> results(w.pictures.size());
  std::vector<std::optional<Error>> failures(w.pictures.size());
  std::vector<bool> keep_maps(w.pictures.size());
  std::size_t kept_normals = 0, kept_masked = 0;
  const auto most =
      static_cast<std::size_t>(kMostMapPixels / std::max(w.input.pixels(), static_cast<double>(w.input.close_height) *
                                                                               w.input.close_width)) +
      1;
  for (std::size_t i = 0; i < w.pictures.size() && w.is_segmentation; ++i) {
    if (w.pictures[i].has_mask) keep_maps[i] = kept_masked++ < most;
    if (!w.pictures[i].is_anomalous) keep_maps[i] = kept_normals++ < most;
  }
  for (std::size_t first = 0; first < w.pictures.size(); first += w.chunk()) {
    w.meter.report("scoring out of fold",
                   0.8 + 0.15 * static_cast<double>(first) / static_cast<double>(w.pictures.size()));
    w.for_pictures(std::min(w.chunk(), w.pictures.size() - first), [&](std::size_t k) {
      const std::size_t i = first + k;
      const auto& picture = w.pictures[i];
      auto loaded = w.load(picture, w.labels);
      auto measurement = loaded ? (*engine)->measure(loaded->image) : Result<Engine::Measurement>(loaded.error());
      if (!measurement) {
        failures[i] = measurement.error();
        return;
      }
      auto& out = results[i];
      out.statistics = measurement->statistics;
      out.statistics.level = level_of(w.artifact.manifest, measurement->outputs, picture.fold);
      for (auto& output : measurement->outputs) {
        const auto fold = static_cast<std::size_t>(picture.fold);
        if (keep_maps[i]) out.maps.push_back({{std::move(output.maps[fold])}, {output.scores[fold]}});
        out.scores.push_back(std::move(output.scores[fold]));
      }
      if (keep_maps[i]) {
        out.class_maps = {std::move(measurement->class_maps[static_cast<std::size_t>(picture.fold)])};
        const auto& all = measurement->details;
        const auto plane = static_cast<std::ptrdiff_t>(all.height) * all.width;
        out.details = {1, all.height, all.width, {}};
        out.details.values.assign(all.values.begin() + picture.fold * plane,
                                  all.values.begin() + (picture.fold + 1) * plane);
        out.truth = loaded->truth.value_or(Grid<std::uint8_t>(w.image_height, w.image_width));
      }
    });
  }
  for (const auto& failure : failures)
    if (failure) return *failure;
  return results;
}

Result<std::vector<Damaged>> measure_damaged(Workshop& w) {
  // Damage is rendered at the size at which the models look, so that it may be as small as what they can see.
  const int height = w.least_size().height, width = w.least_size().width;
  Artifact at_damaged_size = w.artifact;
  at_damaged_size.manifest.image_height = height;
  at_damaged_size.manifest.image_width = width;
  auto engine = Engine::create(std::move(at_damaged_size));
  if (!engine) return internal_error(engine.error().message);
  const std::size_t count = std::min(kMostDamaged, w.normals.size());
  std::vector<Damaged> results(count);
  std::vector<std::optional<Error>> failures(count);
  const double smallest = w.input.has_close_look() ? kTiniestDamage : kSmallestDamage;
  const auto load_small = [&](std::size_t normal) -> Result<RgbImage> {
    auto loaded = w.load(w.pictures[w.normals[normal]]);
    if (!loaded) return loaded.error();
    return to_image(resize_to_planes(loaded->image, height, width));
  };
  w.for_pictures(count, [&](std::size_t i) {
    const std::size_t normal = i * w.normals.size() / count;
    auto image = load_small(normal), foreign = load_small((normal + w.normals.size() / 2) % w.normals.size());
    if (!image || !foreign) {
      failures[i] = image ? foreign.error() : image.error();
      return;
    }
    Random r = w.random.fork(2'000'000 + i);
    const double side = std::min(height, width);
    for (int attempt = 0; attempt < 20; ++attempt) {
      const render::Damage damage{render::kFills[r.below(render::kFills.size())],
                                  render::kOutlines[r.below(render::kOutlines.size())],
                                  r.uniform(0.05, 0.95) * height,
                                  r.uniform(0.05, 0.95) * width,
                                  side * std::exp(r.uniform(std::log(smallest), std::log(kLargestDamage))),
                                  r.uniform(kFaintestDamage, 1)};
      const auto mask = render::damage(*image, damage, *foreign, r.fork(1));
      if (std::any_of(mask.values.begin(), mask.values.end(), [](auto v) { return v != 0; })) break;
    }
    auto measurement = (*engine)->measure(*image);
    if (!measurement) {
      failures[i] = measurement.error();
      return;
    }
    results[i].fold = w.pictures[w.normals[normal]].fold;
    for (auto& output : measurement->outputs)
      results[i].measured.scores.push_back(std::move(output.scores[static_cast<std::size_t>(results[i].fold)]));
  });
  for (const auto& failure : failures)
    if (failure) return *failure;
  return results;
}

void decide(Workshop& w, std::span<const OutOfFold> out_of_fold, std::span<const Damaged> damaged) {
  auto& m = w.artifact.manifest;
  // The lists hold the pictures first and then the damaged copies.
  std::vector<std::uint8_t> labels;
  std::vector<std::int64_t> fold;
  std::vector<const OutOfFold*> measured;
  for (std::size_t i = 0; i < w.pictures.size(); ++i) {
    labels.push_back(w.pictures[i].is_anomalous ? 1 : 0);
    fold.push_back(w.pictures[i].fold);
    measured.push_back(&out_of_fold[i]);
  }
  for (const auto& d : damaged) {
    labels.push_back(1);
    fold.push_back(d.fold);
    measured.push_back(&d.measured);
  }
  std::vector<ScoreRow> rows(measured.size());
  std::vector<Entrant> entrants;
  for (std::size_t c = 0; c < m.contestants.size(); ++c) {
    auto& contestant = m.contestants[c];
    auto& entrant = entrants.emplace_back();
    entrant.learned_from_labels = w.entered[c]->learned_from_labels();
    entrant.share = w.entered[c]->share();
    for (auto& row : rows) row.emplace_back();
    for (std::size_t p = 0; p < contestant.pools.size(); ++p) {
      auto& pool = contestant.pools[p];
      entrant.is_default.push_back(w.entered[c]->is_default(pool, w.input));
      double mean = 0, square = 0;
      const auto number = [&](std::size_t i) { return measured[i]->scores[c][p]; };
      for (auto i : w.normals) mean += number(i) / static_cast<double>(w.normals.size());
      for (auto i : w.normals)
        square += (number(i) - mean) * (number(i) - mean) / static_cast<double>(w.normals.size());
      pool.location = mean;
      pool.scale = std::max(std::sqrt(square), 1e-3);
      for (std::size_t i = 0; i < rows.size(); ++i) rows[i][c].push_back((number(i) - mean) / pool.scale);
    }
    // The smallest pool without regard to the level says how high the map of a good picture reaches.
    contestant.map_unit = std::exp(contestant.pools.front().location);
  }
  const auto choice = choose_fusion(
      rows, labels, fold, w.folds, entrants,
      damaged.empty() ? 1 : kWorthOfDamage * std::min(1.0, static_cast<double>(w.normals.size()) / kEnoughNormals));
  labels.resize(w.pictures.size());
  std::vector<double> logits;
  for (std::size_t i = 0; i < w.pictures.size(); ++i) logits.push_back(choice.fusion.logit(rows[i]));
  const auto budget = w.job.plan.false_alarm_budget;
  const auto decision = choose_decision(logits, labels, budget);
  const auto good = static_cast<std::int64_t>(w.normals.size());
  if (budget && *budget * static_cast<double>(good + 1) < 1)
    w.evaluation.warnings.push_back(
        fmt::format("{} good pictures cannot show that at most 1 in {:.0f} is a false alarm: it takes {:.0f}.", good,
                    1 / *budget, std::ceil(1 / *budget) - 1));
  for (std::size_t c = 0; c < m.contestants.size(); ++c) {
    auto& contestant = m.contestants[c];
    for (std::size_t p = 0; p < contestant.pools.size(); ++p) contestant.pools[p].weight = choice.fusion.weights[c][p];
    contestant.map_weight = w.entered[c]->says_where() ? contestant.score_weight() : 0;
    ContestEntry entry{contestant.name, {}, 0, 0};  // run() sets the weights at its end, when all is fitted
    if (w.normals.size() < w.pictures.size()) {
      std::vector<double> alone;
      for (std::size_t i = 0; i < w.pictures.size(); ++i) alone.push_back(contestant.alone(measured[i]->scores[c]));
      entry.auroc = auroc(alone, labels);
    }
    w.evaluation.contest.push_back(std::move(entry));
  }
  // If a contestant that judges pictures as a whole decides alone, the others say where.
  if (std::none_of(m.contestants.begin(), m.contestants.end(), [](const auto& c) { return c.map_weight > 0; }))
    for (std::size_t c = 0; c < m.contestants.size(); ++c)
      m.contestants[c].map_weight = w.entered[c]->says_where() ? 1 : 0;
  m.fusion_bias = choice.fusion.bias;
  m.false_alarm_budget = budget;
  m.threshold = anomaly_score_of(decision.threshold);
  m.confidence_slope = decision.confidence_slope;
  m.confidence_limit = decision.confidence_limit;
  std::vector<PictureStatistics> statistics;
  for (const auto& picture : out_of_fold) statistics.push_back(picture.statistics);
  m.plausibility = choose_plausibility(statistics);
  std::vector<Look> good_looks;
  for (auto i : w.normals) good_looks.push_back({anomaly_score_of(logits[i]), statistics[i]});
  m.looks = summarize_looks(good_looks);
  std::int64_t alarms = 0;
  for (auto i : w.normals)
    alarms += vedette::decide(logits[i], decision_numbers(m), statistics[i]).is_anomalous ? 1 : 0;
  const auto expected = exceedance_interval(alarms, good);
  w.evaluation.intervals["expected_false_alarm_rate"] = {expected.low, expected.high};
  if (w.job.test) return;

  w.evaluation.is_out_of_fold = true;
  fold.resize(w.pictures.size());
  const auto verdicts =
      decide_out_of_fold({choice.cross_fitted_logits.data(), w.pictures.size()}, labels, fold, statistics, budget);
  for (std::size_t i = 0; i < w.pictures.size(); ++i) {
    const auto& verdict = verdicts[i];
    const bool is_wrong = w.pictures[i].is_anomalous != verdict.is_anomalous;
    w.evaluation.predictions.push_back(
        {.source_ref = w.pictures[i].sample->source_ref,
         .is_anomalous = w.pictures[i].is_anomalous,
         .called_anomalous = verdict.is_anomalous,
         .confidence = verdict.confidence,
         .anomaly_score = verdict.anomaly_score,
         .image = w.pictures[i].sample->image.string(),
         .fold = fold[i],
         .is_suspect = is_wrong && verdict.reason.empty() && verdict.confidence >= kSuspectConfidence,
         .reason = verdict.reason,
         .labels = label_names(*w.pictures[i].sample)});
  }
  summarize_predictions(w.evaluation);
}

}  // namespace vedette
