#include "doctor/clocks.hpp"

#include <fmt/format.h>

namespace vedette::doctor {
namespace {

using std::chrono::milliseconds;

constexpr const char* kCheck = "clock";
constexpr const char* kCure = ". Have a time service (NTP) keep both clocks";
constexpr milliseconds kNotable{2'000};
// Signatures are refused when clocks differ by fifteen minutes; long before that, times in listings and logs mislead.
constexpr milliseconds kNotableS3{10'000}, kTooFarS3{5 * 60'000};

std::string shown(const membership::ClockDifference& difference) {
  return fmt::format("{:.1f} s {}", static_cast<double>(std::chrono::abs(difference.ahead).count()) / 1000,
                     difference.ahead.count() < 0 ? "behind" : "ahead of");
}

/// Whether the clocks certainly differ by more than this.
bool exceeds(const membership::ClockDifference& difference, milliseconds most) {
  return std::chrono::abs(difference.ahead) > most + difference.bound;
}

}  // namespace

void judge_database_clock(const membership::ClockDifference& difference, const Report& report) {
  const auto text = "This machine's clock is " + shown(difference) + " that of the database";
  if (membership::is_too_large(difference))
    report({kCheck, Level::failed,
            fmt::format("{}, and a node whose clock differs by more than {} s takes no part{}", text,
                        membership::kLargestClockDifference.count(), kCure)});
  else if (exceeds(difference, kNotable))
    report({kCheck, Level::warning, text + kCure});
  else
    report({kCheck, Level::ok, text + "."});
}

void judge_s3_clock(const membership::ClockDifference& difference, const Report& report) {
  const auto text = "This machine's clock is " + shown(difference) + " that of the S3 service";
  if (exceeds(difference, kTooFarS3))
    report(
        {kCheck, Level::failed, text + ", which soon refuses what this machine signs (RequestTimeTooSkewed)" + kCure});
  else if (exceeds(difference, kNotableS3))
    report({kCheck, Level::warning, text + kCure});
  else
    report({kCheck, Level::ok, text + "."});
}

}  // namespace vedette::doctor
