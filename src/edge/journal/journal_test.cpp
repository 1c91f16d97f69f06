#include "edge/journal/journal.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <fstream>
#include <optional>
#include <set>
#include <thread>

#include "base/files.hpp"
#include "edge/journal/segment.hpp"

namespace vedette {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

constexpr std::uint64_t kSegment = 64 << 10;
constexpr milliseconds kLong{60'000};

const JournalOptions kSmall{
    .bytes = 16 * kSegment, .picture_bytes = 8 * kSegment, .age = std::chrono::hours(0), .segment_bytes = kSegment};

/// A record whose entry has about 1.5 KB.
VerdictRecord part(const std::string& trigger) {
  VerdictRecord record;
  record.trigger_id = trigger;
  record.state = RecordState::failed;
  record.reason = std::string(1000, 'r');
  return record;
}

class JournalTest : public testing::Test {
 protected:
  std::unique_ptr<Journal> open(const JournalOptions& options = kSmall) {
    auto journal = Journal::open(folder_, options, clock_);
    if (!journal) throw std::runtime_error(journal.error().message);
    return std::move(*journal);
  }
  static void append(Journal& journal, std::uint64_t first, std::uint64_t last) {
    for (auto i = first; i <= last; ++i) {
      const auto sequence = journal.append(part(std::to_string(i)));
      ASSERT_TRUE(sequence) << sequence.error().message;
      ASSERT_EQ(*sequence, i);
    }
  }
  static std::unique_ptr<JournalReader> reader(Journal& journal, const std::string& sink = "sink") {
    auto made = journal.reader(sink);
    if (!made) throw std::runtime_error(made.error().message);
    return std::move(*made);
  }
  /// Reads and commits everything; returns the sequence numbers. Each record must be the one that got the number.
  static std::vector<std::uint64_t> drain(JournalReader& reader, std::size_t most = 50) {
    std::vector<std::uint64_t> numbers;
    for (;;) {
      const auto batch = reader.read(most, milliseconds(0));
      if (!batch || batch->records.empty()) return numbers;
      for (const auto& record : batch->records) {
        EXPECT_EQ(record.trigger_id, std::to_string(record.sequence));
        numbers.push_back(record.sequence);
      }
      reader.commit(numbers.back());
    }
  }
  static std::vector<std::uint64_t> range(std::uint64_t first, std::uint64_t last) {
    std::vector<std::uint64_t> numbers;
    for (auto i = first; i <= last; ++i) numbers.push_back(i);
    return numbers;
  }
  std::vector<fs::path> segments() {
    std::set<fs::path> found;
    for (const auto& entry : fs::directory_iterator(folder_))
      if (journal::parse_segment_name(entry.path().filename().string())) found.insert(entry.path());
    return {found.begin(), found.end()};
  }
  /// Inverts one byte in the middle of the entry of this number.
  void damage(std::uint64_t sequence) {
    for (const auto& path : segments()) {
      const auto bytes = read_file(path, 1 << 20);
      for (auto entry = journal::next_entry(*bytes, 0); entry; entry = journal::next_entry(*bytes, entry->end)) {
        if (entry->sequence != sequence) continue;
        std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(static_cast<std::streamoff>(entry->offset + journal::kEntryHead + 10));
        file.put('~');
        return;
      }
    }
    FAIL() << "no entry " << sequence;
  }

  TemporaryFolder temporary_;
  fs::path folder_ = temporary_.path() / "journal";
  SystemClock system_;
  FakeClock clock_{system_.now()};
};

TEST_F(JournalTest, RecordsComeBackInOrderAndAfterReopening) {
  std::string id;
  {
    auto journal = open();
    id = journal->id();
    EXPECT_EQ(id.size(), 26);
    append(*journal, 1, 100);
    EXPECT_EQ(drain(*reader(*journal)), range(1, 100));
  }
  auto journal = open();
  EXPECT_EQ(journal->id(), id);
  append(*journal, 101, 120);
  EXPECT_EQ(drain(*reader(*journal, "another")), range(1, 120));
  const auto batch = reader(*journal)->read(1, milliseconds(0));
  ASSERT_EQ(batch->records.size(), 1);
  EXPECT_EQ(batch->records[0].journal, id);
  EXPECT_EQ(batch->records[0].sequence, 101);
  EXPECT_EQ(batch->missing, 0);
}

TEST_F(JournalTest, ADamagedIdIsReplacedAndOneOfAnotherVersionIsLeft) {
  std::string id;
  {
    auto journal = open();
    id = journal->id();
    append(*journal, 1, 2);
  }
  for (const std::string& damaged : {std::string(), std::string(45, '\0'), "vedette-journal 1 " + id.substr(1) + "\n",
                                     "vedette-journal 1 " + id.substr(1) + "\xff\n", std::string(5000, 'x')}) {
    ASSERT_TRUE(write_file_atomically(folder_ / "journal", damaged));
    auto journal = open();
    EXPECT_EQ(journal->id().size(), 26);
    EXPECT_NE(journal->id(), id);
    EXPECT_EQ(reader(*journal)->read(1, milliseconds(0))->records.at(0).journal, id);
  }
  auto journal = open();
  append(*journal, 3, 3);
  EXPECT_EQ(drain(*reader(*journal)), range(1, 3));
  journal.reset();
  ASSERT_TRUE(write_file_atomically(folder_ / "journal", "vedette-journal 2 " + id + "\n"));
  EXPECT_FALSE(Journal::open(folder_, kSmall, clock_));
}

TEST_F(JournalTest, AppendsAtTheSameTimeGetNumbersWithoutGapsOrRepetition) {
  auto journal = open();
  std::vector<std::vector<std::uint64_t>> got(8);
  std::vector<std::thread> threads;
  for (auto& numbers : got)
    threads.emplace_back([&] {
      for (int i = 0; i < 25; ++i) numbers.push_back(journal->append(part("")).value());
    });
  for (auto& thread : threads) thread.join();
  std::set<std::uint64_t> all;
  for (const auto& numbers : got) {
    EXPECT_TRUE(std::ranges::is_sorted(numbers));
    all.insert(numbers.begin(), numbers.end());
  }
  EXPECT_EQ(all.size(), 200);
  EXPECT_EQ(*all.rbegin(), 200);
}

TEST_F(JournalTest, AnExceptionFailsTheRecordsThatWaitAndNoOthers) {
  class BrokenClock : public Clock {
   public:
    [[nodiscard]] Timestamp now() const override {
      if (is_broken) throw std::bad_alloc();
      return {};
    }
    std::atomic<bool> is_broken = false;
  } clock;
  auto journal = Journal::open(folder_, kSmall, clock);
  ASSERT_TRUE(journal);
  append(**journal, 1, 3);
  clock.is_broken = true;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] { EXPECT_EQ((*journal)->append(part("")).error().kind, ErrorKind::unavailable); });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ((*journal)->counts().not_recorded, 4);
  clock.is_broken = false;
  append(**journal, 4, 6);
  EXPECT_EQ(drain(*reader(**journal)), range(1, 6));
}

TEST_F(JournalTest, AFolderBelongsToOneJournal) {
  auto journal = open();
  const auto second = Journal::open(folder_, kSmall, clock_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, ErrorKind::conflict);
  const auto one = reader(*journal);
  EXPECT_EQ(journal->reader("sink").error().kind, ErrorKind::conflict);
  for (const auto* name : {"", ".", "..", "a/b", "a b"})
    EXPECT_EQ(journal->reader(name).error().kind, ErrorKind::invalid_input) << name;
}

TEST_F(JournalTest, OptionsOutOfRangeAreRefused) {
  for (const auto& options : {JournalOptions{.bytes = 15 * kSegment, .segment_bytes = kSegment},
                              JournalOptions{.bytes = 1 << 30, .segment_bytes = 1024},
                              JournalOptions{.bytes = 1 << 30, .picture_bytes = 2ULL << 30}})
    EXPECT_EQ(Journal::open(folder_, options, clock_).error().kind, ErrorKind::invalid_input);
}

TEST_F(JournalTest, ARecordThatIsTooLargeIsRefusedAndTakesNoNumber) {
  auto journal = open();
  auto record = part("1");
  for (int i = 0; i < 2000; ++i) record.classes.push_back({std::string(1000, 'c'), 0, ""});
  EXPECT_EQ(journal->append(record).error().kind, ErrorKind::invalid_input);
  append(*journal, 1, 1);
  EXPECT_FALSE(journal->counts().full);
}

TEST_F(JournalTest, WhatNoReaderCouldReadIsRefused) {
  auto journal = open();
  auto long_text = part("1");
  long_text.model = std::string(1025, 'm');
  auto before_1970 = part("1");
  before_1970.pictured_at = -1;
  auto not_anomalous = part("1");
  not_anomalous.is_anomalous = false;
  for (const auto& record : {long_text, before_1970, not_anomalous})
    EXPECT_EQ(journal->append(record).error().kind, ErrorKind::invalid_input);
  append(*journal, 1, 1);
}

TEST_F(JournalTest, APlaceTellsTheNumberBeforeItsRecordIsMadeAndKeepsTheOrder) {
  const auto journal = open();
  auto first = journal->take_place();
  auto second = journal->take_place();
  EXPECT_EQ(first.sequence(), 1U);
  EXPECT_EQ(second.sequence(), 2U);
  std::atomic<std::uint64_t> written = 0;
  std::thread other([&] { written = journal->write(part("2"), std::move(second))->sequence; });
  EXPECT_EQ(journal->write(part("1"), std::move(first))->sequence, 1U);
  other.join();
  EXPECT_EQ(written, 2U);
  {
    const auto given_up = journal->take_place();
    EXPECT_EQ(given_up.sequence(), 3U);
  }
  append(*journal, 3, 3);
  EXPECT_EQ(drain(*reader(*journal)), range(1, 3));
}

TEST_F(JournalTest, AGivenUpPlaceLetsThoseBehindItBeWritten) {
  const auto journal = open();
  std::optional<Journal::Place> first(journal->take_place());
  auto second = journal->take_place();
  std::thread other([&] { EXPECT_EQ(journal->write(part("1"), std::move(second))->sequence, 1U); });
  first.reset();
  other.join();
}

TEST_F(JournalTest, NothingThatWasAcknowledgedIsLostByKills) {
  std::uint64_t known = 0;
  for (int kill = 0; kill < 5; ++kill) {
    std::array<int, 2> pipe_ends{};
    ASSERT_EQ(::pipe(pipe_ends.data()), 0);
    const auto child = ::fork();
    if (child == 0) {
      // The child writes with two threads, of which only one waits for the disk, until an acknowledgement ends it in
      // mid-work.
      auto journal = Journal::open(folder_, kSmall, clock_);
      if (!journal) ::_exit(1);
      std::atomic<int> acknowledged = 0;
      const auto work = [&](bool waits) {
        for (;;) {
          const auto written = (*journal)->write(part(""), (*journal)->take_place());
          if (!written || (waits && !(*journal)->wait_durable(*written))) ::_exit(1);
          const auto number = written->sequence;
          if (::write(pipe_ends[1], &number, sizeof number) != sizeof number) ::_exit(1);
          if (++acknowledged == 40 + 7 * kill) ::_exit(0);
        }
      };
      std::thread other(work, false);
      work(true);
    }
    ::close(pipe_ends[1]);
    std::uint64_t number = 0;
    std::uint64_t newest = known;
    while (::read(pipe_ends[0], &number, sizeof number) == sizeof number) {
      EXPECT_GT(number, known) << "a number came twice";
      newest = std::max(newest, number);
    }
    ::close(pipe_ends[0]);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_EQ(status, 0);
    auto journal = open();
    known = journal->counts().last;
    EXPECT_GE(known, newest);
    const auto way = reader(*journal, "sink" + std::to_string(kill));
    std::uint64_t expected = 0;
    for (;;) {
      const auto batch = way->read(50, milliseconds(0));
      ASSERT_TRUE(batch);
      if (batch->records.empty()) break;
      EXPECT_EQ(batch->missing, 0);
      for (const auto& record : batch->records) EXPECT_EQ(record.sequence, ++expected);
      way->commit(expected);
    }
    EXPECT_EQ(expected, known);
  }
}

TEST_F(JournalTest, ATornEndIsCutAndTheNextRecordTakesItsPlace) {
  { append(*open(), 1, 3); }
  const auto path = segments().back();
  const auto content = *read_file(path, 1 << 20);
  const auto third = journal::next_entry(content, journal::next_entry(content, 2000)->offset);
  fs::resize_file(path, third->end - 5);
  auto journal = open();
  EXPECT_EQ(journal->counts().damaged_segments, 0);
  const auto last = journal->counts().last;
  append(*journal, last + 1, 4);
  EXPECT_EQ(drain(*reader(*journal)), range(1, 4));
}

TEST_F(JournalTest, DamageLosesOnlyTheDamagedRecordsAndIsCounted) {
  { append(*open(), 1, 100); }
  ASSERT_GT(segments().size(), 2);
  damage(10);
  damage(98);
  auto journal = open();
  EXPECT_EQ(journal->counts().damaged_segments, 1);
  append(*journal, 101, 101);
  const auto way = reader(*journal);
  auto expected = range(1, 101);
  std::erase(expected, 10);
  std::erase(expected, 98);
  EXPECT_EQ(drain(*way), expected);
  EXPECT_EQ(journal->counts().sinks.at("sink").dropped, 2);
}

TEST_F(JournalTest, NumbersThatComeTwiceOrFallAreGivenOnceAndInOrder) {
  { append(*open(), 1, 2); }
  std::string content;
  for (const std::uint64_t number : {2, 2, 1, 4, 3, 4, 5})
    journal::append_entry(content, number, to_json(part(std::to_string(number))));
  std::ofstream(segments().front(), std::ios::binary | std::ios::trunc) << content;
  auto journal = open();
  append(*journal, 6, 6);
  const auto way = reader(*journal);
  const auto batch = way->read(50, milliseconds(0));
  EXPECT_EQ(batch->missing, 2);
  EXPECT_EQ(drain(*way), (std::vector<std::uint64_t>{2, 4, 5, 6}));
  EXPECT_EQ(journal->counts().sinks.at("sink").dropped, 2);
}

TEST_F(JournalTest, SegmentsThatAreGoneAreSkippedAndCounted) {
  { append(*open(), 1, 200); }
  const auto files = segments();
  ASSERT_GT(files.size(), 3);
  const auto first = *journal::parse_segment_name(files[1].filename().string());
  const auto beyond = *journal::parse_segment_name(files[2].filename().string());
  std::ofstream(files[1], std::ios::binary | std::ios::trunc) << std::string(1000, 'x');
  auto journal = open();
  const auto way = reader(*journal);
  auto expected = range(1, 200);
  std::erase_if(expected, [&](auto n) { return n >= first && n < beyond; });
  EXPECT_EQ(drain(*way), expected);
  EXPECT_EQ(journal->counts().sinks.at("sink").dropped, beyond - first);
}

TEST_F(JournalTest, ASegmentThatCannotBeReadNowIsNotTakenForLost) {
  auto journal = open();
  append(*journal, 1, 100);
  const auto way = reader(*journal);
  const auto files = segments();
  ASSERT_GT(files.size(), 2);
  const auto aside = files[0].string() + ".aside";
  fs::rename(files[0], aside);
  fs::create_symlink(files[0], files[0]);  // Opening it fails with ELOOP.
  EXPECT_EQ(way->read(50, milliseconds(0)).error().kind, ErrorKind::unavailable);
  fs::remove(files[0]);
  fs::create_directory(files[0]);  // Reading it fails with EISDIR.
  EXPECT_EQ(way->read(50, milliseconds(0)).error().kind, ErrorKind::unavailable);
  fs::remove(files[0]);
  fs::rename(aside, files[0]);
  EXPECT_EQ(way->read(1, milliseconds(0))->records.front().sequence, 1);
  EXPECT_EQ(journal->counts().sinks.at("sink").dropped, 0);
  const auto beyond = *journal::parse_segment_name(files[1].filename().string());
  fs::remove(files[0]);
  EXPECT_EQ(drain(*reader(*journal, "another")), range(beyond, 100)) << "the file is gone";
}

TEST_F(JournalTest, AnUnreadableNewestSegmentIsSetAsideAndNoNumberComesTwice) {
  { append(*open(), 1, 100); }
  const auto newest = segments().back();
  std::ofstream(newest, std::ios::binary | std::ios::trunc) << std::string(4 << 20, 'x');
  auto journal = open();
  EXPECT_TRUE(fs::exists(newest.string() + ".damaged"));
  EXPECT_EQ(journal->counts().damaged_segments, 1);
  const auto number = journal->append(part(""));
  ASSERT_TRUE(number);
  EXPECT_GT(*number, 100);
  const auto way = reader(*journal);
  std::uint64_t last = 0;
  for (;;) {
    const auto batch = way->read(1000, milliseconds(0));
    if (batch->records.empty()) break;
    last = batch->records.back().sequence;
    way->commit(last);
  }
  EXPECT_EQ(last, *number);
}

TEST_F(JournalTest, ACursorSurvivesAndWhatIsNotCommittedComesAgain) {
  {
    auto journal = open();
    append(*journal, 1, 30);
    const auto way = reader(*journal);
    EXPECT_EQ(way->read(10, milliseconds(0))->records.size(), 10);
    way->commit(7);
    EXPECT_EQ(way->read(10, milliseconds(0))->records.front().sequence, 8);
  }
  {
    auto journal = open();
    const auto way = reader(*journal);
    EXPECT_EQ(way->read(10, milliseconds(0))->records.front().sequence, 8);
    way->commit(17);
    EXPECT_EQ(journal->counts().sinks.at("sink").delivered, 17);
  }
  // The slot that was written last is damaged, as by a power cut: the one before it counts.
  const auto path = folder_ / "cursors" / "sink";
  auto bytes = *read_file(path, 1000);
  for (const std::size_t slot : {0U, 1U}) {
    auto damaged = bytes;
    damaged[slot * damaged.size() / 2 + 25] ^= 1;
    std::ofstream(path, std::ios::binary) << as_text(damaged);
    auto journal = open();
    const auto first = reader(*journal)->read(1, milliseconds(0))->records.front().sequence;
    EXPECT_TRUE(first == 8 || first == 18) << first;
  }
  fs::remove(path);
  auto journal = open();
  EXPECT_EQ(reader(*journal)->read(1, milliseconds(0))->records.front().sequence, 1);
}

TEST_F(JournalTest, AReaderWaitsForARecordAndIsWoken) {
  auto journal = open();
  const auto way = reader(*journal);
  std::vector<std::uint64_t> numbers;
  std::thread waiting([&] {
    for (;;) {
      const auto batch = way->read(10, kLong);
      if (!batch || batch->records.empty()) return;
      numbers.push_back(batch->records.back().sequence);
      way->commit(numbers.back());
    }
  });
  append(*journal, 1, 3);
  while (journal->counts().sinks.at("sink").delivered < 3) std::this_thread::yield();
  journal->wake_readers();
  waiting.join();
  EXPECT_EQ(numbers.back(), 3);
}

TEST_F(JournalTest, PicturesGoBeforeRecordsAndDropsAreCountedPerSink) {
  auto journal = open();
  const auto slow = reader(*journal, "slow");
  const auto quick = reader(*journal, "quick");
  const Bytes picture(50'000, 7);
  std::vector<std::string> names;
  for (int i = 0; i < 6; ++i) {
    clock_.advance(milliseconds(1));
    names.push_back(journal->name_picture("png"));
    ASSERT_TRUE(journal->keep_picture(names.back(), picture));
  }
  EXPECT_EQ(journal->counts().pictures, 6);
  std::uint64_t next = 1;
  // Records push out the pictures, the oldest first, and no record goes as long as there is a picture.
  while (journal->counts().pictures > 0) {
    append(*journal, next, next);
    ++next;
    EXPECT_EQ(journal->counts().first, 1);
    EXPECT_EQ(journal->find_picture(names[0]).has_value(), journal->counts().pictures == 6);
  }
  EXPECT_EQ(journal->counts().pictures_dropped, 6);
  EXPECT_EQ(drain(*quick), range(1, next - 1));
  while (journal->counts().first == 1) {
    append(*journal, next, next);
    ++next;
  }
  const auto counts = journal->counts();
  EXPECT_LE(counts.record_bytes, kSmall.bytes);
  EXPECT_EQ(counts.sinks.at("slow").dropped, counts.first - 1);
  EXPECT_EQ(counts.sinks.at("quick").dropped, 0);
  EXPECT_EQ(drain(*slow), range(counts.first, next - 1));
  EXPECT_EQ(journal->counts().sinks.at("slow").dropped, counts.first - 1);
}

TEST_F(JournalTest, AgeDropsPicturesAndWhatIsDelivered) {
  auto options = kSmall;
  options.age = std::chrono::hours(48);
  auto journal = open(options);
  const auto way = reader(*journal);
  journal->sinks_are_known();
  const auto name = journal->name_picture("jpg");
  ASSERT_TRUE(journal->keep_picture(name, Bytes(100)));
  append(*journal, 1, 100);
  clock_.advance(std::chrono::hours(47));
  append(*journal, 101, 101);
  EXPECT_TRUE(journal->find_picture(name));
  clock_.advance(std::chrono::hours(2));
  append(*journal, 102, 102);
  EXPECT_FALSE(journal->find_picture(name));
  EXPECT_EQ(journal->counts().first, 1) << "the sink has not delivered it";
  EXPECT_EQ(drain(*way), range(1, 102));
  clock_.advance(std::chrono::hours(1));
  append(*journal, 103, 103);
  EXPECT_GT(journal->counts().first, 1);
}

TEST_F(JournalTest, OpeningDropsNothingThatASinkHasNotDelivered) {
  auto options = kSmall;
  options.age = std::chrono::hours(48);
  {
    auto journal = open(options);
    append(*journal, 1, 100);
    const auto way = reader(*journal);
    const auto former = reader(*journal, "former");
    (void)way->read(10, milliseconds(0));
    way->commit(10);
  }
  clock_.advance(std::chrono::hours(72));
  auto journal = open(options);
  append(*journal, 101, 101);
  EXPECT_EQ(journal->counts().first, 1);
  const auto way = reader(*journal);
  EXPECT_EQ(drain(*way), range(11, 101));
  EXPECT_EQ(journal->counts().sinks.at("sink").dropped, 0);
  journal->sinks_are_known();
  clock_.advance(std::chrono::hours(1));
  append(*journal, 102, 102);
  EXPECT_GT(journal->counts().first, 1) << "a sink that is not there any more holds nothing";
}

TEST_F(JournalTest, PicturesSurviveAndHostileNamesAreRefused) {
  std::string name;
  {
    auto journal = open();
    name = journal->name_picture("png");
    ASSERT_TRUE(journal->keep_picture(name, as_bytes("picture")));
    EXPECT_EQ(journal->keep_picture(journal->name_picture("png"), Bytes(9 * kSegment)).error().kind,
              ErrorKind::too_large);
    for (const std::string bad :
         {"", "a.png", "../journal", "00000000000001-abcdefgh.", "00000000000001-abcdefg/.png"}) {
      EXPECT_EQ(journal->keep_picture(bad, Bytes(1)).error().kind, ErrorKind::invalid_input) << bad;
      EXPECT_FALSE(journal->find_picture(bad)) << bad;
    }
  }
  std::ofstream(folder_ / "pictures" / (name + ".part")) << "half";
  auto journal = open();
  ASSERT_TRUE(journal->find_picture(name));
  EXPECT_EQ(as_text(*read_file(*journal->find_picture(name), 100)), "picture");
  EXPECT_EQ(journal->counts().pictures, 1);
  EXPECT_FALSE(fs::exists(folder_ / "pictures" / (name + ".part")));
}

TEST_F(JournalTest, AnAnnouncedPictureIsPendingUntilItIsKeptOrGivenUp) {
  auto journal = open();
  const auto name = journal->name_picture("png");
  journal->announce_picture(name);
  EXPECT_EQ(journal->find_picture(name).error().kind, ErrorKind::unavailable);
  ASSERT_TRUE(journal->keep_picture(name, as_bytes("picture")));
  EXPECT_TRUE(journal->find_picture(name));
  const auto too_large = journal->name_picture("png");
  journal->announce_picture(too_large);
  EXPECT_FALSE(journal->keep_picture(too_large, Bytes(9 * kSegment)));
  EXPECT_EQ(journal->find_picture(too_large).error().kind, ErrorKind::not_found);
  const auto broken = journal->name_picture("png");
  journal->announce_picture(broken);
  journal->give_up_picture(broken);
  EXPECT_EQ(journal->find_picture(broken).error().kind, ErrorKind::not_found);
}

/// Runs in a child with a disk of 2 MiB of its own. Returns what went wrong, or an empty text.
std::string use_a_full_disk(const fs::path& disk, const Clock& clock) {
  auto journal = Journal::open(disk / "journal", kSmall, clock);
  if (!journal) return "open: " + journal.error().message;
  const auto way = (*journal)->reader("sink");
  (*journal)->sinks_are_known();
  const auto picture = (*journal)->name_picture("png");
  if (!(*journal)->keep_picture(picture, Bytes(100'000))) return "keep";
  {
    std::ofstream filler(disk / "filler", std::ios::binary);
    while (filler << std::string(4096, 'f') << std::flush) continue;
  }
  std::uint64_t last = 0;
  for (;;) {
    const auto number = (*journal)->append(part(std::to_string(last + 1)));
    if (!number && number.error().kind != ErrorKind::unavailable) return "the wrong error";
    if (!number) break;
    if (*number != ++last) return "a gap";
    if (last > 1000) return "the disk is never full";
  }
  if ((*journal)->take_place().sequence() != 0) return "a number is promised that the disk does not take";
  if (last < 2 * kSegment / 2048) return "the reserved space was not used: " + std::to_string(last);
  if ((*journal)->find_picture(picture)) return "the picture was not sacrificed";
  auto counts = (*journal)->counts();
  if (!counts.full || counts.not_recorded != 1 || counts.last != last || counts.first != 1) return "the counts";
  // What the sink has delivered makes room.
  const auto batch = (*way)->read(last, milliseconds(0));
  if (!batch || batch->records.empty()) return "read";
  for (std::uint64_t at = 0;;) {
    const auto more = (*way)->read(100, milliseconds(0));
    if (!more || more->records.empty()) break;
    for (const auto& record : more->records)
      if (record.sequence != ++at) return "the reader sees a gap";
    (*way)->commit(at);
  }
  const auto again = (*journal)->append(part(std::to_string(last + 1)));
  if (!again || *again != last + 1) return "the journal does not go on in the room of delivered records";
  while ((*journal)->append(part(""))) continue;
  last = (*journal)->counts().last;
  fs::remove(disk / "filler");
  const auto after = (*journal)->append(part(""));
  if (!after || *after != last + 1) return "the journal does not go on when there is room";
  if ((*journal)->counts().full) return "full was not taken back";
  return {};
}

TEST_F(JournalTest, AFullDiskTakesPicturesFirstAndTheJournalGoesOnWhenThereIsRoom) {
  const auto disk = temporary_.path() / "disk";
  fs::create_directories(disk);
  constexpr int kNoDisk = 77;
  std::array<int, 2> pipe_ends{};
  ASSERT_EQ(::pipe(pipe_ends.data()), 0);
  const auto child = ::fork();
  if (child == 0) {
    if (::unshare(CLONE_NEWNS | (::geteuid() == 0 ? 0 : CLONE_NEWUSER)) != 0 ||
        ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("none", disk.c_str(), "tmpfs", 0, "size=2m") != 0)
      ::_exit(kNoDisk);
    const auto problem = use_a_full_disk(disk, clock_);
    if (::write(pipe_ends[1], problem.data(), problem.size()) != static_cast<ssize_t>(problem.size())) ::_exit(2);
    ::_exit(problem.empty() ? 0 : 1);
  }
  ::close(pipe_ends[1]);
  std::array<char, 1000> text{};
  ASSERT_GE(::read(pipe_ends[0], text.data(), text.size() - 1), 0);
  ::close(pipe_ends[0]);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  if (WIFEXITED(status) && WEXITSTATUS(status) == kNoDisk) GTEST_SKIP() << "this system lets nobody mount a disk";
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << text.data();
}

}  // namespace
}  // namespace vedette
