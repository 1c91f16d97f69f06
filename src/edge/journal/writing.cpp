#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "base/files.hpp"
#include "base/log.hpp"
#include "edge/journal/state.hpp"

/// How records come to the disk, and how they go.
namespace vedette {

namespace fs = std::filesystem;
using journal::disk_error;
using journal::says_full;

namespace {

constexpr std::size_t kBatchBytes = 1 << 20;
/// How often the journal looks for what is too old.
constexpr std::chrono::minutes kAgeCheck{10};
/// How many bytes of pictures a full disk takes at once, beside a segment.
constexpr std::uint64_t kPictureRoom = 16U << 20;

int sync_folder(const fs::path& folder) {
  const auto file = journal::open_file(folder, O_RDONLY | O_DIRECTORY);
  return !file || ::fsync(file.descriptor()) != 0 ? errno : 0;
}

}  // namespace

void Journal::State::write_waiting() {
  cut_unsynced();
  const auto now = clock.now();
  std::vector<Waiting*> batch;
  std::uint64_t sequence = 0;
  {
    const MutexLock lock(mutex);
    const auto unfinished = std::ranges::find_if(waiting, [](const auto* one) { return one->record == nullptr; });
    batch.assign(waiting.begin(), unfinished);
    sequence = last_written;
  }
  std::string bytes;
  std::size_t count = 0;
  for (; count < batch.size() && bytes.size() < kBatchBytes; ++count) {
    batch[count]->record->sequence = ++sequence;
    journal::append_entry(bytes, sequence, to_json(*batch[count]->record));
  }
  batch.resize(count);
  auto number = write_entries(bytes, batch.front()->record->sequence);
  bool tell = false;
  {
    const MutexLock lock(mutex);
    // A sync that failed meanwhile has left undecided what lies before these records: they are cut off with it.
    if (number == 0) number = sync_failure;
    if (number != 0) {
      tell = !full;
      full = true;
      not_recorded += batch.size();
    } else {
      last_written = sequence;
      auto& segment = segments.back();
      segment.written += bytes.size();
      segment.size = std::max(segment.size, segment.written);
      segment.newest = now;
      to_sync = current.file;
      unsynced.notify_all();
    }
    for (auto* one : batch)
      one->result =
          number == 0 ? Result<Written>(Written{one->record->sequence, epoch}) : disk_error("write records", number);
    std::erase_if(waiting, [](const Waiting* one) { return one->result.has_value(); });
    written.notify_all();
  }
  if (tell) log::error("the journal cannot write", {{"reason", disk_error("write", number).message}});
  keep_limits();
  reserve();
}

void Journal::State::give_up_waiting() noexcept {
  // What was written for them must not be taken for records: the next one begins a new segment (see cut_unsynced).
  current.file = {};
  const MutexLock lock(mutex);
  while (!waiting.empty() && waiting.front()->record != nullptr) {
    waiting.front()->result = fail(ErrorKind::unavailable, "No memory.");  // Short: this takes none.
    waiting.pop_front();
    ++not_recorded;
  }
}

void Journal::State::sync_written() {
  MutexLock lock(mutex);
  while (true) {
    unsynced.wait(lock.standard(),
                  [this]() REQUIRES(mutex) { return ending || (last_written > last && sync_failure == 0); });
    if (last_written == last || sync_failure != 0) return;  // It is ending, and nothing is left that could be done.
    const auto file = to_sync;
    const auto newest = last_written;
    const auto end = segments.back().written;
    lock.unlock();
    const auto number = ::fdatasync(file->descriptor()) == 0 ? 0 : errno;
    lock.lock();
    const bool tell = full != (number != 0);
    full = number != 0;
    if (number == 0) {
      last = newest;
      segments.back().end = end;  // A new segment begins only when all of this one is durable.
      available.notify_all();
    } else {
      sync_failure = number;
      ++epoch;
      not_recorded += last_written - last;
    }
    synced.notify_all();
    if (!tell) continue;
    lock.unlock();
    if (number != 0)
      log::error("the journal cannot write", {{"reason", disk_error("sync", number).message}});
    else
      log::info("the journal writes again");
    lock.lock();
  }
}

void Journal::State::cut_unsynced() {
  std::uint64_t end = 0;
  int number = 0;
  {
    const MutexLock lock(mutex);
    if (sync_failure == 0) return;
    // What came between the failure and now is lost as well: it lies behind what may be lost.
    number = sync_failure;
    end = segments.back().end;
  }
  // What was written in part must not be taken for records one day. If it cannot be cut off, the segment ends here:
  // the next one begins with a number that these bytes may not have.
  if (!current.file || ::ftruncate(current.file->descriptor(), static_cast<off_t>(end)) != 0 || !says_full(number))
    current.file = {};
  const MutexLock lock(mutex);
  segments.back().written = end;
  last_written = last;
  sync_failure = 0;
}

int Journal::State::write_entries(std::string_view bytes, std::uint64_t first_sequence) {
  std::uint64_t end = 0;
  {
    const MutexLock lock(mutex);
    if (!segments.empty()) end = segments.back().written;
  }
  if (!current.file || (end > 0 && end + bytes.size() > options.segment_bytes)) {
    MutexLock lock(mutex);
    synced.wait(lock.standard(), [this]() REQUIRES(mutex) { return last == last_written || sync_failure != 0; });
    if (sync_failure != 0) return sync_failure;
    lock.unlock();
    if (const auto number = start_segment(first_sequence); number != 0) return number;
    end = 0;
  }
  auto number = journal::write_at(*current.file, bytes, end);
  while (says_full(number) && make_room()) number = journal::write_at(*current.file, bytes, end);
  if (number == 0) return 0;
  // As in cut_unsynced().
  if (::ftruncate(current.file->descriptor(), static_cast<off_t>(end)) != 0 || !says_full(number)) current.file = {};
  return number;
}

int Journal::State::start_segment(std::uint64_t first_sequence) {
  if (const auto number = reserve(); number != 0) return number;
  auto file = journal::open_file(spare_path(), O_RDWR);
  if (!file) {
    current.has_spare = false;
    return errno;
  }
  std::error_code error;
  fs::rename(spare_path(), segment_path(first_sequence), error);
  if (error) return error.value();
  current.has_spare = false;
  if (const auto number = sync_folder(folder); number != 0) return number;
  std::uint64_t old_end = 0;
  {
    const MutexLock lock(mutex);
    // A segment that failed before its first record stood has the same name and is replaced.
    if (!segments.empty() && segments.back().first == first_sequence) segments.pop_back();
    if (!segments.empty()) {
      old_end = segments.back().end;
      segments.back().size = old_end;
    }
    segments.push_back({first_sequence, 0, options.segment_bytes, clock.now(), 0});
  }
  // The rest of the reserved space is given back; if that fails, it is only wasted.
  if (current.file && ::ftruncate(current.file->descriptor(), static_cast<off_t>(old_end)) != 0)
    log::warning("a file of the journal keeps space that it does not need");
  current.file = std::make_shared<journal::File>(std::move(file));
  return 0;
}

int Journal::State::reserve() {
  if (current.has_spare) return 0;
  const auto unfinished = spare_path().string() + ".part";
  int number = 0;
  do {
    const auto file = journal::open_file(unfinished, O_RDWR | O_CREAT | O_TRUNC);
    if (!file) {
      number = errno;
      continue;
    }
    number = ::posix_fallocate(file.descriptor(), 0, static_cast<off_t>(options.segment_bytes));
    if (number == 0 && ::fsync(file.descriptor()) != 0) number = errno;
  } while (says_full(number) && make_room());
  std::error_code error;
  if (number == 0) {
    fs::rename(unfinished, spare_path(), error);
    number = error.value();
  }
  if (number != 0) fs::remove(unfinished, error);
  current.has_spare = number == 0;
  return number;
}

bool Journal::State::make_room() {
  const auto kept = pictures.bytes();
  if (kept > 0) return pictures.shrink(kept - std::min(kept, kPictureRoom + options.segment_bytes));
  return drop_oldest_segment(true);
}

void Journal::State::keep_limits() {
  const auto too_large = [this] {
    const auto kept = pictures.bytes();
    const MutexLock lock(mutex);
    const auto all = record_bytes() + kept;
    return all > options.bytes ? all - options.bytes : 0;
  };
  while (const auto excess = too_large()) {
    const auto kept = pictures.bytes();
    if (!(kept > 0 ? pictures.shrink(kept - std::min(kept, excess)) : drop_oldest_segment(false))) break;
  }
  const auto now = clock.now();
  if (options.age.count() == 0 || now - current.looked_at_age < kAgeCheck) return;
  current.looked_at_age = now;
  pictures.drop_before(now - options.age);
  for (;;) {
    {
      const MutexLock lock(mutex);
      if (segments.empty() || segments.front().newest >= now - options.age) return;
    }
    if (!drop_oldest_segment(true)) return;
  }
}

bool Journal::State::drop_oldest_segment(bool only_if_delivered) {
  std::uint64_t first = 0;
  std::uint64_t beyond = 0;
  std::uint64_t undelivered = 0;
  {
    const MutexLock lock(mutex);
    if (segments.size() < 2) return false;
    first = segments[0].first;
    beyond = segments[1].first;
    for (const auto& sink : sinks)
      if (sink.second.delivered + 1 < beyond) undelivered = std::max(undelivered, beyond - 1 - sink.second.delivered);
    if (only_if_delivered && (undelivered > 0 || !knows_sinks)) return false;
    segments.pop_front();
  }
  if (undelivered > 0)
    log::warning("the journal is full and dropped records that a sink has not delivered",
                 {{"first", std::to_string(first)}, {"last", std::to_string(beyond - 1)}});
  std::error_code ignored;
  fs::remove(segment_path(first), ignored);
  return true;
}

std::uint64_t Journal::State::record_bytes() const {
  std::uint64_t sum = options.segment_bytes;  // what is reserved for the next segment
  for (const auto& segment : segments) sum += segment.size;
  return sum;
}

}  // namespace vedette
