#include "edge/server_link/report.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

namespace vedette {
namespace {

using nlohmann::json;

// What one report may hold (src/api/vedette/model.json).
constexpr std::size_t kMostItems = 64;
constexpr std::size_t kLongestText = 1024;
constexpr std::size_t kLongestVersion = 64;

std::string cut(const std::string& text, std::size_t most = kLongestText) {
  return text.substr(0, most);
}

json models_of(const StationState& state) {
  constexpr std::array kStates{"STOPPED", "STARTING", "RUNNING", "FAILED", "STOPPING"};
  auto list = json::array();
  for (const auto& model : state.models) {
    if (list.size() == kMostItems) break;
    if (!is_folder_name(model.name) || std::ranges::find(kStates, model.status) == kStates.end()) continue;
    json item = {{"ModelComponent", model.name}, {"State", model.status}};
    if (!model.version.empty()) item["ComponentVersion"] = cut(model.version, kLongestVersion);
    if (!model.sha256.empty()) item["ModelSha256"] = cut(model.sha256);
    if (!model.message.empty()) item["StateMessage"] = cut(model.message);
    list.push_back(std::move(item));
  }
  return list;
}

json findings_of(const StationState& state, const JournalCounts& counts, const LinkFacts& link) {
  auto list = json::array();
  const auto add = [&](const char* check, const char* level, const std::string& message) {
    if (list.size() < kMostItems) list.push_back({{"Check", check}, {"Level", level}, {"Message", cut(message)}});
  };
  if (counts.full) add("journal", "ERROR", "The journal could not take the newest record; the disk may be full.");
  if (counts.damaged_segments > 0)
    add("journal", "WARNING", std::to_string(counts.damaged_segments) + " files of the journal were damaged.");
  if (link.refused > 0)
    add("server", "WARNING", "The server refused " + std::to_string(link.refused) + " records as broken.");
  if (link.pictures_refused > 0)
    add("server", "WARNING", "The server refused " + std::to_string(link.pictures_refused) + " kept pictures.");
  for (const auto& problem : link.channel_problems) add("channel", "WARNING", problem);
  for (const auto& sink : state.sinks) {
    if (!sink.problem.empty()) add("sink", "WARNING", "The sink " + sink.name + " does not deliver: " + sink.problem);
    if (sink.refused > 0)
      add("sink", "WARNING",
          std::to_string(sink.refused) + " records of the sink " + sink.name + " were refused and are set aside.");
  }
  for (const auto& source : state.sources)
    if (source.status == "offline")
      add("source", "ERROR",
          "The source " + source.name + " is offline" + (source.message.empty() ? "." : ": " + source.message));
  return list;
}

json counters_of(const JournalCounts& counts) {
  auto list = json::array();
  const auto add = [&](const std::string& name, std::uint64_t value) {
    if (list.size() < kMostItems) list.push_back({{"Name", cut(name, 64)}, {"Value", value}});
  };
  add("records", counts.last);
  add("records_not_kept", counts.not_recorded);
  add("record_bytes", counts.record_bytes);
  add("pictures", counts.pictures);
  add("picture_bytes", counts.picture_bytes);
  add("pictures_dropped", counts.pictures_dropped);
  for (const auto& [name, sink] : counts.sinks) {
    add("waiting." + name, counts.last - std::min(counts.last, sink.delivered));
    add("dropped." + name, sink.dropped);
  }
  return list;
}

}  // namespace

std::string report_body(const ServerLinkOptions& options, const std::string& agent_version, const StationState& state,
                        const JournalCounts& counts, const LinkFacts& link) {
  const json report = {{"AgentVersion", cut(agent_version, kLongestVersion)},
                       {"IntervalSeconds", options.interval.count()},
                       {"Models", models_of(state)},
                       {"Findings", findings_of(state, counts, link)},
                       {"Counters", counters_of(counts)}};
  return report.dump(-1, ' ', false, json::error_handler_t::replace);
}

Result<std::vector<Channel>> parse_channels(const std::string& body) {
  const auto answer = json::parse(body, nullptr, false);
  const Error broken = fail(ErrorKind::unavailable, "The server's answer to a report cannot be read.");
  if (!answer.is_object() || !answer.contains("Channels") || !answer["Channels"].is_array()) return broken;
  std::vector<Channel> channels;
  for (const auto& item : answer["Channels"]) {
    Channel channel;
    for (const auto& [member, into] : {std::pair{"ModelComponent", &channel.component},
                                       {"ComponentVersion", &channel.version},
                                       {"Archive", &channel.archive},
                                       {"ArchiveSha256", &channel.sha256}}) {
      if (!item.is_object() || !item.contains(member) || !item[member].is_string()) return broken;
      *into = item[member].get<std::string>();
    }
    channels.push_back(std::move(channel));
  }
  return channels;
}

}  // namespace vedette
