// The link of a station to a server, driven by lines on standard input: test_stations.py is the station.
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "base/files.hpp"
#include "base/text.hpp"
#include "edge/server_link/server_link.hpp"

using namespace vedette;
using Json = nlohmann::json;

namespace {

void say(const std::string& line) {
  std::puts(line.c_str());
  std::fflush(stdout);
}

/// Reads {"name", "version", "status"} of each model, and how many records the journal has.
void show(ServerLink& link, const Json& line) {
  StationState state;
  for (const auto& model : line.at("models"))
    state.models.push_back({model.at("name"), model.at("version"), "", model.at("status"), ""});
  JournalCounts counts;
  counts.last = line.at("records");
  counts.sinks["server"] = {line.at("delivered"), line.at("dropped")};
  link.show_state(state, counts);
  say("shown");
}

void deliver(ServerLink& link, const Json& line) {
  std::vector<VerdictRecord> records;
  for (const auto& record : line.at("deliver")) records.push_back(*parse_record(record.dump()));
  const auto done = link.deliver(records);
  say(done ? "delivered" : "error: " + done.error().message);
}

}  // namespace

/// station_link_probe CONFIG STATION MODELS PICTURES: the configuration is a file; the others are a name and two folders.
int main(int, char** words) {
  const auto config = read_file(words[1], 1 << 20);
  auto options = parse_server_link(Json::parse(as_text(*config)), words[2]);
  if (!options) return say("error: " + options.error().message), 1;
  const std::filesystem::path pictures = words[4];
  ServerLink link(*options, {.agent_version = "1.0-probe",
                             .find_picture = [pictures](std::string_view name) -> Result<std::filesystem::path> {
                               if (std::filesystem::exists(pictures / name)) return pictures / name;
                               return not_found("PICTURE", std::string(name), "There is no such picture.");
                             },
                             .models = words[3],
                             .choose = [](const std::string& component, const std::string& version) -> Result<void> {
                               say("chosen " + component + " " + version);
                               return {};
                             },
                             .running = [](const std::string&) { return std::string(); }});
  for (std::string text; std::getline(std::cin, text);) {
    const auto line = Json::parse(text);
    if (line.contains("deliver")) deliver(link, line);
    if (line.contains("models")) show(link, line);
    if (line.contains("contact")) say(link.last_contact() ? "met" : "not met");
  }
}
