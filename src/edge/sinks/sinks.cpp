#include "edge/sinks/sinks.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "edge/sinks/kinds.hpp"

namespace vedette {
namespace {

/// Names become parts of topics, of file names and of the names of cursors.
bool is_name(std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
  };
  return !name.empty() && name.size() <= 64 && std::ranges::all_of(name, allowed) &&
         name.find_first_not_of('.') != std::string_view::npos;
}

/// The name of a sink or an output; its kind, if it has no name.
std::string name_of(Settings& settings, const std::string& kind) {
  auto name = settings.text("name");
  if (name.empty()) name = kind;
  if (!is_name(name)) settings.complain("name", "is not 1 to 64 characters of a-z A-Z 0-9 - _ .");
  return name;
}

}  // namespace

Result<std::unique_ptr<Sink>> make_sink(const nlohmann::json& config, const std::string& station) {
  if (!is_station_name(station))
    return invalid_input(
        "The name of the station is not 1 to 64 characters of a-z A-Z 0-9 - _ . that begin with a letter or a digit.");
  Settings settings(config, "an element of sinks");
  const auto kind = settings.text("kind", true);
  auto name = name_of(settings, kind);
  if (kind == "jsonl") return sinks::make_jsonl(settings, std::move(name));
  if (kind == "webhook") return sinks::make_webhook(settings, std::move(name), station);
  if (kind == "mqtt") return sinks::make_mqtt(settings, std::move(name), station);
  if (kind == "sparkplug") return sinks::make_sparkplug(settings, std::move(name), station);
  settings.complain("kind", "is none of jsonl, webhook, mqtt, sparkplug");
  return settings.finish().error();
}

Result<std::unique_ptr<LiveOutput>> make_live_output(const nlohmann::json& config) {
  Settings settings(config, "an element of outputs");
  const auto kind = settings.text("kind", true);
  auto name = name_of(settings, kind);
  if (kind == "modbus") return sinks::make_modbus(settings, std::move(name));
  if (kind == "gpio") return sinks::make_gpio(settings, std::move(name));
  settings.complain("kind", "is none of modbus, gpio");
  return settings.finish().error();
}

std::string to_prometheus(const std::vector<SinkCounts>& sinks, const JournalCounts& counts) {
  std::string out;
  // Names of sinks need no escapes.
  const auto per_sink = [&](const char* name, const char* type, const char* help, const auto& value) {
    out += fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n", name, help, type);
    for (const auto& sink : sinks) out += fmt::format("{}{{sink=\"{}\"}} {}\n", name, sink.name, value(sink));
  };
  const auto in_journal = [&](const SinkCounts& sink) {
    const auto found = counts.sinks.find(sink.name);
    return found == counts.sinks.end() ? JournalCounts::Sink{} : found->second;
  };
  per_sink("vedette_edge_sink_up", "gauge", "Whether the newest delivery succeeded.",
           [](const auto& sink) { return sink.problem.empty() ? 1 : 0; });
  per_sink("vedette_edge_sink_delivered_total", "counter", "Records that were delivered.",
           [](const auto& sink) { return sink.delivered; });
  per_sink("vedette_edge_sink_failures_total", "counter", "Deliveries that failed.",
           [](const auto& sink) { return sink.failures; });
  per_sink("vedette_edge_sink_waiting", "gauge", "Records that wait in the journal.",
           [&](const auto& sink) { return counts.last - std::min(counts.last, in_journal(sink).delivered); });
  per_sink("vedette_edge_sink_dropped", "gauge", "Records that the sink never got, since the journal was made.",
           [&](const auto& sink) { return in_journal(sink).dropped; });
  per_sink("vedette_edge_sink_refused", "gauge", "Records that were refused and are set aside.",
           [](const auto& sink) { return sink.refused; });
  return out;
}

}  // namespace vedette
