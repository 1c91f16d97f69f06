#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/mutex.hpp"
#include "vision/artifact/artifact.hpp"
#include "vision/infer/plausibility.hpp"

/// Tells when a stream of pictures has left what its model was trained on: other light, another material, a knocked
/// camera. A verdict is about one picture; only many together show that the good ones no longer look as they did.
namespace vedette {

/// What the comparison needs of one picture.
struct Look {
  double anomaly_score = 0;
  PictureStatistics statistics;  ///< With the level, as Detection and Verdict hold them.
};

/// Summarises good pictures, each as the models see it that did not learn from it. There must be at least one.
TrainingLooks summarize_looks(std::span<const Look> good);

/// Returns the quantile of values that rise, 0 … 1, between two of them if need be. The values may be quantiles at
/// equal steps of probability, as in TrainingLooks. There must be at least one.
double quantile(std::span<const double> rising, double probability);

/// What is known of a stream at the moment.
struct StreamState {
  enum class Kind {
    unknown,         ///< The model does not hold what its training pictures look like (TrainingLooks).
    too_few,         ///< Too few pictures have been judged.
    like_training,   ///< The pictures look as those of the training did.
    unlike_training  ///< They do not: the figures of the training no longer hold.
  };
  Kind kind = Kind::unknown;
  std::int64_t pictures = 0;  ///< How many of the latest pictures were compared.
  /// In which way the pictures differ, in words for people, such as "brighter"; only if they are unlike the training.
  std::vector<std::string> differences = {};
};
/// Returns the state in one sentence, which advises what to do if the stream has left the training.
std::string describe(const StreamState& state);

/// Compares the latest pictures of a stream, kWindow at most, with those of the training. Any thread may call it; each
/// call is done in microseconds, and the memory is bounded.
///
/// The anomaly score of a picture and its level (level_of) are each compared by the statistic of Kolmogorov and Smirnov,
/// the largest distance of two cumulative distributions, which assumes no shape of theirs. The stream has left the
/// training when one of the two exceeds kMostAnomalous + kCritical √(1/n + 1/m), for n pictures of the training and m of
/// the stream: one in ten pictures may be anomalous, however odd, and beyond that the chance is 1 in 1,000 per
/// comparison. It has come back when both are below three quarters of that. Brightness and sharpness decide nothing,
/// because a model may not mind them; they say what has changed.
class StreamMonitor {
 public:
  static constexpr std::size_t kWindow = 100, kLeast = 20;
  static constexpr double kMostAnomalous = 0.1, kCritical = 1.95;

  explicit StreamMonitor(std::optional<TrainingLooks> training) : training_(std::move(training)) {}
  /// Takes the next picture. Returns the new state if the stream has left the training by now, or has come back.
  std::optional<StreamState> add(const Look& look);
  [[nodiscard]] StreamState state() const;

 private:
  void compare() REQUIRES(mutex_);

  const std::optional<TrainingLooks> training_;
  mutable Mutex mutex_;
  std::vector<Look> window_ GUARDED_BY(mutex_);  // A ring, in which the picture number n stands at n % kWindow.
  std::uint64_t count_ GUARDED_BY(mutex_) = 0;
  bool has_left_ GUARDED_BY(mutex_) = false;
  std::vector<std::string> differences_ GUARDED_BY(mutex_);
};

}  // namespace vedette
