#include "auth/auth.hpp"

#include "auth/identities.hpp"

namespace vedette {
namespace {

const std::string kServersBuckets = bucket_arn(".");

}  // namespace

Result<void> authorize(const Caller& caller, std::string_view action, std::string_view resource,
                       const TagContext& tags) {
  if (resource.starts_with(kServersBuckets))
    return fail(ErrorKind::access_denied,
                "User: " + caller.arn() + " is not authorized to perform: " + std::string(action) + " on resource: " +
                    std::string(resource) + " because buckets whose names begin with a dot are the server's own",
                "AccessDenied");
  const PolicyContext context{caller.account,        caller.user,       caller.source_ip, caller.is_secure,
                              caller.is_via_service, tags.request_tags, tags.untags,      tags.resource_tags};
  auto verdict = PolicyVerdict::not_allowed;
  if (caller.policies)
    for (const auto& policy : *caller.policies) {
      const auto d = policy.decide(action, resource, context);
      if (d == PolicyVerdict::explicitly_denied) {
        verdict = d;
        break;
      }
      if (d == PolicyVerdict::allowed) verdict = d;
    }
  if (verdict == PolicyVerdict::allowed) return {};
  return fail(ErrorKind::access_denied,
              "User: " + caller.arn() + " is not authorized to perform: " + std::string(action) +
                  " on resource: " + std::string(resource) +
                  (verdict == PolicyVerdict::explicitly_denied
                       ? " with an explicit deny in an identity-based policy"
                       : " because no identity-based policy allows the " + std::string(action) + " action"),
              "AccessDenied");
}

bool may_somewhere(const Caller& caller, std::string_view action) {
  bool is_allowed = false;
  if (caller.policies)
    for (const auto& policy : *caller.policies) {
      const auto verdict = policy.decide_somewhere(action);
      if (verdict == PolicyVerdict::explicitly_denied) return false;
      is_allowed |= verdict == PolicyVerdict::allowed;
    }
  return is_allowed;
}

Result<Caller> caller_of_job(MetadataStore& store, const std::string& account, const std::string& name) {
  auto work = store.read();
  const auto user = work->users().find(account, name);
  if (!user) return invalid_input("The user " + name + ", who asked for this, no longer exists.");
  Caller caller{account, name, "", std::make_shared<const std::vector<Policy>>(policies_of(work->users(), *user))};
  caller.is_via_service = true;
  return caller;
}

}  // namespace vedette
