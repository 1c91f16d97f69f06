#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "edge/server_link/channels.hpp"
#include "edge/server_link/server_link.hpp"

namespace vedette {

/// What the link has to report of itself.
struct LinkFacts {
  std::uint64_t refused = 0, pictures_refused = 0;  ///< records and pictures that the server did not take
  std::vector<std::string> channel_problems;        ///< why channels could not be followed
};
/// Returns the body of PutStationReport.
std::string report_body(const ServerLinkOptions& options, const std::string& agent_version, const StationState& state,
                        const JournalCounts& counts, const LinkFacts& link);
/// Reads the answer of PutStationReport. Fails with unavailable if it is none.
Result<std::vector<Channel>> parse_channels(const std::string& body);

}  // namespace vedette
