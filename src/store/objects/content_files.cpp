#include "store/objects/content_files.hpp"

#include <cerrno>
#include <system_error>

namespace vedette {

Error disk_failure(const char* action) {
  const int number = errno;
  if (number == ENOSPC || number == EDQUOT)
    return fail(ErrorKind::unavailable, "The server's disk is full.", "ServiceUnavailable");
  return internal_error(std::string("The object store cannot ") + action + ": " +
                        std::generic_category().message(number));
}

}  // namespace vedette
