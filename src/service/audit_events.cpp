// Implements the operation of the service `vedette` that reads the audit log.
#include <nlohmann/json.hpp>

#include "audit/audit_trail.hpp"
#include "service/extension.hpp"
#include "service/pagination.hpp"

namespace vedette {

Result<extension::AuditEvents> list_audit_events(const ExtensionServices& services, const CallContext& call,
                                                 const extension::ListAuditEventsRequest& request) {
  if (request.start && request.end && *request.start >= *request.end)
    return invalid_input("StartTime must be before EndTime.");
  const AuditQuery query{.account = call.scope.account,
                         .start = request.start,
                         .end = request.end,
                         .user = request.user,
                         .name = request.event,
                         .source = request.source,
                         .error_code = request.error_code,
                         .access_key_id = request.access_key_id,
                         .resource = request.resource,
                         .has_failed = request.has_failed,
                         .is_read_only = request.is_read_only};
  const auto number = [](const auto& value) { return value ? nlohmann::json(*value) : nlohmann::json(); };
  const auto time = [](const auto& value) {
    return value ? nlohmann::json(value->time_since_epoch().count()) : nlohmann::json();
  };
  const auto filters = nlohmann::json{"ListAuditEvents",
                                      query.account,
                                      time(query.start),
                                      time(query.end),
                                      query.user,
                                      query.name,
                                      query.source,
                                      query.error_code,
                                      query.access_key_id,
                                      query.resource,
                                      number(query.has_failed),
                                      number(query.is_read_only)}
                           .dump();
  const auto after = read_page_token(filters, request.page.next_token);
  if (!after) return after.error();
  auto page = services.audit.read(query, *after, static_cast<std::size_t>(request.page.max_results));
  if (!page) return page.error();
  extension::AuditEvents out;
  for (auto& r : page->records)
    out.events.push_back({r.time, std::move(r.id), std::move(r.name), std::move(r.source), std::move(r.user),
                          std::move(r.access_key_id), std::move(r.source_ip), std::move(r.error_code), r.is_read_only,
                          std::move(r.json)});
  if (!page->next.empty()) out.next_token = make_page_token(filters, page->next);
  out.searched_until = page->searched_until;
  return out;
}

}  // namespace vedette
