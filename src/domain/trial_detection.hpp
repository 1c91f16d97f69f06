#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"

/// Trial detections: a model judges up to 2,000 pictures of a bucket in the background, and people say which verdicts
/// are right.
namespace vedette {

inline constexpr std::size_t kMostTrialImages = 2000;
inline constexpr std::int64_t kMostRunningTrials = 5;        ///< of an account, in all regions together
inline constexpr std::int64_t kMostTrialsOfAProject = 1000;  ///< whatever their status

enum class TrialStatus { running, completed, failed, stopped };

struct TrialCounts {
  std::int64_t images = 0;                  ///< all of them
  std::int64_t judged = 0;                  ///< have a verdict
  std::int64_t anomalous = 0;               ///< have the verdict that they are anomalous
  std::int64_t skipped = 0;                 ///< could not be judged
  std::int64_t correct = 0, incorrect = 0;  ///< people said so of their verdict
};

struct TrialDetection {
  std::string project, name;
  std::string uid;  ///< Identifies this trial; a later trial of the same name has another uid.
  std::int64_t model_version = 0;
  std::string model_uid;
  std::string bucket;                     ///< holds all the pictures
  std::optional<double> moved_threshold;  ///< the model's threshold when the trial began, if a user had moved it
  TrialStatus status = TrialStatus::running;
  std::string status_message;
  Timestamp created{}, updated{};
  TrialCounts counts;  ///< of the stored pictures; it is not stored itself
};

struct TrialVerdict {
  bool is_anomalous = false;
  double confidence = 0, anomaly_score = 0;
  std::vector<std::string> anomaly_labels;  ///< of letters and digits
  std::optional<std::string> mask_key;      ///< of the mask's PNG, if it was stored, in the bucket of the pictures
};

struct TrialImage {
  std::string key;
  std::optional<TrialVerdict> verdict;        ///< empty until the picture was judged
  std::optional<std::string> skipped_reason;  ///< set instead of a verdict if the picture could not be judged
  std::optional<bool> is_correct;             ///< what a person said of the verdict
};

std::string_view to_text(TrialStatus status);  ///< Returns a text such as "RUNNING".
/// Reads stored text. Throws std::invalid_argument if the text is unknown, which means that the database is damaged.
TrialStatus parse_trial_status(std::string_view text);

}  // namespace vedette
