#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "edge/server_link/server_link.hpp"

namespace vedette {
namespace {

using nlohmann::json;

Error wrong(const std::string& member) {
  return invalid_input("The member " + member + " of the server's sink is missing or has a wrong value.");
}

}  // namespace

Result<ServerLinkOptions> parse_server_link(const json& config, const std::string& station) {
  constexpr std::array kMembers{"kind",    "name",    "endpoint", "region",   "credentials",
                                "profile", "ca_file", "pictures", "interval", "channels"};
  if (!config.is_object()) return invalid_input("The server's sink is not an object.");
  for (const auto& [member, value] : config.items())
    if (std::ranges::find(kMembers, member) == kMembers.end())
      return invalid_input("The server's sink has no member " + member + ".");
  if (!is_station_name(station)) return invalid_input("The server takes no station with the name " + station + ".");
  ServerLinkOptions options;
  options.station = station;
  std::string problem, credentials, pictures;
  const auto text = [&](const char* member, std::string& into, bool is_required) {
    const auto found = config.find(member);
    if (found != config.end() && found->is_string() && !found->get_ref<const std::string&>().empty())
      into = found->get<std::string>();
    else if (problem.empty() && (is_required || found != config.end()))
      problem = member;
  };
  text("name", options.name, false);
  text("endpoint", options.endpoint, true);
  text("region", options.region, false);
  text("credentials", credentials, true);
  text("profile", options.profile, false);
  text("ca_file", options.ca_file, false);
  text("pictures", pictures, false);
  if (!problem.empty()) return wrong(problem);
  options.credentials = credentials;
  while (options.endpoint.ends_with('/')) options.endpoint.pop_back();
  if (!options.endpoint.starts_with("http://") && !options.endpoint.starts_with("https://")) return wrong("endpoint");
  if (!pictures.empty()) {
    const auto slash = std::min(pictures.find('/', 5), pictures.size());
    if (!pictures.starts_with("s3://") || slash == 5) return wrong("pictures");
    options.bucket = pictures.substr(5, slash - 5);
    options.prefix = slash < pictures.size() ? pictures.substr(slash + 1) : "";
    if (!options.prefix.empty() && !options.prefix.ends_with('/')) options.prefix += '/';
  }
  if (const auto found = config.find("interval"); found != config.end()) {
    if (!found->is_number_integer() || *found < 1 || *found > 86400) return wrong("interval");
    options.interval = std::chrono::seconds(found->get<int>());
  }
  if (const auto found = config.find("channels"); found != config.end()) {
    if (!found->is_boolean()) return wrong("channels");
    options.follows_channels = found->get<bool>();
  }
  return options;
}

}  // namespace vedette
