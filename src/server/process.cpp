#include "server/process.hpp"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <string>

#include "base/log.hpp"

namespace vedette {

void prepare_process() {
  ::signal(SIGPIPE, SIG_IGN);
  ::umask(077);
}

std::size_t make_room_for_connections(std::size_t wanted) {
  constexpr rlim_t kForTheRest = 512, kSpare = 65'536;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return wanted;
  if (const auto files = std::min<rlim_t>(limit.rlim_max, wanted + kForTheRest + kSpare); limit.rlim_cur < files) {
    const rlimit raised{files, limit.rlim_max};
    if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
  }
  if (limit.rlim_cur >= wanted + kForTheRest) return wanted;
  const std::size_t connections = limit.rlim_cur > 2 * kForTheRest ? limit.rlim_cur - kForTheRest : limit.rlim_cur / 2;
  log::warning("the limit of open files allows fewer connections",
               {{"files", std::to_string(limit.rlim_cur)}, {"connections", std::to_string(connections)}});
  return connections;
}

}  // namespace vedette
