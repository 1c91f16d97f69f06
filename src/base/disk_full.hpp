#pragma once

#include <cerrno>
#include <exception>
#include <system_error>

#include "base/result.hpp"

/// How a full disk, and a part of the system that is away for a while, are told, as exceptions and as errors.
namespace vedette {

/// The base of all exceptions which say that the disk is full.
class DiskFull {
 public:
  virtual ~DiskFull() = default;
};

/// The base of all exceptions which say that something is away for a while on which the server depends.
class Away {
 public:
  virtual ~Away() = default;
  /// Returns whether what was asked for may be done once more: nothing of it has happened.
  [[nodiscard]] virtual bool is_undone() const { return true; }
};

inline Error disk_full_error() {
  return fail(ErrorKind::unavailable, "The server's disk is full.", "ServiceUnavailable");
}

/// Makes an error of an exception: a full disk and what is away are `unavailable`; everything else is `internal` and has
/// the exception's text.
inline Error error_of(const std::exception& e) {
  if (const auto* away = dynamic_cast<const Away*>(&e); away != nullptr)
    return fail(ErrorKind::unavailable,
                away->is_undone() ? "The server's database is away for a moment; nothing was changed."
                                  : "The server's database was away, and it is not known whether the change was made.",
                "ServiceUnavailable");
  if (dynamic_cast<const DiskFull*>(&e) != nullptr) return disk_full_error();
  if (const auto* system = dynamic_cast<const std::system_error*>(&e);
      system != nullptr && (system->code().value() == ENOSPC || system->code().value() == EDQUOT))
    return disk_full_error();
  return internal_error(e.what());
}

}  // namespace vedette
