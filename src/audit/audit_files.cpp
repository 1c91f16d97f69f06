#include "audit/audit_files.hpp"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "audit/audit_matching.hpp"
#include "audit/day_files.hpp"
#include "base/text.hpp"

namespace vedette {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kBlock = 256 << 10;
constexpr std::uint64_t kMostWork = 64 << 20;  // The bytes of lines that one call looks at.
constexpr std::uint64_t kParsing = 8;          // Parsing a line is so many times the work of looking at it, or more.
constexpr auto kClockJump = std::chrono::minutes(15);
constexpr std::string_view kTimeName = "\"eventTime\":\"";
constexpr std::size_t kTimeLength = 20;  // of "2020-09-13T12:26:40Z"

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

/// Returns the beginning of a line such that it and all that follow are later than `time`; the size of the file if
/// there is none. Some such lines may come before it.
Result<std::uint64_t> end_of(std::string_view time, const DayFile& file) {
  std::uint64_t low = 0, high = file.size();
  while (high - low > kBlock) {
    const auto middle = low + (high - low) / 2;
    const auto block = file.read(middle, std::min<std::uint64_t>(high, middle + kBlock));
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
      if (before || begin_ == 0 || left_ > kLongestAuditLine) {
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

bool has_all(std::string_view line, const std::vector<std::string>& texts) {
  return std::all_of(texts.begin(), texts.end(), [&](const auto& text) {
    return ::memmem(line.data(), line.size(), text.data(), text.size()) != nullptr;
  });
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

Result<AuditPage> AuditFiles::read(const AuditQuery& query, const std::string& from_text, std::size_t most) {
  using std::chrono::ceil, std::chrono::seconds;
  const auto from = parse_audit_place(from_text);
  if (!from && !from_text.empty()) return no_audit_place();
  const auto start = query.start ? to_line_time(*query.start) : "";
  const auto end = query.end ? to_line_time(ceil<seconds>(*query.end)) : "";
  const auto long_before = query.start ? to_line_time(*query.start - kClockJump) : "";
  const auto long_after = query.end ? to_line_time(*query.end + kClockJump) : "";
  const auto texts = texts_to_find(query);
  const auto days = days_of(folder_);
  if (!days) return days.error();
  AuditPage page;
  std::string oldest;
  std::uint64_t work = 0;
  for (const auto& day : *days) {
    if ((from && day > from->day) || (query.end && day > end.substr(0, 10))) continue;
    if (query.start && day < start.substr(0, 10)) break;
    const DayFile file(day_file(folder_, day));
    auto last = file.size();
    if (from && day == from->day) {
      last = std::min(last, from->offset);
    } else if (query.end) {
      const auto found = end_of(long_after, file);
      if (!found) return found.error();
      last = *found;
    }
    bool is_over = false;
    for (LinesBackwards lines(file, last); lines.place() > 0 && !is_over;) {
      if (page.records.size() >= most || work >= kMostWork) {
        page.next = to_text({day, lines.place()});
        break;
      }
      const auto line = lines.next();
      if (!line) return line.error();
      work += line->size() + 1;
      const auto time = time_of(*line);
      if (time.empty()) continue;
      oldest = time;
      is_over = time < long_before;
      if (time < start || (query.end && time >= end) || !has_all(*line, texts)) continue;
      work += (kParsing - 1) * line->size();
      if (auto record = match(query, *line)) page.records.push_back(std::move(*record));
    }
    if (!page.next.empty() || is_over) break;
  }
  if (!page.next.empty()) page.searched_until = parse_timestamp(oldest);
  return page;
}

}  // namespace vedette
