#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "edge/record/record.hpp"

/// The journal of a station: every record of a part, kept on disk until each sink has delivered it, and the kept
/// pictures. It is bounded; its memory does not grow with what it holds.
namespace vedette {

namespace journal {
class CursorFile;
}

struct JournalOptions {
  std::uint64_t bytes = 4ULL << 30;          ///< the limit of records and kept pictures together, at least 16 segments
  std::uint64_t picture_bytes = 2ULL << 30;  ///< the limit of the kept pictures alone; at most `bytes`
  std::chrono::hours age{24 * 30};           ///< how long records and pictures are kept; zero keeps them for any time
  std::uint64_t segment_bytes = 4ULL << 20;  ///< how large a file of records grows, 64 KiB to 64 MiB
};

/// What a journal says of itself. Numbers that count begin with zero when the journal is opened.
struct JournalCounts {
  std::uint64_t first = 1;             ///< the sequence number of the oldest record that is kept
  std::uint64_t last = 0;              ///< the sequence number of the newest durable record; below `first` if none
  std::uint64_t record_bytes = 0;      ///< on disk, with what is reserved
  std::uint64_t picture_bytes = 0;     ///< of all kept pictures
  std::uint64_t pictures = 0;          ///< how many pictures are kept
  std::uint64_t pictures_dropped = 0;  ///< how many pictures were deleted because of the limits or a full disk
  std::uint64_t not_recorded = 0;      ///< how many records the disk did not take: these exist nowhere
  std::uint64_t damaged_segments = 0;  ///< how many files of records were found damaged at the opening; all
  ///< that can be read of them is kept
  bool full = false;  ///< whether the disk did not take the newest record
  struct Sink {
    std::uint64_t delivered = 0;  ///< the sequence number of the newest record that the sink has committed
    std::uint64_t dropped = 0;    ///< records that the sink never got: limits or damage took them. Survives restarts
  };
  std::map<std::string, Sink> sinks;
};

/// What JournalReader::read found.
struct JournalBatch {
  std::vector<VerdictRecord> records;  ///< in the order of their sequence numbers; empty if none came in time
  std::uint64_t missing = 0;  ///< how many records between the cursor and the first of these are lost: the limits or
                              ///< damage took them
};

class JournalReader;

/// Keeps the records in files (segments) of a folder, each entry with its length and checksum. When it is opened, it
/// cuts off what a kill left half-written. Any thread may call any method.
///
/// The space for the next segment is reserved beforehand: when the disk is full, records go on for one to two segments.
/// Before anything fails, the oldest pictures are deleted, and then the oldest records that all sinks have delivered.
/// After that write fails until there is room again; nothing must be called to go on.
///
/// When `bytes` is exceeded, the oldest pictures go first, and then the oldest records; a record that a sink has not
/// delivered by then is dropped, and counted for that sink. `age` deletes pictures and those records that all sinks have
/// delivered. Which sinks there are is known once sinks_are_known() was called.
class Journal {
  struct State;

 public:
  /// Opens the journal in this folder, or makes one. A folder belongs to one process at a time: fails with conflict if
  /// another one has it, with invalid_input for options out of range, and with unavailable if the disk fails. The clock
  /// must outlive the journal.
  static Result<std::unique_ptr<Journal>> open(const std::filesystem::path& folder, const JournalOptions& options,
                                               const Clock& clock);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  /// The name of this journal, made when its folder was made: 26 characters. With a sequence number it names a record.
  [[nodiscard]] const std::string& id() const;
  [[nodiscard]] const std::filesystem::path& folder() const;

  /// The place of a record that is still being made, so that its number is known before it is written. Records are
  /// written in the order of their places: one that has its place holds up those behind it, so write it soon. A place
  /// that is destroyed without having been written is given to the next record.
  class Place {
   public:
    ~Place();
    Place(Place&&) noexcept;
    Place& operator=(Place&&) = delete;
    /// The number that the record will have; 0 as long as the disk takes no records. If the disk fails before the record
    /// is durable, the number goes to another one.
    [[nodiscard]] std::uint64_t sequence() const { return sequence_; }

   private:
    friend class Journal;
    friend struct State;
    struct Waiting;
    explicit Place(State& journal);
    State* journal_;
    std::unique_ptr<Waiting> waiting_;
    std::uint64_t sequence_ = 0;
  };
  /// Takes the next place. Does not wait for the disk.
  [[nodiscard]] Place take_place();

  /// A record that survives a kill of the process from now on, and soon a loss of power.
  struct Written {
    std::uint64_t sequence = 0;  ///< its number; it goes to another record if the disk fails before it is durable
    std::uint64_t epoch = 0;     ///< for wait_durable
  };
  /// Gives the record its sequence number and the journal's id, and hands it to the system, without waiting for the
  /// disk but once per segment. Syncs follow by themselves, one for all records that came meanwhile. Fails with
  /// unavailable if the disk is full or broken: the record is then not kept, its number goes to the next one, and
  /// `not_recorded` counts it. Fails with invalid_input if the record has more than 1 MiB, or if
  /// parse_record would refuse it: what is kept can be read.
  Result<Written> write(VerdictRecord record, Place place);
  /// Returns when the record survives a loss of power, too. Fails with unavailable if the disk failed since it was
  /// written: then it may be lost.
  Result<void> wait_durable(const Written& record);
  /// take_place(), write() and wait_durable(): returns the sequence number.
  Result<std::uint64_t> append(VerdictRecord record);

  /// Returns a name for a picture that is going to be kept: for VerdictRecord::picture. Names sort by time. The
  /// extension has 1 to 8 characters of a-z and 0-9.
  [[nodiscard]] std::string name_picture(std::string_view extension) const;
  /// Says that a picture of this name will be kept soon: until keep_picture or give_up_picture was called for it,
  /// find_picture says that it is pending. Call it before the record is appended. It does not survive the process.
  void announce_picture(std::string_view name);
  void give_up_picture(std::string_view name);
  /// Keeps a picture under a name of name_picture. A kill leaves it there whole or not at all. This may be called before
  /// or after the record is appended. Fails with unavailable if there is no room, with too_large if it is larger than
  /// all kept pictures may be, and with invalid_input for another name.
  Result<void> keep_picture(std::string_view name, std::span<const std::uint8_t> content);
  /// The file of a kept picture. Fails with unavailable if it is pending (announce_picture), with not_found if it was deleted or never kept, and for other names.
  [[nodiscard]] Result<std::filesystem::path> find_picture(std::string_view name) const;

  /// The way of the sink of this name: 1 to 64 characters of a-z A-Z 0-9 - _ . and not all dots. A sink that the journal
  /// does not know begins with the oldest record. From then on records are kept for it. Fails with invalid_input for a
  /// bad name, with conflict if there is a reader of the name already, and with unavailable if the disk fails.
  Result<std::unique_ptr<JournalReader>> reader(const std::string& sink);
  /// Says that every sink has its reader by now. Until then neither the age nor a full disk takes records, because nobody
  /// knows which ones are undelivered; sinks that are not configured any more hold nothing from then on.
  void sinks_are_known();
  /// Wakes all readers that wait; from now on they wait no more. For the end of the process.
  void wake_readers();

  [[nodiscard]] JournalCounts counts() const;

 private:
  friend class JournalReader;
  explicit Journal(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// The way of one sink through the journal. Only one thread may use a reader; it must not outlive its journal.
class JournalReader {
 public:
  ~JournalReader();
  JournalReader(const JournalReader&) = delete;
  JournalReader& operator=(const JournalReader&) = delete;
  /// Returns the records that follow the cursor, at most `most` and about 256 KiB of them, as soon as there is one; waits
  /// up to `wait` for it. Only durable records are returned. Reading does not move the cursor. Fails with unavailable if
  /// the disk cannot be read.
  Result<JournalBatch> read(std::size_t most, std::chrono::milliseconds wait);
  /// Moves the cursor behind the record of this number, and counts what was missing before it. This is one small write
  /// without a sync: after a power cut, the sink may get records twice, and never misses one.
  void commit(std::uint64_t sequence);

 private:
  friend class Journal;
  struct State;
  explicit JournalReader(std::unique_ptr<State> state);
  static std::unique_ptr<JournalReader> make(Journal::State& journal, std::string sink, journal::CursorFile cursor);
  std::unique_ptr<State> state_;
};

}  // namespace vedette
