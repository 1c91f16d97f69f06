#include <libpq-fe.h>

#include <algorithm>
#include <map>
#include <sstream>

#include "store/postgresql/postgresql.hpp"

namespace vedette::postgresql {
namespace {

constexpr const char* kDefaultSchema = "vedette";
constexpr std::size_t kLongestName = 63;  // PostgreSQL cuts off longer names without a word.
// libpq's own defaults let a dead connection live for hours. What the address says goes before these.
const std::map<std::string, std::string> kDefaults = {{"application_name", "vedette"}, {"keepalives", "1"},
                                                      {"keepalives_idle", "10"},       {"keepalives_interval", "5"},
                                                      {"keepalives_count", "3"},       {"tcp_user_timeout", "15000"}};

/// Takes the parameter `name` out of the query of the address and returns its value.
std::optional<std::string> take_parameter(std::string& url, const std::string& name) {
  const auto query = url.find('?');
  if (query == std::string::npos) return std::nullopt;
  std::optional<std::string> value;
  std::string rest;
  std::istringstream parts(url.substr(query + 1));
  for (std::string part; std::getline(parts, part, '&');)
    if (part.starts_with(name + "="))
      value = part.substr(name.size() + 1);
    else
      rest += (rest.empty() ? "?" : "&") + part;
  url = url.substr(0, query) + rest;
  return value;
}

/// A list such as "a,b" as its elements; they may be empty.
std::vector<std::string> elements(const std::string& list) {
  std::vector<std::string> out(1);
  for (const char c : list)
    if (c == ',')
      out.emplace_back();
    else
      out.back() += c;
  return out;
}

bool is_name(const std::string& text) {
  return !text.empty() && text.size() <= kLongestName && !(text[0] >= '0' && text[0] <= '9') &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string::npos;
}

}  // namespace

Address parse_address(const std::string& given) {
  std::string url = given;
  Address address;
  address.schema = take_parameter(url, "schema").value_or(kDefaultSchema);
  if (!is_name(address.schema) || address.schema.starts_with("pg_"))
    throw sql::DatabaseError(
        "the schema of the metadata's address must consist of small letters, digits and _, must not begin with a digit "
        "or pg_, and must have at most 63 characters");
  std::map<std::string, std::string> parameters;
  {
    char* message = nullptr;
    const std::unique_ptr<PQconninfoOption, void (*)(PQconninfoOption*)> parsed(PQconninfoParse(url.c_str(), &message),
                                                                                PQconninfoFree);
    PQfreemem(message);  // It may quote the password.
    if (parsed != nullptr && (url.starts_with("postgresql://") || url.starts_with("postgres://")))
      for (const auto* option = parsed.get(); option->keyword != nullptr; ++option)
        if (option->val != nullptr) parameters[option->keyword] = option->val;
  }
  // What libpq takes for a host or a port may be the end of a password with an @ or a /; it must not get into messages.
  if (parameters.empty() || parameters["host"].find('@') != std::string::npos ||
      parameters["port"].find_first_not_of("0123456789,") != std::string::npos)
    throw sql::DatabaseError(
        "the metadata's address is not understood. It must look like postgresql://USER@HOST:PORT/DATABASE, and may "
        "have "
        "parameters such as ?sslmode=verify-full&target_session_attrs=read-write; characters such as @ and / in a "
        "password are written as %40 and %2F");
  parameters.insert(kDefaults.begin(), kDefaults.end());
  parameters["client_encoding"] = "UTF8";
  parameters.erase("connect_timeout");  // libpq does not use it when nobody is to be blocked.

  // libpq would wait for a dead server until TCP gives up, so each server is tried on its own.
  const auto hosts = elements(parameters["host"]), addresses = elements(parameters["hostaddr"]),
             ports = elements(parameters["port"]);
  const auto count = std::max(hosts.size(), addresses.size());
  const auto at = [](const std::vector<std::string>& list, std::size_t i) { return list[i < list.size() ? i : 0]; };
  if (count > 1) parameters.emplace("target_session_attrs", "read-write");
  for (std::size_t i = 0; i < count; ++i) {
    auto server = parameters;
    server["host"] = at(hosts, i), server["hostaddr"] = at(addresses, i), server["port"] = at(ports, i);
    address.servers.emplace_back();
    for (const auto& [name, value] : server)
      if (!value.empty()) address.servers.back().emplace_back(name, value);
    const auto& name = server["host"].empty() ? server["hostaddr"] : server["host"];
    address.shown += (i == 0 ? "" : ",") + name + (server["port"].empty() ? "" : ":" + server["port"]);
  }
  address.shown = "postgresql://" + address.shown + "/" + parameters["dbname"];
  return address;
}

}  // namespace vedette::postgresql
