#include "base/clock.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <cstdlib>

#include "base/text.hpp"

namespace vedette {
namespace {

struct Civil {
  int year, hour, minute, second, millisecond;
  unsigned month, day, weekday;
};

Civil to_civil(Timestamp time) {
  using namespace std::chrono;
  const auto day_start = floor<days>(time);
  const year_month_day date{day_start};
  const hh_mm_ss<milliseconds> clock{time - day_start};
  return {static_cast<int>(date.year()),
          static_cast<int>(clock.hours().count()),
          static_cast<int>(clock.minutes().count()),
          static_cast<int>(clock.seconds().count()),
          static_cast<int>(clock.subseconds().count()),
          static_cast<unsigned>(date.month()),
          static_cast<unsigned>(date.day()),
          weekday{day_start}.c_encoding()};
}

constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::array<const char*, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

std::optional<Timestamp> from_civil(std::int64_t year, std::int64_t month, std::int64_t day, std::int64_t hour,
                                    std::int64_t minute, std::int64_t second, std::int64_t millisecond) {
  using namespace std::chrono;
  if (year < 1 || year > 9999 || hour > 23 || minute > 59 || second > 60 || hour < 0 || minute < 0 || second < 0)
    return std::nullopt;
  const year_month_day date{std::chrono::year{static_cast<int>(year)}, std::chrono::month{static_cast<unsigned>(month)},
                            std::chrono::day{static_cast<unsigned>(day)}};
  if (!date.ok()) return std::nullopt;
  return Timestamp{sys_days{date}} + hours{hour} + minutes{minute} + seconds{second} + milliseconds{millisecond};
}

/// Reads exactly `width` decimal digits from the front of `text` and removes them there.
std::optional<std::int64_t> take_digits(std::string_view& text, std::size_t width) {
  if (text.size() < width) return std::nullopt;
  std::int64_t value = 0;
  for (std::size_t i = 0; i < width; ++i) {
    if (text[i] < '0' || text[i] > '9') return std::nullopt;
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(width);
  return value;
}

bool take(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

}  // namespace

std::string to_basic_iso8601(Timestamp time) {
  const auto c = to_civil(time);
  return fmt::format("{:04}{:02}{:02}T{:02}{:02}{:02}Z", c.year, c.month, c.day, c.hour, c.minute, c.second);
}

std::string to_extended_iso8601(Timestamp time) {
  const auto c = to_civil(time);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", c.year, c.month, c.day, c.hour, c.minute, c.second,
                     c.millisecond);
}

std::string to_http_date(Timestamp time) {
  const auto c = to_civil(time);
  return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", kDays[c.weekday], c.day, kMonths[c.month - 1], c.year,
                     c.hour, c.minute, c.second);
}

std::optional<Timestamp> parse_timestamp(std::string_view text) {
  text = trim(text);
  if (text.size() < 8 || text.size() > 40) return std::nullopt;
  if (text.find_first_not_of("0123456789.") == std::string_view::npos && text.find('.') != 8) {
    char* end = nullptr;
    const std::string copy(text);
    const double seconds = std::strtod(copy.c_str(), &end);
    if (*end != '\0' || seconds > 2.5e11) return std::nullopt;
    return Timestamp{std::chrono::milliseconds{std::llround(seconds * 1000.0)}};
  }
  const auto year = take_digits(text, 4);
  const bool extended = take(text, '-');
  const auto month = take_digits(text, 2);
  if (extended && !take(text, '-')) return std::nullopt;
  const auto day = take_digits(text, 2);
  if (!year || !month || !day) return std::nullopt;
  std::int64_t hour = 0, minute = 0, second = 0, millisecond = 0, offset_minutes = 0;
  if (take(text, 'T') || take(text, ' ')) {
    const auto h = take_digits(text, 2);
    (void)take(text, ':');
    const auto m = take_digits(text, 2);
    if (!h || !m) return std::nullopt;
    hour = *h, minute = *m;
    if (take(text, ':') || (!text.empty() && text.front() >= '0' && text.front() <= '9')) {
      const auto s = take_digits(text, 2);
      if (!s) return std::nullopt;
      second = *s;
    }
    if (take(text, '.')) {
      int scale = 100;
      bool any = false;
      while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
        millisecond += (text.front() - '0') * scale;
        scale /= 10;
        text.remove_prefix(1);
        any = true;
      }
      if (!any) return std::nullopt;
    }
    if (!take(text, 'Z') && !text.empty()) {
      const bool negative = text.front() == '-';
      if (!negative && text.front() != '+') return std::nullopt;
      text.remove_prefix(1);
      const auto zh = take_digits(text, 2);
      (void)take(text, ':');
      const auto zm = take_digits(text, 2);
      if (!zh || !zm) return std::nullopt;
      offset_minutes = (*zh * 60 + *zm) * (negative ? -1 : 1);
    }
  }
  if (!text.empty()) return std::nullopt;
  auto time = from_civil(*year, *month, *day, hour, minute, second, millisecond);
  if (time) *time -= std::chrono::minutes{offset_minutes};
  return time;
}

std::optional<Timestamp> parse_http_date(std::string_view text) {
  // The form is "Tue, 23 Jun 2020 01:02:03 GMT".
  text = trim(text);
  if (text.size() != 29 || !text.ends_with(" GMT")) return std::nullopt;
  text.remove_prefix(5);
  const auto day = take_digits(text, 2);
  if (!day || !take(text, ' ')) return std::nullopt;
  int month = 0;
  for (std::size_t i = 0; i < kMonths.size(); ++i)
    if (text.starts_with(kMonths[i])) month = static_cast<int>(i) + 1;
  text.remove_prefix(3);
  if (month == 0 || !take(text, ' ')) return std::nullopt;
  const auto year = take_digits(text, 4);
  if (!year || !take(text, ' ')) return std::nullopt;
  const auto hour = take_digits(text, 2);
  if (!hour || !take(text, ':')) return std::nullopt;
  const auto minute = take_digits(text, 2);
  if (!minute || !take(text, ':')) return std::nullopt;
  const auto second = take_digits(text, 2);
  if (!second) return std::nullopt;
  return from_civil(*year, month, *day, *hour, *minute, *second, 0);
}

}  // namespace vedette
