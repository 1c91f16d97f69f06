#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "domain/domain.hpp"

/// Stations: machines on the line that run `vedette-edge`, report themselves, and send their verdicts.
namespace vedette {

struct Station {
  std::int64_t id = 0;  ///< Identifies this station; a later station of the same name has another id.
  std::string account, region, name;
  Timestamp created{}, seen{};         ///< `seen`: the last contact of any kind
  std::optional<Timestamp> reported;   ///< the last report
  std::int64_t interval_seconds = 60;  ///< how often it means to report
  std::string report;  ///< what it reported of itself last, as the caller gave it, as JSON; may be empty
};

/// Which version of a model component a station is to run: the archive that a packaging job wrote.
struct StationChannel {
  std::string component, component_version;
  std::string project, job;     ///< the packaging job
  std::string archive, sha256;  ///< s3://bucket/key, and 64 hexadecimal digits
  std::string user;             ///< who chose it
  Timestamp changed{};
};

/// What the server has of one journal of a station. Sequence numbers begin at 1.
struct StationJournal {
  std::string id;
  std::int64_t first = 0, last = 0;  ///< the sequence numbers of the first and of the last record that came
  std::int64_t missing = 0;          ///< the records between them that never came
  std::int64_t duplicates = 0;       ///< the records that came again
  Timestamp updated{};
};

/// Records that never came: those from `first` to `last`.
struct StationGap {
  std::string journal;
  std::int64_t first = 0, last = 0;
  Timestamp noticed{};
};

/// The record of one part, with what lists are filtered by.
struct StationVerdict {
  std::int64_t number = 0;  ///< counts what the server received of the station, without a gap
  Timestamp received{};
  Timestamp judged{};  ///< by the clock of the station
  bool is_anomalous = false;
  std::string state, component, component_version;
  std::string record;  ///< the whole record, as edge/record writes it
};

struct StationVerdictFilter {
  std::optional<bool> is_anomalous = {};
  std::optional<std::string> state = {}, component = {}, component_version = {};
  std::optional<Timestamp> judged_from = {}, judged_before = {};
  std::optional<Timestamp> received_from = {};
};

struct StationCounts {
  std::int64_t verdicts = 0;   ///< all records
  std::int64_t anomalous = 0;  ///< those of anomalous parts with a verdict
  std::int64_t without_verdict = 0;
};

inline std::string station_arn(const Scope& scope, const std::string& name) {
  return "arn:aws:vedette:" + scope.region + ":" + scope.account + ":station/" + name;
}

}  // namespace vedette
