#include "base/priority.hpp"

#include <sys/resource.h>

namespace vedette {
namespace {

constexpr int kNiceness = 10;

}  // namespace

void lower_thread_priority() {
  // On Linux this is a property of a thread (setpriority(2)).
  ::setpriority(PRIO_PROCESS, 0, kNiceness);
}

}  // namespace vedette
