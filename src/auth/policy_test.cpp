#include "auth/policy.hpp"

#include <gtest/gtest.h>

#include "auth/identities.hpp"

namespace vedette {
namespace {

PolicyContext context() {
  PolicyContext c;
  c.account = "123456789012";
  c.username = "ann";
  return c;
}

bool allows(const std::string& json, const std::string& action, const std::string& resource,
            const PolicyContext& c = context()) {
  const auto policy = Policy::parse(json);
  EXPECT_TRUE(policy) << (policy ? "" : policy.error().message);
  return policy && policy->decide(action, resource, c) == PolicyVerdict::allowed;
}

/// Returns whether a policy that allows everything under one condition allows a call.
bool holds(const std::string& condition, const PolicyContext& c) {
  return allows(R"({"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":)" + condition + "}}", "a:b",
                "r", c);
}

TEST(Policy, AnExplicitDenyWinsAndSilenceDenies) {
  const std::string policy = R"({"Version":"2012-10-17","Statement":[
      {"Sid":"1","Effect":"Allow","Action":["lookoutvision:Detect*","s3:GetObject"],"Resource":"arn:aws:lookoutvision:*:*:model/line7/*"},
      {"Effect":"Deny","Action":"*","Resource":"*/2"}]})";
  EXPECT_TRUE(allows(policy, "LookoutVision:DetectAnomalies", "arn:aws:lookoutvision:r:1:model/line7/1"));
  EXPECT_FALSE(allows(policy, "lookoutvision:DetectAnomalies", "arn:aws:lookoutvision:r:1:model/line7/2"));
  EXPECT_FALSE(allows(policy, "lookoutvision:DetectAnomalies", "arn:aws:lookoutvision:r:1:model/line8/1"));
  EXPECT_FALSE(allows(policy, "lookoutvision:StopModel", "arn:aws:lookoutvision:r:1:model/line7/1"));
  EXPECT_EQ(Policy::parse(policy)->decide("s3:GetObject", "x/2", context()), PolicyVerdict::explicitly_denied);
}

TEST(Policy, WhatIsAllowedOnSomeResourceMayBeDoneSomewhere) {
  const auto may = [](const std::string& statements, const char* action) {
    const auto policy = Policy::parse(R"({"Statement":[)" + statements + "]}");
    EXPECT_TRUE(policy);
    return policy && policy->decide_somewhere(action) == PolicyVerdict::allowed;
  };
  const std::string allow = R"({"Effect":"Allow","Action":"s3:Put*","Resource":"arn:aws:s3:::line-*/*",
      "Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}})";
  EXPECT_TRUE(may(allow, "s3:PutObject"));
  EXPECT_FALSE(may(allow, "s3:GetObject"));
  EXPECT_TRUE(may(allow + R"(,{"Effect":"Deny","Action":"*","Resource":"arn:aws:s3:::line-1/*"})", "s3:PutObject"));
  EXPECT_TRUE(may(allow + R"(,{"Effect":"Deny","Action":"*","NotResource":"arn:aws:s3:::line-1/*"})", "s3:PutObject"));
  EXPECT_TRUE(may(allow + R"(,{"Effect":"Deny","Action":"*","Resource":"*",
      "Condition":{"Bool":{"aws:SecureTransport":"false"}}})",
                  "s3:PutObject"));
  EXPECT_TRUE(may(allow + R"(,{"Effect":"Deny","Action":"s3:PutObjectTagging","Resource":"*"})", "s3:PutObject"));
  EXPECT_FALSE(may(allow + R"(,{"Effect":"Deny","Action":"s3:PutObject","Resource":["a","*"]})", "s3:PutObject"));
  EXPECT_FALSE(may(R"({"Effect":"Allow","Action":"*","NotResource":"*"})", "s3:PutObject"));
}

TEST(Policy, NotActionAndNotResourceAllowTheRest) {
  const auto not_action = R"({"Statement":{"Effect":"Allow","NotAction":"s3:*","Resource":"*"}})";
  EXPECT_TRUE(allows(not_action, "lookoutvision:ListProjects", "*"));
  EXPECT_FALSE(allows(not_action, "s3:PutObject", "arn:aws:s3:::b/k"));
  const auto not_resource = R"({"Statement":{"Effect":"Allow","Action":"s3:*","NotResource":"arn:aws:s3:::secret/*"}})";
  EXPECT_TRUE(allows(not_resource, "s3:GetObject", "arn:aws:s3:::b/k"));
  EXPECT_FALSE(allows(not_resource, "s3:GetObject", "arn:aws:s3:::secret/k"));
}

TEST(Policy, VariablesNameTheCaller) {
  const auto policy =
      R"({"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::home/${aws:username}/*"}})";
  EXPECT_TRUE(allows(policy, "s3:GetObject", "arn:aws:s3:::home/ann/k"));
  EXPECT_FALSE(allows(policy, "s3:GetObject", "arn:aws:s3:::home/bob/k"));
}

TEST(Policy, ATagIsNotHiddenBehindAnotherSpelling) {
  auto c = context();
  c.resource_tags = [] { return std::vector<Tag>{{"STAGE", "test"}, {"Stage", "test"}, {"stage", "production"}}; };
  EXPECT_TRUE(holds(R"({"StringEquals":{"aws:ResourceTag/stage":"production"}})", c));
  EXPECT_FALSE(holds(R"({"StringEquals":{"aws:ResourceTag/stage":"test"}})", c));
  EXPECT_TRUE(holds(R"({"StringEquals":{"AWS:resourcetag/Stage":"test"}})", c));
  c.resource_tags = [] { return std::vector<Tag>{{"Stage", "production"}}; };
  EXPECT_TRUE(holds(R"({"StringEquals":{"aws:ResourceTag/stage":"production"}})", c));
}

TEST(Policy, AnElementGivenTwiceIsRefused) {
  for (
      const char* document :
      {R"({"Statement":{"Effect":"Deny","Effect":"Allow","Action":"*","Resource":"*"}})",
       R"({"Statement":{"Effect":"Deny","Action":"*","Resource":"*"},"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}})",
       R"({"Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Condition":
            {"Bool":{"aws:SecureTransport":"true"},"Bool":{"aws:ViaAWSService":"true"}}}]})"})
    EXPECT_FALSE(Policy::parse(document)) << document;
}

TEST(Policy, WhatItCannotHonourIsRefused) {
  for (
      const char* document :
      {"{}", "[]", "nonsense", R"({"Statement":[{"Effect":"Allow","Action":"*"}]})",
       R"({"Statement":[{"Effect":"Maybe","Action":"*","Resource":"*"}]})",
       R"({"Statement":[{"Effect":"Allow","Action":[],"Resource":"*"}]})",
       R"({"Statement":[{"Effect":"Allow","Action":5,"Resource":"*"}]})",
       R"({"Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Principal":"*"}]})",
       R"({"Statement":[{"Effect":"Allow","Action":"*","Resource":"${aws:userid}"}]})",
       R"({"Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"NumericEquals":{"aws:TagKeys":"1"}}}]})",
       R"({"Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:Referer":"x"}}}]})",
       R"({"Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"maybe"}}}]})",
       R"({"Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/33"}}}]})",
       R"({"Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"NullIfExists":{"aws:TagKeys":"true"}}}]})"})
    EXPECT_FALSE(Policy::parse(document)) << document;
  EXPECT_FALSE(Policy::parse(R"({"Statement":{"Effect":"Allow","Action":"*","Resource":")" +
                             std::string(Policy::kLongestDocument, 'x') + R"("}})"));
}

TEST(Condition, TagsOfRequestAndResource) {
  auto c = context();
  const auto stage = R"({"StringEquals":{"aws:ResourceTag/stage":["production","test"]}})";
  EXPECT_FALSE(holds(stage, c));
  c.resource_tags = [] { return std::vector<Tag>{{"Stage", "production"}}; };
  EXPECT_TRUE(holds(stage, c));
  EXPECT_FALSE(holds(R"({"StringNotEquals":{"aws:ResourceTag/stage":["production","test"]}})", c));
  EXPECT_TRUE(holds(R"({"StringNotEquals":{"aws:ResourceTag/other":"x"}})", c));
  EXPECT_TRUE(holds(R"({"StringEqualsIfExists":{"aws:ResourceTag/other":"x"}})", c));
  EXPECT_TRUE(holds(R"({"Null":{"aws:RequestTag/line":"true"}})", c));
  c.request_tags = {{"line", "7"}, {"shift", "late"}};
  EXPECT_TRUE(holds(R"({"Null":{"aws:RequestTag/line":"false"}})", c));
  EXPECT_TRUE(holds(R"({"StringLike":{"aws:RequestTag/shift":"l?t*"}})", c));
  EXPECT_FALSE(holds(R"({"ForAllValues:StringEquals":{"aws:TagKeys":["line"]}})", c));
  EXPECT_TRUE(holds(R"({"ForAllValues:StringEquals":{"aws:TagKeys":["line","shift"]}})", c));
  EXPECT_TRUE(holds(R"({"ForAnyValue:StringEquals":{"aws:TagKeys":["line"]}})", c));
  EXPECT_FALSE(holds(R"({"ForAnyValue:StringEquals":{"aws:TagKeys":["owner"]}})", c));
  EXPECT_TRUE(holds(R"({"StringEqualsIgnoreCase":{"aws:RequestTag/SHIFT":"LATE"}})", c));
}

TEST(Condition, WhereACallComesFrom) {
  auto c = context();
  EXPECT_FALSE(holds(R"({"Bool":{"aws:ViaAWSService":true}})", c));
  c.is_via_service = c.is_secure = true;
  EXPECT_TRUE(holds(R"({"Bool":{"aws:ViaAWSService":"true","aws:SecureTransport":true}})", c));
  c.source_ip = "10.1.130.7";
  EXPECT_TRUE(holds(R"({"IpAddress":{"aws:SourceIp":"10.1.128.0/17"}})", c));
  EXPECT_FALSE(holds(R"({"IpAddress":{"aws:SourceIp":["10.1.0.0/17","::1"]}})", c));
  EXPECT_TRUE(holds(R"({"NotIpAddress":{"aws:SourceIp":"10.1.130.8"}})", c));
  c.source_ip = "2001:db8::5";
  EXPECT_TRUE(holds(R"({"IpAddress":{"aws:SourceIp":"2001:db8::/32"}})", c));
  EXPECT_TRUE(holds(R"({"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:user/a*"}})", c));
  EXPECT_TRUE(holds(R"({"StringEquals":{"aws:username":"${aws:username}"}})", c));
}

TEST(ManagedPolicies, AllCanBeRead) {
  for (const char* name :
       {"AdministratorAccess", "VedetteFullAccess", "VedetteReadOnlyAccess", "VedetteDetectOnlyAccess",
        "AmazonLookoutVisionFullAccess", "AmazonLookoutVisionReadOnlyAccess", "AmazonLookoutVisionConsoleFullAccess",
        "AmazonLookoutVisionConsoleReadOnlyAccess"}) {
    const auto document = managed_policy(name);
    ASSERT_TRUE(document) << name;
    EXPECT_TRUE(Policy::parse(*document)) << name;
  }
}

TEST(ManagedPolicies, UsersOfTheConsoleMayPutObjectsSomewhere) {
  const auto policy = Policy::parse(*managed_policy("AmazonLookoutVisionConsoleFullAccess"));
  ASSERT_TRUE(policy);
  EXPECT_EQ(policy->decide_somewhere("s3:PutObject"), PolicyVerdict::allowed);
  EXPECT_EQ(policy->decide("s3:PutObject", "*", context()), PolicyVerdict::not_allowed);
  EXPECT_EQ(policy->decide_somewhere("vedette:CreateUser"), PolicyVerdict::not_allowed);
}

}  // namespace
}  // namespace vedette
