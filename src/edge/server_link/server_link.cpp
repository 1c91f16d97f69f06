#include "edge/server_link/server_link.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>
#include <utility>

#include "base/files.hpp"
#include "base/log.hpp"
#include "base/mutex.hpp"
#include "base/text.hpp"
#include "edge/server_link/channels.hpp"
#include "edge/server_link/report.hpp"
#include "edge/server_link/server_calls.hpp"

namespace vedette {
namespace {

using nlohmann::json;

constexpr std::size_t kMostRecords = 500;
constexpr std::size_t kMostBytes = 512ULL << 10;  ///< of the records of a call; the server takes twice as much
constexpr std::uint64_t kLargestPicture = 64ULL << 20;
constexpr std::uint64_t kLargestAnswer = 4ULL << 20;
constexpr std::chrono::milliseconds kLookPause{50};  ///< between two looks for a picture that is being written
constexpr int kLooks = 100;
constexpr std::chrono::seconds kShortestPause{1};  ///< between two reports

const char* content_type(const std::filesystem::path& file) {
  const auto extension = file.extension();
  if (extension == ".png") return "image/png";
  if (extension == ".jpg" || extension == ".jpeg") return "image/jpeg";
  return "application/octet-stream";
}

}  // namespace

struct ServerLink::State {
  State(ServerLinkOptions options_, ServerLinkStation station_)
      : options(std::move(options_)), station(std::move(station_)) {}

  // Of the thread that delivers.
  Result<std::filesystem::path> find_picture(const std::string& name);
  Result<void> put_pictures(std::vector<VerdictRecord>& records);
  Result<void> put(std::span<const VerdictRecord> records);
  Result<void> put_or_split(std::span<const VerdictRecord> records);

  // Of the thread that reports.
  void report_loop();
  void follow_loop();

  LinkFacts facts() REQUIRES(mutex) { return {refused, pictures_refused, channel_problems}; }
  void met() {
    const MutexLock lock(mutex);
    contact = clock.now();
  }
  [[nodiscard]] std::string path(const char* rest) const {
    return "/2026-11-01/stations/" + uri_encode(options.station) + rest;
  }

  const ServerLinkOptions options;
  const ServerLinkStation station;
  const SystemClock clock;
  std::atomic<bool> cancelled = false;
  std::atomic<std::uint64_t> refused = 0, pictures_refused = 0;
  ServerCalls deliveries{options, cancelled};
  std::set<std::string> uploaded;  ///< the keys of pictures that were put for records that are not acknowledged yet

  mutable Mutex mutex;
  std::condition_variable changed;
  std::optional<Timestamp> contact GUARDED_BY(mutex);
  StationState shown GUARDED_BY(mutex);
  JournalCounts counts GUARDED_BY(mutex);
  bool is_new GUARDED_BY(mutex) = false;  ///< `shown` has not been reported
  std::vector<Channel> channels GUARDED_BY(mutex);
  bool has_channels GUARDED_BY(mutex) = false;  ///< `channels` have not been followed since the last answer
  std::vector<std::string> channel_problems GUARDED_BY(mutex);
  std::thread reporting, following;
};

/// Waits a while for a picture that is still being written; it fails with unavailable if it is not there by then.
Result<std::filesystem::path> ServerLink::State::find_picture(const std::string& name) {
  if (options.bucket.empty()) return not_found("PICTURE", name, "Pictures stay at the station.");
  auto file = station.find_picture(name);
  for (int look = 0; look < kLooks && !file && file.error().kind == ErrorKind::unavailable && !cancelled; ++look) {
    {
      MutexLock lock(mutex);
      changed.wait_for(lock.standard(), kLookPause, [this] { return cancelled.load(); });
    }
    file = station.find_picture(name);
  }
  return file;
}

/// Puts the kept pictures of the records into the bucket, and names their addresses in the records.
Result<void> ServerLink::State::put_pictures(std::vector<VerdictRecord>& records) {
  for (auto& record : records) {
    if (record.picture.empty() || record.picture.starts_with("s3://")) continue;
    const auto file = find_picture(record.picture);
    if (!file && file.error().kind == ErrorKind::unavailable) return file.error();
    const auto content = file ? read_file(*file, kLargestPicture) : Result<Bytes>(file.error());
    if (!content) {
      // The journal has dropped the picture meanwhile, or pictures stay at the station.
      record.picture.clear();
      continue;
    }
    const auto key = options.prefix + "stations/" + options.station + "/" + record.journal + "/" +
                     std::filesystem::path(record.picture).filename().string();
    if (!uploaded.contains(key)) {
      const auto put = deliveries.send({.service = "s3",
                                        .method = "PUT",
                                        .path = "/" + options.bucket + "/" + uri_encode(key, true),
                                        .query = "",
                                        .headers = {{"content-type", content_type(*file)}},
                                        .body = as_text(*content),
                                        .largest_answer = kLargestAnswer});
      if (!put && is_passing(put.error().kind)) return put.error();
      if (!put) {
        // A verdict without its picture is better than none.
        ++pictures_refused;
        log::error("the server refused a picture", {{"key", key}, {"reason", put.error().message}});
        record.picture.clear();
        continue;
      }
      uploaded.insert(key);
    }
    record.picture = "s3://" + options.bucket + "/" + key;
  }
  return {};
}

Result<void> ServerLink::State::put(std::span<const VerdictRecord> records) {
  auto lines = json::array();
  for (const auto& record : records) lines.push_back(to_json(record));
  const auto body = json{{"Records", std::move(lines)}}.dump(-1, ' ', false, json::error_handler_t::replace);
  const auto answer = deliveries.send({.service = "vedette",
                                       .method = "POST",
                                       .path = path("/verdicts"),
                                       .query = "",
                                       .headers = {{"content-type", "application/json"}},
                                       .body = body,
                                       .largest_answer = kLargestAnswer});
  if (!answer) return answer.error();
  met();
  const auto told = json::parse(answer->body, nullptr, false);
  if (!told.is_object() || !told.contains("LastSequence") || !told["LastSequence"].is_number_unsigned() ||
      told["LastSequence"].get<std::uint64_t>() < records.back().sequence)
    return fail(ErrorKind::unavailable, "The server did not acknowledge the records.");
  return {};
}

/// Puts records. A record that the server calls broken is left out; what is too large for one call goes in several.
Result<void> ServerLink::State::put_or_split(std::span<const VerdictRecord> records) {
  while (!records.empty()) {
    auto ok = put(records);
    if (ok) return ok;
    if (ok.error().kind == ErrorKind::too_large && records.size() > 1) {
      const auto half = records.size() / 2;
      if (auto first = put_or_split(records.first(half)); !first) return first;
      records = records.subspan(half);
      continue;
    }
    const auto broken = refused_record(ok.error(), records.size());
    if (!broken) return ok;
    if (*broken > 0)
      if (auto before = put_or_split(records.first(*broken)); !before) return before;
    ++refused;
    log::error("the server refused a record",
               {{"sequence", std::to_string(records[*broken].sequence)}, {"reason", ok.error().message}});
    records = records.subspan(*broken + 1);
  }
  return {};
}

/// Reports the station, follows the answer, and waits for the next report: until the interval is over, or the state has
/// changed since.
void ServerLink::State::report_loop() {
  ServerCalls calls(options, cancelled);
  while (!cancelled) {
    std::string body;
    {
      const MutexLock lock(mutex);
      is_new = false;
      body = report_body(options, station.agent_version, shown, counts, facts());
    }
    const auto answer = calls.send({.service = "vedette",
                                    .method = "PUT",
                                    .path = path("/report"),
                                    .query = "",
                                    .headers = {{"content-type", "application/json"}},
                                    .body = body,
                                    .largest_answer = kLargestAnswer});
    auto told = answer ? parse_channels(answer->body) : Result<std::vector<Channel>>(answer.error());
    if (!told && !cancelled) log::warning("the station could not be reported", {{"reason", told.error().message}});
    MutexLock lock(mutex);
    if (told) {
      contact = clock.now();
      channels = std::move(*told);
      has_channels = options.follows_channels;
      changed.notify_all();
    }
    changed.wait_for(lock.standard(), kShortestPause, [this] { return cancelled.load(); });
    changed.wait_for(lock.standard(), options.interval - kShortestPause,
                     [this]() REQUIRES(mutex) { return cancelled || is_new; });
  }
}

/// Puts the versions of the channels into the models folder, and has the components run them.
void ServerLink::State::follow_loop() {
  ChannelFollower follower(station.models, station.choose, station.running, options, cancelled);
  while (true) {
    std::vector<Channel> wanted;
    {
      MutexLock lock(mutex);
      changed.wait(lock.standard(), [this]() REQUIRES(mutex) { return cancelled || has_channels; });
      if (cancelled) return;
      has_channels = false;
      wanted = channels;
    }
    auto problems = follower.follow(wanted);
    const MutexLock lock(mutex);
    is_new = is_new || problems != channel_problems;
    channel_problems = std::move(problems);
    changed.notify_all();
  }
}

ServerLink::ServerLink(ServerLinkOptions options, ServerLinkStation station)
    : state_(std::make_unique<State>(std::move(options), std::move(station))) {}

ServerLink::~ServerLink() {
  cancel();
  for (auto* thread : {&state_->reporting, &state_->following})
    if (thread->joinable()) thread->join();
}

const std::string& ServerLink::name() const {
  return state_->options.name;
}

std::size_t ServerLink::most_records() const {
  return kMostRecords;
}

Result<void> ServerLink::deliver(std::span<const VerdictRecord> given) {
  std::vector<VerdictRecord> records(given.begin(), given.end());
  // What waits since before the station had its name: its key speaks for the new name alone.
  for (auto& record : records) record.station = state_->options.station;
  if (auto ok = state_->put_pictures(records); !ok) return ok;
  std::span<const VerdictRecord> rest(records);
  while (!rest.empty()) {
    std::size_t count = 0;
    for (std::size_t bytes = 0; count < std::min(rest.size(), kMostRecords); ++count) {
      bytes += to_json(rest[count]).size();
      if (count > 0 && (bytes > kMostBytes || rest[count].journal != rest.front().journal)) break;
    }
    if (auto ok = state_->put_or_split(rest.first(count)); !ok) return ok;
    rest = rest.subspan(count);
  }
  state_->uploaded.clear();
  return {};
}

void ServerLink::cancel() {
  const MutexLock lock(state_->mutex);
  state_->cancelled = true;
  state_->changed.notify_all();
}

void ServerLink::show_state(const StationState& shown, const JournalCounts& counts) {
  auto& s = *state_;
  const MutexLock lock(s.mutex);
  s.is_new = s.is_new || !(shown == s.shown);
  s.shown = shown;
  s.counts = counts;
  if (s.cancelled || s.reporting.joinable()) {
    s.changed.notify_all();
    return;
  }
  s.reporting = std::thread([&s] { s.report_loop(); });
  if (s.options.follows_channels) s.following = std::thread([&s] { s.follow_loop(); });
}

std::optional<Timestamp> ServerLink::last_contact() const {
  const MutexLock lock(state_->mutex);
  return state_->contact;
}

std::uint64_t ServerLink::refused() const {
  return state_->refused;
}

}  // namespace vedette
