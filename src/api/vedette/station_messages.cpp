#include "api/vedette/station_messages.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "api/members.hpp"

namespace vedette::extension {
namespace {

/// Returns a text in capitals or in small letters, for the enums of the API.
std::string in_capitals(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  return text;
}
std::string in_small_letters(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return text;
}

const char* to_text(StationState::Health health) {
  switch (health) {
    case StationState::Health::healthy:
      return "HEALTHY";
    case StationState::Health::troubled:
      return "TROUBLED";
    default:
      return "SILENT";
  }
}

Json encode_channel(const StationChannel& c) {
  return {{"ModelComponent", c.component}, {"ComponentVersion", c.component_version},
          {"ProjectName", c.project},      {"JobName", c.job},
          {"Archive", c.archive},          {"ArchiveSha256", c.sha256},
          {"ChangedBy", c.user},           {"ChangedAt", seconds(c.changed)}};
}

}  // namespace

StationRequest::StationRequest(const Json& m) : name(m.at("StationName")) {}

PutStationReportRequest::PutStationReportRequest(const Json& m)
    : name(m.at("StationName")), interval_seconds(m.value("IntervalSeconds", std::int64_t{60})) {
  Json kept = Json::object();
  for (const char* member : {"AgentVersion", "Models", "Findings", "Counters"})
    if (m.contains(member)) kept[member] = m[member];
  report = kept.dump(-1, ' ', false, Json::error_handler_t::replace);
}

PutStationVerdictsRequest::PutStationVerdictsRequest(const Json& m)
    : name(m.at("StationName")), records(m.at("Records").get<std::vector<std::string>>()) {}

ListStationVerdictsRequest::ListStationVerdictsRequest(const Json& m) : name(m.at("StationName")), page(m) {
  const auto time = [&](const char* member) -> std::optional<Timestamp> {
    if (!m.contains(member)) return std::nullopt;
    return Timestamp{std::chrono::milliseconds(m[member].get<std::int64_t>())};
  };
  if (m.contains("IsAnomalous")) filter.is_anomalous = m["IsAnomalous"].get<bool>();
  if (auto state = optional_text(m, "State")) filter.state = in_small_letters(std::move(*state));
  filter.component = optional_text(m, "ModelComponent");
  filter.component_version = optional_text(m, "ComponentVersion");
  filter.judged_from = time("StartTime");
  filter.judged_before = time("EndTime");
}

UpdateStationChannelRequest::UpdateStationChannelRequest(const Json& m)
    : name(m.at("StationName")),
      component(m.at("ModelComponent")),
      project(optional_text(m, "ProjectName")),
      job(optional_text(m, "JobName")) {}

Json encode_received(const ReceivedVerdicts& r) {
  return {{"Journal", r.journal},
          {"LastSequence", r.last_sequence},
          {"AcceptedCount", r.accepted},
          {"DuplicateCount", r.duplicates},
          {"MissingCount", r.missing}};
}

bool tells_of_fault(const std::string& report) {
  const auto json = Json::parse(report, nullptr, false);
  if (!json.is_object()) return false;
  const auto any = [&](const char* list, const char* member, const char* value) {
    const auto found = json.find(list);
    return found != json.end() &&
           std::ranges::any_of(*found, [&](const Json& item) { return item.at(member) == value; });
  };
  return any("Findings", "Level", "ERROR") || any("Models", "State", "FAILED");
}

Json encode_channels(const std::vector<StationChannel>& channels) {
  Json list = Json::array();
  for (const auto& channel : channels) list.push_back(encode_channel(channel));
  return list;
}

Json encode_station(const StationState& state) {
  const auto& s = state.station;
  Json out = s.report.empty() ? Json::object() : Json::parse(s.report);
  for (const char* list : {"Models", "Findings", "Counters"})
    if (!out.contains(list)) out[list] = Json::array();
  out["StationName"] = s.name;
  out["StationArn"] = station_arn({s.account, s.region}, s.name);
  out["Health"] = to_text(state.health);
  out["CreationTimestamp"] = seconds(s.created);
  out["LastSeenTimestamp"] = seconds(s.seen);
  if (s.reported) {
    out["LastReportTimestamp"] = seconds(*s.reported);
    out["IntervalSeconds"] = s.interval_seconds;
  }
  if (state.health == StationState::Health::silent) out["SilentSince"] = seconds(s.seen);
  out["Channels"] = encode_channels(state.channels);
  out["DayCounts"] = {{"VerdictCount", state.day.verdicts},
                      {"AnomalyCount", state.day.anomalous},
                      {"WithoutVerdictCount", state.day.without_verdict}};
  out["Journals"] = Json::array();
  for (const auto& j : state.journals)
    out["Journals"].push_back({{"Journal", j.id},
                               {"FirstSequence", j.first},
                               {"LastSequence", j.last},
                               {"MissingCount", j.missing},
                               {"DuplicateCount", j.duplicates},
                               {"LastUpdatedTimestamp", seconds(j.updated)}});
  out["Gaps"] = Json::array();
  for (const auto& gap : state.gaps)
    out["Gaps"].push_back({{"Journal", gap.journal},
                           {"FirstSequence", gap.first},
                           {"LastSequence", gap.last},
                           {"NoticedAt", seconds(gap.noticed)}});
  return out;
}

Json encode_station_verdict(const StationVerdict& verdict) {
  const auto record = Json::parse(verdict.record);
  Json out = {{"Journal", record.at("journal")},       {"Sequence", record.at("seq")},
              {"JudgedAt", seconds(verdict.judged)},   {"ReceivedAt", seconds(verdict.received)},
              {"State", in_capitals(verdict.state)},   {"IsAnomalous", verdict.is_anomalous},
              {"Confidence", record.at("confidence")}, {"Score", record.at("score")},
              {"Threshold", record.at("threshold")},   {"Anomalies", Json::array()}};
  const auto set_text = [&](const char* member, const char* name) {
    if (const auto& text = record.at(name).get_ref<const std::string&>(); !text.empty()) out[member] = text;
  };
  set_text("Source", "source");
  set_text("TriggerId", "trigger_id");
  set_text("ModelComponent", "model");
  set_text("ComponentVersion", "model_version");
  set_text("ModelSha256", "model_sha256");
  set_text("PictureSha256", "picture_sha256");
  set_text("PictureRef", "picture");
  set_text("Reason", "reason");
  const auto set_time = [&](const char* member, const char* name) {
    if (const auto ns = record.at(name).get<std::int64_t>(); ns > 0)
      out[member] = static_cast<double>(ns / 1'000'000) / 1000.0;
  };
  set_time("TriggeredAt", "t_trigger_ns");
  set_time("PicturedAt", "t_picture_ns");
  for (const auto& one : record.at("classes"))
    out["Anomalies"].push_back(
        {{"Name", one.at("name")}, {"TotalPercentageArea", one.at("area")}, {"Color", one.at("color")}});
  return out;
}

}  // namespace vedette::extension
