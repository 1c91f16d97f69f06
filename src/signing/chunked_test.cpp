#include "signing/chunked.hpp"

#include <gtest/gtest.h>

namespace vedette {
namespace {

/// This is the example of AWS's documents: 66,560 bytes of 'a' in chunks of 64 KB, with their published signatures. See
/// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html#example-signature-calculations-streaming
constexpr const char* kSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

Authorization example() {
  Authorization a;
  a.credential = {"AKIAIOSFODNN7EXAMPLE", "20130524", "us-east-1", "s3"};
  a.timestamp = "20130524T000000Z";
  a.signature = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";
  return a;
}

std::string example_body() {
  return "10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n" +
         std::string(65536, 'a') +
         "\r\n400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n" +
         std::string(1024, 'a') +
         "\r\n0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n";
}

/// Returns the decoded content, or the code of the error.
std::string decode(ChunkedFormat format, std::uint64_t length, const std::string& body, std::size_t piece = 1000,
                   HeaderList* trailers = nullptr) {
  ChunkedDecoder decoder(format, length, example(), kSecret);
  std::string out;
  for (std::size_t i = 0; i < body.size(); i += piece)
    if (auto ok = decoder.feed(as_bytes(std::string_view(body).substr(i, piece)),
                               [&](auto bytes) -> Result<void> { return out += as_text(bytes), Result<void>(); });
        !ok)
      return ok.error().code;
  if (auto ok = decoder.finish(); !ok) return ok.error().code;
  if (trailers) *trailers = decoder.trailers();
  return out;
}

TEST(Chunked, TheDocumentedExampleVerifiesInPiecesOfAnySize) {
  for (const std::size_t piece : {1UL, 7UL, 1000UL, 100'000UL})
    EXPECT_EQ(decode({true, false}, 66'560, example_body(), piece), std::string(66'560, 'a'));
}

TEST(Chunked, AChangedByteOrSignatureIsNoticed) {
  auto data = example_body();
  data[1000] = 'b';
  EXPECT_EQ(decode({true, false}, 66'560, data), "SignatureDoesNotMatch");
  auto signature = example_body();
  signature[signature.rfind("b6c6ea8a")] = 'c';
  EXPECT_EQ(decode({true, false}, 66'560, signature), "SignatureDoesNotMatch");
  EXPECT_EQ(decode({true, false}, 66'560, "3\r\nabc\r\n0\r\n\r\n"), "SignatureDoesNotMatch");
}

TEST(Chunked, UnsignedBodiesMayHaveTrailers) {
  HeaderList trailers;
  EXPECT_EQ(
      decode({false, true}, 5, "3\r\nabc\r\n2\r\nde\r\n0\r\nX-Amz-Checksum-CRC32: hYfYRA==\r\n\r\n", 3, &trailers),
      "abcde");
  ASSERT_EQ(trailers.size(), 1U);
  EXPECT_EQ(trailers[0], (std::pair<std::string, std::string>("x-amz-checksum-crc32", "hYfYRA==")));
}

TEST(Chunked, WhatIsCutOffOrMalformedIsRefused) {
  const ChunkedFormat format{false, true};
  EXPECT_EQ(decode(format, 3, "3\r\nabc\r\n"), "IncompleteBody");
  EXPECT_EQ(decode(format, 3, "3\r\nabc\r\n0\r\n"), "IncompleteBody");
  EXPECT_EQ(decode(format, 4, "3\r\nabc\r\n0\r\n\r\n"), "IncompleteBody");
  EXPECT_EQ(decode(format, 2, "3\r\nabc\r\n0\r\n\r\n"), "IncompleteBody");
  for (const char* body : {"x\r\nabc\r\n", "-1\r\n", "3\nabc\r\n", "3\r\nabcd\r\n", "0\r\nno colon\r\n\r\n",
                           "0\r\n\r\nmore\r\n", "fffffffffffffffff\r\n", "\r\n"})
    EXPECT_EQ(decode(format, 3, body), "InvalidRequest") << body;
  EXPECT_EQ(decode(format, 3, std::string(10'000, '0')), "InvalidRequest");
}

TEST(Chunked, FormatsAreRecognised) {
  EXPECT_TRUE(parse_chunked_format("STREAMING-AWS4-HMAC-SHA256-PAYLOAD")->is_signed);
  EXPECT_TRUE(parse_chunked_format("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER")->has_trailer);
  EXPECT_FALSE(parse_chunked_format("STREAMING-UNSIGNED-PAYLOAD-TRAILER")->is_signed);
  EXPECT_FALSE(parse_chunked_format("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"));
  EXPECT_FALSE(parse_chunked_format("UNSIGNED-PAYLOAD"));
}

}  // namespace
}  // namespace vedette
