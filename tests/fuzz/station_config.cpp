// This target fuzzes the configuration file of a station, and its members that stand for themselves: any text is read or
// refused with a reason.
#include "edge/station/config.hpp"

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "edge/frames/camera_settings.hpp"
#include "edge/server_link/server_link.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vedette;
  const auto config = parse_station_config({reinterpret_cast<const char*>(data), size});
  if (!config) {
    if (config.error().message.empty()) std::abort();
    return 0;
  }
  if (!is_station_name(config->station.name) || config->journal.picture_bytes > config->journal.bytes) std::abort();
  for (const auto& source : config->sources) {
    const auto camera = parse_camera_settings(nlohmann::json::parse(source.settings));
    if (!camera) continue;
    if (camera->frame_bytes < 4096 || camera->rate <= 0 || camera->first_pause > camera->longest_pause) std::abort();
  }
  for (const auto& sink : config->sinks) {
    const auto link = parse_server_link(nlohmann::json::parse(sink), config->station.name);
    if (link && (link->endpoint.empty() || link->interval < std::chrono::seconds(1))) std::abort();
  }
  return 0;
}
