#include "edge/sinks/state_json.hpp"

#include <nlohmann/json.hpp>

namespace vedette::sinks {

using nlohmann::json;

namespace {

std::string text_of(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace

std::string models_json(const StationState& state) {
  auto models = json::array();
  for (const auto& model : state.models)
    models.push_back({{"name", model.name},
                      {"version", model.version},
                      {"sha256", model.sha256},
                      {"status", model.status},
                      {"message", model.message}});
  return text_of(models);
}

std::string state_json(const StationState& state, const JournalCounts& counts) {
  auto sources = json::array();
  for (const auto& source : state.sources)
    sources.push_back({{"name", source.name}, {"status", source.status}, {"message", source.message}});
  auto sinks = json::object();
  for (const auto& [name, sink] : counts.sinks)
    sinks[name] = {{"delivered", sink.delivered}, {"dropped", sink.dropped}, {"refused", 0}, {"problem", ""}};
  for (const auto& sink : state.sinks) {
    sinks[sink.name]["refused"] = sink.refused;
    sinks[sink.name]["problem"] = sink.problem;
  }
  return text_of({{"sources", std::move(sources)},
                  {"journal",
                   {{"first", counts.first},
                    {"last", counts.last},
                    {"record_bytes", counts.record_bytes},
                    {"picture_bytes", counts.picture_bytes},
                    {"pictures", counts.pictures},
                    {"pictures_dropped", counts.pictures_dropped},
                    {"not_recorded", counts.not_recorded},
                    {"damaged_segments", counts.damaged_segments},
                    {"full", counts.full},
                    {"sinks", std::move(sinks)}}}});
}

}  // namespace vedette::sinks
