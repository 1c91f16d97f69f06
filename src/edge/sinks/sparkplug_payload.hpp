#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "edge/record/record.hpp"

/// The payloads of Sparkplug B, as protobuf.
///   Eclipse Sparkplug Specification 3.0, sections 5 and 6
namespace vedette::sinks::sparkplug {

/// What a node says of itself.
struct NodeState {
  std::string models = "[]";  ///< JSON
  std::string state = "{}";   ///< JSON
  bool operator==(const NodeState&) const = default;
};

/// The will of a connection, and what goes with its number `bd_seq`, 0 … 255.
std::string node_death(std::uint64_t bd_seq);
/// All metrics of the node. Its sequence number is 0.
std::string node_birth(std::uint64_t bd_seq, const NodeState& state, std::int64_t now_ms);
std::string node_data(const NodeState& state, std::uint64_t seq, std::int64_t now_ms);
/// All metrics of the device, with the values of this record; without one, they are null.
std::string device_birth(const std::optional<VerdictRecord>& newest, std::uint64_t seq, std::int64_t now_ms);
/// One record. If it is late, its metrics are marked as historical. Classes and reason are left out of a record that
/// would have more than `most` bytes.
std::string device_data(const VerdictRecord& record, bool late, std::uint64_t seq, std::int64_t now_ms,
                        std::size_t most);

/// Whether a command (NCMD) asks for a rebirth. False for anything that is no payload.
bool asks_for_rebirth(std::string_view payload);

/// What a host application says of itself on STATE: {"online": …, "timestamp": …}. Nothing for anything else.
struct HostState {
  bool online = false;
  std::uint64_t timestamp = 0;
};
std::optional<HostState> parse_host_state(std::string_view payload);

}  // namespace vedette::sinks::sparkplug
