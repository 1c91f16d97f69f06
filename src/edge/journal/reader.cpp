#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>

#include "base/log.hpp"
#include "edge/journal/state.hpp"

namespace vedette {

using journal::Entry;
using journal::File;

namespace {

constexpr std::size_t kReadBytes = 256 << 10;

}  // namespace

struct JournalReader::State {
  State(Journal::State& a_journal, std::string a_sink, journal::CursorFile a_cursor)
      : journal(a_journal), sink(std::move(a_sink)), cursor(std::move(a_cursor)) {}

  Journal::State& journal;
  const std::string sink;
  journal::CursorFile cursor;

  /// A place in the journal: an entry of a segment begins at `offset`, and `sequence` is the next number there.
  struct Place {
    std::uint64_t segment = 0;  ///< the first number of the segment; 0: no place
    std::uint64_t offset = 0;
    std::uint64_t sequence = 0;
  };
  Place at_cursor;                     ///< where the record behind the cursor is
  Place behind_read;                   ///< where the record behind those that were read is
  std::vector<std::uint64_t> numbers;  ///< of the records that were read
  File file;                           ///< of the segment `file_segment`
  std::uint64_t file_segment = 0;

  /// What is to be read of one segment.
  struct Part {
    std::uint64_t segment = 0;
    std::uint64_t end = 0;     ///< in bytes
    std::uint64_t beyond = 0;  ///< the records before this number belong to the segment
    bool is_newest = false;
  };

  std::optional<Part> wait_for_records(std::chrono::milliseconds wait);
  [[nodiscard]] Result<bool> read_part(const Part& part, std::size_t most, JournalBatch& batch);
  void note_position(journal::CursorPosition position);
};

std::unique_ptr<JournalReader> JournalReader::make(Journal::State& journal, std::string sink,
                                                   journal::CursorFile cursor) {
  return std::unique_ptr<JournalReader>(
      new JournalReader(std::make_unique<State>(journal, std::move(sink), std::move(cursor))));
}

JournalReader::JournalReader(std::unique_ptr<State> state) : state_(std::move(state)) {}

JournalReader::~JournalReader() {
  const MutexLock lock(state_->journal.mutex);
  state_->journal.sinks.erase(state_->sink);
}

/// Waits for a record behind the cursor, and says where to look for it.
std::optional<JournalReader::State::Part> JournalReader::State::wait_for_records(std::chrono::milliseconds wait) {
  const auto next = cursor.position().delivered + 1;
  MutexLock lock(journal.mutex);
  const auto is_there = [this, next]() REQUIRES(journal.mutex) { return journal.closing || journal.last >= next; };
  journal.available.wait_for(lock.standard(), wait, is_there);
  if (journal.last < next || journal.segments.empty()) return std::nullopt;
  auto found = std::ranges::upper_bound(journal.segments, next, {}, &Journal::State::Segment::first);
  if (found != journal.segments.begin()) --found;
  const auto after = std::next(found);
  const bool is_newest = after == journal.segments.end();
  return Part{found->first, found->end, is_newest ? journal.last + 1 : after->first, is_newest};
}

/// Reads records of a segment into the batch. Returns false if there is none to be read from the cursor on, because of
/// damage or because the segment was dropped. Fails with unavailable if the system does: the records may still be there.
Result<bool> JournalReader::State::read_part(const Part& part, std::size_t most, JournalBatch& batch) {
  if (file_segment != part.segment) {
    file = journal::open_file(journal.segment_path(part.segment), O_RDONLY);
    file_segment = file ? part.segment : 0;
    if (!file && errno != ENOENT) return journal::disk_error("open records", errno);
  }
  // Only records from this number on are taken: a damaged segment may hold a number twice.
  auto next = cursor.position().delivered + 1;
  auto offset = at_cursor.segment == part.segment && at_cursor.sequence == next ? at_cursor.offset : 0;
  Bytes bytes;
  std::size_t wanted = kReadBytes;
  while (file && offset < part.end) {
    bytes.resize(std::min<std::uint64_t>(wanted, part.end - offset));
    const auto count = read_at(file, bytes, offset);
    if (!count) return journal::disk_error("read records", errno);
    if (*count < bytes.size()) return false;
    std::size_t done = 0;
    for (auto entry = journal::entry_at(bytes, 0); entry && batch.records.size() < most;
         entry = journal::entry_at(bytes, done)) {
      done = entry->end;
      if (entry->sequence < next) continue;
      if (entry->sequence >= part.beyond) break;
      next = entry->sequence + 1;
      if (auto record = parse_record(entry->payload)) {
        record->sequence = entry->sequence;
        batch.records.push_back(std::move(*record));
        numbers.push_back(entry->sequence);
      }
      behind_read = {part.segment, offset + done, entry->sequence + 1};
    }
    if (!batch.records.empty()) return true;
    offset += done;
    wanted = kReadBytes;
    if (done > 0) continue;
    // A record that is longer than what was read, or damage.
    if (bytes.size() < part.end - offset && bytes.size() < journal::kEntryHead + journal::kMostPayload) {
      wanted = journal::kEntryHead + journal::kMostPayload;
      continue;
    }
    bytes.resize(part.end - offset);
    const auto rest = read_at(file, bytes, offset);
    if (!rest) return journal::disk_error("read records", errno);
    const auto entry = *rest == bytes.size() ? journal::next_entry(bytes, 0) : std::nullopt;
    if (!entry) return false;
    offset += entry->offset;
  }
  return false;
}

Result<JournalBatch> JournalReader::read(std::size_t most, std::chrono::milliseconds wait) {
  auto& s = *state_;
  JournalBatch batch;
  s.numbers.clear();
  while (const auto part = s.wait_for_records(wait)) {
    const auto before = s.cursor.position();
    const auto found = s.read_part(*part, std::max<std::size_t>(1, most), batch);
    if (!found) {
      s.file_segment = 0;  // The next call opens it anew.
      return found.error();
    }
    if (*found) {
      batch.missing += s.numbers.back() - before.delivered - s.numbers.size();
      break;
    }
    // Nothing of the segment can be read from here on: its records are lost, and the reader goes on behind them.
    const auto lost = part->beyond - 1 - before.delivered;
    log::error("records of the journal cannot be read",
               {{"sink", s.sink}, {"first", std::to_string(before.delivered + 1)}, {"count", std::to_string(lost)}});
    batch.missing += lost;
    s.note_position({before.delivered + lost, before.dropped + lost});
  }
  return batch;
}

void JournalReader::commit(std::uint64_t sequence) {
  auto& s = *state_;
  const auto before = s.cursor.position();
  if (sequence <= before.delivered) return;
  const auto got =
      std::ranges::count_if(s.numbers, [&](std::uint64_t n) { return n > before.delivered && n <= sequence; });
  s.at_cursor = s.behind_read.sequence == sequence + 1 ? s.behind_read : State::Place{};
  s.note_position({sequence, before.dropped + sequence - before.delivered - static_cast<std::uint64_t>(got)});
}

void JournalReader::State::note_position(journal::CursorPosition position) {
  cursor.write(position);
  const MutexLock lock(journal.mutex);
  journal.sinks[sink] = position;
}

}  // namespace vedette
