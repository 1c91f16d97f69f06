#include "audit/audit.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string_view>
#include <vector>

#include "audit/day_files.hpp"
#include "base/digest.hpp"
#include "base/log.hpp"

namespace vedette {
namespace fs = std::filesystem;
namespace {

using Json = nlohmann::json;

constexpr std::size_t kLongestText = 10'240;  // the most bytes of one member
constexpr std::size_t kMostRefusers = 4096;   // the most pairs of user and address that are counted within a minute

/// Members that are secret, or that say nothing about who did what for all their size.
constexpr std::array<std::string_view, 7> kLeftOut{"SecretAccessKey", "AnomalyMask", "Changes", "Image",
                                                   "Records",         "Findings",    "Counters"};

Json audited(const Json& value) {
  if (value.is_object()) {
    Json out = Json::object();
    for (const auto& [name, member] : value.items()) {
      if (std::ranges::find(kLeftOut, name) != kLeftOut.end()) continue;
      std::string small = name;
      if (!small.empty() && small[0] >= 'A' && small[0] <= 'Z') small[0] = static_cast<char>(small[0] | 0x20);
      out[small] = audited(member);
    }
    return out;
  }
  if (value.is_array()) {
    Json out = Json::array();
    for (const auto& item : value) out.push_back(audited(item));
    return out;
  }
  if (value.is_string() && value.get_ref<const std::string&>().size() > kLongestText)
    return value.get_ref<const std::string&>().substr(0, kLongestText);
  return value;
}

}  // namespace

std::string audit_parameters(const Json& members) {
  return audited(members).dump(-1, ' ', false, Json::error_handler_t::replace);
}

AuditLog::AuditLog(fs::path folder, const Clock& clock, int days_kept, std::map<std::string, std::int64_t> taken)
    : folder_(std::move(folder)), clock_(clock), days_kept_(days_kept), taken_(std::move(taken)) {
  std::error_code error;
  fs::create_directories(folder_, error);
  if (error) throw std::runtime_error("cannot make " + folder_.string() + ": " + error.message());
}

AuditLog::~AuditLog() {
  const MutexLock lock(mutex_);
  end_minutes(clock_.now(), true);
  if (file_ >= 0) ::close(file_);
}

void AuditLog::open(const std::string& day) {
  if (file_ >= 0) ::close(file_);
  day_ = day;
  file_ = ::open(day_file(folder_, day).c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  auto end = file_ < 0 ? 0 : ::lseek(file_, 0, SEEK_END);
  if (const auto taken = taken_.find(day); file_ >= 0 && taken != taken_.end() && end < taken->second) {
    if (::ftruncate(file_, taken->second) == 0)
      end = taken->second;
    else
      log::error("the file of the audit log could not be made as long as it was", {{"reason", std::strerror(errno)}});
  }
  // A line that a full disk or a power cut tore must not spoil the one that follows it.
  char last = '\n';
  if (end > 0 && ::pread(file_, &last, 1, end - 1) == 1 && last != '\n' && ::write(file_, "\n", 1) != 1)
    log::error("a torn line of the audit log could not be ended", {{"reason", std::strerror(errno)}});
  if (days_kept_ <= 0) return;
  auto days = days_of(folder_);
  if (!days) return;
  std::erase_if(*days, [&](const std::string& other) { return other >= day; });
  const auto before = days->empty() ? std::nullopt : parse_timestamp(days->front() + "T00:00:00Z");
  if (!before) return;
  const auto oldest = day_of(oldest_kept(clock_.now(), *before, days_kept_));
  std::error_code ignored;
  for (const auto& other : *days)
    if (other < oldest) fs::remove(day_file(folder_, other), ignored);
}

namespace {

Json line_of(const AuditEvent& e, const std::string& time) {
  const auto parsed = [](const std::string& text) {
    auto json = text.empty() ? Json() : Json::parse(text, nullptr, false);
    return json.is_discarded() ? Json() : json;  // a discarded value would make the line invalid JSON
  };
  Json line = {{"eventVersion", "1.08"},
               {"userIdentity",
                {{"type", "IAMUser"},
                 {"principalId", e.user},
                 {"arn", e.user_arn},
                 {"accountId", e.account},
                 {"accessKeyId", e.access_key_id},
                 {"userName", e.user}}},
               {"eventTime", time.substr(0, 19) + "Z"},
               {"eventSource", e.source},
               {"eventName", e.name},
               {"awsRegion", e.region},
               {"sourceIPAddress", e.source_ip},
               {"userAgent", e.user_agent},
               {"requestParameters", parsed(e.request_parameters)},
               {"responseElements", parsed(e.response_elements)},
               {"requestID", e.request_id},
               {"eventID", random_uuid()},
               {"readOnly", e.is_read_only},
               {"eventType", "AwsApiCall"},
               {"managementEvent", true},
               {"recipientAccountId", e.account},
               {"eventCategory", "Management"}};
  if (!e.source_key_id.empty()) line["userIdentity"]["sessionContext"] = {{"sourceAccessKeyId", e.source_key_id}};
  if (!e.error_code.empty()) {
    line["errorCode"] = e.error_code;
    line["errorMessage"] = e.error_message;
  }
  return line;
}

std::string to_line(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

void AuditLog::append(const std::string& line, const std::string& time) {
  if (const auto day = time.substr(0, 10); day != day_ || file_ < 0) open(day);
  if (file_ >= 0 && ::write(file_, line.data(), line.size()) == static_cast<ssize_t>(line.size())) return;
  log::error("a line of the audit log could not be written", {{"reason", std::strerror(errno)}, {"line", line}});
  day_.clear();  // The file is opened again for the next line, which then does not follow a part of this one.
}

std::string AuditLog::summary(const Refusals& r) const {
  auto event = r.last;
  event.name = "RefusedCallsLeftOut";
  event.request_parameters = event.response_elements = event.error_message = "";
  const auto time = to_extended_iso8601(clock_.now());
  auto json = line_of(event, time);
  json["additionalEventData"] = {{"callsLeftOut", r.left_out}, {"since", to_extended_iso8601(r.since)}};
  return to_line(json);
}

void AuditLog::end_minutes(Timestamp now, bool all) {
  std::erase_if(refusals_, [&](const auto& entry) REQUIRES(mutex_) {
    const auto& r = entry.second;
    if (!all && now - r.since < std::chrono::minutes(1) && now >= r.since) return false;
    if (r.left_out > 0) append(summary(r), to_extended_iso8601(now));
    return true;
  });
}

bool AuditLog::leaves_out(const AuditEvent& e, Timestamp now) {
  if (e.error_code.empty() && !e.needs_no_right) return false;
  auto key = e.account + "/" + e.user + "@" + e.source_ip;
  // Beyond this number all callers share one entry, so that invented addresses cannot fill the memory.
  if (refusals_.size() >= kMostRefusers && !refusals_.contains(key)) key.clear();
  auto& r = refusals_.try_emplace(key, Refusals{now, 0, 0, {}}).first->second;
  if (r.written < kMostRefusals) {
    ++r.written;
    return false;
  }
  ++r.left_out;
  r.last = e;
  return true;
}

void AuditLog::write(const AuditEvent& e) {
  const auto now = clock_.now();
  const MutexLock lock(mutex_);
  end_minutes(now);
  if (leaves_out(e, now)) return;
  const auto time = to_extended_iso8601(now);
  append(to_line(line_of(e, time)), time);
}

}  // namespace vedette
