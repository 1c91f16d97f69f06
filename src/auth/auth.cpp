#include "auth/auth.hpp"

#include <nlohmann/json.hpp>
#include <stdexcept>

#include "base/digest.hpp"
#include "base/files.hpp"
#include "base/text.hpp"

namespace vedette {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMasterKeyBytes = 32;

/// Glob match with * and ?; iterative, so that no pattern can make it slow (linear backtracking to the last star).
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

Result<std::vector<std::string>> one_or_many(const Json& value) {
  if (value.is_string()) return std::vector{value.get<std::string>()};
  if (!value.is_array()) return invalid_input("The policy must list texts.");
  std::vector<std::string> out;
  for (const auto& v : value) {
    if (!v.is_string()) return invalid_input("The policy must list texts.");
    out.push_back(v.get<std::string>());
  }
  return out;
}

}  // namespace

const char* const kAdministratorPolicy =
    R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]})";

Result<Policy> Policy::parse(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object() || !json.contains("Statement"))
    return invalid_input("The policy is not a JSON object with a Statement.");
  const Json statements = json["Statement"].is_array() ? json["Statement"] : Json::array({json["Statement"]});
  Policy policy;
  for (const auto& s : statements) {
    if (!s.is_object()) return invalid_input("A statement of the policy is not an object.");
    for (const auto& [name, value] : s.items())
      if (name != "Sid" && name != "Effect" && name != "Action" && name != "NotAction" && name != "Resource")
        return invalid_input("The policy uses " + name + ", which is not supported.");
    const auto effect = s.value("Effect", Json());
    if (effect != "Allow" && effect != "Deny") return invalid_input("A statement's Effect must be Allow or Deny.");
    if (s.contains("Action") == s.contains("NotAction") || !s.contains("Resource"))
      return invalid_input("A statement needs Action or NotAction, and Resource.");
    auto actions = one_or_many(s.contains("Action") ? s["Action"] : s["NotAction"]);
    auto resources = one_or_many(s["Resource"]);
    if (!actions) return actions.error();
    if (!resources) return resources.error();
    for (auto& action : *actions) action = to_lower(action);
    policy.statements_.push_back(
        {effect == "Allow", s.contains("NotAction"), std::move(*actions), std::move(*resources)});
  }
  return policy;
}

bool Policy::allows(std::string_view action, std::string_view resource) const {
  const std::string lower = to_lower(action);
  bool allowed = false;
  for (const auto& s : statements_) {
    bool names_action = false, names_resource = false;
    for (const auto& a : s.actions) names_action |= matches(a, lower);
    for (const auto& r : s.resources) names_resource |= matches(r, resource);
    if (names_action == s.is_not_action || !names_resource) continue;
    if (!s.is_allow) return false;
    allowed = true;
  }
  return allowed;
}

Result<void> authorize(const Caller& caller, std::string_view action, std::string_view resource) {
  if (caller.policy && caller.policy->allows(action, resource)) return {};
  return fail(ErrorKind::access_denied,
              "User: " + caller.arn() + " is not authorized to perform: " + std::string(action) +
                  " on resource: " + std::string(resource),
              "AccessDenied");
}

KeyRing::KeyRing(MetadataStore& store, const Clock& clock, const std::filesystem::path& master_key_file)
    : store_(store), clock_(clock) {
  auto bytes = read_file(master_key_file, kMasterKeyBytes);
  if (!bytes && bytes.error().kind == ErrorKind::not_found) {
    const auto fresh = random_bytes(kMasterKeyBytes);
    if (auto ok = write_file_atomically(master_key_file, as_text(fresh), 0600); !ok)
      throw std::runtime_error(ok.error().message);
    bytes = fresh;
  }
  if (!bytes) throw std::runtime_error(bytes.error().message);
  if (bytes->size() != kMasterKeyBytes)
    throw std::runtime_error("the master key file " + master_key_file.string() + " is damaged");
  master_key_ = std::move(*bytes);
}

Result<KeyRing::NewKey> KeyRing::create_key(const std::string& account, const std::string& user) {
  NewKey key;
  // The shapes clients know: 20 upper-case letters and digits beginning with AKIA; 40 base64 characters.
  key.access_key_id = "AKIA";
  for (char c : random_id(16)) key.access_key_id += static_cast<char>(c >= 'a' ? c - 32 : c);
  key.secret = to_base64(random_bytes(30));
  const auto sealed = seal(master_key_, key.secret, key.access_key_id);
  auto work = store_.write();
  if (!work->users().find(account, user)) return invalid_input("There is no user " + user + ".");
  work->users().insert_key({key.access_key_id, account, user, std::string(as_text(sealed)), true, clock_.now()});
  work->commit();
  return key;
}

Result<KeyRing::KnownKey> KeyRing::look_up(const std::string& access_key_id) {
  const auto unknown = [] {
    return fail(ErrorKind::unauthenticated, "The security token included in the request is invalid.",
                "InvalidAccessKeyId");
  };
  auto work = store_.read();
  const auto key = work->users().find_key(access_key_id);
  if (!key || !key->is_active) return unknown();
  const auto user = work->users().find(key->account, key->user);
  if (!user) return unknown();
  auto secret = unseal(master_key_, as_bytes(key->sealed_secret), access_key_id);
  if (!secret) return secret.error();
  auto policy = Policy::parse(user->policy);
  if (!policy) return internal_error("The policy of user " + user->name + " cannot be read.");
  return KnownKey{{key->account, key->user, access_key_id, std::make_shared<const Policy>(std::move(*policy))},
                  std::move(*secret)};
}

}  // namespace vedette
