#include "auth/policy.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>

#include "base/text.hpp"

namespace vedette {
namespace {

using Json = nlohmann::json;
using Condition = Policy::Condition;

/// Returns whether a text matches a pattern with * and ?. The function is iterative and goes back only to the last
/// star, so that no pattern can make it slow.
bool matches(std::string_view pattern, std::string_view text) {
  std::size_t p = 0, t = 0, star = std::string_view::npos, mark = 0;
  while (t < text.size()) {
    if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t]) && pattern[p] != '*') {
      ++p, ++t;
    } else if (p < pattern.size() && pattern[p] == '*') {
      star = p++, mark = t;
    } else if (star != std::string_view::npos) {
      p = star + 1, t = ++mark;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

struct Address {
  std::array<std::uint8_t, 16> bytes{};
  int bits = 0;  ///< the length of the address: 32 or 128
};

std::optional<Address> parse_address(const std::string& text) {
  Address a;
  if (inet_pton(AF_INET, text.c_str(), a.bytes.data()) == 1) return a.bits = 32, a;
  if (inet_pton(AF_INET6, text.c_str(), a.bytes.data()) == 1) return a.bits = 128, a;
  return std::nullopt;
}

/// An address or a CIDR block (RFC 4632).
struct Block {
  Address address;
  int prefix;
};

std::optional<Block> parse_block(const std::string& text) {
  const auto slash = text.find('/');
  const auto address = parse_address(text.substr(0, slash));
  if (!address) return std::nullopt;
  if (slash == std::string::npos) return Block{*address, address->bits};
  const auto prefix = parse_integer(std::string_view(text).substr(slash + 1));
  if (!prefix || *prefix < 0 || *prefix > address->bits) return std::nullopt;
  return Block{*address, static_cast<int>(*prefix)};
}

bool contains(const Block& block, const Address& address) {
  if (block.address.bits != address.bits) return false;
  const auto whole = static_cast<std::size_t>(block.prefix / 8);
  if (std::memcmp(block.address.bytes.data(), address.bytes.data(), whole) != 0) return false;
  const int rest = block.prefix % 8;
  if (rest == 0) return true;
  const int mask = 0xFF << (8 - rest);
  return ((block.address.bytes[whole] ^ address.bytes[whole]) & mask & 0xFF) == 0;
}

Result<std::vector<std::string>> one_or_many(const Json& value) {
  const auto text_of = [](const Json& v) -> std::optional<std::string> {
    if (v.is_string()) return v.get<std::string>();
    if (v.is_boolean()) return std::string(v.get<bool>() ? "true" : "false");
    return std::nullopt;
  };
  std::vector<std::string> out;
  const Json list = value.is_array() ? value : Json::array({value});
  for (const auto& v : list) {
    auto text = text_of(v);
    if (!text) return invalid_input("The policy must list texts.");
    out.push_back(std::move(*text));
  }
  if (out.empty()) return invalid_input("The policy has an empty list.");
  return out;
}

constexpr std::string_view kUserVariable = "${aws:username}", kAccountVariable = "${aws:PrincipalAccount}";

/// Fails if the text uses a variable that this server does not know.
Result<void> check_variables(std::string_view text) {
  for (auto at = text.find("${"); at != std::string_view::npos; at = text.find("${", at + 2))
    if (!text.substr(at).starts_with(kUserVariable) && !text.substr(at).starts_with(kAccountVariable))
      return invalid_input("The policy uses a variable that is not supported: " + std::string(text.substr(at, 40)));
  return {};
}

std::string with_variables(std::string text, const PolicyContext& context) {
  for (const auto& [name, value] :
       {std::pair{kUserVariable, &context.username}, std::pair{kAccountVariable, &context.account}})
    for (auto at = text.find(name); at != std::string::npos; at = text.find(name, at + value->size()))
      text.replace(at, name.size(), *value);
  return text;
}

constexpr std::string_view kRequestTag = "aws:requesttag/", kResourceTag = "aws:resourcetag/";

bool is_known_key(std::string_view key) {
  static constexpr std::string_view kKeys[] = {"aws:tagkeys",         "aws:viaawsservice", "aws:securetransport",
                                               "aws:sourceip",        "aws:username",      "aws:principalarn",
                                               "aws:principalaccount"};
  return std::find(std::begin(kKeys), std::end(kKeys), key) != std::end(kKeys) ||
         (key.starts_with(kRequestTag) && key.size() > kRequestTag.size()) ||
         (key.starts_with(kResourceTag) && key.size() > kResourceTag.size());
}

Result<Condition> parse_operator(std::string name) {
  Condition c;
  const std::string whole = name;
  if (name.starts_with("ForAllValues:")) {
    c.values = Condition::Values::all;
    name.erase(0, std::strlen("ForAllValues:"));
  } else if (name.starts_with("ForAnyValue:")) {
    c.values = Condition::Values::any;
    name.erase(0, std::strlen("ForAnyValue:"));
  }
  if (name.ends_with("IfExists")) {
    c.if_exists = true;
    name.resize(name.size() - std::strlen("IfExists"));
  }
  using Test = Condition::Test;
  static const struct {
    std::string_view name;
    Test test;
    bool is_negated;
  } kOperators[] = {{"StringEquals", Test::string, false},
                    {"StringNotEquals", Test::string, true},
                    {"StringEqualsIgnoreCase", Test::string_ignore_case, false},
                    {"StringNotEqualsIgnoreCase", Test::string_ignore_case, true},
                    {"StringLike", Test::like, false},
                    {"StringNotLike", Test::like, true},
                    {"ArnEquals", Test::like, false},
                    {"ArnNotEquals", Test::like, true},
                    {"ArnLike", Test::like, false},
                    {"ArnNotLike", Test::like, true},
                    {"Bool", Test::boolean, false},
                    {"IpAddress", Test::ip_address, false},
                    {"NotIpAddress", Test::ip_address, true},
                    {"Null", Test::null, false}};
  for (const auto& o : kOperators)
    if (o.name == name && (o.test != Test::null || !c.if_exists)) {
      c.test = o.test;
      c.is_negated = o.is_negated;
      return c;
    }
  return invalid_input("The policy uses the condition operator " + whole + ", which is not supported.");
}

Result<std::vector<Condition>> parse_conditions(const Json& json) {
  if (!json.is_object()) return invalid_input("A statement's Condition must be an object.");
  std::vector<Condition> out;
  for (const auto& [operator_name, keys] : json.items()) {
    const auto parsed = parse_operator(operator_name);
    if (!parsed) return parsed.error();
    if (!keys.is_object()) return invalid_input("The condition " + operator_name + " must be an object.");
    for (const auto& [key, values] : keys.items()) {
      Condition c = *parsed;
      c.key = to_lower(key);
      if (!is_known_key(c.key))
        return invalid_input("The policy uses the condition key " + key + ", which is not supported.");
      if (const auto slash = c.key.find('/'); slash != std::string::npos)
        c.key = c.key.substr(0, slash) + key.substr(slash);
      auto wanted = one_or_many(values);
      if (!wanted) return wanted.error();
      for (const auto& value : *wanted) {
        if (auto ok = check_variables(value); !ok) return ok.error();
        const bool is_flag = value == "true" || value == "false";
        if ((c.test == Condition::Test::boolean || c.test == Condition::Test::null) && !is_flag)
          return invalid_input("The condition " + operator_name + " takes true or false.");
        if (c.test == Condition::Test::ip_address && !parse_block(value))
          return invalid_input("The policy names " + value + ", which is no IP address or block.");
      }
      c.wanted = std::move(*wanted);
      out.push_back(std::move(c));
    }
  }
  return out;
}

/// Returns the values that the call has under a condition key, or nothing if it has no such key.
std::optional<std::vector<std::string>> values_of(const std::string& key, const PolicyContext& context) {
  const auto flag = [](bool value) { return std::vector<std::string>{value ? "true" : "false"}; };
  const auto tag_value = [](const std::vector<Tag>& tags,
                            std::string_view name) -> std::optional<std::vector<std::string>> {
    // Only a tag of exactly this name counts, so that nobody can hide it behind another tag whose name differs only in
    // case.
    for (const auto& tag : tags)
      if (tag.key == name) return std::vector{tag.value};
    for (const auto& tag : tags)
      if (equals_ignore_case(tag.key, name)) return std::vector{tag.value};
    return std::nullopt;
  };
  if (key.starts_with(kRequestTag)) return tag_value(context.request_tags, key.substr(kRequestTag.size()));
  if (key.starts_with(kResourceTag)) {
    if (!context.resource_tags) return std::nullopt;
    return tag_value(context.resource_tags(), key.substr(kResourceTag.size()));
  }
  if (key == "aws:tagkeys") {
    std::vector<std::string> keys = context.untags;
    for (const auto& tag : context.request_tags) keys.push_back(tag.key);
    return keys.empty() ? std::nullopt : std::optional(std::move(keys));
  }
  if (key == "aws:viaawsservice") return flag(context.is_via_service);
  if (key == "aws:securetransport") return flag(context.is_secure);
  if (key == "aws:sourceip")
    return context.source_ip.empty() ? std::nullopt : std::optional(std::vector{context.source_ip});
  if (key == "aws:username") return std::vector{context.username};
  if (key == "aws:principalaccount") return std::vector{context.account};
  return std::vector{"arn:aws:iam::" + context.account + ":user/" + context.username};  // The key is aws:PrincipalArn.
}

bool value_matches(const Condition& c, const std::string& value, const PolicyContext& context) {
  for (const auto& raw : c.wanted) {
    const auto wanted = with_variables(raw, context);
    switch (c.test) {
      case Condition::Test::string:
        if (wanted == value) return true;
        break;
      case Condition::Test::boolean:
      case Condition::Test::string_ignore_case:
        if (equals_ignore_case(wanted, value)) return true;
        break;
      case Condition::Test::like:
        if (matches(wanted, value)) return true;
        break;
      case Condition::Test::ip_address: {
        const auto address = parse_address(value);
        if (address && contains(*parse_block(wanted), *address)) return true;
        break;
      }
      case Condition::Test::null:
        break;
    }
  }
  return false;
}

bool holds(const Condition& c, const PolicyContext& context) {
  const auto values = values_of(c.key, context);
  if (c.test == Condition::Test::null) return (c.wanted.front() == "true") == !values;
  if (!values) {
    if (c.if_exists || c.values == Condition::Values::all) return true;
    return c.values == Condition::Values::one && c.is_negated;
  }
  const auto fits = [&](const std::string& value) { return value_matches(c, value, context) != c.is_negated; };
  // A negated test of one value, and a test with ForAllValues, hold only if every value of the call passes. Any other
  // test holds if one value passes.
  return c.values == Condition::Values::all || (c.values == Condition::Values::one && c.is_negated)
             ? std::all_of(values->begin(), values->end(), fits)
             : std::any_of(values->begin(), values->end(), fits);
}

/// Makes a parser callback that notes whether an object has a member twice. A parser keeps only the last of them, and
/// the lost one may have denied something.
Json::parser_callback_t unique_members(bool& is_ambiguous) {
  return [&is_ambiguous, open = std::vector<std::set<std::string>>()](int, Json::parse_event_t event,
                                                                      Json& value) mutable {
    if (event == Json::parse_event_t::object_start) open.emplace_back();
    if (event == Json::parse_event_t::object_end) open.pop_back();
    if (event == Json::parse_event_t::key && !open.back().insert(value.get<std::string>()).second) is_ambiguous = true;
    return true;
  };
}

}  // namespace

Result<Policy> Policy::parse(std::string_view text) {
  if (text.size() > kLongestDocument)
    return invalid_input("A policy may have at most " + std::to_string(kLongestDocument) + " characters.");
  bool is_ambiguous = false;
  const Json json = Json::parse(text, unique_members(is_ambiguous), false);
  if (is_ambiguous) return invalid_input("The policy gives an element twice in one object.");
  if (!json.is_object() || !json.contains("Statement"))
    return invalid_input("The policy is not a JSON object with a Statement.");
  for (const auto& [name, value] : json.items())
    if (name != "Version" && name != "Id" && name != "Statement")
      return invalid_input("The policy uses " + name + ", which is not supported.");
  const Json statements = json["Statement"].is_array() ? json["Statement"] : Json::array({json["Statement"]});
  Policy policy;
  for (const auto& s : statements) {
    if (!s.is_object()) return invalid_input("A statement of the policy is not an object.");
    static constexpr std::string_view kElements[] = {"Sid",      "Effect",      "Action",   "NotAction",
                                                     "Resource", "NotResource", "Condition"};
    for (const auto& [name, value] : s.items())
      if (std::find(std::begin(kElements), std::end(kElements), name) == std::end(kElements))
        return invalid_input("The policy uses " + name + ", which is not supported.");
    const auto effect = s.value("Effect", Json());
    if (effect != "Allow" && effect != "Deny") return invalid_input("A statement's Effect must be Allow or Deny.");
    if (s.contains("Action") == s.contains("NotAction") || s.contains("Resource") == s.contains("NotResource"))
      return invalid_input("A statement needs Action or NotAction, and Resource or NotResource.");
    auto actions = one_or_many(s.contains("Action") ? s["Action"] : s["NotAction"]);
    auto resources = one_or_many(s.contains("Resource") ? s["Resource"] : s["NotResource"]);
    auto conditions = parse_conditions(s.value("Condition", Json::object()));
    if (!actions) return actions.error();
    if (!resources) return resources.error();
    if (!conditions) return conditions.error();
    for (auto& action : *actions) action = to_lower(action);
    for (const auto& resource : *resources)
      if (auto ok = check_variables(resource); !ok) return ok.error();
    policy.statements_.push_back({effect == "Allow", s.contains("NotAction"), s.contains("NotResource"),
                                  std::move(*actions), std::move(*resources), std::move(*conditions)});
  }
  return policy;
}

template <typename Applies>
PolicyVerdict Policy::decide_where(std::string_view action, Applies applies) const {
  const std::string lower = to_lower(action);
  auto verdict = PolicyVerdict::not_allowed;
  for (const auto& s : statements_) {
    bool names_action = false;
    for (const auto& a : s.actions) names_action |= matches(a, lower);
    if (names_action == s.is_not_action || !applies(s)) continue;
    if (!s.is_allow) return PolicyVerdict::explicitly_denied;
    verdict = PolicyVerdict::allowed;
  }
  return verdict;
}

bool Policy::Statement::covers(std::string_view resource, const PolicyContext& context) const {
  const bool is_named = std::any_of(resources.begin(), resources.end(), [&](const auto& pattern) {
    return matches(with_variables(pattern, context), resource);
  });
  return is_named != is_not_resource;
}

PolicyVerdict Policy::decide(std::string_view action, std::string_view resource, const PolicyContext& context) const {
  return decide_where(action, [&](const Statement& s) {
    return s.covers(resource, context) &&
           std::all_of(s.conditions.begin(), s.conditions.end(), [&](const auto& c) { return holds(c, context); });
  });
}

PolicyVerdict Policy::decide_at_best(std::string_view action, std::string_view resource,
                                     const PolicyContext& context) const {
  return decide_where(
      action, [&](const Statement& s) { return s.covers(resource, context) && (s.is_allow || s.conditions.empty()); });
}

PolicyVerdict Policy::decide_somewhere(std::string_view action) const {
  return decide_where(action, [](const Statement& s) {
    const bool names_all = std::any_of(s.resources.begin(), s.resources.end(), [](const auto& pattern) {
      return !pattern.empty() && pattern.find_first_not_of('*') == std::string::npos;
    });
    if (s.is_allow) return !(names_all && s.is_not_resource);
    return names_all && !s.is_not_resource && s.conditions.empty();
  });
}

}  // namespace vedette
