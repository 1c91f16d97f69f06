#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "auth/policy.hpp"
#include "base/result.hpp"
#include "store/metadata/metadata.hpp"

/// Who is calling, and what they may do. Thread-safe. auth/authenticator.hpp says how a caller is found.
namespace vedette {

/// A user at work: in a request, or in a job that acts for them.
struct Caller {
  std::string account, user, access_key_id;
  std::shared_ptr<const std::vector<Policy>> policies;
  std::string source_ip = {};
  bool is_secure = false, is_via_service = false;
  [[nodiscard]] std::string arn() const { return user_arn(account, user); }
};

/// What a call says about tags, for policies with conditions on them.
struct TagContext {
  std::vector<Tag> request_tags = {};
  std::vector<std::string> untags = {};
  std::function<std::vector<Tag>()> resource_tags = {};
};

/// Fails with access_denied, worded as AWS does. Whoever calls and whatever the policies say, nothing is allowed on a
/// bucket whose name begins with a dot: such names are no client's, and the server keeps its own objects under one.
Result<void> authorize(const Caller& caller, std::string_view action, std::string_view resource,
                       const TagContext& tags = {});

/// The user as a job acts for them (aws:ViaAWSService), with the rights they have now. Fails with invalid_input if they
/// no longer exist.
Result<Caller> caller_of_job(MetadataStore& store, const std::string& account, const std::string& user);

}  // namespace vedette
