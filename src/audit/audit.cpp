#include "audit/audit.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <vector>

#include "base/digest.hpp"
#include "base/log.hpp"

namespace vedette {
namespace fs = std::filesystem;
namespace {

using Json = nlohmann::json;

constexpr auto kLately = std::chrono::days(3);
constexpr std::size_t kLongestText = 10'240;  // of one member, in bytes

Json audited(const Json& value) {
  if (value.is_object()) {
    Json out = Json::object();
    for (const auto& [name, member] : value.items()) {
      if (name == "SecretAccessKey" || name == "AnomalyMask" || name == "Changes") continue;
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

AuditLog::AuditLog(fs::path folder, const Clock& clock, int days_kept)
    : folder_(std::move(folder)), clock_(clock), days_kept_(days_kept) {
  std::error_code error;
  fs::create_directories(folder_, error);
  if (error) throw std::runtime_error("cannot make " + folder_.string() + ": " + error.message());
}

AuditLog::~AuditLog() {
  if (file_ >= 0) ::close(file_);
}

void AuditLog::open(const std::string& day) {
  if (file_ >= 0) ::close(file_);
  day_ = day;
  file_ = ::open((folder_ / (day + ".jsonl")).c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (days_kept_ <= 0) return;
  const auto oldest = to_extended_iso8601(clock_.now() - std::chrono::days(days_kept_)).substr(0, 10);
  std::error_code ignored;
  std::vector<std::string> days;
  for (const auto& entry : fs::directory_iterator(folder_, ignored)) {
    const auto name = entry.path().stem().string();
    // Only names that this class gives: other files in the folder are somebody else's.
    if (entry.path().extension() == ".jsonl" && name.size() == 10 && name[4] == '-' && name[7] == '-' && name < day)
      days.push_back(name);
  }
  // A clock that jumped ahead must not delete everything: files go only on a day that follows one with a file.
  const auto lately = to_extended_iso8601(clock_.now() - kLately).substr(0, 10);
  if (std::none_of(days.begin(), days.end(), [&](const auto& name) { return name >= lately; })) return;
  for (const auto& name : days)
    if (name < oldest) fs::remove(folder_ / (name + ".jsonl"), ignored);
}

void AuditLog::write(const AuditEvent& e) {
  const auto time = to_extended_iso8601(clock_.now());
  const auto parsed = [](const std::string& text) { return text.empty() ? Json() : Json::parse(text, nullptr, false); };
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
  if (!e.error_code.empty()) {
    line["errorCode"] = e.error_code;
    line["errorMessage"] = e.error_message;
  }
  const auto text = line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  const std::lock_guard lock(mutex_);
  if (const auto day = time.substr(0, 10); day != day_ || file_ < 0) open(day);
  if (file_ < 0 || ::write(file_, text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    log::error("audit line not written", {{"reason", std::strerror(errno)}, {"line", text}});
}

}  // namespace vedette
