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

}  // namespace vedette
