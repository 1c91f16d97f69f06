#include "teach.hpp"

#include <algorithm>

#include "base/files.hpp"
#include "base/random.hpp"
#include "run.hpp"
#include "vision/assess/assess.hpp"
#include "vision/verdict/corrections.hpp"

namespace vedette::bench {
namespace {

using nlohmann::json;

constexpr int kDraws = 6;
constexpr double kReaches[] = {0.3, 0.5, 0.7, 1};

/// What corrections change about pictures that were not verified, summed over all draws.
struct Sums {
  std::int64_t pictures = 0, errors = 0, verified = 0, made_right = 0, made_wrong = 0;
};

/// Draws pictures whose errors a person corrects. If there are `known` pictures of a training, the others are judged
/// beside them, else they are known themselves, each left out when it is judged.
json teach_half(const std::vector<Example>& known, const std::vector<Example>& judged, double threshold) {
  json out = json::array();
  for (const double reach : kReaches) {
    Sums sums;
    for (int draw = 0; draw < kDraws; ++draw) {
      Random random = Random(7).fork(static_cast<std::uint64_t>(draw));
      auto others = known;
      std::vector<Example> verified;
      for (const auto& example : judged) {
        const bool is_error = (example.anomaly_score >= threshold) != example.is_anomalous;
        const bool is_drawn = random.below(2) == 0;
        if (is_drawn && is_error) verified.push_back(example);
        if (!is_drawn && known.empty()) others.push_back(example);
        if (is_drawn) continue;
        ++sums.pictures;
        sums.errors += is_error ? 1 : 0;
      }
      sums.verified += static_cast<std::int64_t>(verified.size());
      const Corrections corrections(std::move(others), std::move(verified), threshold, reach);
      if (known.empty()) {
        const auto& effect = corrections.effect();
        sums.made_right += static_cast<std::int64_t>(effect.made_right.size());
        sums.made_wrong += static_cast<std::int64_t>(effect.made_wrong.size());
        continue;
      }
      random = Random(7).fork(static_cast<std::uint64_t>(draw));
      for (const auto& example : judged) {
        if (random.below(2) == 0) continue;
        const bool called = example.anomaly_score >= threshold;
        const std::span<const Place> places = example.places;
        if (!corrections.correct(called, example.anomaly_score, places.subspan(example.is_pointed ? 1 : 0))) continue;
        (called == example.is_anomalous ? sums.made_wrong : sums.made_right) += 1;
      }
    }
    out.push_back({{"reach", reach},
                   {"pictures", sums.pictures},
                   {"errors", sums.errors},
                   {"verified", sums.verified},
                   {"made_right", sums.made_right},
                   {"made_wrong", sums.made_wrong}});
  }
  return out;
}

}  // namespace

json teach(const std::filesystem::path& model, const Engine& engine, const Samples& test) {
  const auto text = required(read_file(model / kExamplesFile, 256 << 20));
  const auto known = required(parse_examples(as_text(text)));
  std::vector<Example> judged;
  const auto& m = engine.manifest();
  const auto labels = collect_labels(test);
  for (const auto& sample : test) {
    const auto loaded = required(load_picture(sample, labels, m.image_height, m.image_width, false, least_size(m),
                                              {.formats = kServedFormats, .sample_bits = m.sample_bits}));
    // A person would point at the middle of what is marked.
    std::optional<PicturePoint> at;
    if (loaded.truth) {
      std::vector<std::size_t> marked;
      for (std::size_t i = 0; i < loaded.truth->values.size(); ++i)
        if (loaded.truth->values[i] != 0) marked.push_back(i);
      if (!marked.empty()) {
        const auto middle = marked[marked.size() / 2], width = static_cast<std::size_t>(loaded.truth->width);
        const auto row = middle / width, column = middle % width;
        at = {(static_cast<double>(row) + 0.5) / loaded.truth->height,
              (static_cast<double>(column) + 0.5) / loaded.truth->width};
      }
    }
    auto detection = required(engine.detect(loaded.image, true, at));
    if (!detection.reason.empty()) continue;
    judged.push_back({sample.source_ref, *sample.is_anomalous, at.has_value(), detection.anomaly_score,
                      std::move(detection.places)});
  }
  return {{"training", teach_half({}, known, m.threshold)}, {"test", teach_half(known, judged, m.threshold)}};
}

}  // namespace vedette::bench
