#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "domain/domain.hpp"
#include "domain/station.hpp"

namespace vedette {

class StationRepository {
 public:
  virtual ~StationRepository() = default;
  virtual std::optional<Station> find(const Scope& scope, const std::string& name) = 0;
  /// Inserts a station that does not exist yet, and returns it.
  virtual Station insert(const Scope& scope, const std::string& name, Timestamp now) = 0;
  /// Returns stations in the order of their names, beginning after `after_name`.
  virtual std::vector<Station> list(const Scope& scope, const std::string& after_name, std::int64_t limit) = 0;
  virtual std::vector<Station> list_everywhere() = 0;          ///< Returns those of all accounts and regions.
  virtual std::int64_t count(const std::string& account) = 0;  ///< Counts in all regions together.
  virtual void set_seen(std::int64_t id, Timestamp now) = 0;
  virtual void set_report(std::int64_t id, const std::string& report, std::int64_t interval_seconds, Timestamp now) = 0;
  virtual bool remove(std::int64_t id) = 0;  ///< Removes the station and all that belongs to it.

  virtual std::vector<StationChannel> channels(std::int64_t id) = 0;  ///< in the order of the components
  virtual void set_channel(std::int64_t id, const StationChannel& channel) = 0;
  virtual bool remove_channel(std::int64_t id, const std::string& component) = 0;

  virtual std::optional<StationJournal> journal(std::int64_t id, const std::string& journal) = 0;
  /// Stores the state of a journal. Beyond `most` journals of the station the one that was written to least lately is
  /// forgotten.
  virtual void set_journal(std::int64_t id, const StationJournal& journal, std::int64_t most) = 0;
  virtual std::vector<StationJournal> journals(std::int64_t id) = 0;  ///< The one that was written to last comes first.
  /// Stores a gap. Beyond `most` gaps of the station the oldest is forgotten.
  virtual void add_gap(std::int64_t id, const StationGap& gap, std::int64_t most) = 0;
  virtual std::vector<StationGap> gaps(std::int64_t id) = 0;  ///< The newest comes first.

  /// Appends verdicts in their order; their numbers are chosen here.
  virtual void add_verdicts(std::int64_t id, const std::vector<StationVerdict>& verdicts) = 0;
  /// Removes up to `limit` of the oldest verdicts: those beyond the newest `most`, and those that were received before
  /// a time. Returns how many.
  virtual std::int64_t prune_verdicts(std::int64_t id, std::int64_t most, Timestamp received_before,
                                      std::int64_t limit) = 0;
  /// Returns verdicts, the newest first, with numbers below `before_number`.
  virtual std::vector<StationVerdict> verdicts(std::int64_t id, const StationVerdictFilter& filter,
                                               std::int64_t before_number, std::int64_t limit) = 0;
  /// Adds to the counts of an hour (since the epoch), and forgets those of hours before `first_hour`.
  virtual void add_counts(std::int64_t id, std::int64_t hour, const StationCounts& counts, std::int64_t first_hour) = 0;
  virtual StationCounts counts_since(std::int64_t id, std::int64_t hour) = 0;
};

}  // namespace vedette
