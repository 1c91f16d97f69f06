#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "domain/domain.hpp"
#include "domain/trial_detection.hpp"

namespace vedette {

class TrialDetectionRepository {
 public:
  virtual ~TrialDetectionRepository() = default;
  /// Inserts a trial with its pictures, which have no verdict yet; their keys must differ. Returns false if the project
  /// has a trial of this name.
  virtual bool insert(const Scope& scope, const TrialDetection& trial, const std::vector<std::string>& keys) = 0;
  virtual std::optional<TrialDetection> find(const Scope& scope, const std::string& project,
                                             const std::string& name) = 0;
  virtual std::optional<TrialDetection> find(const std::string& uid) = 0;
  /// A place in the order of trials, which is by creation time and then by name. list() returns the trials after such a
  /// place.
  struct Place {
    std::int64_t created_ms = 0;
    std::string name;
  };
  virtual std::vector<TrialDetection> list(const Scope& scope, const std::string& project, const Place& after,
                                           std::int64_t limit) = 0;
  virtual std::int64_t count(const Scope& scope, const std::string& project) = 0;
  virtual std::int64_t count_running(const std::string& account) = 0;  ///< Counts in all regions together.
  /// Compares and sets the status of the trial. Returns false if the trial is gone or in another state.
  virtual bool move(const std::string& uid, TrialStatus from, TrialStatus to, const std::string& message,
                    Timestamp now) = 0;
  virtual bool remove(const std::string& uid) = 0;  ///< Removes the trial and its pictures.

  /// Returns up to `limit` pictures in the order in which they were inserted, without the first `offset` ones.
  virtual std::vector<TrialImage> images_at(const std::string& uid, std::int64_t offset, std::int64_t limit) = 0;
  /// Returns pictures, with their places, that are neither judged nor skipped.
  virtual std::vector<std::pair<std::int64_t, std::string>> pending(const std::string& uid, std::int64_t limit) = 0;
  /// Stores the verdict or the reason why there is none of the picture at a place.
  virtual void set_result(const std::string& uid, std::int64_t place, const TrialImage& result) = 0;
  /// Stores what a person says of a verdict, or forgets it. Returns false if the trial has no such picture with a
  /// verdict.
  virtual bool verify(const std::string& uid, const std::string& key, std::optional<bool> is_correct) = 0;
};

}  // namespace vedette
