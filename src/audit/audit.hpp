#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/clock.hpp"
#include "base/mutex.hpp"

/// Records who did what: one line of JSON per call, in the shape of AWS CloudTrail records.
///   https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
namespace vedette {

struct AuditEvent {
  std::string source;  ///< The service: "lookoutvision.amazonaws.com".
  std::string name;    ///< The name of the operation.
  std::string account, user, user_arn, access_key_id;
  std::string source_key_id;  ///< The permanent key that temporary credentials came from, else empty.
  std::string region, source_ip, user_agent, request_id;
  std::string error_code, error_message;  ///< Empty if the call succeeded.
  std::string request_parameters;         ///< A JSON object, or empty.
  std::string response_elements;          ///< A JSON object for calls that change something, else empty.
  bool is_read_only = true;
  bool needs_no_right = false;  ///< Any user may call the operation as often as they like.
};

/// Returns the members of a request as CloudTrail names them: first letters are small; secrets and blobs are left out.
std::string audit_parameters(const nlohmann::json& members);

/// Appends lines to <folder>/<yyyy-mm-dd>.jsonl (UTC), whose mode is 0600. A line is written whole, by one call of the
/// system, before the answer goes out. Files that are older than the limit are deleted. Of calls that fail or need no
/// right, at most kMostRefusals lines are written per minute, user and address; a line RefusedCallsLeftOut tells how
/// many more there were. Thread-safe.
class AuditLog {
 public:
  /// Throws std::runtime_error if the folder cannot be made. Files are kept for `days_kept` days, or for ever if it is
  /// 0. `taken` says of some days how many bytes of their files must not be used again, although the file may have lost
  /// them in a power cut: lines are appended beyond them.
  AuditLog(std::filesystem::path folder, const Clock& clock, int days_kept,
           std::map<std::string, std::int64_t> taken = {});
  ~AuditLog();
  AuditLog(const AuditLog&) = delete;
  AuditLog& operator=(const AuditLog&) = delete;
  /// Writes the line of one call. A line that cannot be written goes to the server's log instead, since the call has
  /// happened.
  void write(const AuditEvent& event);

  static constexpr int kMostRefusals = 120;

 private:
  /// Counts the calls that a user made in vain from one address within a minute.
  struct Refusals {
    Timestamp since;
    int written = 0;
    std::int64_t left_out = 0;
    AuditEvent last;  // the last call that was left out, which says whose calls these are
  };
  void open(const std::string& day) REQUIRES(mutex_);
  void append(const std::string& line, const std::string& time) REQUIRES(mutex_);
  std::string summary(const Refusals& refusals) const;
  bool leaves_out(const AuditEvent& event, Timestamp now) REQUIRES(mutex_);
  /// Writes how many lines were left out in the minutes that are over (or in all, if `all` is set), and forgets those
  /// counts.
  void end_minutes(Timestamp now, bool all = false) REQUIRES(mutex_);

  const std::filesystem::path folder_;
  const Clock& clock_;
  const int days_kept_;
  const std::map<std::string, std::int64_t> taken_;
  Mutex mutex_;
  std::map<std::string, Refusals> refusals_ GUARDED_BY(mutex_);
  std::string day_ GUARDED_BY(mutex_);
  int file_ GUARDED_BY(mutex_) = -1;
};

}  // namespace vedette
