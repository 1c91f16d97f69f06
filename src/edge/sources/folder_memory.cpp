#include "edge/sources/folder_memory.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>
#include <vector>

#include "base/files.hpp"
#include "base/text.hpp"

namespace vedette {
namespace {

Error cannot_write() {
  return internal_error(std::string("What a folder has given cannot be remembered: ") + std::strerror(errno) + ".");
}

/// A line is: inode, size, time, and the name in hexadecimal digits, since names may hold anything.
std::string line_of(const std::string& name, const FileIdentity& identity) {
  return fmt::format("{} {} {} {}\n", identity.inode, identity.size, identity.written_at, to_hex(as_bytes(name)));
}

}  // namespace

Result<FolderMemory> FolderMemory::open(std::filesystem::path file) {
  const int descriptor = ::open(file.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (descriptor < 0) return cannot_write();
  FolderMemory memory(std::move(file), descriptor);
  memory.read();
  // A line that a crash has cut off must not spoil the next one.
  if (auto ok = memory.rewrite(); !ok) return ok.error();
  return memory;
}

FolderMemory::FolderMemory(FolderMemory&& other) noexcept
    : file_(std::move(other.file_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      lines_(other.lines_),
      next_forget_(other.next_forget_),
      known_(std::move(other.known_)) {}

FolderMemory::~FolderMemory() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void FolderMemory::read() {
  std::ifstream in(file_);
  for (std::string line; std::getline(in, line) && !in.eof();) {
    const auto parts = split(line, ' ');
    if (parts.size() != 4) continue;
    const auto inode = parse_integer(parts[0]), size = parse_integer(parts[1]), at = parse_integer(parts[2]);
    const auto name = from_hex(parts[3]);
    if (inode && size && at && name)
      known_[std::string(as_text(*name))] = {static_cast<std::uint64_t>(*inode), *size, *at};
  }
}

bool FolderMemory::has(const std::string& name, const FileIdentity& identity) const {
  const auto found = known_.find(name);
  return found != known_.end() && found->second == identity;
}

Result<void> FolderMemory::add(const std::string& name, const FileIdentity& identity) {
  known_[name] = identity;
  const auto line = line_of(name, identity);
  const auto end = ::lseek(descriptor_, 0, SEEK_END);
  const auto written = ::write(descriptor_, line.data(), line.size());
  if (written == static_cast<ssize_t>(line.size())) {
    ++lines_;
    return {};
  }
  auto error =
      written < 0 ? cannot_write() : internal_error("What a folder has given cannot be remembered: the disk is full.");
  // The part of a line would spoil the next one.
  if (written > 0 && (end < 0 || ::ftruncate(descriptor_, end) != 0)) return cannot_write();
  return error;
}

Result<void> FolderMemory::rewrite() {
  std::string all;
  for (const auto& entry : known_) all += line_of(entry.first, entry.second);
  if (auto ok = write_file_atomically(file_, all, 0600); !ok) return ok.error();
  const int fresh = ::open(file_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (fresh < 0) return cannot_write();
  ::close(std::exchange(descriptor_, fresh));
  lines_ = known_.size();
  return {};
}

}  // namespace vedette
