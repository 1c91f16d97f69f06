// What the parser and the checks behind it make of heads that could be read in two ways.
#include "http/framing.hpp"

#include <gtest/gtest.h>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>

namespace vedette {
namespace {

namespace http = boost::beast::http;

enum class Verdict { accepted, refused_by_the_parser, invalid, unsupported, too_large };

Verdict verdict_on(const std::string& head) {
  http::request_parser<http::buffer_body> parser;
  parser.body_limit(boost::none);
  boost::system::error_code error;
  parser.put(boost::asio::buffer(head), error);
  if (error) return Verdict::refused_by_the_parser;
  EXPECT_TRUE(parser.is_header_done());
  const auto ok = check_framing(parser.get());
  if (ok) return Verdict::accepted;
  EXPECT_FALSE(ok.error().message.empty());
  if (ok.error().kind == ErrorKind::invalid_input) return Verdict::invalid;
  if (ok.error().kind == ErrorKind::unsupported) return Verdict::unsupported;
  EXPECT_EQ(ok.error().kind, ErrorKind::too_large);
  return Verdict::too_large;
}

struct Case {
  std::string headers;
  Verdict verdict;
};

TEST(Framing, OnlyOneReadingOfABodysLengthIsAccepted) {
  const Case cases[] = {
      {"", Verdict::accepted},
      {"Transfer-Encoding: chunked\r\n", Verdict::accepted},
      {"TRANSFER-encoding:\tChunked \r\n", Verdict::accepted},
      {"Transfer-Encoding: xchunked\r\n", Verdict::invalid},
      {"Transfer-Encoding: identity\r\n", Verdict::invalid},
      {"Transfer-Encoding: chunked, identity\r\n", Verdict::invalid},
      {"Transfer-Encoding: chunked;q=1\r\n", Verdict::invalid},
      {"Transfer-Encoding: \"chunked\"\r\n", Verdict::invalid},
      {"Transfer-Encoding: chunked,\r\n", Verdict::invalid},
      {"Transfer-Encoding: gzip\r\n", Verdict::invalid},
      {"Transfer-Encoding:\r\n", Verdict::invalid},
      {"Transfer-Encoding: gzip, chunked\r\n", Verdict::unsupported},
      {"Transfer-Encoding: chunked, chunked\r\n", Verdict::unsupported},
      {"Transfer-Encoding: , chunked\r\n", Verdict::unsupported},
      {"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", Verdict::invalid},
      {"Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n", Verdict::refused_by_the_parser},
      {"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", Verdict::refused_by_the_parser},
      {"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", Verdict::refused_by_the_parser},
      {"Transfer-Encoding: xchunked\r\nContent-Length: 5\r\n", Verdict::invalid},
      {"Transfer-Encoding : chunked\r\n", Verdict::refused_by_the_parser},
      {"Transfer-Encoding: \x0b"
       "chunked\r\n",
       Verdict::refused_by_the_parser},
      {"Content-Length: 5\r\n", Verdict::accepted},
      {"Content-Length: 9223372036854775807\r\n", Verdict::accepted},
      {"Content-Length: 9223372036854775808\r\n", Verdict::invalid},
      {"Content-Length: 18446744073709551616\r\n", Verdict::refused_by_the_parser},
      {"Content-Length: 5, 5\r\n", Verdict::invalid},
      {"Content-Length: 5\r\nContent-Length: 5\r\n", Verdict::invalid},
      {"Content-Length: 5\r\nContent-Length: 6\r\n", Verdict::refused_by_the_parser},
      {"Content-Length: 5, 6\r\n", Verdict::refused_by_the_parser},
      {"Content-Length: -5\r\n", Verdict::refused_by_the_parser},
      {"Content-Length: +5\r\n", Verdict::refused_by_the_parser},
      {"Content-Length: 0x5\r\n", Verdict::refused_by_the_parser},
      {"Content-Length: 5 5\r\n", Verdict::refused_by_the_parser},
      {"Content-Length: 5.0\r\n", Verdict::refused_by_the_parser},
      {"Content-Length:\r\n", Verdict::refused_by_the_parser},
      {"Content-Length : 5\r\n", Verdict::refused_by_the_parser},
  };
  for (const auto& [headers, expected] : cases)
    EXPECT_EQ(verdict_on("PUT / HTTP/1.1\r\nHost: x\r\n" + headers + "\r\n"), expected) << headers;
  EXPECT_EQ(verdict_on("PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), Verdict::invalid);
  EXPECT_EQ(verdict_on("PUT / HTTP/1.0\r\nContent-Length: 5\r\n\r\n"), Verdict::accepted);
}

TEST(Framing, AHostMustBeOneHost) {
  const Case cases[] = {
      {"Host: x\r\n", Verdict::accepted},
      {"Host: 127.0.0.1:8420\r\n", Verdict::accepted},
      {"Host: my-bucket.s3.example_net.org.:443\r\n", Verdict::accepted},
      {"Host: [2001:db8::1]:8420\r\n", Verdict::accepted},
      {"Host: [::1]\r\n", Verdict::accepted},
      {"", Verdict::invalid},
      {"Host:\r\n", Verdict::invalid},
      {"Host: :8420\r\n", Verdict::invalid},
      {"Host: []\r\n", Verdict::invalid},
      {"Host: [::1\r\n", Verdict::invalid},
      {"Host: ::1]\r\n", Verdict::invalid},
      {"Host: x:80:80\r\n", Verdict::invalid},
      {"Host: x:port\r\n", Verdict::invalid},
      {"Host: x, y\r\n", Verdict::invalid},
      {"Host: x y\r\n", Verdict::invalid},
      {"Host: x/y\r\n", Verdict::invalid},
      {"Host: user@x\r\n", Verdict::invalid},
      {"Host: x?y\r\n", Verdict::invalid},
      {"Host: \xc3\xa4\r\n", Verdict::invalid},
      {"Host: x\r\nHost: x\r\n", Verdict::invalid},
  };
  for (const auto& [headers, expected] : cases)
    EXPECT_EQ(verdict_on("GET / HTTP/1.1\r\n" + headers + "\r\n"), expected) << headers;
  EXPECT_EQ(verdict_on("GET / HTTP/1.0\r\n\r\n"), Verdict::accepted);
  EXPECT_EQ(verdict_on("GET / HTTP/1.0\r\nHost: x/y\r\n\r\n"), Verdict::invalid);
}

TEST(Framing, LinesThatCouldEndElsewhereAreRefused) {
  const std::string start = "GET / HTTP/1.1\r\nHost: x\r\n";
  for (const auto& line : {std::string("a : b\r\n"), std::string("a\t: b\r\n"), std::string(" a: b\r\n"),
                           std::string("a: b\rc: d\r\n"), std::string("a: b\nc: d\r\n"), std::string("a: \0b\r\n", 7),
                           std::string("a: \x01\r\n"), std::string("a: \x7f\r\n"), std::string("a\0: b\r\n", 7),
                           std::string(": b\r\n"), std::string("a\r\n"), std::string("(a): b\r\n")})
    // A fold before the first header would belong to Host: it follows another line here.
    EXPECT_EQ(
        verdict_on(line.starts_with(' ') ? "GET / HTTP/1.1\r\n" + line + "Host: x\r\n\r\n" : start + line + "\r\n"),
        Verdict::refused_by_the_parser)
        << line;
  EXPECT_EQ(verdict_on("GET / HTTP/1.1\nHost: x\n\n\r\n\r\n"), Verdict::refused_by_the_parser);
  EXPECT_EQ(verdict_on("GET  / HTTP/1.1\r\nHost: x\r\n\r\n"), Verdict::refused_by_the_parser);
  EXPECT_EQ(verdict_on("GET / HTTP/1.1 \r\nHost: x\r\n\r\n"), Verdict::refused_by_the_parser);
  EXPECT_EQ(verdict_on("GET /\x01 HTTP/1.1\r\nHost: x\r\n\r\n"), Verdict::refused_by_the_parser);
}

TEST(Framing, AFoldedLineIsReadAsOneLineEverywhere) {
  // RFC 9112 section 5.2 lets a server put spaces in the place of a fold, and so does the parser before anything is decided.
  const std::string start = "PUT / HTTP/1.1\r\nHost: x\r\n";
  EXPECT_EQ(verdict_on(start + "Transfer-Encoding:\r\n chunked\r\n\r\n"), Verdict::accepted);
  EXPECT_EQ(verdict_on(start + "Transfer-Encoding: chunked,\r\n identity\r\n\r\n"), Verdict::invalid);
  EXPECT_EQ(verdict_on(start + "Transfer-Encoding: chun\r\n ked\r\n\r\n"), Verdict::invalid);
  EXPECT_EQ(verdict_on(start + "a: b\r\n Transfer-Encoding: gzip\r\n\r\n"), Verdict::accepted);
  EXPECT_EQ(verdict_on(start + "Content-Length: 5\r\n 5\r\n\r\n"), Verdict::refused_by_the_parser);
}

TEST(Framing, HeaderLinesAreCounted) {
  std::string head = "GET / HTTP/1.1\r\nHost: x\r\n";
  for (int i = 0; i < 499; ++i) head += "a: b\r\n";
  EXPECT_EQ(verdict_on(head + "\r\n"), Verdict::accepted);
  EXPECT_EQ(verdict_on(head + "a: b\r\n\r\n"), Verdict::too_large);
}

TEST(Framing, ChunkLinesAreFreeAndWhatExceedsThemIsCountedInAll) {
  ChunkOverhead overhead;
  for (int i = 0; i < 1'000'000; ++i) ASSERT_TRUE(overhead.admit(ChunkOverhead::kFreePerLine));
  EXPECT_TRUE(overhead.admit(ChunkOverhead::kFreePerLine + ChunkOverhead::kMost));
  EXPECT_TRUE(overhead.admit(5));
  EXPECT_FALSE(overhead.admit(ChunkOverhead::kFreePerLine + 1));
}

TEST(Framing, ExtensionsHaveNoControlCharacters) {
  EXPECT_TRUE(are_plain_extensions(""));
  EXPECT_TRUE(are_plain_extensions(";a=\"b\tc\";d"));
  for (const char c : {'\0', '\n', '\r', '\x7f'}) EXPECT_FALSE(are_plain_extensions(std::string(";a=\"") + c + "\""));
}

}  // namespace
}  // namespace vedette
