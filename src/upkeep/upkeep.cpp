#include "upkeep/upkeep.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/digest.hpp"
#include "base/log.hpp"
#include "base/text.hpp"

namespace vedette {
namespace {

constexpr std::uint64_t kStepBytes = 4 << 20;
constexpr double kBytesPerSecond = 32 << 20;  // This is a fraction of what one disk reads, slow enough not to be felt.
constexpr auto kShortestRest = std::chrono::milliseconds(20);
constexpr auto kTidyEvery = std::chrono::minutes(1);
constexpr auto kUnexplainedJump = std::chrono::days(7);
constexpr auto kDistrust = std::chrono::days(1);
// The setting of the system bucket holds "<last time, ms> <distrust left, ms>".
constexpr const char* kClockSetting = "upkeep-clock";

}  // namespace

bool ClockGuard::may_expire(std::chrono::milliseconds elapsed) {
  const auto now = clock_.now();
  auto distrust = std::chrono::milliseconds(0);
  if (const auto document = store_.setting(kSystemBucket, kClockSetting); document && *document) {
    const auto fields = split(**document, ' ');
    const auto last = parse_integer(fields.front()), left = parse_integer(fields.back());
    if (last && left) {
      distrust = std::max(std::chrono::milliseconds(0), std::chrono::milliseconds(*left) - elapsed);
      const auto passed = now - Timestamp(std::chrono::milliseconds(*last));
      if (passed < -kUnexplainedJump) distrust = {};  // The clock was set right.
      if (passed - elapsed > kUnexplainedJump) {
        distrust = kDistrust;
        log::warning("the clock jumped ahead, or the server was off: nothing is deleted for its age for a day",
                     {{"now", to_extended_iso8601(now)},
                      {"before", to_extended_iso8601(Timestamp(std::chrono::milliseconds(*last)))}});
      }
    }
  }
  const auto text = std::to_string(now.time_since_epoch().count()) + " " + std::to_string(distrust.count());
  if (auto ok = store_.set_setting(kSystemBucket, kClockSetting, text); !ok)
    log::error("the time could not be stored for the upkeep", {{"reason", ok.error().message}});
  return distrust.count() == 0;
}

Upkeep::~Upkeep() {
  stop();
}

void Upkeep::start() {
  try {
    tidy();  // The figures are there before anybody can ask for them.
  } catch (const std::exception& e) {
    log::error("the upkeep of the buckets failed and goes on later", {{"reason", e.what()}});
  }
  thread_ = std::thread([this] { loop(); });
}

void Upkeep::stop() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

bool Upkeep::stopping() const {
  const MutexLock lock(mutex_);
  return stopping_;
}

std::string Upkeep::to_prometheus() const {
  const MutexLock lock(mutex_);
  return fmt::format(
             "# HELP vedette_objects_checked_total Object contents compared with their checksums.\n"
             "# TYPE vedette_objects_checked_total counter\nvedette_objects_checked_total {}\n"
             "# HELP vedette_objects_checked_bytes_total Bytes of object contents read for these checks.\n"
             "# TYPE vedette_objects_checked_bytes_total counter\nvedette_objects_checked_bytes_total {}\n"
             "# HELP vedette_objects_damaged Damaged objects that the last complete pass, or the running one, found.\n"
             "# TYPE vedette_objects_damaged gauge\nvedette_objects_damaged {}\n",
             checked_objects_, checked_bytes_, damaged_) +
         fmt::format(
             "# HELP vedette_objects_missing Contents that the index named at the start and that had no file.\n"
             "# TYPE vedette_objects_missing gauge\nvedette_objects_missing {}\n"
             "# HELP vedette_objects_set_aside Files in objects/set-aside, which no index named.\n"
             "# TYPE vedette_objects_set_aside gauge\nvedette_objects_set_aside {}\n",
             kept_.missing, kept_.set_aside);
}

void Upkeep::loop() {
  using SteadyClock = std::chrono::steady_clock;
  auto next_lifecycle = SteadyClock::now(), next_check = next_lifecycle, asked = next_lifecycle;
  auto next_tidy = next_lifecycle + kTidyEvery;  // start() has just done so.
  ClockGuard guard(store_, clock_);
  first_ = next_ = random_id(26);
  while (!stopping()) {
    try {
      if (SteadyClock::now() >= next_lifecycle) {
        const auto elapsed = std::exchange(asked, SteadyClock::now());
        may_expire_ =
            guard.may_expire(std::chrono::duration_cast<std::chrono::milliseconds>(SteadyClock::now() - elapsed));
        if (may_expire_) apply_lifecycles();
        next_lifecycle = SteadyClock::now() + options_.lifecycle_every;
      }
      if (SteadyClock::now() >= next_tidy) {
        next_tidy = SteadyClock::now() + kTidyEvery;
        tidy();
      }
      if (options_.check_days > 0 && SteadyClock::now() >= next_check) next_check = SteadyClock::now() + check();
    } catch (const std::exception& e) {
      log::error("the upkeep of the buckets failed and goes on later", {{"reason", e.what()}});
      next_check = SteadyClock::now() + std::chrono::minutes(1);
      next_lifecycle = std::max(next_lifecycle, next_check);
    }
    MutexLock lock(mutex_);
    auto until = std::min(next_lifecycle, next_tidy);
    if (options_.check_days > 0) until = std::min(until, next_check);
    changed_.wait_until(lock.standard(), until, [this]() REQUIRES(mutex_) { return stopping_; });
  }
}

void Upkeep::tidy() {
  const auto kept = store_.tidy(may_expire_);
  const MutexLock lock(mutex_);
  kept_ = kept;
}

void Upkeep::apply_lifecycles() {
  for (const auto& [bucket, created] : store_.list_buckets()) {
    const auto document = store_.setting(bucket, "lifecycle");
    if (!document || !*document) continue;  // The bucket was deleted meanwhile, or has no rules.
    const auto rules = s3::parse_lifecycle(**document);
    if (!rules) {
      log::error("lifecycle rules cannot be read", {{"bucket", bucket}, {"reason", rules.error().message}});
      continue;
    }
    const auto outcome = apply_lifecycle(store_, bucket, *rules, clock_.now(), [this] { return stopping(); });
    if (!outcome) {
      log::error("lifecycle rules could not be applied", {{"bucket", bucket}, {"reason", outcome.error().message}});
    } else if (outcome->expired_objects + outcome->expired_versions + outcome->removed_markers +
                   outcome->aborted_uploads >
               0) {
      log::info("lifecycle rules were applied", {{"bucket", bucket},
                                                 {"expired_objects", std::to_string(outcome->expired_objects)},
                                                 {"expired_versions", std::to_string(outcome->expired_versions)},
                                                 {"removed_markers", std::to_string(outcome->removed_markers)},
                                                 {"aborted_uploads", std::to_string(outcome->aborted_uploads)}});
    }
  }
}

std::chrono::milliseconds Upkeep::check() {
  const auto step = store_.check_contents(next_, went_round_ ? first_ : std::string(), kStepBytes);
  for (const auto& damaged : step.damaged)
    log::error("damaged object", {{"bucket", damaged.bucket},
                                  {"key", damaged.key},
                                  {"version", damaged.version_id.value_or("null")},
                                  {"reason", damaged.reason}});
  damaged_in_pass_ += static_cast<std::int64_t>(step.damaged.size());
  next_ = step.next;
  const bool is_complete = next_.empty() && went_round_;
  if (next_.empty()) went_round_ = true;
  {
    const MutexLock lock(mutex_);
    checked_objects_ += step.objects;
    checked_bytes_ += step.bytes;
    damaged_ = is_complete ? damaged_in_pass_ : std::max(damaged_, damaged_in_pass_);
  }
  if (is_complete) {
    first_ = next_ = random_id(26);
    went_round_ = false;
    damaged_in_pass_ = 0;
    return std::chrono::days(options_.check_days);
  }
  return std::max(kShortestRest, std::chrono::milliseconds(static_cast<std::int64_t>(static_cast<double>(step.bytes) /
                                                                                     kBytesPerSecond * 1000)));
}

}  // namespace vedette
