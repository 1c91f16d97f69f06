#include "base/time_slice.hpp"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace vedette {
namespace {

constexpr std::uint64_t kShortNanoseconds = 100'000;  // the least that the scheduler takes
constexpr std::uint64_t kUsual = 0;

/// As the system call has it (sched_setattr(2)); the C library has no name for it yet.
struct SchedulingAttributes {
  std::uint32_t size = sizeof(SchedulingAttributes);
  std::uint32_t policy = SCHED_OTHER;
  std::uint64_t flags = 0;
  std::int32_t nice = 0;
  std::uint32_t priority = 0;
  std::uint64_t runtime = 0, deadline = 0, period = 0;
};

void set_slice(std::uint64_t nanoseconds) {
  SchedulingAttributes attributes;
  if (::syscall(SYS_sched_getattr, 0, &attributes, sizeof(attributes), 0) != 0 || attributes.policy != SCHED_OTHER)
    return;
  attributes.runtime = nanoseconds;
  ::syscall(SYS_sched_setattr, 0, &attributes, 0);  // a wish: what refuses it is as good without
}

}  // namespace

ShortTimeSlices::ShortTimeSlices() {
  set_slice(kShortNanoseconds);
}

ShortTimeSlices::~ShortTimeSlices() {
  set_slice(kUsual);
}

}  // namespace vedette
