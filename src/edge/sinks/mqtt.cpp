#include <nlohmann/json.hpp>

#include "edge/mqtt/mqtt.hpp"
#include "edge/sinks/bounded_json.hpp"
#include "edge/sinks/kinds.hpp"
#include "edge/sinks/state_json.hpp"

/// The sink `mqtt`: the topics below PREFIX/STATION/ that docs/edge-outputs.md lists.
namespace vedette::sinks {
namespace {

class Mqtt : public Sink {
 public:
  Mqtt(std::string name, const std::string& base, std::size_t largest_message, MqttAddress address)
      : name_(std::move(name)),
        base_(base),
        largest_message_(largest_message),
        connection_(std::move(address), events()) {}

  [[nodiscard]] const std::string& name() const override { return name_; }
  [[nodiscard]] std::size_t most_records() const override { return 100; }
  void cancel() override { connection_.cancel(); }

  Result<void> deliver(std::span<const VerdictRecord> records) override {
    return connection_.deliver([&](const MqttConnection::Send& send) {
      for (const auto& record : records) send({base_ + "/verdict", bounded_json(record, largest_message_), 1, false});
    });
  }

  void show_state(const StationState& state, const JournalCounts& counts) override {
    auto models = models_json(state);
    auto text = state_json(state, counts);
    const MutexLock lock(mutex_);
    if (models != models_) connection_.publish({base_ + "/models", models_ = std::move(models), 1, true});
    if (text != state_) connection_.publish({base_ + "/state", state_ = std::move(text), 1, true});
  }

 private:
  MqttConnection::Events events() {
    return {.will =
                [this] {
                  return MqttMessage{base_ + "/status", "offline", 1, true};
                },
            .subscriptions = {},
            .connected = [this] { return greet(); },
            .received = [](const MqttArrival&) {}};
  }

  bool greet() {
    const MutexLock lock(mutex_);
    connection_.publish({base_ + "/status", "online", 1, true});
    if (!models_.empty()) connection_.publish({base_ + "/models", models_, 1, true});
    if (!state_.empty()) connection_.publish({base_ + "/state", state_, 1, true});
    return true;
  }

  const std::string name_;
  const std::string base_;
  const std::size_t largest_message_;
  Mutex mutex_;
  std::string models_ GUARDED_BY(mutex_);
  std::string state_ GUARDED_BY(mutex_);
  MqttConnection connection_;  // The last member: its thread uses the others.
};

}  // namespace

MadeSink make_mqtt(Settings& settings, std::string name, const std::string& station) {
  auto address = read_mqtt_address(settings, "vedette-" + station);
  auto prefix = settings.text("topic", false, 256);
  if (prefix.empty()) prefix = "vedette";
  if (prefix.find_first_of("+#") != std::string::npos || prefix.starts_with('/') || prefix.ends_with('/'))
    settings.complain("topic", "has a + or a #, or begins or ends with a slash");
  const auto largest = settings.number("largest_message", 1024, 16U << 20, 64U << 10);
  if (auto finished = settings.finish(); !finished) return finished.error();
  return std::unique_ptr<Sink>(
      std::make_unique<Mqtt>(std::move(name), prefix + "/" + station, largest, std::move(address)));
}

}  // namespace vedette::sinks
