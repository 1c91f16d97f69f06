#include "api/model.hpp"

#include <re2/re2.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "base/clock.hpp"
#include "base/storable_text.hpp"
#include "base/text.hpp"

namespace vedette {
using Json = nlohmann::json;

struct ApiModel::State {
  std::map<std::string, ApiType> types;
  std::vector<Operation> operations;
  std::map<std::string, ApiError> errors;
  std::string service, version;
  std::string_view source;
};

namespace {

constexpr int kDeepestNesting = 16;  // of members that the model knows
constexpr int kDeepestBody = 64;     // of all: a parsed bracket takes about 70 times the memory of the text
constexpr std::uint64_t kMostInteger = std::numeric_limits<std::int32_t>::max();
constexpr std::uint64_t kMostLong = std::numeric_limits<std::int64_t>::max();

/// RE2 refuses repetition counts above 1,000. The type's own limits check the length, so a star says the same.
std::string without_long_counts(std::string pattern) {
  for (const std::string_view count : {"{0,2048}"})
    if (const auto at = pattern.find(count); at != std::string::npos) pattern.replace(at, count.size(), "*");
  return pattern;
}

/// Whether brackets outside of texts are nested deeper than `most`.
bool is_deeper_than(std::string_view json, int most) {
  int depth = 0;
  bool is_text = false;
  for (std::size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (is_text && c == '\\')
      ++i;
    else if (c == '"')
      is_text = !is_text;
    else if (!is_text && (c == '[' || c == '{') && ++depth > most)
      return true;
    else if (!is_text && (c == ']' || c == '}'))
      --depth;
  }
  return false;
}

ValueKind kind_of(const std::string& text) {
  static const std::map<std::string, ValueKind> kinds = {
      {"string", ValueKind::string},       {"integer", ValueKind::integer}, {"long", ValueKind::long_integer},
      {"float", ValueKind::floating},      {"double", ValueKind::floating}, {"boolean", ValueKind::boolean},
      {"timestamp", ValueKind::timestamp}, {"blob", ValueKind::blob},       {"list", ValueKind::list},
      {"structure", ValueKind::structure}};
  return kinds.at(text);
}

/// Returns a member's name as AWS prints it in validation messages: the first letter is small.
std::string printed(const std::string& path) {
  std::string out = path;
  if (!out.empty() && out[0] >= 'A' && out[0] <= 'Z') out[0] = static_cast<char>(out[0] + 32);
  return out;
}

Error constraint(const std::string& path, const std::string& value, const std::string& rule) {
  std::string shown = value.substr(0, std::min<std::size_t>(value.find('\0'), 100));
  while (!is_utf8(shown) && !shown.empty()) shown.pop_back();
  return invalid_input("1 validation error detected: Value '" + shown + "' at '" + printed(path) +
                       "' failed to satisfy constraint: " + rule);
}

Error wrong_json(const std::string& message) {
  return fail(ErrorKind::invalid_input, message, "SerializationException");
}

Result<void> check_range(const ApiType& type, const std::string& path, const std::string& value, std::int64_t size,
                         const char* what) {
  if (type.minimum && size < *type.minimum)
    return constraint(
        path, value,
        std::string("Member must have ") + what + " greater than or equal to " + std::to_string(*type.minimum));
  if (type.maximum && size > *type.maximum)
    return constraint(
        path, value,
        std::string("Member must have ") + what + " less than or equal to " + std::to_string(*type.maximum));
  return {};
}

Result<void> check_text(const ApiType& type, const std::string& path, const std::string& value) {
  if (!is_storable_text(value)) return constraint(path, value, "Member must be UTF-8 text without NUL characters");
  if (auto ok = check_range(type, path, value, static_cast<std::int64_t>(utf8_length(value)), "length"); !ok) return ok;
  if (type.pattern && !RE2::FullMatch(value, *type.pattern))
    return constraint(path, value, "Member must satisfy regular expression pattern: " + type.pattern_text);
  if (!type.values.empty()) {
    std::string all;
    for (const auto& v : type.values) {
      if (v == value) return {};
      all += (all.empty() ? "" : ", ") + v;
    }
    return constraint(path, value, "Member must satisfy enum value set: [" + all + "]");
  }
  return {};
}

/// Reads a value of the query, a header or the path.
Result<Json> from_text(const ApiType& type, const std::string& path, const std::string& text) {
  switch (type.kind) {
    case ValueKind::integer:
    case ValueKind::long_integer: {
      const auto value = parse_integer(text);
      if (!value) return constraint(path, text, "Member must be an integer");
      if (auto ok = check_range(type, path, text, *value, "value"); !ok) return ok.error();
      return Json(*value);
    }
    case ValueKind::boolean:
      if (text != "true" && text != "false") return constraint(path, text, "Member must be true or false");
      return Json(text == "true");
    case ValueKind::timestamp: {
      const auto time = parse_timestamp(text);
      if (!time) return constraint(path, text, "Member must be a timestamp");
      return Json(time->time_since_epoch().count());
    }
    default:
      if (auto ok = check_text(type, path, text); !ok) return ok.error();
      return Json(text);
  }
}

/// Reads a value of the JSON body.
Result<Json> from_json(const ApiType& type, const std::string& path, const Json& value, int depth) {
  if (depth > kDeepestNesting) return wrong_json("The request is nested too deeply.");
  const auto wrong_type = [&] { return wrong_json("The member " + path + " has the wrong JSON type."); };
  switch (type.kind) {
    case ValueKind::string: {
      if (!value.is_string()) return wrong_type();
      if (auto ok = check_text(type, path, value.get_ref<const std::string&>()); !ok) return ok.error();
      return value;
    }
    case ValueKind::integer:
    case ValueKind::long_integer: {
      if (!value.is_number_integer()) return wrong_type();
      const auto most = type.kind == ValueKind::integer ? kMostInteger : kMostLong;
      if (value.is_number_unsigned() && value.get<std::uint64_t>() > most)
        return constraint(path, value.dump(), "Member must have value less than or equal to " + std::to_string(most));
      const auto number = value.get<std::int64_t>();
      if (auto ok = check_range(type, path, value.dump(), number, "value"); !ok) return ok.error();
      return value;
    }
    case ValueKind::floating:
      if (!value.is_number()) return wrong_type();
      return value;
    case ValueKind::boolean:
      if (!value.is_boolean()) return wrong_type();
      return value;
    case ValueKind::timestamp: {
      if (!value.is_number() && !value.is_string()) return wrong_type();
      return from_text(type, path, value.is_string() ? value.get<std::string>() : value.dump());
    }
    case ValueKind::blob: {
      if (!value.is_string()) return wrong_type();
      const auto bytes = from_base64(value.get_ref<const std::string&>());
      if (!bytes) return wrong_json("The member " + path + " is not base64.");
      if (auto ok = check_range(type, path, "", static_cast<std::int64_t>(bytes->size()), "length"); !ok)
        return ok.error();
      return Json(std::string(as_text(*bytes)));
    }
    case ValueKind::list: {
      if (!value.is_array()) return wrong_type();
      if (auto ok = check_range(type, path, "", static_cast<std::int64_t>(value.size()), "length"); !ok)
        return ok.error();
      Json out = Json::array();
      for (std::size_t i = 0; i < value.size(); ++i) {
        auto item = from_json(*type.item, path + "." + std::to_string(i + 1) + ".member", value[i], depth + 1);
        if (!item) return item;
        out.push_back(std::move(*item));
      }
      return out;
    }
    case ValueKind::structure: {
      if (!value.is_object()) return wrong_type();
      Json out = Json::object();
      for (const auto& member : type.members) {
        const auto it = value.find(member.name);
        const std::string member_path = path + "." + printed(member.name);
        if (it == value.end() || it->is_null()) {
          if (member.is_required) return constraint(member_path, "null", "Member must not be null");
          continue;
        }
        auto decoded = from_json(*member.type, member_path, *it, depth + 1);
        if (!decoded) return decoded;
        out[member.name] = std::move(*decoded);
      }
      return out;
    }
  }
  return wrong_type();
}

}  // namespace

bool Operation::has_payload() const {
  for (const auto& m : input)
    if (m.place == InputPlace::payload) return true;
  return false;
}

bool Operation::takes_client_token() const {
  for (const auto& m : input)
    if (m.name == "ClientToken") return true;
  return false;
}

ApiModel::ApiModel(std::unique_ptr<State> state) : state_(std::move(state)) {}
ApiModel::~ApiModel() = default;
ApiModel::ApiModel(ApiModel&&) noexcept = default;

ApiModel ApiModel::parse(std::string_view text) {
  const Json json = Json::parse(text);
  auto state = std::make_unique<State>();
  for (const auto& [name, entry] : json.at("types").items()) {
    ApiType type;
    type.name = name;
    type.kind = kind_of(entry.at("type"));
    if (entry.contains("min")) type.minimum = entry["min"].get<std::int64_t>();
    if (entry.contains("max")) type.maximum = entry["max"].get<std::int64_t>();
    if (entry.contains("pattern")) {
      type.pattern_text = entry["pattern"];
      RE2::Options options;
      options.set_dot_nl(true);
      options.set_log_errors(false);
      auto pattern = std::make_shared<const RE2>(without_long_counts(type.pattern_text), options);
      if (!pattern->ok()) throw std::runtime_error("API model: bad pattern of " + name + ": " + pattern->error());
      type.pattern = std::move(pattern);
    }
    if (entry.contains("enum")) type.values = entry["enum"].get<std::vector<std::string>>();
    state->types.emplace(name, std::move(type));
  }
  for (const auto& [name, entry] : json.at("types").items()) {
    auto& type = state->types.at(name);
    if (entry.contains("item")) type.item = &state->types.at(entry["item"]);
    if (entry.contains("members"))
      for (const auto& [member, description] : entry["members"].items())
        type.members.push_back(
            {member, &state->types.at(description.at("type")), description.value("required", false)});
  }
  static const std::map<std::string, InputPlace> places = {{"path", InputPlace::path},
                                                           {"query", InputPlace::query},
                                                           {"header", InputPlace::header},
                                                           {"body", InputPlace::body},
                                                           {"payload", InputPlace::payload}};
  for (const auto& entry : json.at("operations")) {
    Operation op;
    op.name = entry.at("name");
    op.method = entry.at("method");
    for (auto segment : split(entry.at("path").get_ref<const std::string&>(), '/'))
      if (!segment.empty()) op.path.emplace_back(segment);
    op.success_status = entry.at("status");
    op.action = entry.at("action");
    op.resource = entry.at("resource");
    for (const auto& member : entry.at("input"))
      op.input.push_back({member.at("name"), member.at("wire"), places.at(member.at("in")),
                          &state->types.at(member.at("type")), member.value("required", false)});
    op.errors = entry.at("errors").get<std::vector<std::string>>();
    state->operations.push_back(std::move(op));
  }
  for (const auto& [name, entry] : json.at("errors").items()) {
    ApiError error{entry.at("status"), {}};
    for (const auto& [member, description] : entry.at("members").items())
      if (!description.contains("header")) error.members.push_back(member);
    state->errors.emplace(name, std::move(error));
  }
  state->service = json.at("service");
  state->version = json.at("version");
  state->source = text;
  return ApiModel(std::move(state));
}

const std::vector<Operation>& ApiModel::operations() const {
  return state_->operations;
}

const ApiError* ApiModel::find_error(const std::string& name) const {
  const auto it = state_->errors.find(name);
  return it == state_->errors.end() ? nullptr : &it->second;
}

const std::string& ApiModel::service() const {
  return state_->service;
}
const std::string& ApiModel::version() const {
  return state_->version;
}
std::string_view ApiModel::source() const {
  return state_->source;
}

Result<ApiModel::Route> ApiModel::route(std::string_view method, std::string_view raw_path) const {
  std::vector<std::string_view> segments;
  for (auto s : split(raw_path, '/')) segments.push_back(s);
  if (!segments.empty()) segments.erase(segments.begin());  // The segment before the first slash is empty.
  for (const auto& op : state_->operations) {
    if (op.method != method) continue;
    std::map<std::string, std::string> labels;
    bool matches = op.path.size() <= segments.size();
    for (std::size_t i = 0; matches && i < op.path.size(); ++i) {
      const auto& expected = op.path[i];
      if (!expected.starts_with('{')) {
        matches = segments[i] == expected;
        continue;
      }
      std::string value(segments[i]);
      const std::string label = expected.substr(1, expected.size() - 2);
      // Some clients send an ARN unescaped: it then spans the rest of the path.
      if (i + 1 == op.path.size() && label == "resourceArn")
        for (std::size_t k = i + 1; k < segments.size(); ++k) value += "/" + std::string(segments[k]);
      else if (i + 1 == op.path.size())
        matches = segments.size() == op.path.size();
      auto decoded = uri_decode(value);
      matches = matches && decoded && !decoded->empty();
      if (matches) labels[label] = *decoded;
    }
    if (matches && !op.path.back().starts_with('{')) matches = segments.size() == op.path.size();
    if (matches) return Route{&op, std::move(labels)};
  }
  return fail(ErrorKind::not_found, "The requested operation is not known to this service.",
              "UnknownOperationException");
}

Result<Json> ApiModel::decode(const Operation& operation, const OperationInput& input) const {
  Json body = Json::object();
  bool has_body_members = false;
  for (const auto& m : operation.input) has_body_members |= m.place == InputPlace::body;
  if (has_body_members && !trim(input.body).empty()) {
    if (is_deeper_than(input.body, kDeepestBody)) return wrong_json("The request is nested too deeply.");
    // The parser rejects NaN and the like. Of duplicate members the last one counts, as with every SDK's parser.
    body = Json::parse(input.body, nullptr, false);
    if (!body.is_object()) return wrong_json("The request body is not a JSON object.");
  }
  Json out = Json::object();
  for (const auto& m : operation.input) {
    Result<Json> value = Json();
    bool is_present = false;
    switch (m.place) {
      case InputPlace::path: {
        const auto it = input.path_labels.find(m.wire_name);
        is_present = it != input.path_labels.end();
        if (is_present) value = from_text(*m.type, m.name, it->second);
        break;
      }
      case InputPlace::query: {
        if (m.type->kind == ValueKind::list) {
          Json list = Json::array();
          for (const auto& [name, text] : input.query) {
            if (name != m.wire_name) continue;
            is_present = true;
            auto item = from_text(*m.type->item, m.name, text);
            if (!item) return item;
            list.push_back(std::move(*item));
          }
          if (is_present)
            if (auto ok = check_range(*m.type, m.name, "", static_cast<std::int64_t>(list.size()), "length"); !ok)
              return ok.error();
          value = std::move(list);
          break;
        }
        for (const auto& [name, text] : input.query)
          if (name == m.wire_name && !is_present) is_present = true, value = from_text(*m.type, m.name, text);
        break;
      }
      case InputPlace::header: {
        for (const auto& [name, text] : input.headers)
          if (equals_ignore_case(name, m.wire_name) && !is_present)
            is_present = true, value = from_text(*m.type, m.name, text);
        break;
      }
      case InputPlace::body: {
        const auto it = body.find(m.wire_name);
        is_present = it != body.end() && !it->is_null();
        if (is_present) value = from_json(*m.type, m.name, *it, 0);
        break;
      }
      case InputPlace::payload:
        continue;
    }
    if (!value) return value;
    if (is_present) {
      out[m.name] = std::move(*value);
    } else if (m.is_required) {
      return constraint(m.name, "null", "Member must not be null");
    }
  }
  return out;
}

}  // namespace vedette
