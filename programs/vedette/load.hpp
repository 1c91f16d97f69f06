#pragma once

#include <array>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "http_client/http_client.hpp"

/// Makes calls of DetectAnomalies as a line of cameras does.
namespace vedette {

/// The stages of an answer that work on the picture. All other stages carry the picture there and its verdict back.
inline constexpr std::array kVisionStages = {"decode", "resize", "network", "mask", "encode"};

struct LoadOptions {
  ServiceClientOptions server;
  /// The paths of the operation, with project and model version; they are called in turn.
  std::vector<std::string> paths;
  std::vector<std::string> pictures;  ///< The contents of the pictures; they are sent in turn.
  int connections = 1;                ///< Connections are kept alive, and each has a thread of its own.
  double seconds = 10;                ///< The seconds in which calls are begun.
  /// The calls per second, evenly spaced, whatever the server does (open loop). If it is 0, each connection sends its
  /// next call when it has its answer (closed loop).
  double rate = 0;
};

struct LoadResult {
  /// The milliseconds of the calls that were answered with a verdict. With a rate they count from when the call was
  /// due, so that a server that keeps callers from calling does not look quick (coordinated omission).
  std::vector<double> latency;
  /// The milliseconds of each stage by its name, as the server reports them (Server-Timing). "other" is the time that
  /// the server spends in no named stage. "outside" is the time between sending and the answer that the server does not
  /// count, which the connection and the client take.
  std::map<std::string, std::vector<double>> stages;
  /// The milliseconds of each call, from sending to the answer, that belong to none of kVisionStages. They are kept per
  /// call, since calls differ by more than this time: a difference of medians would show their spread.
  std::vector<double> overhead;
  int throttled = 0, failed = 0;
  double seconds = 0;  ///< The seconds until the last answer.
};

/// Makes the calls and waits for all answers.
LoadResult run_load(const LoadOptions& options);

/// Returns the value that a share of all values does not exceed, or 0 if there are none.
double quantile(std::vector<double> values, double share);

}  // namespace vedette
