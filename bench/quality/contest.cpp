#include "contest.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "vision/assess/assess.hpp"
#include "vision/evaluate/evaluate.hpp"

namespace vedette::bench {

using nlohmann::json;

json pooled_scores(const Engine& engine, const Samples& samples) {
  constexpr std::array kFractions = {0.0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0};
  const auto& m = engine.manifest();
  json out = {{"fractions", kFractions}, {"pictures", json::array()}};
  for (const auto& sample : samples) {
    const auto loaded = required(
        load_picture(sample, {}, m.image_height, m.image_width, false, least_size(m), {.sample_bits = m.sample_bits}));
    const auto measured = required(engine.measure(loaded.image));
    json scores;
    for (std::size_t c = 0; c < m.contestants.size(); ++c)
      for (const auto& map : measured.outputs[c].maps) {
        json fold;
        for (const double fraction : kFractions) fold.push_back(pool_largest(map.values, fraction));
        scores[m.contestants[c].name].push_back(std::move(fold));
      }
    out["pictures"].push_back({{"source_ref", sample.source_ref},
                               {"is_anomalous", sample.is_anomalous.value_or(false)},
                               {"scores", std::move(scores)}});
  }
  return out;
}

json contest(const json& pooled) {
  std::vector<std::uint8_t> labels;
  std::map<std::string, std::vector<std::vector<double>>> scores;  // by contestant and fraction
  for (const auto& picture : pooled["pictures"]) {
    labels.push_back(picture["is_anomalous"].get<bool>() ? 1 : 0);
    for (const auto& [name, folds] : picture["scores"].items()) {
      auto& all = scores[name];
      all.resize(pooled["fractions"].size());
      for (std::size_t f = 0; f < all.size(); ++f) {
        double sum = 0;
        for (const auto& fold : folds) sum += std::log(std::max(fold[f].get<double>(), 1e-12));
        all[f].push_back(sum);
      }
    }
  }
  json out;
  for (const auto& [name, all] : scores)
    for (const auto& s : all) out[name].push_back(auroc(s, labels));
  return out;
}

}  // namespace vedette::bench
