#pragma once

#include <filesystem>
#include <string>

#include "base/result.hpp"

namespace vedette {

/// A socket that listens, and the right to it. It may be moved.
class ListeningSocket {
 public:
  /// Listens at a path, readable and writable for user and group (0660), and for `group` unless that is empty. A lock on
  /// the file `<path>.lock`, which stays, keeps every other agent off; it ends with this process, however that ends. A
  /// socket that nobody listens on any more is replaced. Fails with conflict if another program listens there, and
  /// with invalid_input if the path or the group cannot be used, or if the lock belongs to another user.
  static Result<ListeningSocket> at_path(const std::filesystem::path& path, const std::string& group);
  /// Listens at ADDR:PORT or [ADDR]:PORT, both of numbers. Fails with invalid_input and with conflict likewise.
  static Result<ListeningSocket> at_address(const std::string& address);
  ~ListeningSocket();  ///< removes the path if it is still this socket's
  ListeningSocket(ListeningSocket&& other) noexcept;
  ListeningSocket& operator=(ListeningSocket&&) = delete;

  [[nodiscard]] int file() const { return file_; }
  [[nodiscard]] int port() const;  ///< of a TCP socket

 private:
  ListeningSocket() = default;
  int file_ = -1, lock_ = -1;
  std::filesystem::path path_;
  unsigned long device_ = 0, number_ = 0;  // of the path's file, so that only that one is removed
};

}  // namespace vedette
