#include "signing/signature_v2.hpp"

#include <gtest/gtest.h>

#include "signing/presigned_headers.hpp"

namespace vedette {
namespace {

constexpr const char* kSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
constexpr const char* kPuppy =
    "AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D&Expires=1175139620";
const Timestamp kBefore{std::chrono::seconds(1'175'139'000)};

SignableRequest get_puppy() {
  return {"GET", "/photos/puppy.jpg", kPuppy, {{"host", "johnsmith.s3.amazonaws.com"}}, "/johnsmith/photos/puppy.jpg"};
}

bool verifies(const SignableRequest& request) {
  const auto a = parse_presigned_v2(request.query);
  return a && verify(*a, request, "UNSIGNED-PAYLOAD", kSecret);
}

TEST(SignatureV2, VerifiesThePublishedExample) {
  EXPECT_TRUE(is_presigned_v2(kPuppy));
  EXPECT_FALSE(is_presigned_v2("X-Amz-Signature=1&Signature=2"));
  const auto a = parse_presigned_v2(kPuppy);
  ASSERT_TRUE(a) << a.error().message;
  EXPECT_EQ(a->credential.access_key_id, "AKIAIOSFODNN7EXAMPLE");
  EXPECT_EQ(a->credential.service, "s3");
  EXPECT_TRUE(a->is_presigned && a->is_version_2);
  EXPECT_EQ(string_to_sign_v2(get_puppy(), a->timestamp), "GET\n\n\n1175139620\n/johnsmith/photos/puppy.jpg");
  EXPECT_TRUE(verify(*a, get_puppy(), "", kSecret));
  EXPECT_FALSE(verify(*a, get_puppy(), "", "another secret"));
}

TEST(SignatureV2, SignsHeadersInThePublishedForm) {
  // The documentation's example is an upload, which has a date in the place of the expiry.
  const SignableRequest upload{"PUT",
                               "/db-backup.dat.gz",
                               "",
                               {{"host", "static.johnsmith.net:8080"},
                                {"x-amz-acl", "public-read"},
                                {"content-type", "application/x-download"},
                                {"content-md5", "4gJE4saaMU4BqNR0kLY+lw=="},
                                {"x-amz-meta-reviewedby", "joe@johnsmith.net"},
                                {"x-amz-meta-reviewedby", " jane@johnsmith.net "},
                                {"x-amz-meta-filechecksum", "0x02661779"},
                                {"x-amz-meta-checksumalgorithm", "crc32"},
                                {"content-disposition", "attachment; filename=database.dat"}},
                               "/static.johnsmith.net/db-backup.dat.gz"};
  EXPECT_EQ(sign_v2(kSecret, string_to_sign_v2(upload, "Tue, 27 Mar 2007 21:06:08 +0000")),
            "ilyl83RwaSoYIEdixDQcA4OnAnc=");
}

// The expected signatures of these two requests were computed with Python's hmac module from the documented string to
// sign.
TEST(SignatureV2, HeadersInTheUrlCountAsSentAndSubResourcesAreSignedDecoded) {
  SignableRequest put{
      "PUT",
      "/bucket/k%20%C3%BC",
      "uploadId=a%2Fb%2Bc&x-amz-meta-A=one%2Ctwo&Content-Type=text%2Fplain&partNumber=2&x-id=UploadPart&"
      "AWSAccessKeyId=K&Expires=1175139620&x-amz-acl=private&Signature=SIGNATURE",
      {{"host", "h"}, {"content-md5", "XrY7u+Ae7tCTyyK7j1rNww=="}},
      "/bucket/k%20%C3%BC"};
  const auto text = string_to_sign_v2(put, "1175139620");
  EXPECT_EQ(text,
            "PUT\nXrY7u+Ae7tCTyyK7j1rNww==\ntext/plain\n1175139620\nx-amz-acl:private\nx-amz-meta-a:one,two\n"
            "/bucket/k%20%C3%BC?partNumber=2&uploadId=a/b+c");
  EXPECT_EQ(sign_v2(kSecret, text), "TtY9Xcws7LHB8vXerES1crtN/4o=");
  // If the client also sends the same header with the same value, the signature stays right; with another value it does
  // not.
  put.headers.emplace_back("x-amz-acl", "private");
  EXPECT_EQ(string_to_sign_v2(put, "1175139620"), text);
  put.headers.back().second = "public-read";
  EXPECT_NE(string_to_sign_v2(put, "1175139620"), text);

  const SignableRequest get{"GET",
                            "/bucket/k",
                            "versionId=v1&response-content-disposition=attachment%3B%20filename%3D%22a%20b.png%22",
                            {},
                            "/bucket/k"};
  EXPECT_EQ(sign_v2(kSecret, string_to_sign_v2(get, "1175139620")), "+WCE2B0WneIsMw/4LdB86XyO6R0=");
}

TEST(SignatureV2, AnyChangeOfWhatIsSignedBreaksTheSignature) {
  ASSERT_TRUE(verifies(get_puppy()));
  const auto changed = [](auto change) {
    auto request = get_puppy();
    change(request);
    return verifies(request);
  };
  EXPECT_FALSE(changed([](auto& r) { r.method = "PUT"; }));
  EXPECT_FALSE(changed([](auto& r) { r.resource += "x"; }));
  EXPECT_FALSE(changed([](auto& r) { r.query.replace(r.query.find("1175139620"), 10, "1175139621"); }));
  EXPECT_FALSE(changed([](auto& r) { r.query += "&acl"; }));
  EXPECT_FALSE(changed([](auto& r) { r.query += "&response-content-type=text%2Fhtml"; }));
  EXPECT_FALSE(changed([](auto& r) { r.query += "&x-amz-copy-source=%2Fother%2Fsecret"; }));
  EXPECT_FALSE(changed([](auto& r) { r.headers.emplace_back("x-amz-copy-source", "/other/secret"); }));
  EXPECT_FALSE(changed([](auto& r) { r.headers.emplace_back("content-type", "text/html"); }));
  EXPECT_FALSE(changed([](auto& r) { r.headers.emplace_back("content-md5", "XrY7u+Ae7tCTyyK7j1rNww=="); }));
  EXPECT_TRUE(changed([](auto& r) { r.headers.emplace_back("range", "bytes=0-1"); }));
}

TEST(SignatureV2, WhatItDoesNotCoverIsRefused) {
  for (const char* parameter :
       {"prefix=a", "list-type=2", "max-keys=1", "encryption", "publicAccessBlock", "attributes", "X-Amz-Signature=00",
        "%61cl2", "anything=1", "Content-Disposition=inline", "content-encoding=gzip", "Cache-Control=no-store",
        "Content-Language=de", "response-content-disposition=x%26versionId%3DOLD",
        "response-content-disposition=x%26tagging"}) {
    const auto a = parse_presigned_v2(std::string(kPuppy) + "&" + parameter);
    ASSERT_FALSE(a) << parameter;
    EXPECT_EQ(a.error().kind, ErrorKind::access_denied) << parameter;
    EXPECT_NE(a.error().message.find("s3v4"), std::string::npos) << parameter;
  }
  EXPECT_TRUE(parse_presigned_v2(std::string(kPuppy) + "&encoding-type=url"));
  EXPECT_TRUE(parse_presigned_v2(std::string(kPuppy) + "&response-content-disposition=R%26D%26you%3D1"));
}

TEST(SignatureV2, IncompleteUrlsAreRefused) {
  for (const char* query : {"AWSAccessKeyId=K", "AWSAccessKeyId=K&Expires=1175139620",
                            "AWSAccessKeyId=K&Signature=NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D",
                            "AWSAccessKeyId=&Expires=1&Signature=NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D",
                            "AWSAccessKeyId=K&Expires=-1&Signature=NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D",
                            "AWSAccessKeyId=K&Expires=%201&Signature=NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D",
                            "AWSAccessKeyId=K&Expires=99999999999999999999&Signature=NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D",
                            "AWSAccessKeyId=K&Expires=1&Signature=AAAA", "AWSAccessKeyId=K&Expires=1&Signature=%25"}) {
    const auto a = parse_presigned_v2(query);
    ASSERT_FALSE(a) << query;
    EXPECT_EQ(a.error().code, "AccessDenied") << query;
  }
}

TEST(SignatureV2, ExpiresAtItsTimeAndAtMostAWeekFromNow) {
  const auto a = *parse_presigned_v2(kPuppy);
  EXPECT_TRUE(check_time(a, kBefore));
  EXPECT_TRUE(check_time(a, a.time));
  EXPECT_EQ(check_time(a, a.time + std::chrono::seconds(1)).error().message, "Request has expired");
  EXPECT_TRUE(check_time(a, a.time - std::chrono::days(7)));
  EXPECT_EQ(check_time(a, a.time - std::chrono::days(7) - std::chrono::seconds(1)).error().code,
            "AuthorizationQueryParametersError");
}

TEST(SignatureV2, InTheHeaderIsRefusedWithTheCure) {
  const auto a = parse_authorization(
      {"GET", "/", "", {{"authorization", "AWS AKIAIOSFODNN7EXAMPLE:qgk2+6Sv9/oM7G3qLEjTH1a1l1g="}}});
  ASSERT_FALSE(a);
  EXPECT_EQ(a.error().code, "InvalidRequest");
  EXPECT_NE(a.error().message.find("signature_version='s3v4'"), std::string::npos);
}

TEST(PresignedHeaders, AreThoseOfTheUrlThatWereNotSent) {
  const auto headers = presigned_headers(
      "X-Amz-Meta-A=b%20c&x-amz-meta-a=again&Content-Type=text%2Fplain&X-Amz-Date=d&X-Amz-SignedHeaders=host&range=x&"
      "x-amz-acl=private&x-amz-tagging&versionId=1",
      {{"x-amz-acl", "private"}});
  EXPECT_EQ(headers, (HeaderList{{"x-amz-meta-a", "b c"}, {"content-type", "text/plain"}}));
  EXPECT_TRUE(is_presigned_checksum("x-amz-checksum-crc32"));
  EXPECT_FALSE(is_presigned_checksum("x-amz-checksum-mode"));
}

}  // namespace
}  // namespace vedette
