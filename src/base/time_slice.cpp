#include "base/time_slice.hpp"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace vedette {
namespace {

constexpr std::uint64_t kShortNanoseconds = 100'000;  // This is the shortest time that the scheduler accepts.
constexpr std::uint64_t kUsual = 0;

/// The structure that the system call takes (sched_setattr(2)); the C library has no name for it yet.
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
  // This is only a wish: if the system refuses it, the threads work all the same.
  ::syscall(SYS_sched_setattr, 0, &attributes, 0);
}

}  // namespace

ShortTimeSlices::ShortTimeSlices() {
  set_slice(kShortNanoseconds);
}

ShortTimeSlices::~ShortTimeSlices() {
  set_slice(kUsual);
}

}  // namespace vedette
