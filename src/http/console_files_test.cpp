#include "http/console_files.hpp"

#include <gtest/gtest.h>

namespace vedette {
namespace {

const ConsoleFile kFiles[] = {{"index.html", "<!doctype html>", "small page", "page in gzip"},
                              {"icon.svg", "<svg/>", "small icon", "icon in gzip"},
                              {"assets/main-4f2a.js", "export {}", "small script", "script in gzip"}};

std::optional<Response> ask(const OpenPaths& paths, const std::string& path, HeaderList headers = {},
                            const char* method = "GET") {
  RequestHead head;
  head.method = method;
  head.path = path;
  head.headers = std::move(headers);
  return paths.answer(head);
}

std::string header(const std::optional<Response>& answer, const char* name) {
  return answer ? std::string(header_value(answer->headers, name)) : "no answer";
}

class Console : public testing::Test {
 protected:
  const OpenPaths paths_{console_routes(kFiles)};
};

TEST_F(Console, SendsItsFilesPlainOrCompressed) {
  const auto page = ask(paths_, "/console/");
  ASSERT_TRUE(page);
  EXPECT_EQ(page->status, 200);
  EXPECT_EQ(page->body, "<!doctype html>");
  EXPECT_EQ(header(page, "content-type"), "text/html; charset=utf-8");
  EXPECT_EQ(header(page, "content-encoding"), "");
  for (const char* codings : {"br", "gzip, deflate, BR", "gzip;q=1.0, br;q=0.5", "br;q=1"}) {
    const auto small = ask(paths_, "/console/index.html", {{"accept-encoding", codings}});
    EXPECT_EQ(small->body, "small page") << codings;
    EXPECT_EQ(header(small, "content-encoding"), "br") << codings;
    EXPECT_EQ(header(small, "content-type"), "text/html; charset=utf-8");
  }
  for (const char* codings : {"gzip, deflate", "br;q=0, gzip"}) {
    const auto small = ask(paths_, "/console/index.html", {{"accept-encoding", codings}});
    EXPECT_EQ(small->body, "page in gzip") << codings;
    EXPECT_EQ(header(small, "content-encoding"), "gzip") << codings;
  }
  for (const char* codings : {"", "gzip;q=0", "br;q=0", "br; q=0.000, gzip;q=0", "*", "brotli", "identity"}) {
    const auto plain = ask(paths_, "/console/index.html", {{"accept-encoding", codings}});
    EXPECT_EQ(plain->body, "<!doctype html>") << codings;
    EXPECT_EQ(header(plain, "content-encoding"), "") << codings;
  }
  EXPECT_EQ(header(page, "vary"), "accept-encoding");
  EXPECT_EQ(header(ask(paths_, "/console/assets/main-4f2a.js"), "content-type"), "text/javascript; charset=utf-8");
  EXPECT_EQ(header(ask(paths_, "/console/icon.svg"), "content-type"), "image/svg+xml");
}

TEST_F(Console, EveryAnswerLimitsWhatThePageMayDo) {
  for (const char* path : {"/console", "/console/", "/console/assets/main-4f2a.js", "/console/none"}) {
    const auto answer = ask(paths_, path);
    const auto policy = header(answer, "content-security-policy");
    EXPECT_TRUE(policy.starts_with("default-src 'none'; script-src 'self';")) << path;
    EXPECT_NE(policy.find("frame-ancestors 'none'"), std::string::npos) << path;
    EXPECT_EQ(policy.find("unsafe"), std::string::npos) << path;
    EXPECT_EQ(header(answer, "x-content-type-options"), "nosniff") << path;
    EXPECT_EQ(header(answer, "referrer-policy"), "no-referrer") << path;
    EXPECT_EQ(header(answer, "cross-origin-opener-policy"), "same-origin") << path;
  }
}

TEST_F(Console, BrowsersKeepWhatHasAHashInItsNameAndAskForTheRest) {
  EXPECT_EQ(header(ask(paths_, "/console/assets/main-4f2a.js"), "cache-control"),
            "public, max-age=31536000, immutable");
  for (const char* path : {"/console/", "/console/icon.svg"}) {
    const auto first = ask(paths_, path);
    EXPECT_EQ(header(first, "cache-control"), "no-cache");
    const auto tag = header(first, "etag");
    ASSERT_GT(tag.size(), 4U);
    for (const auto& known : {tag, "\"other\", " + tag, tag.substr(2), std::string("*")}) {
      const auto again = ask(paths_, path, {{"if-none-match", known}});
      EXPECT_EQ(again->status, 304) << known;
      EXPECT_EQ(again->body, "");
      EXPECT_EQ(header(again, "etag"), tag);
    }
    EXPECT_EQ(ask(paths_, path, {{"if-none-match", "\"other\""}})->status, 200);
  }
  EXPECT_NE(header(ask(paths_, "/console/"), "etag"), header(ask(paths_, "/console/icon.svg"), "etag"));
}

TEST_F(Console, OnlyItsFilesAreThere) {
  for (const char* path : {"/console/none", "/console/assets/", "/console/../healthz", "/console//index.html",
                           "/console/index.html/", "/console/assets/main-4f2a.js.br", "/console/%69ndex.html"}) {
    const auto answer = ask(paths_, path);
    EXPECT_EQ(answer->status, 404) << path;
    EXPECT_EQ(header(answer, "content-type"), "text/plain; charset=utf-8") << path;
  }
  EXPECT_FALSE(ask(paths_, "/consoles"));
  EXPECT_FALSE(ask(paths_, "/console/index.html", {}, "PUT"));
  EXPECT_FALSE(ask(paths_, "/console/", {{"authorization", "AWS4-HMAC-SHA256 Credential=x"}}));
}

TEST_F(Console, HeadTellsTheLengthOfWhatGetSends) {
  EXPECT_EQ(ask(paths_, "/console/", {}, "HEAD")->head_length, std::string("<!doctype html>").size());
  const auto small = ask(paths_, "/console/", {{"accept-encoding", "br"}}, "HEAD");
  EXPECT_EQ(small->head_length, std::string("small page").size());
  EXPECT_EQ(small->body, "");
}

TEST_F(Console, IsWhereBrowsersAreLed) {
  EXPECT_EQ(header(ask(paths_, "/console"), "location"), "/console/");
  const auto led = ask(paths_, "/", {{"accept", "text/html,application/xhtml+xml"}});
  ASSERT_TRUE(led);
  EXPECT_EQ(led->status, 302);
  EXPECT_EQ(header(led, "location"), "/console/");
  EXPECT_FALSE(ask(paths_, "/", {{"accept", "*/*"}}));  // This is ListBuckets without a key.
}

TEST(NoConsole, SaysThatItIsNotBuiltIn) {
  const OpenPaths paths(
      {}, "1", [] { return ""; }, {}, [] { return std::optional<std::string>(); }, console_routes({}));
  const auto answer = ask(paths, "/console/");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 404);
  EXPECT_NE(answer->body.find("VEDETTE_CONSOLE=OFF"), std::string::npos);
  EXPECT_EQ(ask(paths, "/", {{"accept", "text/html"}})->status, 200);
}

}  // namespace
}  // namespace vedette
