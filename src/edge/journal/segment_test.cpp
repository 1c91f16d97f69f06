#include "edge/journal/segment.hpp"

#include <gtest/gtest.h>

namespace vedette::journal {
namespace {

std::string entries(std::uint64_t first, std::uint64_t last) {
  std::string bytes;
  for (auto i = first; i <= last; ++i) append_entry(bytes, i, "record " + std::to_string(i));
  return bytes;
}

TEST(Segment, EntriesComeBackInOrder) {
  const auto bytes = entries(7, 9);
  std::size_t offset = 0;
  for (std::uint64_t i = 7; i <= 9; ++i) {
    const auto entry = entry_at(as_bytes(bytes), offset);
    ASSERT_TRUE(entry);
    EXPECT_EQ(entry->sequence, i);
    EXPECT_EQ(entry->payload, "record " + std::to_string(i));
    offset = entry->end;
  }
  EXPECT_EQ(offset, bytes.size());
}

TEST(Segment, ATornEndIsCutAtEveryLength) {
  const auto whole = entries(1, 2);
  const auto bytes = entries(1, 3);
  for (auto length = whole.size(); length < bytes.size(); ++length) {
    const auto content = scan_segment(as_bytes(bytes.substr(0, length) + std::string(100, '\0')));
    EXPECT_EQ(content.end, whole.size());
    EXPECT_EQ(content.last_sequence, 2);
    EXPECT_FALSE(content.damaged);
  }
}

TEST(Segment, AnyFlippedBitLosesOneEntryAndNoOther) {
  const auto good = entries(1, 3);
  const auto first = entries(1, 1).size();
  const auto second = entries(1, 2).size();
  for (auto at = first; at < second; ++at)
    for (int bit = 0; bit < 8; ++bit) {
      auto bytes = good;
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << bit));
      EXPECT_FALSE(entry_at(as_bytes(bytes), first));
      const auto next = next_entry(as_bytes(bytes), first);
      ASSERT_TRUE(next);
      EXPECT_EQ(next->sequence, 3);
      const auto content = scan_segment(as_bytes(bytes));
      EXPECT_TRUE(content.damaged);
      EXPECT_EQ(content.end, good.size());
    }
}

TEST(Segment, LyingLengthsAreRefused) {
  for (const std::uint64_t length : {std::uint64_t{0}, std::uint64_t{1} << 20, std::uint64_t{0xFFFFFFFF}}) {
    auto bytes = entries(1, 1);
    for (std::size_t i = 0; i < 4; ++i) bytes[4 + i] = static_cast<char>(length >> (8 * i) & 0xFF);
    EXPECT_FALSE(entry_at(as_bytes(bytes), 0)) << length;
  }
  EXPECT_FALSE(entry_at({}, 0));
  EXPECT_FALSE(entry_at({}, 100));
}

TEST(Segment, NamesAreNumbersOfTwentyDigits) {
  EXPECT_EQ(segment_name(42), "00000000000000000042.journal");
  EXPECT_EQ(parse_segment_name(segment_name(42)), 42);
  for (const auto* name : {"42.journal", "00000000000000000000.journal", "0000000000000000004x.journal", "spare",
                           "00000000000000000042.journal.damaged", "99999999999999999999.journal"})
    EXPECT_FALSE(parse_segment_name(name)) << name;
}

}  // namespace
}  // namespace vedette::journal
