#include "line.hpp"

#include <stdexcept>
#include <utility>
#include <vector>

namespace vedette {

Line::Line(Components& components, const StationConfig& config, const std::filesystem::path& state) {
  auto journal =
      Journal::open(config.journal_folder.empty() ? state / "journal" : config.journal_folder, config.journal, clock_);
  if (!journal) throw std::runtime_error("the journal cannot be opened: " + journal.error().message);
  journal_ = std::move(*journal);
  std::vector<std::unique_ptr<LiveOutput>> outputs;
  station_ = std::make_unique<Station>(components, journal_.get(), std::move(outputs), config.station);
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

}  // namespace vedette
