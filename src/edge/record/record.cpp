#include "edge/record/record.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/storable_text.hpp"
#include "base/text.hpp"

namespace vedette {
namespace {

using nlohmann::json;

constexpr std::array kStates{"judged",     "cannot_judge", "model_not_running", "no_picture", "wrong_picture",
                             "overloaded", "failed"};

/// Reads members of one object and remembers the first that is wrong.
class Members {
 public:
  explicit Members(const json& object) : object_(object) {}

  [[nodiscard]] std::string text(const char* name) {
    const auto found = object_.find(name);
    if (found == object_.end()) return {};
    if (!found->is_string()) return complain(name), "";
    const auto& text = found->get_ref<const std::string&>();
    if (text.size() > kLongestRecordText || !is_storable_text(text)) return complain(name), "";
    return text;
  }
  /// A number from 0 to `most`.
  [[nodiscard]] double number(const char* name, double most) {
    const auto found = object_.find(name);
    if (found == object_.end()) return 0;
    const double value = found->is_number() ? found->get<double>() : -1;
    if (!(value >= 0 && value <= most)) complain(name);
    return value;
  }
  template <typename Integer>
  [[nodiscard]] Integer integer(const char* name) {
    const auto found = object_.find(name);
    if (found == object_.end()) return 0;
    if (!found->is_number_unsigned()) return complain(name), 0;
    const auto value = found->get<std::uint64_t>();
    if (value > static_cast<std::uint64_t>(INT64_MAX)) return complain(name), 0;
    return static_cast<Integer>(value);
  }
  [[nodiscard]] bool boolean(const char* name) {
    const auto found = object_.find(name);
    if (found == object_.end() || !found->is_boolean()) return complain(name), true;
    return found->get<bool>();
  }
  void complain(const char* name) {
    if (wrong_.empty()) wrong_ = name;
  }
  [[nodiscard]] const std::string& wrong() const { return wrong_; }

 private:
  const json& object_;
  std::string wrong_;
};

Error wrong_member(const std::string& name) {
  return Error{ErrorKind::invalid_input, "The member " + name + " of the record is missing or has a wrong value."};
}

std::optional<RecordState> parse_state(const std::string& text) {
  for (std::size_t i = 0; i < kStates.size(); ++i)
    if (text == kStates[i]) return static_cast<RecordState>(i);
  return std::nullopt;
}

}  // namespace

std::string_view to_text(RecordState state) {
  return kStates.at(static_cast<std::size_t>(state));
}

bool is_station_name(std::string_view name) {
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  return !name.empty() && name.size() <= 64 && is_plain(name.front()) &&
         std::ranges::all_of(name, [&](char c) { return is_plain(c) || c == '-' || c == '_' || c == '.'; });
}

std::string to_json(const VerdictRecord& record) {
  auto classes = json::array();
  for (const auto& one : record.classes)
    classes.push_back({{"name", one.name}, {"area", one.area}, {"color", one.color}});
  const json object{{"seq", record.sequence},
                    {"journal", record.journal},
                    {"station", record.station},
                    {"source", record.source},
                    {"trigger_id", record.trigger_id},
                    {"t_trigger_ns", record.triggered_at},
                    {"t_picture_ns", record.pictured_at},
                    {"t_verdict_ns", record.judged_at},
                    {"model", record.model},
                    {"model_version", record.model_version},
                    {"model_sha256", record.model_sha256},
                    {"picture_sha256", record.picture_sha256},
                    {"picture", record.picture},
                    {"state", to_text(record.state)},
                    {"reason", record.reason},
                    {"is_anomalous", record.is_anomalous},
                    {"confidence", record.confidence},
                    {"score", record.score},
                    {"threshold", record.threshold},
                    {"classes", std::move(classes)}};
  return object.dump(-1, ' ', false, json::error_handler_t::replace);
}

Result<VerdictRecord> parse_record(std::string_view text) {
  const auto object = json::parse(text, nullptr, false);
  if (!object.is_object()) return Error{ErrorKind::invalid_input, "The record is not a JSON object."};
  Members members(object);
  VerdictRecord record{.sequence = members.integer<std::uint64_t>("seq"),
                       .journal = members.text("journal"),
                       .station = members.text("station"),
                       .source = members.text("source"),
                       .trigger_id = members.text("trigger_id"),
                       .triggered_at = members.integer<std::int64_t>("t_trigger_ns"),
                       .pictured_at = members.integer<std::int64_t>("t_picture_ns"),
                       .judged_at = members.integer<std::int64_t>("t_verdict_ns"),
                       .model = members.text("model"),
                       .model_version = members.text("model_version"),
                       .model_sha256 = members.text("model_sha256"),
                       .picture_sha256 = members.text("picture_sha256"),
                       .picture = members.text("picture"),
                       .reason = members.text("reason"),
                       .is_anomalous = members.boolean("is_anomalous"),
                       .confidence = members.number("confidence", 1),
                       .score = members.number("score", 1e300),
                       .threshold = members.number("threshold", 1e300),
                       .classes = {}};
  const auto state = parse_state(members.text("state"));
  if (!state) members.complain("state");
  record.state = state.value_or(RecordState::failed);
  if (record.state != RecordState::judged && !record.is_anomalous) members.complain("is_anomalous");
  const auto classes = object.find("classes");
  if (classes != object.end()) {
    if (!classes->is_array() || classes->size() > kMostRecordClasses) return wrong_member("classes");
    for (const auto& one : *classes) {
      if (!one.is_object()) return wrong_member("classes");
      Members inner(one);
      record.classes.push_back({inner.text("name"), inner.number("area", 1), inner.text("color")});
      if (!inner.wrong().empty()) return wrong_member("classes." + inner.wrong());
    }
  }
  if (!members.wrong().empty()) return wrong_member(members.wrong());
  return record;
}

}  // namespace vedette
