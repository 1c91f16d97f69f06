#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "http_client/http_client.hpp"

/// Calls of DetectAnomalies as a line of cameras makes them.
namespace vedette {

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
  std::map<std::string, std::vector<double>> stages;  ///< milliseconds by name, as the server says (Server-Timing)
  int throttled = 0, failed = 0;
  double seconds = 0;  ///< until the last answer
};

/// Runs calls and waits for all answers.
LoadResult run_load(const LoadOptions& options);

/// The value that a share of all does not exceed; 0 if there are none.
double quantile(std::vector<double> values, double share);

}  // namespace vedette
