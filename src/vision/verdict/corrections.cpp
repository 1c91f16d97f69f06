#include "vision/verdict/corrections.hpp"

#include <algorithm>
#include <cmath>

#include "base/files.hpp"
#include "vision/infer/row_distance.hpp"

namespace vedette {
namespace {

constexpr double kFar = 1e30;
constexpr std::uint64_t kMostExamplesBytes = 64ULL << 20;
constexpr double kHigher = 1.5;
constexpr double kShareBelowNotable = 0.9;
// How far numbers of the same picture may differ, as shares.
constexpr double kSamePosition = 0.005, kSameNumber = 0.03;

/// Rows of two lengths are of two models, and nothing is alike in them.
double distance(const Place& a, const Place& b) {
  if (a.features.size() != b.features.size()) return kFar;
  const auto channels = static_cast<std::int64_t>(a.features.size());
  return std::sqrt(static_cast<double>(squared_distance(a.features.data(), b.features.data(), channels)));
}

double top(std::span<const Place> places) {
  return places.empty() ? 0 : places.front().height;
}

double quantile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(share * static_cast<double>(values.size() - 1))];
}

/// Returns the places that the map shows, without the one that a person pointed at.
std::span<const Place> shown_places(const Example& example) {
  const std::span<const Place> all = example.places;
  return example.is_pointed && !all.empty() ? all.subspan(1) : all;
}

bool is_same_place(const Place& a, const Place& b) {
  const Place origin{0, 0, 0, std::vector<float>(a.features.size())};
  return std::abs(a.y - b.y) <= kSamePosition && std::abs(a.x - b.x) <= kSamePosition &&
         std::abs(a.height - b.height) <= kSameNumber * (1 + a.height) &&
         distance(a, b) <= kSameNumber * distance(a, origin);
}

/// Returns whether these are the score and the places of the very picture that was verified, but for the digits that
/// storing it took away, and for what other threads or another precision change. Those may also change which low places
/// there are, which are not compared.
bool is_same_picture(double score, std::span<const Place> places, const Example& verified, double notable) {
  const auto others = shown_places(verified);
  if (places.empty() || std::abs(score - verified.anomaly_score) > kSameNumber * (1 + score)) return false;
  const auto is_among = [notable](std::span<const Place> all) {
    return [all, least = std::min(notable, top(all)) / 2](const Place& place) {
      return place.height < least ||
             std::any_of(all.begin(), all.end(), [&](const auto& other) { return is_same_place(place, other); });
    };
  };
  return !others.empty() && std::all_of(places.begin(), places.end(), is_among(others)) &&
         std::all_of(others.begin(), others.end(), is_among(places));
}

}  // namespace

Corrections::Corrections(std::vector<Example> known, std::vector<Example> verified, double threshold, double reach)
    : known_(std::move(known)), verified_(std::move(verified)), threshold_(threshold), reach_(reach) {
  std::erase_if(known_, [&](const auto& example) {
    return std::any_of(verified_.begin(), verified_.end(),
                       [&](const auto& other) { return other.source_ref == example.source_ref; });
  });
  std::vector<double> tops;
  for (const auto& example : known_)
    if (!example.is_anomalous) tops.push_back(top(example.places));
  if (!tops.empty()) notable_ = quantile(std::move(tops), kShareBelowNotable);

  for (std::size_t v = 0; v < verified_.size(); ++v) {
    const auto& example = verified_[v];
    if (!is_needed(example)) continue;  // It only holds others back.
    // Nobody knows which place of a missed defect is the defect unless a person pointed at it.
    const std::size_t speaking = !example.is_anomalous ? example.places.size() : example.is_pointed ? 1 : 0;
    for (std::size_t p = 0; p < speaking; ++p) {
      Reaching reaching{v, &example.places[p]};
      for (std::size_t i = 0; i < picture_count(); ++i) {
        const auto& other = picture(i);
        if (other.is_anomalous == example.is_anomalous) continue;
        // Most places of an anomalous picture show nothing wrong.
        const double least_height = other.is_anomalous ? std::min(notable_, top(other.places)) : 0;
        double least = kFar;
        for (const auto& place : other.places)
          if (place.height >= least_height) least = std::min(least, distance(*reaching.place, place));
        if (least < reaching.nearest) {
          reaching.second = reaching.nearest;
          reaching.nearest = least;
          reaching.nearest_picture = i;
        } else if (least < reaching.second) {
          reaching.second = least;
        }
      }
      reaching_.push_back(reaching);
    }
  }
}

double Corrections::reach_of(const Reaching& r, const LeftOut& left_out) const {
  const bool is_without_nearest = (left_out.known && r.nearest_picture == *left_out.known) ||
                                  (left_out.verified && r.nearest_picture == known_.size() + *left_out.verified);
  return reach_ * std::min(is_without_nearest ? r.second : r.nearest, r.place->distance);
}

std::optional<Correction> Corrections::correct(bool is_anomalous, double anomaly_score, std::span<const Place> places,
                                               const LeftOut& left_out) const {
  // The distance to each verified picture that speaks for the other verdict, in units of its reach.
  std::vector<double> closest(verified_.size(), kFar);
  const double least_height = std::min(notable_, top(places));
  // Where places were cut off, there may be a defect among them.
  const bool is_cut_off = places.size() >= kMostPlaces && places.back().height >= least_height;
  bool is_spoken_for = !places.empty() && !(is_anomalous && is_cut_off);
  for (const auto& place : places) {
    if (is_anomalous && place.height < least_height) continue;
    bool is_known = false;
    for (const auto& r : reaching_) {
      if (verified_[r.of].is_anomalous == is_anomalous || left_out.verified == r.of) continue;
      // A harmless mark does not excuse one that stands out much more, nor does a defect that a model missed give away
      // what stands out less.
      if (is_anomalous ? place.height > kHigher * r.place->height : place.height < r.place->height) continue;
      const double reach = reach_of(r, left_out), d = distance(place, *r.place);
      if (d > reach) continue;
      is_known = true;
      closest[r.of] = std::min(closest[r.of], reach > 0 ? d / reach : 0);
    }
    is_spoken_for = is_spoken_for && (is_known || !is_anomalous);
  }
  if (!is_spoken_for) std::fill(closest.begin(), closest.end(), kFar);
  for (std::size_t v = 0; v < verified_.size(); ++v)
    if (verified_[v].is_anomalous != is_anomalous && left_out.verified != v && is_needed(verified_[v]) &&
        is_same_picture(anomaly_score, places, verified_[v], notable_))
      closest[v] = 0;
  const auto best = std::min_element(closest.begin(), closest.end());
  if (best == closest.end() || *best >= kFar) return {};
  return Correction{!is_anomalous, verified_[static_cast<std::size_t>(best - closest.begin())].source_ref,
                    static_cast<int>(std::count_if(closest.begin(), closest.end(), [](double d) { return d < kFar; }))};
}

std::optional<Correction> Corrections::correct(bool is_anomalous, double anomaly_score,
                                               std::span<const Place> places) const {
  return correct(is_anomalous, anomaly_score, places, {});
}

const CorrectionEffect& Corrections::effect() const {
  std::call_once(has_effect_, [this] { effect_ = try_out(); });
  return effect_;
}

CorrectionEffect Corrections::try_out() const {
  CorrectionEffect out;
  for (std::size_t i = 0; i < known_.size(); ++i) {
    const auto& example = known_[i];
    const bool is_right = (example.anomaly_score >= threshold_) == example.is_anomalous;
    const auto corrected = correct(example.anomaly_score >= threshold_, example.anomaly_score, example.places, {i, {}});
    ++out.pictures;
    out.right_before += is_right ? 1 : 0;
    out.right_after += is_right != corrected.has_value() ? 1 : 0;
    if (corrected) (is_right ? out.made_wrong : out.made_right).push_back(example.source_ref);
  }
  for (std::size_t v = 0; v < verified_.size(); ++v) {
    const auto& example = verified_[v];
    if (!is_needed(example)) continue;
    ++out.missed;
    out.taught += correct(!example.is_anomalous, example.anomaly_score, shown_places(example), {{}, v}) ? 1 : 0;
  }
  return out;
}

Result<std::shared_ptr<const Corrections>> read_corrections(const std::filesystem::path& folder, double threshold) {
  std::error_code code;
  if (!std::filesystem::exists(folder / kVerifiedFile, code)) return std::shared_ptr<const Corrections>();
  std::vector<Example> examples[2];
  for (int i = 0; i < 2; ++i) {
    const auto text = read_file(folder / (i == 0 ? kExamplesFile : kVerifiedFile), kMostExamplesBytes);
    if (!text) return text.error();
    auto parsed = parse_examples(as_text(*text));
    if (!parsed) return parsed.error();
    examples[i] = std::move(*parsed);
  }
  return std::make_shared<const Corrections>(std::move(examples[0]), std::move(examples[1]), threshold);
}

}  // namespace vedette
