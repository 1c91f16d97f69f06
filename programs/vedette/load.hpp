#pragma once

#include <array>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "http_client/http_client.hpp"

/// Calls of DetectAnomalies as a line of cameras makes them.
namespace vedette {

/// Stages of an answer in which the picture is worked on; all others carry it there and its verdict back.
inline constexpr std::array kVisionStages = {"decode", "resize", "network", "mask", "encode"};

struct LoadOptions {
  ServiceClientOptions server;
  std::vector<std::string> paths;     ///< of the operation, with project and model version; called in turn
  std::vector<std::string> pictures;  ///< contents; sent in turn
  int connections = 1;                ///< kept alive, each with a thread of its own
  double seconds = 10;                ///< that calls are begun in
  double rate = 0;  ///< calls per second, evenly spaced, whatever the server does (open loop); 0: each connection
                    ///< sends when it has its answer (closed loop)
};

struct LoadResult {
  /// Milliseconds of calls that were answered with a verdict. With a rate they count from when the call was due, so that a server which
  /// keeps callers from calling does not look quick (coordinated omission).
  std::vector<double> latency;
  /// Milliseconds by name, as the server says (Server-Timing); "other" is what it does in no named stage, "outside" what passes between
  /// sending and the answer but not in it: connection and client.
  std::map<std::string, std::vector<double>> stages;
  /// Milliseconds of each call, from sending to the answer, that are none of kVisionStages. Per call, since calls differ by more than this
  /// is: a difference of medians would show their spread.
  std::vector<double> overhead;
  int throttled = 0, failed = 0;
  double seconds = 0;  ///< until the last answer
};

/// Runs calls and waits for all answers.
LoadResult run_load(const LoadOptions& options);

/// The value that a share of all does not exceed; 0 if there are none.
double quantile(std::vector<double> values, double share);

}  // namespace vedette
