#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"

namespace vedette {

/// Says which lines are wanted. What is empty does not matter.
struct AuditQuery {
  std::string account = {};  ///< Only lines of this account are returned; it must be given.
  /// The start is included, the end is excluded. Lines have whole seconds.
  std::optional<Timestamp> start = {}, end = {};
  std::string user = {}, name = {}, source = {};  ///< "ann", "CreateModel", "lookoutvision.amazonaws.com"
  std::string error_code = {};                    ///< "AccessDeniedException"
  std::string access_key_id = {};                 ///< of the call, or where its temporary credentials came from
  std::string resource = {};                      ///< A text that is one of the values of the request or the response.
  std::optional<bool> has_failed = {}, is_read_only = {};
};

/// One line of the log.
struct AuditRecord {
  Timestamp time;
  std::string id, name, source, user, access_key_id, source_ip, error_code;
  bool is_read_only = false;
  std::string json;  ///< the whole line
};

struct AuditPage {
  std::vector<AuditRecord> records;  ///< the newest first
  /// The place where the next page begins, as a text; empty if there is nothing more to look at. Lines that are written
  /// later change nothing about what comes after a place.
  std::string next;
  std::optional<Timestamp> searched_until;  ///< If there is more: the time of the line at which the page ends.
};

/// Where the audit is read back. Any thread may call it.
class AuditTrail {
 public:
  virtual ~AuditTrail() = default;
  /// Returns lines that the query wants, the newest first: those before the place `from`, or the latest of all if it is
  /// empty. Lines that are broken are passed over.
  ///
  /// A call looks at a part of the log only, so it may return fewer than `most` lines, or none, and still have a next
  /// place. It takes tenths of a second and some MiB of memory. Fails with invalid_input if `from` is no place.
  virtual Result<AuditPage> read(const AuditQuery& query, const std::string& from, std::size_t most) = 0;
};

}  // namespace vedette
