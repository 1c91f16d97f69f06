#include "edge/agent/shared_memory.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <limits>
#include <system_error>
#include <utility>

namespace vedette {
namespace {

constexpr std::size_t kLongestName = 255;  // shm_open(3), with the slash

std::string reason_of(int code) {
  return std::generic_category().message(code);
}

Error unusable(const std::string& name, const std::string& why) {
  return invalid_input("The shared memory segment " + name.substr(0, kLongestName) + " cannot be used: " + why + ".");
}

/// Copies with pread or pwrite until all bytes are done. Returns 0, an error number, or ENODATA at the segment's end.
template <typename Pointer, typename Call>
int copy_all(Call call, int file, Pointer bytes, std::size_t count, std::uint64_t position) {
  while (count > 0) {
    const auto done = call(file, bytes, count, static_cast<off_t>(position));
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return errno;
    if (done == 0) return ENODATA;
    bytes += done;
    count -= static_cast<std::size_t>(done);
    position += static_cast<std::uint64_t>(done);
  }
  return 0;
}

}  // namespace

Result<SharedMemory> SharedMemory::open(const std::string& name, std::uint64_t offset, std::uint64_t size,
                                        Access access) {
  const auto rest = name.starts_with('/') ? name.substr(1) : name;
  if (rest.empty() || rest.size() >= kLongestName || rest == "." || rest == ".." ||
      rest.find('/') != std::string::npos || rest.find('\0') != std::string::npos)
    return invalid_input(
        "The name of a shared memory segment begins with a slash, has no other, and has at most 255 "
        "characters.");
  // Nothing but a segment may be opened, and opening must not wait (a FIFO would make it).
  const int file =
      ::shm_open(("/" + rest).c_str(), (access == Access::write ? O_RDWR : O_RDONLY) | O_NONBLOCK | O_CLOEXEC, 0);
  if (file < 0) return unusable(name, reason_of(errno));
  SharedMemory out(file, offset);
  struct stat info {};
  if (::fstat(file, &info) != 0) return unusable(name, reason_of(errno));
  if (!S_ISREG(info.st_mode)) return unusable(name, "it is no segment");
  constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<off_t>::max());
  if (offset > most || size > most - offset || offset + size > static_cast<std::uint64_t>(info.st_size))
    return unusable(name, "it has " + std::to_string(info.st_size) + " bytes, and " + std::to_string(size) +
                              " bytes from byte " + std::to_string(offset) + " on were asked for");
  return Result<SharedMemory>(std::move(out));
}

SharedMemory::~SharedMemory() {
  if (file_ >= 0) ::close(file_);
}

SharedMemory::SharedMemory(SharedMemory&& other) noexcept
    : file_(std::exchange(other.file_, -1)), offset_(other.offset_) {}

Result<void> SharedMemory::read(std::uint64_t position, std::span<std::uint8_t> out) const {
  const int code = copy_all(::pread, file_, out.data(), out.size(), offset_ + position);
  if (code == ENODATA) return invalid_input("The shared memory segment became shorter during the call.");
  if (code != 0) return invalid_input("The shared memory segment cannot be read: " + reason_of(code) + ".");
  return {};
}

Result<void> SharedMemory::write(std::uint64_t position, std::span<const std::uint8_t> bytes) const {
  const int code = copy_all(::pwrite, file_, bytes.data(), bytes.size(), offset_ + position);
  if (code != 0) return invalid_input("The mask cannot be written to shared memory: " + reason_of(code) + ".");
  return {};
}

}  // namespace vedette
