#include "audit/shared_audit.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <utility>
#include <vector>

#include "audit/audit_matching.hpp"
#include "audit/day_files.hpp"
#include "base/log.hpp"
#include "base/text.hpp"

namespace vedette {
namespace {

constexpr std::chrono::milliseconds kShipEvery{1000};
constexpr std::chrono::milliseconds kLongestWaitOfReaders{1000};
constexpr int kRoundsPerRemoval = 3600;
// What one transaction brings. Larger ones are hardly faster, and take longer to repeat.
constexpr std::uint64_t kMostBytes = 1 << 20;
constexpr std::size_t kMostLines = 500;
constexpr std::int64_t kMostRemoved = 1000;
constexpr std::int64_t kMostSearched = 16 << 20;  // The bytes of lines that one call looks at.

/// Lines of a file from a position on.
struct Batch {
  std::vector<SharedAuditLine> lines;
  std::int64_t end = 0;  ///< All before it is in the batch, or broken.
};

Result<Batch> read_batch(const DayFile& file, const std::string& node, const std::string& day, std::int64_t position) {
  const auto begin = static_cast<std::uint64_t>(position);
  Batch batch{{}, position};
  std::string block;
  std::size_t whole = 0;  // the bytes up to the last end of a line
  for (auto most = kMostBytes; whole == 0; most = kLongestAuditLine) {
    const auto end = std::min(file.size(), begin + most);
    auto read = file.read(begin, end);
    if (!read) return read.error();
    block = std::move(*read);
    whole = block.rfind('\n') + 1;
    if (whole > 0 || end - begin >= kLongestAuditLine) break;
    if (end == file.size()) return batch;  // The line is being written, or was torn.
  }
  if (whole == 0) {  // It is too long for a line.
    batch.end += static_cast<std::int64_t>(block.size());
    return batch;
  }
  std::string_view rest(block.data(), whole);
  while (!rest.empty() && batch.lines.size() < kMostLines) {
    const auto line = rest.substr(0, rest.find('\n'));
    if (const auto time = time_of_whole(line))
      batch.lines.push_back({{*time, node, day, batch.end}, std::string(line)});
    batch.end += static_cast<std::int64_t>(line.size()) + 1;
    rest.remove_prefix(line.size() + 1);
  }
  return batch;
}

std::string to_text(const AuditLinePlace& place) {
  return fmt::format("{}/{}/{}/{}", place.time.time_since_epoch().count(), place.node, place.day, place.offset);
}

std::optional<AuditLinePlace> parse_place(std::string_view text) {
  const auto parts = split(text, '/');
  if (parts.size() != 4 || !is_day(parts[2])) return std::nullopt;
  const auto time = parse_integer(parts[0]), offset = parse_integer(parts[3]);
  if (!time || !offset) return std::nullopt;
  return AuditLinePlace{Timestamp{std::chrono::milliseconds{*time}}, std::string(parts[1]), std::string(parts[2]),
                        *offset};
}

}  // namespace

SharedAudit::SharedAudit(MetadataStore& store, const Clock& clock, Options options)
    : store_(store), clock_(clock), options_(std::move(options)) {}

SharedAudit::~SharedAudit() {
  bool is_away = false;
  {
    const MutexLock lock(mutex_);
    is_stopping_ = true;
    is_away = is_away_;
  }
  changed_.notify_all();
  if (!thread_.joinable()) return;
  thread_.join();
  if (is_away) return;
  try {
    while (ship_some()) continue;
  } catch (const std::exception& e) {
    log::warning("the last lines of the audit wait for the next start", {{"reason", e.what()}});
  }
}

std::map<std::string, std::int64_t> SharedAudit::taken() {
  std::map<std::string, std::int64_t> out;
  // Whoever sets the clock may take it to the day before or after.
  for (const int days : {-1, 0, 1}) {
    const auto day = day_of(clock_.now() + std::chrono::days(days));
    out[day] = position_of(day);
  }
  return out;
}

std::int64_t& SharedAudit::position_of(const std::string& day) {
  if (const auto known = positions_.find(day); known != positions_.end()) return known->second;
  const auto end = store_.read([&](UnitOfWork& view) { return view.audit_lines().end_of(options_.node, day); });
  return positions_.emplace(day, end).first->second;
}

bool SharedAudit::ship_some() {
  const auto days = days_of(options_.folder);
  if (!days) throw std::runtime_error(days.error().message);
  for (auto day = days->rbegin(); day != days->rend(); ++day) {
    const DayFile file(day_file(options_.folder, *day));
    if (file.size() == 0) continue;
    auto& position = position_of(*day);
    if (static_cast<std::int64_t>(file.size()) <= position) continue;
    const auto batch = read_batch(file, options_.node, *day, position);
    if (!batch) throw std::runtime_error(batch.error().message);
    if (batch->end == position) continue;
    if (!batch->lines.empty()) {
      {
        const MutexLock lock(mutex_);
        oldest_ = batch->lines.front().place.time;
      }
      store_.write([&](UnitOfWork& work) { work.audit_lines().add(batch->lines); });
    }
    position = batch->end;
    return true;
  }
  const MutexLock lock(mutex_);
  oldest_.reset();
  return false;
}

bool SharedAudit::remove_some() {
  if (options_.days_kept <= 0) return false;
  const auto removed = store_.write([&](UnitOfWork& work) -> std::int64_t {
    const auto now = work.now();
    const auto before = work.audit_lines().latest_before(std::chrono::floor<std::chrono::days>(now));
    if (!before) return 0;
    return work.audit_lines().remove_before(oldest_kept(now, *before, options_.days_kept), kMostRemoved);
  });
  return removed == kMostRemoved;
}

void SharedAudit::start() {
  thread_ = std::thread([this] { loop(); });
}

bool SharedAudit::is_stopping() const {
  const MutexLock lock(mutex_);
  return is_stopping_;
}

void SharedAudit::ship_all() {
  bool is_away = false;
  try {
    while (!is_stopping() && ship_some()) continue;
  } catch (const std::exception& e) {
    is_away = true;
    const MutexLock lock(mutex_);
    if (!is_away_) log::warning("lines of the audit wait for the database", {{"reason", e.what()}});
  }
  const MutexLock lock(mutex_);
  if (std::exchange(is_away_, is_away) && !is_away) log::info("all lines of the audit are in the database again");
}

void SharedAudit::loop() {
  for (int round = 0;; ++round) {
    std::uint64_t wanted = 0;
    {
      MutexLock lock(mutex_);
      changed_.wait_for(lock.standard(), kShipEvery,
                        [this]() REQUIRES(mutex_) { return is_stopping_ || wanted_ > done_; });
      if (is_stopping_) return;
      wanted = wanted_;
    }
    ship_all();
    {
      const MutexLock lock(mutex_);
      done_ = wanted;
    }
    changed_.notify_all();
    if (round % kRoundsPerRemoval != 0) continue;
    try {
      while (!is_stopping() && remove_some()) continue;
    } catch (const std::exception& e) {
      log::warning("old lines of the audit stay in the database for now", {{"reason", e.what()}});
    }
  }
}

void SharedAudit::ship_soon() {
  if (!thread_.joinable()) return ship_all();
  MutexLock lock(mutex_);
  const auto wanted = ++wanted_;
  changed_.notify_all();
  changed_.wait_for(lock.standard(), kLongestWaitOfReaders,
                    [&]() REQUIRES(mutex_) { return done_ >= wanted || is_stopping_; });
}

Result<AuditPage> SharedAudit::read(const AuditQuery& query, const std::string& from, std::size_t most) {
  using std::chrono::ceil, std::chrono::floor, std::chrono::seconds;
  AuditLineRepository::Search search;
  search.texts = texts_to_find(query);
  if (query.start) search.start = floor<seconds>(*query.start);
  if (query.end) search.end = ceil<seconds>(*query.end);
  search.from = parse_place(from);
  if (!search.from && !from.empty()) return no_audit_place();
  search.most_bytes = kMostSearched;
  search.most_lines = static_cast<std::int64_t>(most);
  // The later pages hold nothing that is new.
  if (from.empty()) ship_soon();
  const auto found = store_.read([&](UnitOfWork& view) { return view.audit_lines().search(search); });
  AuditPage page;
  for (const auto& line : found.lines)
    if (auto record = match(query, line.line)) page.records.push_back(std::move(*record));
  if (found.next) {
    page.next = to_text(*found.next);
    page.searched_until = found.next->time;
  }
  return page;
}

std::string SharedAudit::to_prometheus() const {
  std::chrono::milliseconds age{0};
  {
    const MutexLock lock(mutex_);
    if (oldest_) age = std::max(age, clock_.now() - *oldest_);
  }
  return fmt::format(
      "# HELP vedette_audit_lag_seconds Age of the oldest line of the audit that this node has yet to bring to the "
      "database\n"
      "# TYPE vedette_audit_lag_seconds gauge\nvedette_audit_lag_seconds {:.3f}\n",
      static_cast<double>(age.count()) / 1000);
}

}  // namespace vedette
