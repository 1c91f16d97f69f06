#pragma once

#include <span>
#include <string>

#include "edge/agent/agent.hpp"

namespace vedette {

/// Returns what is known of the components and of the agent in the text format of Prometheus, version 0.0.4, as
/// node_exporter's textfile collector reads it.
///   https://prometheus.io/docs/instrumenting/exposition_formats/
std::string to_prometheus(std::span<const ComponentState> components, const Agent::Counts& counts);

}  // namespace vedette
