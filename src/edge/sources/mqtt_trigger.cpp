#include <nlohmann/json.hpp>
#include <utility>

#include "base/digest.hpp"
#include "base/log.hpp"
#include "edge/mqtt/mqtt.hpp"
#include "edge/sources/trigger_kinds.hpp"

namespace vedette {
namespace {

/// No message that holds an id is larger. It bounds what is parsed, and what a mistake can cost.
constexpr std::size_t kMostPayload = 64U << 10;

struct MqttTriggerSettings {
  std::string source;
  std::string topic;
  std::string id_member;  ///< the member of the JSON object that holds the id; empty: the whole message is the id
  int qos = 1;
};

/// Turns messages into triggers. The session is clean: what was published while the connection was away is of parts that
/// have passed, and a message that the broker retains is older than the subscription, so that neither triggers anything.
class MqttTrigger final : public Trigger {
 public:
  MqttTrigger(MqttTriggerSettings settings, MqttAddress address, TriggerCallback on_trigger)
      : settings_(std::move(settings)),
        on_trigger_(std::move(on_trigger)),
        connection_(std::move(address), {.will = {},
                                         .subscriptions = {settings_.topic},
                                         .subscription_qos = settings_.qos,
                                         .connected = [] { return true; },
                                         .received = [this](const MqttArrival& message) { take(message); }}) {}

  [[nodiscard]] std::optional<Problem> problem() const override {
    auto reason = connection_.problem();
    if (reason.empty()) return std::nullopt;
    return Problem{settings_.source, "the connection to the broker: " + std::move(reason)};
  }

 private:
  void take(const MqttArrival& message) {
    if (message.is_retained) {
      log::info("retained trigger ignored", {{"source", settings_.source}, {"topic", settings_.topic}});
      return;
    }
    if (auto ok = on_trigger_(settings_.source, id_of(message.payload)); !ok)
      log::warning("trigger refused", {{"source", settings_.source}, {"reason", ok.error().message}});
  }

  [[nodiscard]] Result<std::string> id_of(std::string_view payload) const {
    if (payload.size() > kMostPayload) return invalid_input("The message has more than 64 KiB.");
    if (settings_.id_member.empty()) return std::string(payload);
    const auto object = nlohmann::json::parse(payload, nullptr, false);
    if (!object.is_object()) return invalid_input("The message is no JSON object.");
    const auto member = object.find(settings_.id_member);
    if (member != object.end() && member->is_string()) return member->get<std::string>();
    if (member != object.end() && member->is_number_integer()) return member->dump();
    return invalid_input("The message has no member " + settings_.id_member + " with a text or a whole number.");
  }

  const MqttTriggerSettings settings_;
  const TriggerCallback on_trigger_;
  MqttConnection connection_;  // The last member: its thread uses the others.
};

}  // namespace

Result<std::unique_ptr<Trigger>> start_mqtt_trigger(const nlohmann::json& object, TriggerCallback on_trigger) {
  Settings settings(object, "trigger");
  (void)settings.text("kind", true);
  MqttTriggerSettings trigger;
  trigger.source = settings.text("source", true, 64);
  trigger.topic = settings.text("topic", true, 1024);
  if (trigger.topic.find_first_of("+#") != std::string::npos) settings.complain("topic", "has a + or a #");
  trigger.id_member = settings.text("id_member", false, 64);
  trigger.qos = static_cast<int>(settings.number("qos", 0, 2, 1));
  auto address = read_mqtt_address(settings, "vedette-trigger-" + random_id(12));
  if (auto finished = settings.finish(); !finished) return finished.error();
  return std::unique_ptr<Trigger>(
      std::make_unique<MqttTrigger>(std::move(trigger), std::move(address), std::move(on_trigger)));
}

}  // namespace vedette
