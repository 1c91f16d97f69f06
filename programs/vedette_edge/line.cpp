#include "line.hpp"

#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>
#include <vector>

namespace vedette {
namespace {

/// Makes one thing of each element of a list in the configuration.
template <typename T, typename Make>
std::vector<std::unique_ptr<T>> make_all(const char* list, const std::vector<std::string>& elements, const Make& make) {
  std::vector<std::unique_ptr<T>> out;
  for (const auto& element : elements) {
    Result<std::unique_ptr<T>> made = make(nlohmann::json::parse(element));
    if (!made)
      throw std::runtime_error(std::string(list) + "[" + std::to_string(out.size()) + "]: " + made.error().message);
    out.push_back(std::move(*made));
  }
  return out;
}

}  // namespace

Line::Line(Components& components, const StationConfig& config, const std::filesystem::path& state)
    : components_(components) {
  if (!config.sources.empty() || !config.triggers.empty())
    throw std::runtime_error("this agent has no cameras, folders or triggers; remove sources and triggers");
  auto journal =
      Journal::open(config.journal_folder.empty() ? state / "journal" : config.journal_folder, config.journal, clock_);
  if (!journal) throw std::runtime_error("the journal cannot be opened: " + journal.error().message);
  journal_ = std::move(*journal);
  auto sinks = make_all<Sink>("sinks", config.sinks,
                              [&](const auto& settings) { return make_sink(settings, config.station.name); });
  auto outputs =
      make_all<LiveOutput>("outputs", config.outputs, [](const auto& settings) { return make_live_output(settings); });
  station_ = std::make_unique<EdgeStation>(components, journal_.get(), std::move(outputs), config.station);
  auto runner = SinkRunner::start(*journal_, std::move(sinks));
  if (!runner) throw std::runtime_error(runner.error().message);
  sinks_ = std::move(*runner);
}

Line::~Line() = default;

void Line::record(const AgentCall& call) {
  Part part;
  part.source = "grpc";
  part.pictured_at = call.received_at;
  const PartPixels pixels{call.height, call.width, call.read ? *call.read : Components::ReadPixels()};
  // The client gets its verdict also if it cannot be recorded; the station logs that, and the journal counts it.
  (void)station_->record(call.component, part, call.judged, call.read ? &pixels : nullptr);
}

void Line::beat() {
  station_->beat();
  StationState state;
  for (auto& component : components_.list())
    state.models.push_back({std::move(component.name), std::move(component.version), std::move(component.model_sha256),
                            std::string(to_text(component.status)), std::move(component.message)});
  sinks_->show_state(state);
}

}  // namespace vedette
