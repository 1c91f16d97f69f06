#include "audit/audit_reader.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/text.hpp"

namespace vedette {
namespace fs = std::filesystem;
namespace {

using Json = nlohmann::json;

constexpr std::size_t kBlock = 256 << 10;
constexpr std::size_t kLongestLine = 8 << 20;  // Calls have at most 1 MiB of JSON, and so do their answers.
constexpr std::uint64_t kMostWork = 64 << 20;  // The bytes of lines that one call looks at.
constexpr std::uint64_t kParsing = 8;          // Parsing a line is so many times the work of looking at it, or more.
constexpr auto kClockJump = std::chrono::minutes(15);
constexpr std::string_view kTimeName = "\"eventTime\":\"";
constexpr std::size_t kTimeLength = 20;  // of "2020-09-13T12:26:40Z"

bool is_day(std::string_view text) {
  if (text.size() != 10) return false;
  for (std::size_t i = 0; i < text.size(); ++i)
    if (i == 4 || i == 7 ? text[i] != '-' : text[i] < '0' || text[i] > '9') return false;
  return true;
}

/// Returns a time as lines have it, cut to whole seconds. Times outside of 1970 … 9999 become the nearest one inside,
/// since texts of other years are not in the order of their times.
std::string to_line_time(Timestamp time) {
  constexpr auto kLast = Timestamp{std::chrono::seconds(253'402'300'799)};
  return to_extended_iso8601(std::clamp(time, Timestamp{}, kLast)).substr(0, 19) + "Z";
}

/// Returns the time of a line without parsing it; empty if the line has none. No text in the line can look like it,
/// because quotes within texts are escaped.
std::string_view time_of(std::string_view line) {
  const auto at = line.find(kTimeName);
  if (at == std::string_view::npos || line.size() < at + kTimeName.size() + kTimeLength) return {};
  return line.substr(at + kTimeName.size(), kTimeLength);
}

/// A file of the log, as it was when it was opened.
class DayFile {
 public:
  explicit DayFile(const fs::path& path) : file_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)) {
    struct stat status {};
    if (file_ >= 0 && ::fstat(file_, &status) == 0 && S_ISREG(status.st_mode))
      size_ = static_cast<std::uint64_t>(status.st_size);
  }
  ~DayFile() {
    if (file_ >= 0) ::close(file_);
  }
  DayFile(const DayFile&) = delete;
  DayFile& operator=(const DayFile&) = delete;
  [[nodiscard]] std::uint64_t size() const { return size_; }  ///< 0 if there is no such file
  Result<std::string> read(std::uint64_t from, std::uint64_t to) const {
    std::string out(to - from, '\0');
    for (std::size_t done = 0; done < out.size();) {
      const auto got = ::pread(file_, out.data() + done, out.size() - done, static_cast<off_t>(from + done));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0)
        return internal_error("cannot read the audit log: " + std::string(std::strerror(got < 0 ? errno : EIO)));
      done += static_cast<std::size_t>(got);
    }
    return out;
  }
  /// Returns the beginning of a line such that it and all that follow are later than `time`; the size of the file if
  /// there is none. Some such lines may come before it.
  Result<std::uint64_t> end_of(std::string_view time) const {
    std::uint64_t low = 0, high = size_;
    while (high - low > kBlock) {
      const auto middle = low + (high - low) / 2;
      const auto block = read(middle, std::min<std::uint64_t>(high, middle + kBlock));
      if (!block) return block.error();
      const auto line = block->find('\n') + 1;  // 0 if there is no end of a line
      const auto found = line > 0 ? time_of(std::string_view(*block).substr(line)) : std::string_view();
      if (found > time)
        high = middle + line;
      else
        low = middle;
    }
    return high;
  }

 private:
  const int file_;
  std::uint64_t size_ = 0;
};

/// Goes through the lines of a file backwards.
class LinesBackwards {
 public:
  LinesBackwards(const DayFile& file, std::uint64_t end) : file_(file), begin_(end) {}
  /// Where the line begins that next() returned last: all before it is still to be read.
  [[nodiscard]] std::uint64_t place() const { return begin_ + left_; }
  /// Returns the next line, which holds until the next call. There must be one: place() > 0. A line that is too long
  /// comes in pieces, none of which is JSON.
  Result<std::string_view> next() {
    if (left_ == 0)
      if (const auto read = fill(); !read) return read.error();
    auto end = buffer_[left_ - 1] == '\n' ? left_ - 1 : left_;
    for (auto unsearched = end;;) {
      const auto* before = static_cast<const char*>(::memrchr(buffer_.data(), '\n', unsearched));
      if (before || begin_ == 0 || left_ > kLongestLine) {
        left_ = before ? static_cast<std::size_t>(before - buffer_.data()) + 1 : 0;
        return std::string_view(buffer_).substr(left_, end - left_);
      }
      const auto read = fill();
      if (!read) return read.error();
      end += *read;
      unsearched = *read;
    }
  }

 private:
  /// Puts the block before begin_ in front of the buffer, and returns its size.
  Result<std::size_t> fill() {
    const auto from = begin_ > kBlock ? begin_ - kBlock : 0;
    const auto block = file_.read(from, begin_);
    if (!block) return block.error();
    buffer_.resize(left_);
    buffer_.insert(0, *block);
    left_ = buffer_.size();
    begin_ = from;
    return block->size();
  }
  const DayFile& file_;
  std::string buffer_;  // What the file holds from begin_ on; the first left_ bytes were not returned yet.
  std::uint64_t begin_;
  std::size_t left_ = 0;
};

/// Whether a line can be one that is wanted, which takes much less time than parsing it.
class Sieve {
 public:
  explicit Sieve(const AuditQuery& q) {
    const auto member = [&](const char* name, const std::string& value) {
      if (!value.empty()) texts_.push_back("\"" + std::string(name) + "\":" + quoted(value));
    };
    member("recipientAccountId", q.account);
    member("userName", q.user);
    member("eventName", q.name);
    member("eventSource", q.source);
    member("errorCode", q.error_code);
    if (q.has_failed == true) texts_.emplace_back("\"errorCode\":");
    if (q.is_read_only) texts_.emplace_back(*q.is_read_only ? "\"readOnly\":true" : "\"readOnly\":false");
    for (const auto& value : {q.access_key_id, q.resource})
      if (!value.empty()) texts_.push_back(quoted(value));
  }
  [[nodiscard]] bool lets_through(std::string_view line) const {
    return std::all_of(texts_.begin(), texts_.end(), [&](const auto& text) {
      return ::memmem(line.data(), line.size(), text.data(), text.size()) != nullptr;
    });
  }

 private:
  static std::string quoted(const std::string& text) {
    return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
  }
  std::vector<std::string> texts_;
};

std::string text_of(const Json& object, const char* name) {
  const auto it = object.find(name);
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

bool holds(const Json& value, const std::string& text) {
  if (value.is_string()) return value.get_ref<const std::string&>() == text;
  return value.is_structured() &&
         std::any_of(value.begin(), value.end(), [&](const Json& v) { return holds(v, text); });
}

/// Returns the line if it is whole and wanted. Its time was looked at already.
std::optional<AuditRecord> match(const AuditQuery& q, std::string_view line) {
  const auto json = Json::parse(line, nullptr, false);
  if (!json.is_object() || text_of(json, "recipientAccountId") != q.account) return std::nullopt;
  const auto user = json.value("userIdentity", Json::object());
  const auto time = parse_timestamp(text_of(json, "eventTime"));
  if (!user.is_object() || !time) return std::nullopt;
  AuditRecord out{*time,
                  text_of(json, "eventID"),
                  text_of(json, "eventName"),
                  text_of(json, "eventSource"),
                  text_of(user, "userName"),
                  text_of(user, "accessKeyId"),
                  text_of(json, "sourceIPAddress"),
                  text_of(json, "errorCode"),
                  json.value("readOnly", Json()) == true,
                  std::string(line)};
  const auto is = [](const std::string& wanted, const std::string& value) { return wanted.empty() || wanted == value; };
  const auto holds_resource = [&](const char* name) { return json.contains(name) && holds(json[name], q.resource); };
  const auto session = user.value("sessionContext", Json::object());
  if (!is(q.user, out.user) || !is(q.name, out.name) || !is(q.source, out.source) ||
      !is(q.error_code, out.error_code) || (q.has_failed && *q.has_failed == out.error_code.empty()) ||
      (q.is_read_only && *q.is_read_only != out.is_read_only) ||
      (!is(q.access_key_id, out.access_key_id) &&
       !(session.is_object() && text_of(session, "sourceAccessKeyId") == q.access_key_id)) ||
      (!q.resource.empty() && !holds_resource("requestParameters") && !holds_resource("responseElements")))
    return std::nullopt;
  return out;
}

/// Returns the days that have a file, the latest first.
Result<std::vector<std::string>> days_of(const fs::path& folder) {
  std::error_code error;
  std::vector<std::string> days;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    auto name = it->path().stem().string();
    if (it->path().extension() == ".jsonl" && is_day(name)) days.push_back(std::move(name));
  }
  if (error) return internal_error("cannot list the audit log: " + error.message());
  std::sort(days.rbegin(), days.rend());
  return days;
}

}  // namespace

std::optional<AuditPlace> parse_audit_place(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos || !is_day(text.substr(0, slash))) return std::nullopt;
  const auto offset = parse_integer(text.substr(slash + 1));
  if (!offset || *offset < 0) return std::nullopt;
  return AuditPlace{std::string(text.substr(0, slash)), static_cast<std::uint64_t>(*offset)};
}

std::string to_text(const AuditPlace& place) {
  return place.day + "/" + std::to_string(place.offset);
}

Result<AuditPage> read_audit(const fs::path& folder, const AuditQuery& query, const std::optional<AuditPlace>& from,
                             std::size_t most) {
  using std::chrono::ceil, std::chrono::seconds;
  const auto start = query.start ? to_line_time(*query.start) : "";
  const auto end = query.end ? to_line_time(ceil<seconds>(*query.end)) : "";
  const auto long_before = query.start ? to_line_time(*query.start - kClockJump) : "";
  const auto long_after = query.end ? to_line_time(*query.end + kClockJump) : "";
  const Sieve sieve(query);
  const auto days = days_of(folder);
  if (!days) return days.error();
  AuditPage page;
  std::string oldest;
  std::uint64_t work = 0;
  for (const auto& day : *days) {
    if ((from && day > from->day) || (query.end && day > end.substr(0, 10))) continue;
    if (query.start && day < start.substr(0, 10)) break;
    const DayFile file(folder / (day + ".jsonl"));
    auto last = file.size();
    if (from && day == from->day) {
      last = std::min(last, from->offset);
    } else if (query.end) {
      const auto found = file.end_of(long_after);
      if (!found) return found.error();
      last = *found;
    }
    bool is_over = false;
    for (LinesBackwards lines(file, last); lines.place() > 0 && !is_over;) {
      if (page.records.size() >= most || work >= kMostWork) {
        page.next = AuditPlace{day, lines.place()};
        break;
      }
      const auto line = lines.next();
      if (!line) return line.error();
      work += line->size() + 1;
      const auto time = time_of(*line);
      if (time.empty()) continue;
      oldest = time;
      is_over = time < long_before;
      if (time < start || (query.end && time >= end) || !sieve.lets_through(*line)) continue;
      work += (kParsing - 1) * line->size();
      if (auto record = match(query, *line)) page.records.push_back(std::move(*record));
    }
    if (page.next || is_over) break;
  }
  if (page.next) page.searched_until = parse_timestamp(oldest);
  return page;
}

}  // namespace vedette
