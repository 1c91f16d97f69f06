#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/result.hpp"

namespace vedette {

/// A part of a POSIX shared memory segment that another program made. Bytes are copied by calls of the system, never
/// through a mapping: a segment that is made shorter or removed meanwhile makes a copy fail, where touching a mapping
/// would end the process. It may be moved; any number of threads may copy.
class SharedMemory {
 public:
  enum class Access { read, write };
  /// Opens a segment by its name as in shm_open, of which the slash may be missing. Fails with invalid_input, in words
  /// for the client, if the name is none, if the segment is missing or may not be used, or if it does not hold `size`
  /// bytes from `offset` on.
  static Result<SharedMemory> open(const std::string& name, std::uint64_t offset, std::uint64_t size, Access access);
  ~SharedMemory();
  SharedMemory(SharedMemory&& other) noexcept;
  SharedMemory& operator=(SharedMemory&&) = delete;

  /// Copies `out.size()` bytes from `position` of the part on. Fails with invalid_input if the segment no longer has
  /// them.
  Result<void> read(std::uint64_t position, std::span<std::uint8_t> out) const;
  /// Copies bytes to `position` of the part. Fails with invalid_input if they cannot be written.
  Result<void> write(std::uint64_t position, std::span<const std::uint8_t> bytes) const;

 private:
  SharedMemory(int file, std::uint64_t offset) : file_(file), offset_(offset) {}
  int file_;
  std::uint64_t offset_;
};

}  // namespace vedette
