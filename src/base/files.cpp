#include "base/files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "base/digest.hpp"
#include "base/disk_full.hpp"

namespace vedette {
namespace fs = std::filesystem;
namespace {

Error system_failure(std::string_view action, const fs::path& path) {
  const int number = errno;
  if (number == ENOSPC || number == EDQUOT) return disk_full_error();
  auto message = std::string("cannot ") + std::string(action) + " " + path.string() + ": " +
                 std::generic_category().message(number);
  if (number == ENOENT) return fail(ErrorKind::not_found, std::move(message));
  return internal_error(std::move(message));
}

struct Descriptor {
  int fd;
  explicit Descriptor(int f) : fd(f) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

/// Returns the size of an open file in bytes. Fails if it is not a regular file or is larger than the limit.
Result<std::size_t> size_for_reading(const Descriptor& file, const fs::path& path, std::uint64_t limit_bytes) {
  struct stat info {};
  if (file.fd < 0 || ::fstat(file.fd, &info) != 0) return system_failure("read", path);
  if (!S_ISREG(info.st_mode)) return invalid_input("not a regular file: " + path.string());
  if (static_cast<std::uint64_t>(info.st_size) > limit_bytes)
    return fail(ErrorKind::too_large, path.string() + " has " + std::to_string(info.st_size) + " bytes, more than " +
                                          std::to_string(limit_bytes));
  return static_cast<std::size_t>(info.st_size);
}

Result<std::size_t> read_all(const Descriptor& file, const fs::path& path, std::span<char> out) {
  std::size_t done = 0;
  while (done < out.size()) {
    const auto n = ::read(file.fd, out.data() + done, out.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_failure("read", path);
    if (n == 0) break;
    done += static_cast<std::size_t>(n);
  }
  return done;
}

}  // namespace

Result<Bytes> read_file(const fs::path& path, std::uint64_t limit_bytes) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  const auto size = size_for_reading(file, path, limit_bytes);
  if (!size) return size.error();
  Bytes out(*size);
  const auto done = read_all(file, path, {reinterpret_cast<char*>(out.data()), out.size()});
  if (!done) return done.error();
  out.resize(*done);
  return out;
}

Result<std::shared_ptr<const LargeMemory>> load_file(const fs::path& path, std::uint64_t limit_bytes) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  const auto size = size_for_reading(file, path, limit_bytes);
  if (!size) return size.error();
  auto content = std::make_shared<LargeMemory>(*size);
  const auto done = read_all(file, path, {static_cast<char*>(content->data()), *size});
  if (!done) return done.error();
  if (*done != *size) return internal_error(path.string() + " became shorter while it was read");
  return std::shared_ptr<const LargeMemory>(std::move(content));
}

Result<void> sync_path(const fs::path& path) {
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.fd < 0 || ::fsync(file.fd) != 0) return system_failure("sync", path);
  return {};
}

Result<void> write_file_atomically(const fs::path& path, std::string_view content, unsigned mode) {
  const fs::path temporary = path.string() + "." + random_id(8);
  {
    Descriptor file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
    if (file.fd < 0) return system_failure("write", temporary);
    std::size_t done = 0;
    while (done < content.size()) {
      const auto n = ::write(file.fd, content.data() + done, content.size() - done);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) {
        auto error = system_failure("write", path);
        ::unlink(temporary.c_str());
        return error;
      }
      done += static_cast<std::size_t>(n);
    }
    if (::fsync(file.fd) != 0) return system_failure("sync", temporary);
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) return system_failure("rename", temporary);
  return sync_path(path.has_parent_path() ? path.parent_path() : fs::path("."));
}

TemporaryFolder::TemporaryFolder(const fs::path& parent) {
  path_ = (parent.empty() ? fs::temp_directory_path() : parent) / ("vedette-" + random_id(12));
  fs::create_directories(path_);
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

}  // namespace vedette
