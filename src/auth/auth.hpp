#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "auth/policy.hpp"
#include "base/result.hpp"
#include "store/metadata/metadata.hpp"

/// Says who is calling, and decides what they may do. All functions are thread-safe. auth/authenticator.hpp says how a
/// caller is found.
namespace vedette {

/// A user who makes a request, or for whom a job runs.
struct Caller {
  std::string account, user, access_key_id;
  std::shared_ptr<const std::vector<Policy>> policies;
  std::string source_key_id = {};  ///< the permanent key that temporary credentials came from, else empty
  std::string source_ip = {};
  bool is_secure = false, is_via_service = false;
  [[nodiscard]] std::string arn() const { return user_arn(account, user); }
};

/// Says what a call does with tags, for policies that have conditions on tags.
struct TagContext {
  std::vector<Tag> request_tags = {};
  std::vector<std::string> untags = {};
  std::function<std::vector<Tag>()> resource_tags = {};
};

/// Decides whether the caller may do the action on the resource. Fails with access_denied, worded as AWS does. Nobody
/// may do anything with a bucket whose name begins with a dot, whatever the policies say: clients cannot have such
/// buckets, and the server keeps its own objects in one.
Result<void> authorize(const Caller& caller, std::string_view action, std::string_view resource,
                       const TagContext& tags = {});

/// Returns whether there may be a resource on which the caller may do the action: a policy allows it on some resource,
/// whatever the conditions are, and no policy denies it on every resource without a condition. authorize() decides when
/// the resource is known.
bool may_somewhere(const Caller& caller, std::string_view action);

/// Returns the user as a caller for a job (aws:ViaAWSService is true), with the rights that the user has now. Fails
/// with invalid_input if the user no longer exists.
Result<Caller> caller_of_job(MetadataStore& store, const std::string& account, const std::string& user);

}  // namespace vedette
