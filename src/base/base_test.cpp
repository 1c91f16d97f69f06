#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <stdexcept>
#include <thread>

#include "base/checksum.hpp"
#include "base/clock.hpp"
#include "base/digest.hpp"
#include "base/environment.hpp"
#include "base/files.hpp"
#include "base/listing.hpp"
#include "base/log.hpp"
#include "base/parallel.hpp"
#include "base/random.hpp"
#include "base/text.hpp"
#include "base/time_slice.hpp"

namespace vedette {
namespace {

TEST(Text, Base64RoundTripsEveryLengthAndRejectsForeignCharacters) {
  Random random(1);
  for (std::size_t length = 0; length < 70; ++length) {
    Bytes bytes(length);
    for (auto& b : bytes) b = static_cast<std::uint8_t>(random.next());
    const auto back = from_base64(to_base64(bytes));
    ASSERT_TRUE(back);
    EXPECT_EQ(*back, bytes);
  }
  EXPECT_EQ(to_base64(as_bytes("foob")), "Zm9vYg==");  // RFC 4648, section 10, gives this value.
  EXPECT_FALSE(from_base64("Zm9v-g=="));
  EXPECT_FALSE(from_base64("Zm9vYg="));
  EXPECT_FALSE(from_base64("Z=9v"));
}

TEST(Text, UriEncodingKeepsOnlyUnreservedCharacters) {
  EXPECT_EQ(uri_encode("a b/ü~"), "a%20b%2F%C3%BC~");
  EXPECT_EQ(uri_encode("a b/c", true), "a%20b/c");
  EXPECT_EQ(*uri_decode("a%20b%2Fc+d"), "a b/c+d");
  EXPECT_FALSE(uri_decode("%4"));
  EXPECT_FALSE(uri_decode("%zz"));
}

TEST(Text, Utf8IsCheckedStrictly) {
  EXPECT_TRUE(is_utf8("gr\xC3\xBC\xC3\x9F \xF0\x9F\x98\x80"));
  EXPECT_FALSE(is_utf8("\xC0\xAF"));          // This is an overlong form of '/'.
  EXPECT_FALSE(is_utf8("\xED\xA0\x80"));      // This is a surrogate.
  EXPECT_FALSE(is_utf8("\xF4\x90\x80\x80"));  // This is above U+10FFFF.
  EXPECT_FALSE(is_utf8("\xE2\x82"));          // The third byte is missing.
}

TEST(Listing, NamesAFewOfManyAndCountsTheRest) {
  EXPECT_EQ(list_some(std::vector<std::string>{"a", "b"}), "a; b");
  EXPECT_EQ(list_some(std::vector<std::string>{"a", "b"}, 7), "a; b; and 5 more");
  const std::vector<std::string> many(kMostListed + 3, "x");
  const auto text = list_some(many);
  EXPECT_EQ(std::count(text.begin(), text.end(), 'x'), static_cast<std::ptrdiff_t>(kMostListed));
  EXPECT_TRUE(text.ends_with("; and 3 more")) << text;
}

TEST(Clock, TimestampsPrintAndParse) {
  const auto time = parse_timestamp("2020-06-23T01:02:03.456Z");
  ASSERT_TRUE(time);
  EXPECT_EQ(to_extended_iso8601(*time), "2020-06-23T01:02:03.456Z");
  EXPECT_EQ(to_basic_iso8601(*time), "20200623T010203Z");
  EXPECT_EQ(to_http_date(*time), "Tue, 23 Jun 2020 01:02:03 GMT");
  EXPECT_EQ(*parse_http_date(to_http_date(*time)), *parse_timestamp("20200623T010203Z"));
  EXPECT_EQ(*parse_timestamp("2020-06-23T03:02:03.456+02:00"), *time);
  EXPECT_EQ(*parse_timestamp("1592874123.456"), *time);
  EXPECT_EQ(*parse_timestamp("2020-04-15T20:17:23.433061"), *parse_timestamp("2020-04-15T20:17:23.433Z"));
  for (const char* bad : {"", "yesterday", "2020-13-01T00:00:00Z", "2020-06-23T25:00:00Z", "2020-06-23T01:02:03.Z",
                          "Mon Aug 22 2022 13:52:52 GMT-0700 (Pacific Daylight Time)"})
    EXPECT_FALSE(parse_timestamp(bad)) << bad;
}

TEST(Digest, DigestsMatchThePublishedAnswers) {
  // FIPS 180-4 gives this value.
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  Hasher md5(Hasher::Algorithm::md5);
  md5.update(as_bytes("message "));
  md5.update(as_bytes("digest"));
  EXPECT_EQ(to_hex(md5.finish()), "f96b697d7cb7938d525a2f31aaf161d0");  // RFC 1321 gives this value.
  const Bytes key(20, 0x0b);
  EXPECT_EQ(to_hex(hmac_sha256(key, "Hi There")),  // RFC 4231, case 1.
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
}

TEST(Digest, SealedTextOpensOnlyWithItsKeyAndContext) {
  const Bytes key = random_bytes(32);
  auto sealed = seal(key, "secret", "AKID1");
  EXPECT_EQ(*unseal(key, sealed, "AKID1"), "secret");
  EXPECT_FALSE(unseal(key, sealed, "AKID2"));
  EXPECT_FALSE(unseal(random_bytes(32), sealed, "AKID1"));
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    auto damaged = sealed;
    damaged[i] ^= 1;
    EXPECT_FALSE(unseal(key, damaged, "AKID1")) << i;
  }
}

TEST(Files, AtomicWriteReplacesTheWholeFile) {
  TemporaryFolder folder;
  const auto path = folder.path() / "a.json";
  ASSERT_TRUE(write_file_atomically(path, "one"));
  ASSERT_TRUE(write_file_atomically(path, "two"));
  EXPECT_EQ(as_text(*read_file(path, 10)), "two");
  EXPECT_EQ(read_file(path, 2).error().kind, ErrorKind::too_large);
  EXPECT_EQ(read_file(folder.path() / "none", 2).error().kind, ErrorKind::not_found);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
}

TEST(Random, BelowStaysBelowAndForksDiffer) {
  Random random(7);
  for (int i = 0; i < 1000; ++i) EXPECT_LT(random.below(3), 3U);
  EXPECT_NE(random.fork(1).next(), random.fork(2).next());
}

// The expected values are the check values that the catalogues of CRCs and FIPS 180-4 give for "123456789".
TEST(Checksum, ChecksumsMatchThePublishedValuesInOnePieceAndInMany) {
  for (const auto& [name, expected] :
       {std::pair{"crc32", "cbf43926"}, std::pair{"CRC32C", "e3069283"}, std::pair{"crc64nvme", "ae8b14860a799888"},
        std::pair{"sha1", "f7c3bc1d808e04732adf679965ccc34ca7ae3441"}}) {
    const auto algorithm = parse_checksum_algorithm(name);
    ASSERT_TRUE(algorithm) << name;
    Checksum whole(*algorithm), pieces(*algorithm);
    whole.update(as_bytes("123456789"));
    for (const char c : std::string_view("123456789")) pieces.update(as_bytes(std::string_view(&c, 1)));
    EXPECT_EQ(whole.finish(), to_base64(*from_hex(expected))) << name;
    EXPECT_EQ(pieces.finish(), to_base64(*from_hex(expected))) << name;
  }
  EXPECT_FALSE(parse_checksum_algorithm("md5"));
  Checksum odd(ChecksumAlgorithm::crc32c), even(ChecksumAlgorithm::crc32c);
  const std::string text(1000, 'x');
  odd.update(as_bytes(text.substr(0, 333)));
  odd.update(as_bytes(text.substr(333)));
  even.update(as_bytes(text));
  EXPECT_EQ(odd.finish(), even.finish());
}

/// Returns how many nanoseconds the scheduler gives the calling thread at a time, or 0 where the system does not say it
/// (before Linux 6.12).
std::uint64_t time_slice() {
  // sched_setattr(2) describes these 56 bytes; sched_runtime begins at byte 24.
  std::array<std::uint64_t, 7> attributes{};
  if (::syscall(SYS_sched_getattr, 0, attributes.data(), 56, 0) != 0) return 0;
  return attributes[3];
}

TEST(Parallel, AThreadCountHoldsForItsThreadUntilItEnds) {
  const int before = ThreadCount::current();
  {
    const ThreadCount three(3);
    EXPECT_EQ(ThreadCount::current(), 3);
    {
      const ThreadCount none(0);
      EXPECT_EQ(ThreadCount::current(), 1);
    }
    EXPECT_EQ(ThreadCount::current(), 3);
    int other = 0;
    std::thread([&] { other = ThreadCount::current(); }).join();
    EXPECT_EQ(other, before);
  }
  EXPECT_EQ(ThreadCount::current(), before);
}

TEST(Parallel, CallsThatRunSideBySideStartNoFurtherThreads) {
  const ThreadCount outside(5);
  std::vector<int> counts(7);
  run_parallel(counts.size(), 2, [&](std::size_t i) { counts[i] = ThreadCount::current(); });
  EXPECT_EQ(counts, std::vector<int>(7, 1));
  EXPECT_EQ(ThreadCount::current(), 5);
  EXPECT_THROW(run_parallel(3, 2, [](std::size_t) { throw std::runtime_error("broken"); }), std::runtime_error);
}

TEST(TimeSlice, ThreadsStartedMeanwhileTakeShortTurnsAndLaterOnesDoNot) {
  std::uint64_t within = 0, after = 0;
  {
    const ShortTimeSlices short_slices;
    std::thread([&] { within = time_slice(); }).join();
  }
  std::thread([&] { after = time_slice(); }).join();
  if (after == 0) GTEST_SKIP() << "this kernel has no slices to choose";
  EXPECT_EQ(within, 100'000U);
  EXPECT_GT(after, within);
}

TEST(Log, LinesCarryTheirThreadsContextAndTakeItAlong) {
  testing::internal::CaptureStderr();
  {
    const log::Scope request(log::Context{{"request", "r 1"}});
    log::info("asked", {{"for", "tea"}});
    {
      const log::Scope job(log::Context{{"job", "7"}});
      log::warning("inner");
    }
    log::error("outer");
    std::thread(log::carried([] { log::info("carried"); })).join();
    std::thread([] { log::info("alone"); }).join();
    run_parallel(1, 1, [](std::size_t) { log::info("parallel"); });
  }
  log::info("after");
  const auto lines = testing::internal::GetCapturedStderr();
  for (const char* end :
       {" info asked for=tea request=\"r 1\"\n", " warning inner job=7\n", " error outer request=\"r 1\"\n",
        " info carried request=\"r 1\"\n", " info alone\n", " info parallel request=\"r 1\"\n", " info after\n"})
    EXPECT_NE(lines.find(end), std::string::npos) << end << lines;
}

TEST(Environment, OnlyNamedVariablesArePassedOn) {
  ASSERT_EQ(::setenv("VEDETTE_TEST_A", "1=2", 1), 0);
  ASSERT_EQ(::setenv("VEDETTE_TEST_B", "", 1), 0);
  ASSERT_EQ(::setenv("VEDETTE_OTHER", "secret", 1), 0);
  constexpr std::array<std::string_view, 2> kNames{"VEDETTE_TEST_*", "VEDETTE"};
  auto found = select_environment(kNames);
  std::sort(found.begin(), found.end());
  EXPECT_EQ(found, (std::vector<std::string>{"VEDETTE_TEST_A=1=2", "VEDETTE_TEST_B="}));
}

}  // namespace
}  // namespace vedette
