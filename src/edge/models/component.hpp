#pragma once

#include <map>
#include <string>

#include "edge/models/models.hpp"

namespace vedette {

/// One component as Components keeps it, under its mutex. This header is internal to edge/models.
struct Components::Component {
  std::filesystem::path folder;
  ComponentStatus status = ComponentStatus::stopped;
  std::string reason;        ///< why a start failed
  std::string update_fault;  ///< why a version that ought to run does not
  Model model;               ///< null unless the component is running or stopping
  std::string fingerprint;   ///< of the version that runs (ComponentVersion)
  std::shared_ptr<ComputePool::Lane> lane;
  int calls = 0;  ///< calls that hold the model or wait for their turn
  /// The fingerprints that versions had when they were last looked at, and when they last failed.
  std::map<std::string, std::string> seen, failed;
  std::string last_version;
  std::uint64_t judged = 0, anomalous = 0, refused = 0, switches = 0;
  double judging_seconds = 0;
};

}  // namespace vedette
