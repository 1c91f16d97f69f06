#include "edge/agent/metrics.hpp"

#include <fmt/format.h>

#include <functional>

namespace vedette {
namespace {

/// Escapes the value of a label.
std::string escape(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

std::string to_prometheus(std::span<const ComponentState> components, const Agent::Counts& counts) {
  std::string out;
  const auto head = [&](const char* name, const char* type, const char* help) {
    out += fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n", name, help, type);
  };
  const auto count = [&](const char* name, const char* help, std::uint64_t value) {
    head(name, "counter", help);
    out += fmt::format("{} {}\n", name, value);
  };
  const auto per_component = [&](const char* name, const char* type, const char* help,
                                 const std::function<double(const ComponentState&)>& value) {
    head(name, type, help);
    for (const auto& component : components)
      out += fmt::format("{}{{component=\"{}\"}} {}\n", name, escape(component.name), value(component));
  };
  per_component("vedette_edge_model_status", "gauge",
                "The state of the component: 0 stopped, 1 starting, 2 running, 3 failed, 4 stopping.",
                [](const auto& c) { return static_cast<double>(c.status); });
  per_component("vedette_edge_model_memory_bytes", "gauge", "What the running model has in memory.",
                [](const auto& c) { return static_cast<double>(c.memory_bytes); });
  per_component("vedette_edge_judged_total", "counter", "Pictures that got a verdict.",
                [](const auto& c) { return static_cast<double>(c.judged); });
  per_component("vedette_edge_anomalous_total", "counter", "Pictures that were called anomalous.",
                [](const auto& c) { return static_cast<double>(c.anomalous); });
  per_component("vedette_edge_refused_total", "counter", "Calls for the component that got no verdict.",
                [](const auto& c) { return static_cast<double>(c.refused); });
  per_component("vedette_edge_judging_seconds_total", "counter", "Time that judging took, without waiting.",
                [](const auto& c) { return c.judging_seconds; });
  per_component("vedette_edge_switches_total", "counter", "How often another version took over.",
                [](const auto& c) { return static_cast<double>(c.switches); });
  head("vedette_edge_model_info", "gauge", "The version that runs or ran last.");
  for (const auto& component : components)
    out += fmt::format("vedette_edge_model_info{{component=\"{}\",version=\"{}\",sha256=\"{}\"}} 1\n",
                       escape(component.name), escape(component.version), component.model_sha256);
  count("vedette_edge_detect_calls_total", "DetectAnomalies calls.", counts.calls);
  count("vedette_edge_calls_refused_total", "Calls that were refused because too many were under way.", counts.refused);
  count("vedette_edge_calls_cut_off_total", "Calls whose client did not take the answer in time.", counts.cut_off);
  count("vedette_edge_connections_total", "Connections that were accepted.", counts.connections);
  count("vedette_edge_connections_turned_away_total", "Connections that were closed because there were too many.",
        counts.turned_away);
  return out;
}

}  // namespace vedette
