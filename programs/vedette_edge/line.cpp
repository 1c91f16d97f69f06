#include "line.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <thread>
#include <utility>

#include "base/log.hpp"
#include "edge/server_link/server_link.hpp"

namespace vedette {
namespace {

using nlohmann::json;

constexpr std::chrono::milliseconds kLook{50};
constexpr int kMostSide = 4096;  ///< of pictures that models judge

/// Makes one thing of each element of a list in the configuration.
template <typename T, typename Make>
std::vector<std::unique_ptr<T>> make_all(const char* list, const std::vector<std::string>& elements, const Make& make) {
  std::vector<std::unique_ptr<T>> out;
  for (const auto& element : elements) {
    Result<std::unique_ptr<T>> made = make(element);
    if (!made)
      throw std::runtime_error(std::string(list) + "[" + std::to_string(out.size()) + "]: " + made.error().message);
    out.push_back(std::move(*made));
  }
  return out;
}

}  // namespace

Line::Line(Components& components, const StationConfig& config, const LineOptions& options)
    : components_(components), trigger_settings_(config.triggers) {
  auto journal = Journal::open(journal_folder(config, options.state), config.journal, clock_);
  if (!journal) throw std::runtime_error("the journal cannot be opened: " + journal.error().message);
  journal_ = std::move(*journal);
  make_sources(config, options);
  auto sinks = make_all<Sink>("sinks", config.sinks,
                              [&](const std::string& settings) { return make_line_sink(settings, config, options); });
  auto outputs = make_all<LiveOutput>(
      "outputs", config.outputs, [](const std::string& settings) { return make_live_output(json::parse(settings)); });
  station_ = std::make_unique<EdgeStation>(components, journal_.get(), std::move(outputs), config.station);
  auto runner = SinkRunner::start(*journal_, std::move(sinks));
  if (!runner) throw std::runtime_error(runner.error().message);
  sinks_ = std::move(*runner);
}

Line::~Line() {
  stopping_ = true;
  triggers_.clear();
  for (auto& source : sources_) source.source->stop();
}

Result<std::unique_ptr<Sink>> Line::make_line_sink(const std::string& settings, const StationConfig& config,
                                                   const LineOptions& options) {
  const auto element = json::parse(settings);
  const auto kind = element.find("kind");
  if (kind == element.end() || *kind != "server") return make_sink(element, config.station.name);
  auto link = parse_server_link(element, config.station.name);
  if (!link) return link.error();
  return std::unique_ptr<Sink>(std::make_unique<ServerLink>(
      std::move(*link),
      ServerLinkStation{options.agent_version,
                        [this](std::string_view picture) { return journal_->find_picture(picture); }, options.models,
                        [this](const std::string& component, const std::string& version) {
                          return components_.choose(component, version);
                        },
                        [this](const std::string& component) {
                          const auto state = components_.describe(component);
                          return state ? state->version : std::string();
                        }}));
}

void check_triggers(const StationConfig& config) {
  std::vector<json> sources;
  for (const auto& source : config.sources) sources.push_back(json::parse(source.settings));
  for (std::size_t i = 0; i < config.triggers.size(); ++i)
    if (const auto ok = check_trigger(json::parse(config.triggers[i]), sources); !ok)
      throw std::runtime_error("triggers[" + std::to_string(i) + "]: " + ok.error().message);
}

void Line::make_sources(const StationConfig& config, const LineOptions& options) {
  const SourceSurroundings surroundings{find_camera_program(), options.state / "sources"};
  if (!config.sources.empty()) std::filesystem::create_directories(surroundings.data_folder);
  check_triggers(config);
  for (const auto& settings : config.sources) {
    const auto place = "sources[" + std::to_string(sources_.size()) + "]: ";
    auto source = make_source(json::parse(settings.settings), surroundings);
    if (!source) throw std::runtime_error(place + source.error().message);
    const auto& name = (*source)->name();
    if (std::ranges::any_of(sources_, [&](const auto& other) { return other.source->name() == name; }))
      throw std::runtime_error(place + "there is another source with the name " + name);
    sources_.push_back({settings.model, std::move(*source)});
  }
}

void Line::start_sources() {
  for (const auto& source : sources_) {
    const auto image = std::make_shared<RgbImage>();
    auto started = source.source->start(
        [this, image, model = source.model](const SourcePicture& picture) { return take(model, picture, *image); },
        [](const std::string&, const SourceState&) {});
    if (!started)
      throw std::runtime_error("the source " + source.source->name() +
                               " cannot be started: " + started.error().message);
  }
  triggers_ = make_all<Trigger>("triggers", trigger_settings_, [this](const std::string& settings) {
    return make_trigger(json::parse(settings), [this](const std::string& source, const Result<std::string>& id) {
      return trigger(source, id);
    });
  });
}

Result<void> Line::trigger(const std::string& source, const Result<std::string>& id) {
  const auto found =
      std::ranges::find_if(sources_, [&](const auto& candidate) { return candidate.source->name() == source; });
  if (found == sources_.end()) return not_found("SOURCE", source, "There is no source with the name " + source + ".");
  auto taken = id ? found->source->trigger(*id) : Result<void>(id.error());
  if (taken) return taken;
  // There is a part of which no picture will come. An id that cannot be is in no record.
  const auto now = std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count();
  const auto& error = taken.error();
  const Part part{source, !id || error.kind == ErrorKind::invalid_input ? "" : *id, now, 0};
  const auto recorded = station_->record_failure(found->model, part, RecordState::no_picture,
                                                 "the trigger was refused: " + error.message);
  if (!recorded) log::error("refused trigger not recorded", {{"source", source}, {"reason", recorded.error().message}});
  return taken;
}

void Line::wait_while_starting(const std::string& model) {
  while (!stopping_) {
    const auto state = components_.describe(model);
    if (!state || state->status != ComponentStatus::starting) return;
    std::this_thread::sleep_for(kLook);
  }
}

Result<void> Line::take(const std::string& model, const SourcePicture& picture, RgbImage& image) {
  const Part part{picture.source, picture.trigger_id, picture.triggered_at, picture.pictured_at, picture.is_repeated};
  Result<VerdictRecord> recorded = internal_error("nobody judged the picture");
  if (const auto* const file = std::get_if<Bytes>(&picture.content)) {
    // A file can wait for its model; a part that passes a camera cannot.
    if (picture.triggered_at == 0) wait_while_starting(model);
    if (stopping_) return fail(ErrorKind::unavailable, "The agent ends.");
    recorded = station_->judge(model, part, *file);
  } else if (const auto* const frame = std::get_if<Frame>(&picture.content)) {
    if (std::max(frame->width, frame->height) > kMostSide) {
      recorded = station_->record_failure(model, part, RecordState::wrong_picture,
                                          "The frame has " + std::to_string(frame->width) + "x" +
                                              std::to_string(frame->height) + " pixels; at most 4096x4096 are judged.");
    } else {
      recorded = station_->judge_made(model, part, frame->height, frame->width,
                                      [&](int sample_bits) -> Result<const RgbImage*> {
                                        if (auto ok = to_rgb(*frame, sample_bits, image); !ok) return ok.error();
                                        return &image;
                                      });
    }
  } else {
    recorded =
        station_->record_failure(model, part, RecordState::no_picture, std::get<NoPicture>(picture.content).reason);
  }
  if (!recorded) return recorded.error();
  return {};
}

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
}

void Line::report() {
  StationState state;
  for (auto& component : components_.list())
    state.models.push_back({std::move(component.name), std::move(component.version), std::move(component.model_sha256),
                            std::string(to_text(component.status)), std::move(component.message)});
  for (const auto& source : sources_) {
    auto now = source.source->state();
    for (const auto& trigger : triggers_)
      if (const auto problem = trigger->problem(); problem && problem->source == source.source->name()) {
        now.condition = SourceCondition::offline;
        now.reason = "no triggers come: " + problem->reason;
      }
    state.sources.push_back({source.source->name(), std::string(to_text(now.condition)), std::move(now.reason)});
  }
  sinks_->show_state(state);
}

}  // namespace vedette
