#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/clock.hpp"
#include "base/mutex.hpp"

/// Who did what: one line of JSON per call, in the shape of AWS CloudTrail records.
///   https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
namespace vedette {

struct AuditEvent {
  std::string source;  ///< "lookoutvision.amazonaws.com"
  std::string name;    ///< operation
  std::string account, user, user_arn, access_key_id;
  std::string region, source_ip, user_agent, request_id;
  std::string error_code, error_message;  ///< empty: it succeeded
  std::string request_parameters;         ///< JSON object, or empty
  std::string response_elements;          ///< JSON object of calls that change something, or empty
  bool is_read_only = true;
  bool needs_no_right = false;  ///< any user may call it as often as they like
};

/// Members as CloudTrail names them: first letters small; secrets and blobs left out.
std::string audit_parameters(const nlohmann::json& members);

/// Appends to <folder>/<yyyy-mm-dd>.jsonl (UTC), mode 0600; a line is written whole, by one call of the system, before
/// the answer goes out. Files older than the limit are deleted. Of calls that fail or need no right, kMostRefusals lines per
/// minute, user and address are written; a line RefusedCallsLeftOut tells how many more there were. Thread-safe.
class AuditLog {
 public:
  /// Throws std::runtime_error if the folder cannot be made. `days_kept` 0: for ever.
  AuditLog(std::filesystem::path folder, const Clock& clock, int days_kept);
  ~AuditLog();
  AuditLog(const AuditLog&) = delete;
  AuditLog& operator=(const AuditLog&) = delete;
  /// A line that cannot be written goes to the server's log instead: the call has happened.
  void write(const AuditEvent& event);

  static constexpr int kMostRefusals = 120;

 private:
  /// What a user did in vain from one address, within a minute.
  struct Refusals {
    Timestamp since;
    int written = 0;
    std::int64_t left_out = 0;
    AuditEvent last;  // of those left out: whose they are
  };
  void open(const std::string& day) REQUIRES(mutex_);
  void append(const std::string& line, const std::string& time) REQUIRES(mutex_);
  std::string summary(const Refusals& refusals) const;
  bool leaves_out(const AuditEvent& event, Timestamp now) REQUIRES(mutex_);
  /// Writes what was left out in minutes that are over, or in all, and forgets them.
  void end_minutes(Timestamp now, bool all = false) REQUIRES(mutex_);

  const std::filesystem::path folder_;
  const Clock& clock_;
  const int days_kept_;
  Mutex mutex_;
  std::map<std::string, Refusals> refusals_ GUARDED_BY(mutex_);
  std::string day_ GUARDED_BY(mutex_);
  int file_ GUARDED_BY(mutex_) = -1;
};

}  // namespace vedette
