#pragma once

#include <atomic>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace vedette {

using Timestamp = std::chrono::sys_time<std::chrono::milliseconds>;

/// Tells the wall-clock time. Whoever needs the time is given a clock, so that tests decide what time it is.
/// Implementations are thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual Timestamp now() const = 0;
};

class SystemClock : public Clock {
 public:
  [[nodiscard]] Timestamp now() const override {
    return std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
  }
};

class FakeClock : public Clock {
 public:
  explicit FakeClock(Timestamp start) : now_(start.time_since_epoch().count()) {}
  [[nodiscard]] Timestamp now() const override { return Timestamp{std::chrono::milliseconds{now_.load()}}; }
  void advance(std::chrono::milliseconds by) { now_ += by.count(); }

 private:
  std::atomic<std::int64_t> now_;
};

std::string to_basic_iso8601(Timestamp time);     ///< "20200623T010203Z", as SigV4 writes it
std::string to_extended_iso8601(Timestamp time);  ///< "2020-06-23T01:02:03.456Z"
std::string to_http_date(Timestamp time);         ///< "Tue, 23 Jun 2020 01:02:03 GMT", as RFC 7231 has it
/// Reads a time in either ISO 8601 form or in seconds since the epoch. The fraction and the zone may be missing;
/// without a zone the time is UTC. Returns nothing if the text has neither form.
std::optional<Timestamp> parse_timestamp(std::string_view text);
/// Reads a date in the preferred form of RFC 7231. Returns nothing if the text has another form.
std::optional<Timestamp> parse_http_date(std::string_view text);

}  // namespace vedette
