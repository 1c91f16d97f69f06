#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "audit/audit_trail.hpp"

namespace vedette {

/// A place in the files of the log. Lines that are written later come after it, so it stays what it is.
struct AuditPlace {
  std::string day;           ///< "2020-09-13"
  std::uint64_t offset = 0;  ///< bytes from the beginning of the file of that day
};
/// Returns the place that to_text() wrote, or nothing if the text is no place.
std::optional<AuditPlace> parse_audit_place(std::string_view text);
std::string to_text(const AuditPlace& place);

/// Reads back what AuditLog (audit.hpp) wrote into a folder. The newest come first, which means those that were written
/// last.
///
/// A call looks at 64 MiB of lines at most, or at 8 MiB that it has to parse. Lines that lie outside the time frame are
/// not looked at, as far as lines are in the order of their times: where the clock was set back by more than 15 minutes
/// within one day, lines of that day may be passed over. Fails with internal if the disk does.
class AuditFiles : public AuditTrail {
 public:
  explicit AuditFiles(std::filesystem::path folder) : folder_(std::move(folder)) {}
  Result<AuditPage> read(const AuditQuery& query, const std::string& from, std::size_t most) override;

 private:
  const std::filesystem::path folder_;
};

}  // namespace vedette
