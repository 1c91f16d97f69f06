#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "api/vedette/station_messages.hpp"
#include "service/service.hpp"

namespace vedette {

/// What is kept of stations.
struct StationLimits {
  std::int64_t stations = 1000;     ///< of an account, in all regions together
  std::int64_t verdicts = 500'000;  ///< of a station; the oldest give way
  int days = 30;                    ///< for which verdicts are kept
};

/// The operations of the service `vedette` about stations: machines that run `vedette-edge`, report themselves, and send
/// the records of their verdicts (edge/record). Thread-safe; blocks on the database.
class Stations {
 public:
  static constexpr std::int64_t kMostJournals = 100;  ///< The most journals of a station that are remembered.
  static constexpr std::int64_t kMostGaps = 100;      ///< The most gaps of a station that are remembered.

  Stations(MetadataStore& metadata, const Clock& clock, StationLimits limits)
      : metadata_(metadata), clock_(clock), limits_(limits) {}

  /// Keeps what a station says of itself, in the place of its last report, and returns its channels. A station that is
  /// not known yet becomes known. Fails with quota_exceeded if there are too many.
  Result<std::vector<StationChannel>> put_report(const CallContext& call,
                                                 const extension::PutStationReportRequest& request);
  /// Keeps records, all of them or none, in one transaction. They must be of this station and of one journal, with
  /// rising sequence numbers. Those up to the last number that the journal had are duplicates and change nothing; a
  /// number that is left out is a gap, which is remembered. The address of a picture that does not lie below `stations/<station>/` is left out
  /// of its record. Fails with invalid_input if a record is broken, and with quota_exceeded as put_report() does.
  Result<extension::ReceivedVerdicts> put_verdicts(const CallContext& call,
                                                   const extension::PutStationVerdictsRequest& request);
  Result<Page<extension::StationState>> list(const CallContext& call, const lookoutvision::PageRequest& request);
  Result<extension::StationState> describe(const CallContext& call, const extension::StationRequest& request);
  /// Forgets a station and all that belongs to it, the verdicts in several transactions.
  Result<void> remove(const CallContext& call, const extension::StationRequest& request);
  /// Returns verdicts that are still kept, those that came last first.
  Result<Page<StationVerdict>> list_verdicts(const CallContext& call,
                                             const extension::ListStationVerdictsRequest& request);
  /// Chooses which archive of a component a station is to run; without a packaging job the channel is removed. Returns
  /// the station's channels. Fails with invalid_input if the job made another component, with conflict if it has
  /// made none, and with access_denied unless the caller may describe packaging jobs.
  Result<std::vector<StationChannel>> update_channel(const CallContext& call,
                                                     const extension::UpdateStationChannelRequest& request);
  /// Returns the health of all stations and what came from them, in the text exposition format of Prometheus.
  std::string to_prometheus();

 private:
  Result<Station> find(UnitOfWork& work, const Scope& scope, const std::string& name);
  Result<Station> find_or_insert(UnitOfWork& work, const Scope& scope, const std::string& name, Timestamp now);
  [[nodiscard]] Timestamp oldest_kept(Timestamp now) const;

  MetadataStore& metadata_;
  const Clock& clock_;
  const StationLimits limits_;
  std::atomic<std::int64_t> received_ = 0, missing_ = 0, pictures_left_out_ = 0;  ///< since the start of this process
};

}  // namespace vedette
