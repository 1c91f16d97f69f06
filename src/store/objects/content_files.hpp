#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>

#include "base/digest.hpp"
#include "base/files.hpp"
#include "store/objects/objects.hpp"

/// The files that hold the contents of objects: a file that is opened for reading, and a file that is being written.
/// Only one thread may use each.
namespace vedette {
namespace fs = std::filesystem;

/// Makes an error of what the system said of the last file operation (errno): a full disk is `unavailable`, everything
/// else is `internal`.
Error disk_failure(const char* action);

class FileReader : public ObjectReader {
 public:
  FileReader(int fd, ObjectInfo info) : fd_(fd), info_(std::move(info)) {}
  ~FileReader() override { ::close(fd_); }
  FileReader(const FileReader&) = delete;
  FileReader& operator=(const FileReader&) = delete;
  [[nodiscard]] const ObjectInfo& info() const override { return info_; }
  [[nodiscard]] std::optional<int> file() const override { return fd_; }
  Result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> out) override {
    std::size_t done = 0;
    while (done < out.size()) {
      const auto n = ::pread(fd_, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return disk_failure("read");
      if (n == 0) break;
      done += static_cast<std::size_t>(n);
    }
    return done;
  }

 private:
  int fd_;
  ObjectInfo info_;
};

/// The suffix of a content file's name until the index names the file. Such a file was never acknowledged.
/// The exception are files that were put together: they get their final names right after the index names them.
inline constexpr const char* kUnfinished = ".part";

/// Opens a content file for reading, also in the moment between its commit and its final name. Returns -1 and sets
/// errno if there is none.
int open_content(const fs::path& path);

class StagedFile : public StagedObject {
 public:
  StagedFile(fs::path path, std::string name, int fd) : path_(std::move(path)), name_(std::move(name)), fd_(fd) {}
  ~StagedFile() override {
    if (fd_ >= 0) ::close(fd_);
    if (!is_kept_) ::unlink(path_.c_str());
  }
  StagedFile(const StagedFile&) = delete;
  StagedFile& operator=(const StagedFile&) = delete;
  void add_checksum(ChecksumAlgorithm algorithm) override { summing_.emplace(algorithm); }
  Result<void> write(std::span<const std::uint8_t> bytes) override {
    sha256_.update(bytes);
    md5_.update(bytes);
    if (summing_) summing_->update(bytes);
    size_ += bytes.size();
    while (!bytes.empty()) {
      const auto n = ::write(fd_, bytes.data(), bytes.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return disk_failure("write");
      bytes = bytes.subspan(static_cast<std::size_t>(n));
    }
    // The disk begins to write while more bytes arrive, so that sync() has less to wait for.
    if (size_ - submitted_ >= kWriteBehind) {
      ::sync_file_range(fd_, static_cast<off64_t>(submitted_), static_cast<off64_t>(size_ - submitted_),
                        SYNC_FILE_RANGE_WRITE);
      submitted_ = size_;
    }
    return {};
  }
  Result<std::string> finish() override {
    sha256_hex_ = to_hex(sha256_.finish());
    md5_hex_ = to_hex(md5_.finish());
    if (summing_) checksum_ = ObjectChecksum{summing_->algorithm(), summing_->finish()};
    return sha256_hex_;
  }
  [[nodiscard]] const std::string& md5_hex() const override { return md5_hex_; }
  [[nodiscard]] const std::optional<ObjectChecksum>& checksum() const override { return checksum_; }

  Result<void> sync() {
    if (auto ok = sync_content(); !ok) return ok;
    return sync_path(folder());
  }
  /// Has the disk begin to write what it has not got yet. It waits for nothing, so that the disk can work on many files
  /// at once before sync_content() waits for each.
  void begin_sync() { ::sync_file_range(fd_, 0, 0, SYNC_FILE_RANGE_WRITE); }
  /// Syncs the content, but not the folder that the file lies in.
  Result<void> sync_content() {
    if (::fsync(fd_) != 0) return disk_failure("sync");
    ::close(fd_);
    fd_ = -1;
    return {};
  }
  [[nodiscard]] fs::path folder() const { return path_.parent_path(); }
  /// Gives the content its final path. From then on the file stays, whatever becomes of this object.
  Result<void> keep(const fs::path& path) {
    if (::rename(path_.c_str(), path.c_str()) != 0) return disk_failure("name a file");
    is_kept_ = true;
    return {};
  }
  /// Lets the file stay under its unfinished name, whatever becomes of this object: the next start gives it its final
  /// path if the index names it, and deletes it otherwise.
  void keep_unfinished() { is_kept_ = true; }
  /// Undoes keep() if the index could not be written. The file stays as an unfinished one until the next start, which
  /// gives it its name again should the index name it after all.
  void take_name_back(const fs::path& path) { (void)::rename(path.c_str(), path_.c_str()); }
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const std::string& sha256_hex() const { return sha256_hex_; }
  [[nodiscard]] std::uint64_t size() const { return size_; }

 private:
  fs::path path_;
  std::string name_;
  int fd_;
  bool is_kept_ = false;
  static constexpr std::uint64_t kWriteBehind = 2 << 20;
  std::uint64_t size_ = 0, submitted_ = 0;
  Hasher sha256_{Hasher::Algorithm::sha256};
  Hasher md5_{Hasher::Algorithm::md5};
  std::optional<Checksum> summing_;
  std::optional<ObjectChecksum> checksum_;
  std::string sha256_hex_, md5_hex_;
};

}  // namespace vedette
