#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "api/lookoutvision/messages.hpp"
#include "domain/station.hpp"

/// The operations of the service `vedette` about stations, on the wire. The functions are pure. ../model.hpp has checked
/// the members already.
namespace vedette::extension {

using Json = nlohmann::json;

struct StationRequest {
  explicit StationRequest(const Json& members);
  std::string name;
};
struct PutStationReportRequest {
  explicit PutStationReportRequest(const Json& members);
  std::string name;
  std::int64_t interval_seconds;  ///< 60 unless the request gives another
  std::string report;  ///< the members that describe the station, as JSON: AgentVersion, Models, Findings, Counters
};
struct PutStationVerdictsRequest {
  explicit PutStationVerdictsRequest(const Json& members);
  std::string name;
  std::vector<std::string> records;  ///< each as edge/record writes it
};
struct ListStationVerdictsRequest {
  explicit ListStationVerdictsRequest(const Json& members);
  std::string name;
  StationVerdictFilter filter;
  lookoutvision::PageRequest page;
};
struct UpdateStationChannelRequest {
  explicit UpdateStationChannelRequest(const Json& members);
  std::string name, component;
  std::optional<std::string> project, job;
};

/// What became of records that a station sent.
struct ReceivedVerdicts {
  std::string journal;
  std::int64_t last_sequence = 0;
  std::int64_t accepted = 0, duplicates = 0, missing = 0;
};
Json encode_received(const ReceivedVerdicts& received);

/// A station with what is computed of it.
struct StationState {
  enum class Health { healthy, troubled, silent };
  Station station;
  Health health = Health::healthy;
  StationCounts day;  ///< of the last 24 hours
  std::vector<StationChannel> channels;
  std::vector<StationJournal> journals = {};  ///< empty in lists
  std::vector<StationGap> gaps = {};          ///< empty in lists
};
/// Whether a report (PutStationReportRequest::report) tells of a fault: a finding that is an error, or a model that
/// failed.
bool tells_of_fault(const std::string& report);
Json encode_station(const StationState& state);
Json encode_channels(const std::vector<StationChannel>& channels);
Json encode_station_verdict(const StationVerdict& verdict);

}  // namespace vedette::extension
