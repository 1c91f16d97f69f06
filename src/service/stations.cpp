#include "service/stations.hpp"

#include <fmt/format.h>

#include <array>
#include <limits>

#include "auth/auth.hpp"
#include "base/text.hpp"
#include "edge/record/record.hpp"
#include "manifest/manifest.hpp"
#include "service/pagination.hpp"
#include "service/quota_errors.hpp"

namespace vedette {
namespace {

using extension::StationState;

constexpr std::int64_t kHoursOfADay = 24;
constexpr std::int64_t kRemovedAtOnce = 5000;
constexpr std::int64_t kRemovedWithACall = 2000;  ///< More than a call can add, so that what is too much goes away.
constexpr std::size_t kLongestJournalId = 64;
/// A station is silent when it has missed so many of its reports, and at least so long.
constexpr std::int64_t kMissedReports = 3;
constexpr std::chrono::seconds kShortestSilence{60};

Error no_station(const std::string& name) {
  return not_found("STATION", name, "There is no station named " + name + ".");
}

std::int64_t hour_of(Timestamp time) {
  return std::chrono::floor<std::chrono::hours>(time).time_since_epoch().count();
}

StationState::Health health_of(const Station& station, Timestamp now) {
  using enum StationState::Health;
  const auto patience = std::max(kShortestSilence, std::chrono::seconds(kMissedReports * station.interval_seconds));
  if (now - station.seen > patience) return silent;
  return extension::tells_of_fault(station.report) ? troubled : healthy;
}

StationState state_of(UnitOfWork& work, const Station& station, Timestamp now) {
  return {station, health_of(station, now), work.stations().counts_since(station.id, hour_of(now) - kHoursOfADay + 1),
          work.stations().channels(station.id)};
}

/// Reads a record of a station.
Result<VerdictRecord> parse_record_of(const std::string& station, const std::string& text) {
  auto record = parse_record(text);
  if (!record) return record;
  if (record->station != station)
    return invalid_input("The record is of the station " + record->station + ", and not of " + station + ".");
  if (record->journal.empty() || record->journal.size() > kLongestJournalId)
    return invalid_input("The record does not name its journal with 1 to 64 bytes.");
  if (record->sequence == 0) return invalid_input("The record has no sequence number.");
  return record;
}

/// Takes addresses out of records that lead elsewhere than where the station may put pictures, below
/// `stations/<station>/` of any prefix: people who look at a verdict open its picture with their own rights. Returns how
/// many addresses were taken out.
std::int64_t leave_out_foreign_pictures(const std::string& station, std::vector<VerdictRecord>& records) {
  const auto folder = "/stations/" + station + "/";
  std::int64_t left_out = 0;
  for (auto& record : records) {
    const auto picture = parse_s3_uri(record.picture);
    if (picture && ("/" + picture->key).find(folder) != std::string::npos) continue;
    // A name in the station's own folder means nothing here, so that nothing is lost with it.
    if (picture) ++left_out;
    record.picture.clear();
  }
  return left_out;
}

/// Reads and checks the records of one call. The message about a record that is broken by itself begins with its place
/// in the call, `Records[3]`, by which a station knows which one to leave out.
Result<std::vector<VerdictRecord>> parse_records(const extension::PutStationVerdictsRequest& request) {
  std::vector<VerdictRecord> records;
  for (std::size_t i = 0; i < request.records.size(); ++i) {
    auto record = parse_record_of(request.name, request.records[i]);
    if (!record) return invalid_input("Records[" + std::to_string(i) + "]: " + record.error().message);
    if (!records.empty() && record->journal != records.back().journal)
      return invalid_input("The records of a call must be of one journal.");
    if (!records.empty() && record->sequence <= records.back().sequence)
      return invalid_input("The sequence numbers of the records must rise.");
    records.push_back(std::move(*record));
  }
  return records;
}

StationVerdict to_verdict(const VerdictRecord& record, Timestamp now) {
  StationVerdict verdict;
  verdict.received = now;
  verdict.judged = record.judged_at > 0 ? Timestamp{std::chrono::milliseconds(record.judged_at / 1'000'000)} : now;
  verdict.is_anomalous = record.is_anomalous;
  verdict.state = to_text(record.state);
  verdict.component = record.model;
  verdict.component_version = record.model_version;
  verdict.record = to_json(record);
  return verdict;
}

void count(StationCounts& counts, const VerdictRecord& record) {
  ++counts.verdicts;
  if (record.state != RecordState::judged)
    ++counts.without_verdict;
  else if (record.is_anomalous)
    ++counts.anomalous;
}

}  // namespace

Result<Station> Stations::find(UnitOfWork& work, const Scope& scope, const std::string& name) {
  auto station = work.stations().find(scope, name);
  if (!station) return no_station(name);
  return *station;
}

Result<Station> Stations::find_or_insert(UnitOfWork& work, const Scope& scope, const std::string& name, Timestamp now) {
  if (auto station = work.stations().find(scope, name)) return *station;
  if (work.stations().count(scope.account) >= limits_.stations)
    return quota_exceeded(quotas::kStations, "STATION", name,
                          "At most " + std::to_string(limits_.stations) + " stations may be known; delete old ones.");
  return work.stations().insert(scope, name, now);
}

Timestamp Stations::oldest_kept(Timestamp now) const {
  return now - std::chrono::hours(kHoursOfADay * limits_.days);
}

Result<std::vector<StationChannel>> Stations::put_report(const CallContext& call,
                                                         const extension::PutStationReportRequest& request) {
  return metadata_.write([&](UnitOfWork& work) -> Result<std::vector<StationChannel>> {
    const auto now = work.now();
    const auto station = find_or_insert(work, call.scope, request.name, now);
    if (!station) return station.error();
    work.stations().set_report(station->id, request.report, request.interval_seconds, now);
    work.stations().prune_verdicts(station->id, limits_.verdicts, oldest_kept(now), kRemovedWithACall);
    auto channels = work.stations().channels(station->id);
    return channels;
  });
}

Result<extension::ReceivedVerdicts> Stations::put_verdicts(const CallContext& call,
                                                           const extension::PutStationVerdictsRequest& request) {
  auto records = parse_records(request);
  if (!records) return records.error();
  const auto left_out = leave_out_foreign_pictures(request.name, *records);
  auto outcome = metadata_.write([&](UnitOfWork& work) -> Result<extension::ReceivedVerdicts> {
    const auto now = work.now();
    const auto station = find_or_insert(work, call.scope, request.name, now);
    if (!station) return station.error();
    auto& stations = work.stations();
    const auto& name = records->front().journal;
    auto journal = stations.journal(station->id, name);
    extension::ReceivedVerdicts received{.journal = name};
    if (!journal) {
      const auto first = static_cast<std::int64_t>(records->front().sequence);
      journal = StationJournal{.id = name, .first = first, .last = first - 1};
    }
    std::vector<StationVerdict> verdicts;
    StationCounts counts;
    for (const auto& record : *records) {
      const auto sequence = static_cast<std::int64_t>(record.sequence);
      if (sequence <= journal->last) {
        ++received.duplicates;
        continue;
      }
      if (const auto gap = sequence - journal->last - 1; gap > 0) {
        received.missing += gap;
        stations.add_gap(station->id, {name, journal->last + 1, sequence - 1, now}, kMostGaps);
      }
      journal->last = sequence;
      verdicts.push_back(to_verdict(record, now));
      count(counts, record);
    }
    journal->missing += received.missing;
    journal->duplicates += received.duplicates;
    journal->updated = now;
    stations.set_journal(station->id, *journal, kMostJournals);
    stations.set_seen(station->id, now);
    stations.add_verdicts(station->id, verdicts);
    stations.add_counts(station->id, hour_of(now), counts, hour_of(oldest_kept(now)));
    stations.prune_verdicts(station->id, limits_.verdicts, oldest_kept(now), kRemovedWithACall);
    received.last_sequence = journal->last;
    received.accepted = static_cast<std::int64_t>(verdicts.size());
    return received;
  });
  if (outcome) {
    received_ += outcome->accepted;
    missing_ += outcome->missing;
    pictures_left_out_ += left_out;
  }
  return outcome;
}

Result<Page<StationState>> Stations::list(const CallContext& call, const lookoutvision::PageRequest& request) {
  const std::string query = "ListStations/" + call.scope.account + "/" + call.scope.region;
  const auto after = read_page_token(query, request.next_token);
  if (!after) return after.error();
  auto work = metadata_.read();
  const auto now = clock_.now();
  auto stations = work->stations().list(call.scope, *after, request.max_results + 1);
  Page<StationState> page;
  if (static_cast<std::int64_t>(stations.size()) > request.max_results) {
    stations.pop_back();
    page.next_token = make_page_token(query, stations.back().name);
  }
  for (const auto& station : stations) page.items.push_back(state_of(*work, station, now));
  return page;
}

Result<StationState> Stations::describe(const CallContext& call, const extension::StationRequest& request) {
  auto work = metadata_.read();
  const auto station = find(*work, call.scope, request.name);
  if (!station) return station.error();
  auto state = state_of(*work, *station, clock_.now());
  state.journals = work->stations().journals(station->id);
  state.gaps = work->stations().gaps(station->id);
  return state;
}

Result<void> Stations::remove(const CallContext& call, const extension::StationRequest& request) {
  const auto station = find(*metadata_.read(), call.scope, request.name);
  if (!station) return station.error();
  // Half a million rows in one transaction would hold up everybody else.
  for (std::int64_t removed = kRemovedAtOnce; removed == kRemovedAtOnce;) {
    removed = metadata_.write([&](UnitOfWork& work) {
      return work.stations().prune_verdicts(station->id, 0, Timestamp::max(), kRemovedAtOnce);
    });
  }
  metadata_.write([&](UnitOfWork& work) { work.stations().remove(station->id); });
  return {};
}

Result<Page<StationVerdict>> Stations::list_verdicts(const CallContext& call,
                                                     const extension::ListStationVerdictsRequest& request) {
  auto work = metadata_.read();
  const auto station = find(*work, call.scope, request.name);
  if (!station) return station.error();
  const std::string query = "ListStationVerdicts/" + std::to_string(station->id);
  const auto before = read_page_token(query, request.page.next_token);
  if (!before) return before.error();
  auto filter = request.filter;
  filter.received_from = oldest_kept(clock_.now());
  Page<StationVerdict> page{
      work->stations().verdicts(station->id, filter,
                                parse_integer(*before).value_or(std::numeric_limits<std::int64_t>::max()),
                                request.page.max_results + 1),
      ""};
  if (static_cast<std::int64_t>(page.items.size()) > request.page.max_results) {
    page.items.pop_back();
    page.next_token = make_page_token(query, std::to_string(page.items.back().number));
  }
  return page;
}

Result<std::vector<StationChannel>> Stations::update_channel(const CallContext& call,
                                                             const extension::UpdateStationChannelRequest& request) {
  if (request.project.has_value() != request.job.has_value())
    return invalid_input("ProjectName and JobName must be given together, or neither of them.");
  // A channel tells the station and the caller what the job made, and where.
  if (request.job)
    if (auto ok = authorize(call.caller, "lookoutvision:DescribeModelPackagingJob", "*"); !ok) return ok.error();
  return metadata_.write([&](UnitOfWork& work) -> Result<std::vector<StationChannel>> {
    const auto station = find(work, call.scope, request.name);
    if (!station) return station.error();
    if (request.job) {
      const auto job = work.packaging_jobs().find(call.scope, *request.project, *request.job);
      if (!job)
        return not_found("MODEL_PACKAGE_JOB", *request.job,
                         "The project " + *request.project + " has no model packaging job " + *request.job + ".");
      if (job->component_name != request.component)
        return invalid_input("The packaging job " + job->name + " is for the component " + job->component_name + ".");
      const auto archive = work.packaging_jobs().archive(call.scope, *request.project, *request.job);
      if (!archive)
        return conflict("MODEL_PACKAGE_JOB", job->name,
                        job->status == PackagingJobStatus::succeeded
                            ? "The packaging job was run by an earlier version of the server; package the model again."
                            : "The packaging job is " + std::string(to_text(job->status)) + "; it must be SUCCEEDED.");
      work.stations().set_channel(station->id, {job->component_name, job->component_version, job->project, job->name,
                                                archive->uri, archive->sha256, call.caller.user, work.now()});
    } else {
      work.stations().remove_channel(station->id, request.component);
    }
    auto channels = work.stations().channels(station->id);
    return channels;
  });
}

std::string Stations::to_prometheus() {
  const auto now = clock_.now();
  std::array<int, 3> healths{};
  std::string contacts;
  for (const auto& station : metadata_.read()->stations().list_everywhere()) {
    ++healths.at(static_cast<std::size_t>(health_of(station, now)));
    contacts += fmt::format("vedette_station_contact_age_seconds{{station=\"{}\",region=\"{}\"}} {:.3f}\n",
                            station.name, station.region, static_cast<double>((now - station.seen).count()) / 1000.0);
  }
  return fmt::format(
      "# HELP vedette_stations Stations that are known, by their health\n# TYPE vedette_stations gauge\n"
      "vedette_stations{{health=\"healthy\"}} {}\nvedette_stations{{health=\"troubled\"}} {}\n"
      "vedette_stations{{health=\"silent\"}} {}\n"
      "# HELP vedette_station_contact_age_seconds Seconds since the last contact of a station\n"
      "# TYPE vedette_station_contact_age_seconds gauge\n{}"
      "# HELP vedette_station_verdicts_received_total Records that stations sent\n"
      "# TYPE vedette_station_verdicts_received_total counter\nvedette_station_verdicts_received_total {}\n"
      "# HELP vedette_station_verdicts_missing_total Records that stations left out\n"
      "# TYPE vedette_station_verdicts_missing_total counter\nvedette_station_verdicts_missing_total {}\n"
      "# HELP vedette_station_pictures_left_out_total Addresses of pictures that stations may not name\n"
      "# TYPE vedette_station_pictures_left_out_total counter\nvedette_station_pictures_left_out_total {}\n",
      healths[0], healths[1], healths[2], contacts, received_.load(), missing_.load(), pictures_left_out_.load());
}

}  // namespace vedette
