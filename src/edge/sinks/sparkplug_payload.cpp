#include "edge/sinks/sparkplug_payload.hpp"

#include <vedette_sparkplug.pb.h>

#include <nlohmann/json.hpp>

namespace vedette::sinks::sparkplug {
namespace {

namespace wire = ::vedette::sparkplug;

// The numbers of data types (section 6.4.16).
constexpr std::uint32_t kInt64 = 4;
constexpr std::uint32_t kUInt64 = 8;
constexpr std::uint32_t kDouble = 10;
constexpr std::uint32_t kBoolean = 11;
constexpr std::uint32_t kString = 12;
constexpr std::uint32_t kDateTime = 13;

constexpr std::string_view kRebirth = "Node Control/Rebirth";
constexpr std::int64_t kNanosecondsPerMillisecond = 1'000'000;

/// Adds metrics to a payload; all of them have the same time.
class Metrics {
 public:
  Metrics(wire::Payload& payload, std::int64_t at_ms, bool historical = false, bool null = false)
      : payload_(payload), at_ms_(at_ms), historical_(historical), null_(null) {}

  void integer(const char* name, std::uint64_t value, std::uint32_t type = kUInt64) {
    if (auto* metric = add(name, type)) metric->set_long_value(value);
  }
  void number(const char* name, double value) {
    if (auto* metric = add(name, kDouble)) metric->set_double_value(value);
  }
  void boolean(const char* name, bool value) {
    if (auto* metric = add(name, kBoolean)) metric->set_boolean_value(value);
  }
  void text(const char* name, std::string value) {
    if (auto* metric = add(name, kString)) metric->set_string_value(std::move(value));
  }

 private:
  /// Returns nothing if the metric has no value.
  wire::Metric* add(const char* name, std::uint32_t type) {
    auto* metric = payload_.add_metrics();
    metric->set_name(name);
    metric->set_timestamp(static_cast<std::uint64_t>(at_ms_));
    metric->set_datatype(type);
    if (historical_) metric->set_is_historical(true);
    if (!null_) return metric;
    metric->set_is_null(true);
    return nullptr;
  }

  wire::Payload& payload_;
  std::int64_t at_ms_;
  bool historical_;
  bool null_;
};

wire::Payload payload_at(std::int64_t now_ms, std::uint64_t seq) {
  wire::Payload payload;
  payload.set_timestamp(static_cast<std::uint64_t>(now_ms));
  payload.set_seq(seq);
  return payload;
}

/// Text of records may be anything, but strings of protobuf are UTF-8: the JSON of the record has it repaired.
void add_record(Metrics& metrics, const VerdictRecord& record, bool with_details) {
  const auto repaired = nlohmann::json::parse(to_json(record));
  const auto text = [&](const char* name) { return repaired.at(name).get<std::string>(); };
  const auto milliseconds = [](std::int64_t ns) { return static_cast<std::uint64_t>(ns / kNanosecondsPerMillisecond); };
  metrics.integer("Verdict/Sequence", record.sequence);
  metrics.text("Verdict/Journal", text("journal"));
  metrics.text("Verdict/Source", text("source"));
  metrics.text("Verdict/Trigger Id", text("trigger_id"));
  metrics.integer("Verdict/Triggered At", milliseconds(record.triggered_at), kDateTime);
  metrics.integer("Verdict/Pictured At", milliseconds(record.pictured_at), kDateTime);
  metrics.integer("Verdict/Judged At", milliseconds(record.judged_at), kDateTime);
  metrics.text("Verdict/Model", text("model"));
  metrics.text("Verdict/Model Version", text("model_version"));
  metrics.text("Verdict/Model SHA256", text("model_sha256"));
  metrics.text("Verdict/Picture", text("picture"));
  metrics.text("Verdict/State", text("state"));
  metrics.boolean("Verdict/Is Anomalous", record.is_anomalous);
  metrics.number("Verdict/Confidence", record.confidence);
  metrics.number("Verdict/Score", record.score);
  metrics.number("Verdict/Threshold", record.threshold);
  metrics.text("Verdict/Reason", with_details ? text("reason") : "");
  metrics.text("Verdict/Classes", with_details ? repaired.at("classes").dump() : "[]");
}

void add_state(Metrics& metrics, const NodeState& state) {
  metrics.text("Station/Models", state.models);
  metrics.text("Station/State", state.state);
}

}  // namespace

std::string node_death(std::uint64_t bd_seq) {
  wire::Payload payload;
  Metrics(payload, 0).integer("bdSeq", bd_seq, kInt64);
  payload.mutable_metrics(0)->clear_timestamp();
  return payload.SerializeAsString();
}

std::string node_birth(std::uint64_t bd_seq, const NodeState& state, std::int64_t now_ms) {
  auto payload = payload_at(now_ms, 0);
  Metrics metrics(payload, now_ms);
  metrics.integer("bdSeq", bd_seq, kInt64);
  metrics.boolean(kRebirth.data(), false);
  metrics.text("Properties/Software", "vedette-edge");
  add_state(metrics, state);
  return payload.SerializeAsString();
}

std::string node_data(const NodeState& state, std::uint64_t seq, std::int64_t now_ms) {
  auto payload = payload_at(now_ms, seq);
  Metrics metrics(payload, now_ms);
  add_state(metrics, state);
  return payload.SerializeAsString();
}

std::string device_birth(const std::optional<VerdictRecord>& newest, std::uint64_t seq, std::int64_t now_ms) {
  auto payload = payload_at(now_ms, seq);
  Metrics metrics(payload, newest ? newest->judged_at / kNanosecondsPerMillisecond : now_ms, false, !newest);
  add_record(metrics, newest.value_or(VerdictRecord()), false);
  return payload.SerializeAsString();
}

std::string device_data(const VerdictRecord& record, bool late, std::uint64_t seq, std::int64_t now_ms,
                        std::size_t most) {
  std::string bytes;
  for (const bool with_details : {true, false}) {
    auto payload = payload_at(now_ms, seq);
    Metrics metrics(payload, record.judged_at / kNanosecondsPerMillisecond, late);
    add_record(metrics, record, with_details);
    bytes = payload.SerializeAsString();
    if (bytes.size() <= most) break;
  }
  return bytes;
}

bool asks_for_rebirth(std::string_view text) {
  wire::Payload payload;
  if (text.size() > (1U << 20) || !payload.ParseFromArray(text.data(), static_cast<int>(text.size()))) return false;
  for (const auto& metric : payload.metrics())
    if (metric.name() == kRebirth && metric.has_boolean_value() && metric.boolean_value()) return true;
  return false;
}

std::optional<HostState> parse_host_state(std::string_view payload) {
  const auto object = nlohmann::json::parse(payload, nullptr, false);
  if (!object.is_object()) return std::nullopt;
  const auto online = object.find("online");
  const auto timestamp = object.find("timestamp");
  if (online == object.end() || !online->is_boolean() || timestamp == object.end() || !timestamp->is_number_unsigned())
    return std::nullopt;
  return HostState{online->get<bool>(), timestamp->get<std::uint64_t>()};
}

}  // namespace vedette::sinks::sparkplug
