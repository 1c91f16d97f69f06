#include "store/objects/content_files.hpp"

#include <cerrno>
#include <system_error>

#include "base/disk_full.hpp"

namespace vedette {

Error disk_failure(const char* action) {
  const int number = errno;
  if (number == ENOSPC || number == EDQUOT) return disk_full_error();
  return internal_error(std::string("The object store cannot ") + action + ": " +
                        std::generic_category().message(number));
}

int open_content(const fs::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd >= 0 || errno != ENOENT) return fd;
  const int unfinished = ::open((path.string() + kUnfinished).c_str(), O_RDONLY | O_CLOEXEC);
  return unfinished >= 0 || errno != ENOENT ? unfinished : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
}

}  // namespace vedette
