#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.hpp"
#include "edge/journal/cursors.hpp"
#include "edge/journal/journal.hpp"
#include "edge/journal/pictures.hpp"
#include "edge/journal/segment.hpp"

namespace vedette {

/// A record in the queue of those that are to be written.
struct Journal::Place::Waiting {
  VerdictRecord* record = nullptr;  ///< null while it is still being made
  std::optional<Result<Written>> result;
};

/// What the calls of a journal and its readers share.
struct Journal::State {
  using Waiting = Place::Waiting;

  /// A file of records.
  struct Segment {
    std::uint64_t first = 1;    ///< the sequence number of its first record
    std::uint64_t end = 0;      ///< how many bytes of it are durable entries
    std::uint64_t size = 0;     ///< what it takes on disk
    Timestamp newest{};         ///< when it was written to for the last time
    std::uint64_t written = 0;  ///< how many bytes of it are entries, durable or not yet
  };
  State(std::filesystem::path folder_path, const JournalOptions& journal_options, const Clock& a_clock)
      : folder(std::move(folder_path)), options(journal_options), clock(a_clock) {}
  ~State();  ///< makes durable what was written

  const std::filesystem::path folder;
  const JournalOptions options;
  const Clock& clock;
  std::string id;
  journal::File lock_file;
  journal::Pictures pictures;

  mutable Mutex mutex;
  std::condition_variable written;    ///< A batch of records was written or failed.
  std::condition_variable unsynced;   ///< There are records to be made durable, or the thread that does so shall end.
  std::condition_variable synced;     ///< Records have become durable, or could not.
  std::condition_variable available;  ///< There are new records, or the readers shall end.
  std::deque<Waiting*> waiting GUARDED_BY(mutex);  ///< in the order of their numbers, which follow `last_written`
  bool writing GUARDED_BY(mutex) = false;          ///< One call of write writes for all that wait; it owns `current`.
  std::deque<Segment> segments GUARDED_BY(mutex);
  std::uint64_t last GUARDED_BY(mutex) = 0;  ///< the newest durable record
  std::uint64_t last_written GUARDED_BY(mutex) =
      0;                                      ///< the newest record; records that are not durable lie in one segment
  std::uint64_t epoch GUARDED_BY(mutex) = 0;  ///< counts how often a sync failed
  int sync_failure GUARDED_BY(mutex) =
      0;  ///< the system's error of a sync, until what was not durable has been cut off
  std::shared_ptr<journal::File> to_sync GUARDED_BY(mutex);  ///< the file of the newest segment
  bool ending GUARDED_BY(mutex) = false;                     ///< whether the thread that syncs shall end
  std::thread syncer;
  bool closing GUARDED_BY(mutex) = false;
  bool full GUARDED_BY(mutex) = false;
  std::uint64_t not_recorded GUARDED_BY(mutex) = 0;
  std::uint64_t damaged_segments GUARDED_BY(mutex) = 0;
  std::map<std::string, journal::CursorPosition> sinks GUARDED_BY(mutex);  ///< those that have a reader
  bool knows_sinks GUARDED_BY(mutex) = false;                              ///< see Journal::sinks_are_known

  /// Belongs to the call of write that is writing.
  struct {
    std::shared_ptr<journal::File> file;
    bool has_spare = false;  ///< whether the space of the next segment is reserved
    Timestamp looked_at_age{};
  } current;

  /// Opens everything. Called once.
  Result<void> open();
  Result<void> read_segments();
  void inspect_newest(std::vector<Segment>& found, std::uint64_t& newest);

  Result<void> keep_picture(std::string_view name, std::span<const std::uint8_t> content);

  /// Writes the waiting records, about 1 MiB of them; returns when these have results and wait no more. Called by the
  /// one that set `writing`.
  void write_waiting();
  /// Gives all waiting records an error, after write_waiting has thrown.
  void give_up_waiting() noexcept;
  /// Makes records durable as they come. Runs on `syncer`.
  void sync_written();
  /// Cuts off the records that a failed sync has left undecided.
  void cut_unsynced();
  /// Writes bytes of entries behind the newest record; makes room for them. Returns 0, or the system's error.
  int write_entries(std::string_view bytes, std::uint64_t first_sequence);
  int start_segment(std::uint64_t first_sequence);
  /// Reserves the space of the next segment, if there is none yet.
  int reserve();
  /// Makes room on a full disk. Returns whether it deleted anything.
  bool make_room();
  /// Deletes what is beyond the limits.
  void keep_limits();
  /// Deletes the oldest segment, unless it is the newest one.
  bool drop_oldest_segment(bool only_if_delivered);
  [[nodiscard]] std::uint64_t record_bytes() const REQUIRES(mutex);
  [[nodiscard]] std::filesystem::path segment_path(std::uint64_t first) const {
    return folder / journal::segment_name(first);
  }
  [[nodiscard]] std::filesystem::path spare_path() const { return folder / "spare"; }
};

}  // namespace vedette
