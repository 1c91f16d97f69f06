#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "domain/domain.hpp"

namespace vedette {

/// Holds the facts about a call that the conditions of a policy can test.
struct PolicyContext {
  std::string account, username;
  std::string source_ip;   ///< The value of aws:SourceIp; empty inside jobs.
  bool is_secure = false;  ///< The value of aws:SecureTransport.
  /// The value of aws:ViaAWSService: an import, training or packaging acts for the user.
  bool is_via_service = false;
  std::vector<Tag> request_tags;    ///< The values of aws:RequestTag/…; their keys are aws:TagKeys.
  std::vector<std::string> untags;  ///< The keys that the call removes; they are aws:TagKeys, too.
  /// Returns the values of aws:ResourceTag/…; it is called only if a statement needs them. An empty function means that
  /// the resource has no tags.
  std::function<std::vector<Tag>()> resource_tags;
};

enum class PolicyVerdict { allowed, not_allowed, explicitly_denied };

/// Is an IAM-style policy document: statements of Effect, Action or NotAction, Resource or NotResource with * and ?,
/// and Condition. An explicit deny wins; an action that nothing allows is denied. See
/// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements.html
///
/// The condition operators are String(Not)Equals(IgnoreCase), String(Not)Like, Arn(Not)Equals, Arn(Not)Like, Bool,
/// (Not)IpAddress and Null, each with …IfExists, ForAllValues: and ForAnyValue:. The condition keys are those of
/// PolicyContext, aws:username, aws:PrincipalArn and aws:PrincipalAccount. The variables are ${aws:username} and
/// ${aws:PrincipalAccount}. A document that uses anything else is refused when it is parsed, since ignoring it could
/// allow too much. A policy is immutable; any thread may use it.
class Policy {
 public:
  static constexpr std::size_t kLongestDocument = 10'240;  ///< in bytes

  /// Reads a document. Fails with invalid_input and names what is wrong.
  static Result<Policy> parse(std::string_view json);
  [[nodiscard]] PolicyVerdict decide(std::string_view action, std::string_view resource,
                                     const PolicyContext& context) const;
  /// Returns what the policy says if every Condition turns out in the caller's favour: an Allow counts whatever its
  /// condition is, and a Deny counts only if it has none. It serves questions about a user who is not calling now.
  [[nodiscard]] PolicyVerdict decide_at_best(std::string_view action, std::string_view resource,
                                             const PolicyContext& context) const;
  /// Returns what the policy says if the resource, too, turns out in the caller's favour: an Allow counts whatever its
  /// resource and condition are, and a Deny counts only if it covers every resource (*) and has no condition. It serves
  /// programs that ask what to offer before a resource is chosen.
  [[nodiscard]] PolicyVerdict decide_somewhere(std::string_view action) const;

  struct Condition {
    enum class Test { string, string_ignore_case, like, boolean, ip_address, null };
    enum class Values { one, all, any };
    Test test = Test::string;
    bool is_negated = false, if_exists = false;
    Values values = Values::one;
    std::string key;  ///< In lower case, except for the name of a tag.
    std::vector<std::string> wanted;
  };

 private:
  struct Statement {
    bool is_allow, is_not_action, is_not_resource;
    std::vector<std::string> actions, resources;
    std::vector<Condition> conditions;
    [[nodiscard]] bool covers(std::string_view resource, const PolicyContext& context) const;
  };
  template <typename Applies>
  [[nodiscard]] PolicyVerdict decide_where(std::string_view action, Applies applies) const;
  std::vector<Statement> statements_;
};

}  // namespace vedette
