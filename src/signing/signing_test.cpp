#include "signing/signing.hpp"

#include <gtest/gtest.h>

namespace vedette {
namespace {

// This is the worked example of AWS's documentation ("get-vanilla-query" style, ListUsers of IAM, 2015-08-30).
SignableRequest list_users() {
  return {"GET",
          "/",
          "Action=ListUsers&Version=2010-05-08",
          {{"content-type", "application/x-www-form-urlencoded; charset=utf-8"},
           {"host", "iam.amazonaws.com"},
           {"x-amz-date", "20150830T123600Z"},
           {"authorization",
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, "
            "SignedHeaders=content-type;host;x-amz-date, "
            "Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"}}};
}
constexpr const char* kSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
constexpr const char* kEmptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

TEST(Signing, VerifiesThePublishedExample) {
  const auto request = list_users();
  const auto a = parse_authorization(request);
  ASSERT_TRUE(a) << a.error().message;
  EXPECT_EQ(a->credential.service, "iam");
  EXPECT_TRUE(verify(*a, request, kEmptyHash, kSecret));
  EXPECT_FALSE(verify(*a, request, kEmptyHash, "another secret"));
}

TEST(Signing, AnyChangeOfWhatIsSignedBreaksTheSignature) {
  const auto a = *parse_authorization(list_users());
  auto request = list_users();
  request.method = "POST";
  EXPECT_FALSE(verify(a, request, kEmptyHash, kSecret));
  request = list_users();
  request.path = "/x";
  EXPECT_FALSE(verify(a, request, kEmptyHash, kSecret));
  request = list_users();
  request.query += "&a=b";
  EXPECT_FALSE(verify(a, request, kEmptyHash, kSecret));
  request = list_users();
  request.headers[1].second = "example.com";
  EXPECT_FALSE(verify(a, request, kEmptyHash, kSecret));
  EXPECT_FALSE(verify(a, list_users(), "UNSIGNED-PAYLOAD", kSecret));
  for (std::size_t i = 0; i < 64; ++i) {
    auto damaged = a;
    damaged.signature[i] = damaged.signature[i] == '0' ? '1' : '0';
    EXPECT_FALSE(verify(damaged, list_users(), kEmptyHash, kSecret));
  }
}

TEST(Signing, PathsAreEncodedTwiceButForS3) {
  SignableRequest request{"GET", "/2020-11-20/tags/arn%3Aaws/../x//y", "", {{"host", "h"}}};
  EXPECT_TRUE(canonical_request(request, {"host"}, "H", PathStyle::normalized, false)
                  .starts_with("GET\n/2020-11-20/tags/x/y\n"));
  request.path = "/a%3Ab";
  EXPECT_TRUE(canonical_request(request, {"host"}, "H", PathStyle::normalized, false).starts_with("GET\n/a%253Ab\n"));
  request.path = "/b//../k%20e+y";
  EXPECT_TRUE(canonical_request(request, {"host"}, "H", PathStyle::s3, false).starts_with("GET\n/b//../k%20e%2By\n"));
}

TEST(Signing, TheClockMayDifferByFifteenMinutes) {
  const auto a = *parse_authorization(list_users());
  EXPECT_TRUE(check_time(a, a.time + std::chrono::minutes(15)));
  EXPECT_FALSE(check_time(a, a.time + std::chrono::minutes(16)));
  EXPECT_EQ(check_time(a, a.time - std::chrono::hours(1)).error().code, "RequestTimeTooSkewed");
}

TEST(Signing, IncompleteAuthorizationsAreNamed) {
  auto request = list_users();
  request.headers.pop_back();
  EXPECT_EQ(parse_authorization(request).error().code, "MissingAuthenticationToken");
  for (const char* bad :
       {"Basic abc", "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 Credential=a/b/c, SignedHeaders=host, Signature=00",
        "AWS4-HMAC-SHA256 Credential=AK/20150830/r/s/aws4_request, SignedHeaders=x-amz-date, "
        "Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
        "AWS4-HMAC-SHA256 Credential=AK/20150831/r/s/aws4_request, SignedHeaders=host, "
        "Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"}) {
    request = list_users();
    request.headers.back().second = bad;
    const auto a = parse_authorization(request);
    ASSERT_FALSE(a) << bad;
    EXPECT_EQ(a.error().code, "IncompleteSignature") << bad;
  }
}

TEST(Signing, HeadersThatChangeTheMeaningMustBeSigned) {
  auto request = list_users();
  const auto a = *parse_authorization(request);
  // A header that proxies and SDKs add after the request was signed changes nothing.
  for (const char* harmless :
       {"user-agent", "x-amzn-trace-id", "amz-sdk-invocation-id", "amz-sdk-request", "range", "x-forwarded-for"})
    request.headers.emplace_back(harmless, "v");
  EXPECT_TRUE(check_signed_headers(a, request.headers));
  request.headers.emplace_back("x-amz-copy-source", "/other/secret");
  request.headers.emplace_back("x-amz-meta-a", "v");
  const auto refused = check_signed_headers(a, request.headers);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, "AccessDenied");
  EXPECT_EQ(refused.error().resource_type, kHeadersNotSigned);
  EXPECT_EQ(refused.error().resource_id, "x-amz-copy-source, x-amz-meta-a");
  for (const char* name : {"x-amz-content-sha256", "x-amz-security-token", "x-amz-acl", "x-amzn-client-token"})
    EXPECT_FALSE(check_signed_headers(a, {{name, "v"}})) << name;
}

TEST(Signing, ASessionTokenIsFoundInHeaderAndQueryInAnyCase) {
  EXPECT_EQ(session_token({"GET", "/", "", {{"x-amz-security-token", " abc= "}}}), "abc=");
  EXPECT_EQ(session_token({"GET", "/", "a=1&X-Amz-Security-Token=abc%3D%2F&b", {}}), "abc=/");
  EXPECT_EQ(session_token({"GET", "/", "x-amz-security-token=abc", {}}), "abc");
  EXPECT_EQ(session_token({"GET", "/", "X%2DAmz-Security-Token=abc", {}}), "abc");
  EXPECT_EQ(session_token({"GET", "/", "X-Amz-Security-Token=&X-Amz-Date=1", {{"host", "h"}}}), "");
}

TEST(Signing, RegionsHaveNoMarksThatArnsOrPoliciesRead) {
  const auto with_region = [](const std::string& region) {
    auto request = list_users();
    auto& value = request.headers.back().second;
    value.replace(value.find("us-east-1"), 9, region);
    return parse_authorization(request).has_value();
  };
  for (const char* good :
       {"us-east-1", "eu", "RegionOne", "EU", "plant-7", "us-gov-west-1", "a234567890123456789012345678901b"})
    EXPECT_TRUE(with_region(good)) << good;
  for (const char* bad :
       {"x", "-a", "a-", "a--b", "7a", "us_east", "us.east", "a:b", "a*", "a%0ab", "a23456789012345678901234567890123"})
    EXPECT_FALSE(with_region(bad)) << bad;
}

}  // namespace
}  // namespace vedette
