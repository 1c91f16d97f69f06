#include "edge/journal/journal.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "base/digest.hpp"
#include "base/files.hpp"
#include "base/log.hpp"
#include "edge/journal/state.hpp"

namespace vedette {

namespace fs = std::filesystem;
using journal::disk_error;
using journal::says_full;

namespace {

/// How many bytes of entries one sync makes durable, unless one record alone is larger.
constexpr std::size_t kBatchBytes = 1 << 20;
/// No entry is shorter: all members of a record have names.
constexpr std::uint64_t kLeastEntry = 256;
constexpr std::string_view kIdFile = "journal";
constexpr std::string_view kAnyIdHead = "vedette-journal ";
constexpr std::string_view kIdHead = "vedette-journal 1 ";
constexpr std::size_t kIdCharacters = 26;
constexpr std::size_t kLongestNumber = 20;

Result<void> check_options(const JournalOptions& options) {
  if (options.segment_bytes < (64U << 10) || options.segment_bytes > (64U << 20))
    return invalid_input("The segments of a journal have 64 KiB to 64 MiB.");
  if (options.bytes < 16 * options.segment_bytes)
    return invalid_input(fmt::format("The journal needs at least {} bytes.", 16 * options.segment_bytes));
  if (options.picture_bytes > options.bytes)
    return invalid_input("The pictures may not have more bytes than the journal.");
  if (options.age.count() < 0) return invalid_input("The age of the journal may not be negative.");
  return {};
}

bool is_id(std::string_view text) {
  const auto allowed = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return text.size() == kIdCharacters && std::ranges::all_of(text, allowed);
}

/// A damaged id is replaced: the records that are there carry the old one, and those that come get another name.
Result<std::string> read_or_make_id(const fs::path& path) {
  const auto content = read_file(path, 1024);
  if (content) {
    const auto text = as_text(*content);
    if (const auto id = trim(text.substr(std::min(text.size(), kIdHead.size())));
        text.starts_with(kIdHead) && is_id(id))
      return std::string(id);
    if (text.starts_with(kAnyIdHead) && !text.starts_with(kIdHead))
      return fail(ErrorKind::unavailable, "The folder of the journal holds a journal of another version.");
  } else if (content.error().kind != ErrorKind::not_found && content.error().kind != ErrorKind::too_large) {
    return fail(ErrorKind::unavailable, "The journal cannot read its name: " + content.error().message);
  }
  if (content || content.error().kind == ErrorKind::too_large)
    log::error("the name of the journal is damaged and gets replaced");
  auto id = random_id(kIdCharacters);
  if (const auto written = write_file_atomically(path, std::string(kIdHead) + id + "\n"); !written)
    return fail(ErrorKind::unavailable, "The journal cannot write its name: " + written.error().message);
  return id;
}

Timestamp modified(const fs::path& path) {
  std::error_code error;
  const auto time = fs::last_write_time(path, error);
  if (error) return {};
  return std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::file_clock::to_sys(time));
}

bool is_sink_name(std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
  };
  return !name.empty() && name.size() <= 64 && std::ranges::all_of(name, allowed) &&
         name.find_first_not_of('.') != std::string_view::npos;
}

}  // namespace

Result<void> Journal::State::open() {
  std::error_code error;
  fs::create_directories(folder / "cursors", error);
  if (error) return disk_error("make its folder", error.value());
  lock_file = journal::open_file(folder / "lock", O_RDWR | O_CREAT);
  if (!lock_file) return disk_error("open its folder", errno);
  if (::flock(lock_file.descriptor(), LOCK_EX | LOCK_NB) != 0)
    return conflict("JOURNAL", folder.filename().string(), "Another process has the journal open.");
  auto name = read_or_make_id(folder / kIdFile);
  if (!name) return name.error();
  id = std::move(*name);
  if (auto opened = pictures.open(folder / "pictures"); !opened) return opened;
  if (auto read = read_segments(); !read) return read;
  keep_limits();
  if (const auto number = reserve(); number != 0 && !says_full(number)) return disk_error("reserve space", number);
  return {};
}

Result<void> Journal::State::read_segments() {
  std::vector<Segment> found;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    const auto first = journal::parse_segment_name(entry->path().filename().string());
    if (!first) continue;
    std::error_code ignored;
    const auto size = fs::file_size(entry->path(), ignored);
    if (ignored) continue;
    found.push_back({*first, size, size, modified(entry->path()), size});
  }
  if (error) return disk_error("list its folder", error.value());
  std::ranges::sort(found, {}, &Segment::first);
  // No number may come twice, even if the newest segment is lost.
  std::uint64_t newest = 0;
  for (fs::directory_iterator entry(folder / "cursors", error), end; !error && entry != end; entry.increment(error))
    if (const auto cursor = journal::CursorFile::open(entry->path()))
      newest = std::max(newest, cursor->position().delivered);
  if (error) return disk_error("list its cursors", error.value());
  if (!found.empty()) inspect_newest(found, newest);
  current.has_spare = fs::exists(spare_path(), error);
  const MutexLock lock(mutex);
  for (auto& segment : found) segment.written = segment.end;
  segments.assign(found.begin(), found.end());
  last = last_written = newest;
  return {};
}

/// Cuts off what a kill left half-written at the end of the newest segment, and opens it for writing. What is unreadable
/// in other segments is found when they are read.
void Journal::State::inspect_newest(std::vector<Segment>& found, std::uint64_t& newest) {
  auto& segment = found.back();
  const auto path = segment_path(segment.first);
  newest = std::max(newest, segment.first - 1);
  const auto content = read_file(path, 2 * options.segment_bytes + (64ULL << 20));
  const auto inside = content ? journal::scan_segment(*content) : journal::SegmentContent{};
  const bool unreadable =
      !content || (inside.last_sequence == 0 && inside.rest > kBatchBytes + 2 * journal::kMostPayload);
  if (unreadable || inside.damaged) {
    log::error("the newest file of the journal is damaged", {{"file", path.filename().string()}});
    const MutexLock lock(mutex);
    ++damaged_segments;
  }
  if (unreadable) {
    // Its records may be known elsewhere: their numbers must not come again.
    newest = std::max(newest, segment.first + segment.size / kLeastEntry);
    std::error_code ignored;
    fs::rename(path, path.string() + ".damaged", ignored);
    found.pop_back();
    return;
  }
  newest = std::max(newest, inside.last_sequence);
  segment.end = segment.size = inside.end;
  const auto end = static_cast<off_t>(inside.end);
  auto file = journal::open_file(path, O_RDWR);
  if (!file || ::ftruncate(file.descriptor(), end) != 0) return;  // Then the next record begins a new segment.
  if (::posix_fallocate(file.descriptor(), 0, static_cast<off_t>(options.segment_bytes)) == 0)
    segment.size = std::max(segment.end, options.segment_bytes);
  else if (::ftruncate(file.descriptor(), end) != 0)
    return;
  current.file = std::make_shared<journal::File>(std::move(file));
}

Result<std::unique_ptr<Journal>> Journal::open(const fs::path& folder, const JournalOptions& options,
                                               const Clock& clock) {
  if (auto checked = check_options(options); !checked) return checked.error();
  auto state = std::make_unique<State>(folder, options, clock);
  if (auto opened = state->open(); !opened) return opened.error();
  state->syncer = std::thread([&s = *state] { s.sync_written(); });
  return std::unique_ptr<Journal>(new Journal(std::move(state)));
}

Journal::Journal(std::unique_ptr<State> state) : state_(std::move(state)) {}

Journal::~Journal() = default;

const std::string& Journal::id() const {
  return state_->id;
}

const fs::path& Journal::folder() const {
  return state_->folder;
}

Journal::State::~State() {
  {
    const MutexLock lock(mutex);
    ending = true;
  }
  unsynced.notify_all();
  if (syncer.joinable()) syncer.join();
}

Journal::Place::Place(State& journal) : journal_(&journal), waiting_(std::make_unique<Waiting>()) {
  const MutexLock lock(journal.mutex);
  journal.waiting.push_back(waiting_.get());
  if (!journal.full) sequence_ = journal.last_written + journal.waiting.size();
}

Journal::Place::Place(Place&&) noexcept = default;

Journal::Place::~Place() {
  if (!waiting_ || waiting_->result) return;
  const MutexLock lock(journal_->mutex);
  std::erase(journal_->waiting, waiting_.get());
  journal_->written.notify_all();  // Those behind it may be written now.
}

Journal::Place Journal::take_place() {
  return Place(*state_);
}

Result<Journal::Written> Journal::write(VerdictRecord record, Place place) {
  auto& s = *state_;
  record.journal = s.id;
  const auto json = to_json(record);
  if (const auto readable = parse_record(json); !readable) return readable.error();
  if (json.size() > journal::kMostPayload - kLongestNumber) return invalid_input("The record is larger than 1 MiB.");
  auto& mine = *place.waiting_;
  MutexLock lock(s.mutex);
  mine.record = &record;
  while (!mine.result) {
    if (s.writing || s.waiting.front()->record == nullptr) {
      s.written.wait(lock.standard());
      continue;
    }
    s.writing = true;
    lock.unlock();
    try {
      s.write_waiting();
    } catch (const std::exception&) {
      s.give_up_waiting();
    }
    lock.lock();
    s.writing = false;
    s.written.notify_all();  // Another call may write now.
  }
  return *mine.result;
}

Result<void> Journal::wait_durable(const Written& record) {
  auto& s = *state_;
  MutexLock lock(s.mutex);
  s.synced.wait(lock.standard(),
                [&]() REQUIRES(s.mutex) { return s.epoch != record.epoch || s.last >= record.sequence; });
  if (s.epoch == record.epoch) return {};
  return fail(ErrorKind::unavailable, "The journal could not make the record durable: the disk failed.");
}

Result<std::uint64_t> Journal::append(VerdictRecord record) {
  const auto written = write(std::move(record), take_place());
  if (!written) return written.error();
  if (auto durable = wait_durable(*written); !durable) return durable.error();
  return written->sequence;
}

std::string Journal::name_picture(std::string_view extension) const {
  return journal::Pictures::name(state_->clock.now(), extension);
}

void Journal::announce_picture(std::string_view name) {
  state_->pictures.announce(name);
}

void Journal::give_up_picture(std::string_view name) {
  state_->pictures.give_up(name);
}

Result<void> Journal::keep_picture(std::string_view name, std::span<const std::uint8_t> content) {
  auto kept = state_->keep_picture(name, content);
  state_->pictures.give_up(name);  // It is there now, or will never be.
  return kept;
}

Result<void> Journal::State::keep_picture(std::string_view name, std::span<const std::uint8_t> content) {
  if (content.size() > options.picture_bytes)
    return fail(ErrorKind::too_large, "The picture is larger than all kept pictures may be.");
  std::uint64_t room = 0;
  {
    const MutexLock lock(mutex);
    const auto records = record_bytes();
    room = std::min(options.picture_bytes, options.bytes - std::min(records, options.bytes));
  }
  if (content.size() > room) return fail(ErrorKind::unavailable, "Records take the room of the kept pictures.");
  return pictures.keep(name, content, room);
}

Result<fs::path> Journal::find_picture(std::string_view name) const {
  return state_->pictures.find(name);
}

Result<std::unique_ptr<JournalReader>> Journal::reader(const std::string& sink) {
  if (!is_sink_name(sink)) return invalid_input("The name of a sink has 1 to 64 characters of a-z A-Z 0-9 - _ .");
  auto cursor = journal::CursorFile::open(state_->folder / "cursors" / sink);
  if (!cursor) return cursor.error();
  {
    const MutexLock lock(state_->mutex);
    if (!state_->sinks.emplace(sink, cursor->position()).second)
      return conflict("SINK", sink, "There are two sinks of the name " + sink + ".");
  }
  return JournalReader::make(*state_, sink, std::move(*cursor));
}

void Journal::sinks_are_known() {
  const MutexLock lock(state_->mutex);
  state_->knows_sinks = true;
}

void Journal::wake_readers() {
  const MutexLock lock(state_->mutex);
  state_->closing = true;
  state_->available.notify_all();
}

JournalCounts Journal::counts() const {
  const auto& s = *state_;
  JournalCounts counts{.picture_bytes = s.pictures.bytes(),
                       .pictures = s.pictures.count(),
                       .pictures_dropped = s.pictures.dropped(),
                       .sinks = {}};
  const MutexLock lock(s.mutex);
  counts.first = s.segments.empty() ? s.last + 1 : s.segments.front().first;
  counts.last = s.last;
  counts.record_bytes = s.record_bytes();
  counts.not_recorded = s.not_recorded;
  counts.damaged_segments = s.damaged_segments;
  counts.full = s.full;
  for (const auto& [name, position] : s.sinks) {
    const auto next = position.delivered + 1;
    counts.sinks[name] = {position.delivered, position.dropped + (counts.first > next ? counts.first - next : 0)};
  }
  return counts;
}

}  // namespace vedette
