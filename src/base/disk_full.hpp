#pragma once

#include <cerrno>
#include <exception>
#include <system_error>

#include "base/result.hpp"

/// How a full disk is told, as an exception and as an error.
namespace vedette {

/// The base of all exceptions which say that the disk is full.
class DiskFull {
 public:
  virtual ~DiskFull() = default;
};

inline Error disk_full_error() {
  return fail(ErrorKind::unavailable, "The server's disk is full.", "ServiceUnavailable");
}

/// Makes an error of an exception: a full disk is `unavailable`; everything else is `internal` and has the exception's
/// text.
inline Error error_of(const std::exception& e) {
  if (dynamic_cast<const DiskFull*>(&e) != nullptr) return disk_full_error();
  if (const auto* system = dynamic_cast<const std::system_error*>(&e);
      system != nullptr && (system->code().value() == ENOSPC || system->code().value() == EDQUOT))
    return disk_full_error();
  return internal_error(e.what());
}

}  // namespace vedette
