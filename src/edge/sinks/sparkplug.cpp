#include <chrono>
#include <optional>

#include "edge/mqtt/mqtt.hpp"
#include "edge/sinks/kinds.hpp"
#include "edge/sinks/sparkplug_payload.hpp"
#include "edge/sinks/state_json.hpp"

/// The sink `sparkplug`: the station is an edge node of Sparkplug B with one device, whose data are the records.
///   Eclipse Sparkplug Specification 3.0
namespace vedette::sinks {
namespace {

/// A record that is delivered later than this after its verdict is historical.
constexpr std::chrono::seconds kLate{2};
constexpr std::uint64_t kNumbers = 256;  // of seq and bdSeq

std::int64_t now_ms() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

struct Names {
  std::string group;
  std::string node;
  std::string device;
  std::string primary_host;  ///< empty: none

  [[nodiscard]] std::string node_topic(const char* type) const { return "spBv1.0/" + group + "/" + type + "/" + node; }
  [[nodiscard]] std::string device_topic(const char* type) const { return node_topic(type) + "/" + device; }
  [[nodiscard]] std::string host_topic() const { return "spBv1.0/STATE/" + primary_host; }
};

class Sparkplug : public Sink {
 public:
  Sparkplug(std::string name, Names names, std::size_t largest_message, MqttAddress address)
      : name_(std::move(name)),
        names_(std::move(names)),
        largest_message_(largest_message),
        connection_(std::move(address), events()) {}

  [[nodiscard]] const std::string& name() const override { return name_; }
  [[nodiscard]] std::size_t most_records() const override { return 100; }
  void cancel() override { connection_.cancel(); }

  Result<void> deliver(std::span<const VerdictRecord> records) override {
    const auto work = [&](const MqttConnection::Send& send) {
      const MutexLock lock(mutex_);  // Numbers must go out in order, whoever sends.
      const auto now = now_ms();
      for (const auto& record : records) {
        const auto age = std::chrono::milliseconds(now) - std::chrono::nanoseconds(record.judged_at);
        send({names_.device_topic("DDATA"),
              sparkplug::device_data(record, age > kLate, next_seq(), now, largest_message_), 0, false});
      }
      newest_ = records.back();
    };
    return connection_.deliver(work, names_.node_topic("NCMD"));
  }

  void show_state(const StationState& state, const JournalCounts& counts) override {
    sparkplug::NodeState shown{models_json(state), state_json(state, counts)};
    const MutexLock lock(mutex_);
    if (shown == state_) return;
    state_ = std::move(shown);
    if (born_) connection_.publish({names_.node_topic("NDATA"), sparkplug::node_data(state_, next_seq(), now_ms()), 0});
  }

 private:
  MqttConnection::Events events() {
    std::vector<std::string> topics{names_.node_topic("NCMD")};
    if (!names_.primary_host.empty()) topics.push_back(names_.host_topic());
    return {.will = [this] { return next_will(); },
            .subscriptions = std::move(topics),
            .connected = [this] { return names_.primary_host.empty() && (give_birth(), true); },
            .received = [this](const MqttArrival& message) { take(message.topic, message.payload); }};
  }

  MqttMessage next_will() {
    const MutexLock lock(mutex_);
    born_ = false;
    host_time_ = 0;
    bd_seq_ = (bd_seq_ + 1) % kNumbers;
    return {names_.node_topic("NDEATH"), sparkplug::node_death(bd_seq_), 1, false};
  }

  void give_birth() {
    const MutexLock lock(mutex_);
    const auto now = now_ms();
    seq_ = 0;
    connection_.publish({names_.node_topic("NBIRTH"), sparkplug::node_birth(bd_seq_, state_, now), 0, false});
    connection_.publish({names_.device_topic("DBIRTH"), sparkplug::device_birth(newest_, next_seq(), now), 0, false});
    born_ = true;
  }

  void take(std::string_view topic, std::string_view payload) {
    if (topic == names_.node_topic("NCMD")) {
      const bool is_born = [this] {
        const MutexLock lock(mutex_);
        return born_;
      }();
      if (is_born && sparkplug::asks_for_rebirth(payload)) give_birth();
      return;
    }
    const auto host = sparkplug::parse_host_state(payload);
    if (!host || topic != names_.host_topic()) return;
    bool is_born = false;
    {
      const MutexLock lock(mutex_);
      if (host->timestamp < host_time_) return;  // What was said before the newest state does not count.
      host_time_ = host->timestamp;
      is_born = born_;
    }
    // Without its host, a node must end its connection; a new one waits for the host.
    if (!host->online && is_born) connection_.drop();
    if (host->online && !is_born) {
      give_birth();
      connection_.set_ready();
    }
  }

  std::uint64_t next_seq() REQUIRES(mutex_) { return seq_ = (seq_ + 1) % kNumbers; }

  const std::string name_;
  const Names names_;
  const std::size_t largest_message_;
  Mutex mutex_;
  std::uint64_t seq_ GUARDED_BY(mutex_) = 0;
  std::uint64_t bd_seq_ GUARDED_BY(mutex_) = kNumbers - 1;
  std::uint64_t host_time_ GUARDED_BY(mutex_) = 0;
  bool born_ GUARDED_BY(mutex_) = false;
  sparkplug::NodeState state_ GUARDED_BY(mutex_);
  std::optional<VerdictRecord> newest_ GUARDED_BY(mutex_);
  MqttConnection connection_;  // The last member: its thread uses the others.
};

}  // namespace

MadeSink make_sparkplug(Settings& settings, std::string name, const std::string& station) {
  auto address = read_mqtt_address(settings, "vedette-sparkplug-" + station);
  const auto part = [&](const char* member, const std::string& otherwise) {
    auto text = settings.text(member, false, 128);
    if (text.find_first_of("+#/") != std::string::npos) settings.complain(member, "has a +, a # or a slash");
    return text.empty() ? otherwise : text;
  };
  Names names{part("group", "vedette"), part("node", station), part("device", "inspection"), part("primary_host", "")};
  const auto largest = settings.number("largest_message", 1024, 16U << 20, 64U << 10);
  if (auto finished = settings.finish(); !finished) return finished.error();
  return std::unique_ptr<Sink>(
      std::make_unique<Sparkplug>(std::move(name), std::move(names), largest, std::move(address)));
}

}  // namespace vedette::sinks
