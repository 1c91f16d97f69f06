#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"

/// Reads back what AuditLog (audit.hpp) wrote, the newest line first.
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

/// A place in the log. Lines that are written later come after it, so it stays what it is.
struct AuditPlace {
  std::string day;           ///< "2020-09-13"
  std::uint64_t offset = 0;  ///< bytes from the beginning of the file of that day
};
/// Returns the place that to_text() wrote, or nothing if the text is no place.
std::optional<AuditPlace> parse_audit_place(std::string_view text);
std::string to_text(const AuditPlace& place);

struct AuditPage {
  std::vector<AuditRecord> records;         ///< the newest first
  std::optional<AuditPlace> next;           ///< Where the next page begins; empty if there is nothing more to look at.
  std::optional<Timestamp> searched_until;  ///< If there is more: the time of the line at which the page ends.
};

/// Returns lines that the query wants: those before the place `from`, or the latest of all. The newest come first, which
/// means those that were written last. Lines that are broken are passed over.
///
/// A call looks at 64 MiB of lines at most, or at 8 MiB that it has to parse, so it may return fewer than `most` lines,
/// or none, and still have a next place. It takes tenths of a second and some MiB of memory. Lines that lie outside the
/// time frame are not looked at, as far as lines are in the order of their times: where the clock was set back by more
/// than 15 minutes within one day, lines of that day may be passed over. Any thread may call it. Fails with internal if
/// the disk does.
Result<AuditPage> read_audit(const std::filesystem::path& folder, const AuditQuery& query,
                             const std::optional<AuditPlace>& from, std::size_t most);

}  // namespace vedette
