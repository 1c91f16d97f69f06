#include "audit/audit_matching.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

namespace vedette {
namespace {

using Json = nlohmann::json;

std::string quoted(const std::string& text) {
  return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string text_of(const Json& object, const char* name) {
  const auto it = object.find(name);
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

bool holds(const Json& value, const std::string& text) {
  if (value.is_string()) return value.get_ref<const std::string&>() == text;
  return value.is_structured() &&
         std::any_of(value.begin(), value.end(), [&](const Json& v) { return holds(v, text); });
}

}  // namespace

std::vector<std::string> texts_to_find(const AuditQuery& q) {
  std::vector<std::string> texts;
  const auto member = [&](const char* name, const std::string& value) {
    if (!value.empty()) texts.push_back("\"" + std::string(name) + "\":" + quoted(value));
  };
  member("recipientAccountId", q.account);
  member("userName", q.user);
  member("eventName", q.name);
  member("eventSource", q.source);
  member("errorCode", q.error_code);
  if (q.has_failed == true) texts.emplace_back("\"errorCode\":");
  if (q.is_read_only) texts.emplace_back(*q.is_read_only ? "\"readOnly\":true" : "\"readOnly\":false");
  for (const auto& value : {q.access_key_id, q.resource})
    if (!value.empty()) texts.push_back(quoted(value));
  return texts;
}

std::optional<AuditRecord> match(const AuditQuery& q, std::string_view line) {
  const auto json = Json::parse(line, nullptr, false);
  if (!json.is_object() || text_of(json, "recipientAccountId") != q.account) return std::nullopt;
  const auto user = json.value("userIdentity", Json::object());
  const auto time = parse_timestamp(text_of(json, "eventTime"));
  if (!user.is_object() || !time) return std::nullopt;
  AuditRecord out{*time,
                  text_of(json, "eventID"),
                  text_of(json, "eventName"),
                  text_of(json, "eventSource"),
                  text_of(user, "userName"),
                  text_of(user, "accessKeyId"),
                  text_of(json, "sourceIPAddress"),
                  text_of(json, "errorCode"),
                  json.value("readOnly", Json()) == true,
                  std::string(line)};
  const auto is = [](const std::string& wanted, const std::string& value) { return wanted.empty() || wanted == value; };
  const auto holds_resource = [&](const char* name) { return json.contains(name) && holds(json[name], q.resource); };
  const auto session = user.value("sessionContext", Json::object());
  if (!is(q.user, out.user) || !is(q.name, out.name) || !is(q.source, out.source) ||
      !is(q.error_code, out.error_code) || (q.has_failed && *q.has_failed == out.error_code.empty()) ||
      (q.is_read_only && *q.is_read_only != out.is_read_only) ||
      (!is(q.access_key_id, out.access_key_id) &&
       !(session.is_object() && text_of(session, "sourceAccessKeyId") == q.access_key_id)) ||
      (!q.resource.empty() && !holds_resource("requestParameters") && !holds_resource("responseElements")))
    return std::nullopt;
  return out;
}

std::optional<Timestamp> time_of_whole(std::string_view line) {
  const auto json = Json::parse(line, nullptr, false);
  return json.is_object() ? parse_timestamp(text_of(json, "eventTime")) : std::nullopt;
}

Error no_audit_place() {
  return invalid_input("The pagination token is not valid for this request.");
}

}  // namespace vedette
