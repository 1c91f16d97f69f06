#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/audit_trail.hpp"

/// Decides whether a line of the audit is one that a query wants, wherever the line was found.
namespace vedette {

/// Texts each of which occurs in every line that is wanted. Looking for them takes much less time than match().
std::vector<std::string> texts_to_find(const AuditQuery& query);

/// Returns the line if it is whole and wanted, as far as anything but its time says.
std::optional<AuditRecord> match(const AuditQuery& query, std::string_view line);

/// Returns the time of a line, or nothing if it is not a whole line of the audit: an object in JSON that has a time.
std::optional<Timestamp> time_of_whole(std::string_view line);

/// Returns the error for a text that is no place in the audit.
Error no_audit_place();

}  // namespace vedette
