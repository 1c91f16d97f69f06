#pragma once

#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "vision/infer/examples.hpp"

/// Lets pictures that a person has verified correct the verdicts of a model, without a training: a picture that shows
/// what a verified picture showed gets the verdict of the person (nearest neighbours; Cover & Hart 1967).
namespace vedette {

/// What the corrections of a model say about one picture.
struct Correction {
  bool is_anomalous = false;  ///< What the verdict becomes.
  std::string source_ref;     ///< The verified picture that is nearest.
  int agreeing = 1;           ///< How many verified pictures say so, at least one.
};

/// How the corrections change the verdicts of pictures that none of them was made from.
struct CorrectionEffect {
  std::int64_t pictures = 0;      ///< The training pictures, each judged by models that had not seen it.
  std::int64_t right_before = 0;  ///< Verdicts that are right without corrections, …
  std::int64_t right_after = 0;   ///< … and with them.
  std::vector<std::string> made_right, made_wrong;  ///< The pictures whose verdicts change.
  std::int64_t missed = 0;                          ///< Verified pictures that the model gets wrong by itself …
  std::int64_t taught = 0;                          ///< … and those of them that the others alone correct.
};

/// The corrections of one model. It is immutable and may be used by any number of threads.
///
/// A verified picture speaks only if the model alone gets it wrong. It speaks for itself, and
/// - a false alarm speaks for a picture if each place that stands out there looks like a place of a false alarm: so a
///   scratch beside a harmless mark is still found, if it lies farther from it than places of a picture lie from each
///   other (find_places). A picture with more places than are kept is only excused by itself;
/// - a missed defect speaks for a picture if a place there stands out as much and looks like the one that a person
///   pointed at. If nobody pointed, it speaks for no other picture.
///
/// Two places look alike if their features are nearer than the reach of the verified one. That is kReach of the distance
/// to what is ordinary, or to the nearest place of known pictures of the other kind: those of the training, which their
/// own fold had not seen, and other verified ones. What a person says of a picture of the training takes the place of its
/// label. A verified place that looks like anything ordinary therefore reaches
/// hardly beyond itself.
class Corrections {
 public:
  static constexpr double kReach = 0.7;
  /// `known` are the training's examples, `verified` those that a person verified, by a model with that threshold. All
  /// features must have the same length. Takes about as long as the product of both numbers of places needs.
  Corrections(std::vector<Example> known, std::vector<Example> verified, double threshold, double reach = kReach);

  Corrections(const Corrections&) = delete;
  Corrections& operator=(const Corrections&) = delete;

  /// Returns what changes about a picture with this score and these places for which the model alone says
  /// `is_anomalous`.
  [[nodiscard]] std::optional<Correction> correct(bool is_anomalous, double anomaly_score,
                                                  std::span<const Place> places) const;
  /// Tries the corrections on the known pictures, without what each says of itself. The first call takes about as long as
  /// the constructor; what it finds is kept.
  [[nodiscard]] const CorrectionEffect& effect() const;

 private:
  /// A verified place with its two nearest known pictures of the other kind, so that either can be left out.
  struct Reaching {
    std::size_t of;  ///< The index of the verified picture.
    const Place* place;
    double nearest = 1e30, second = 1e30;
    std::size_t nearest_picture = static_cast<std::size_t>(-1);
  };
  struct LeftOut {
    std::optional<std::size_t> known, verified;
  };
  [[nodiscard]] std::optional<Correction> correct(bool is_anomalous, double anomaly_score,
                                                  std::span<const Place> places, const LeftOut& left_out) const;
  [[nodiscard]] CorrectionEffect try_out() const;
  [[nodiscard]] double reach_of(const Reaching& reaching, const LeftOut& left_out) const;
  /// Whether the model alone gets the picture wrong.
  [[nodiscard]] bool is_needed(const Example& example) const {
    return (example.anomaly_score >= threshold_) != example.is_anomalous;
  }
  [[nodiscard]] std::size_t picture_count() const { return known_.size() + verified_.size(); }
  [[nodiscard]] const Example& picture(std::size_t i) const {
    return i < known_.size() ? known_[i] : verified_[i - known_.size()];
  }
  std::vector<Example> known_, verified_;
  double threshold_, reach_;
  double notable_ = 1;  ///< A place stands out from this height on: nine in ten good pictures stay below.
  std::vector<Reaching> reaching_;
  mutable std::once_flag has_effect_;
  mutable CorrectionEffect effect_;  ///< of try_out(), once it is wanted
};

/// The file of a model's folder with the verified pictures. It is there, together with kExamplesFile, in packages of
/// models that have corrections.
inline constexpr const char* kVerifiedFile = "verified.json";
/// Reads the corrections from a model's folder; null if it has none. Fails with invalid_input if the files are damaged.
Result<std::shared_ptr<const Corrections>> read_corrections(const std::filesystem::path& folder, double threshold);

}  // namespace vedette
