#include "edge/agent/listening_socket.hpp"

#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <system_error>
#include <utility>

#include "base/text.hpp"

namespace vedette {
namespace fs = std::filesystem;
namespace {

constexpr int kBacklog = 1024;

std::string reason_of(int code) {
  return std::generic_category().message(code);
}

Error unusable(const std::string& what, int code) {
  return invalid_input(what + ": " + reason_of(code));
}

/// Whether some program accepts connections at the path.
bool is_live(const sockaddr_un& address) {
  const int file = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (file < 0) return false;
  // If the program there has too many connections waiting, the call would have to wait.
  const bool is_taken =
      ::connect(file, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 || errno == EAGAIN;
  ::close(file);
  return is_taken;
}

Result<gid_t> find_group(const std::string& name) {
  std::string buffer(16384, '\0');
  group entry{};
  group* found = nullptr;
  if (::getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 || !found)
    return invalid_input("There is no group " + name + " for the socket.");
  return found->gr_gid;
}

/// Opens the lock of a socket. In a folder like /tmp anybody can make it first, and would then keep agents off.
Result<int> open_lock(const std::string& name) {
  constexpr const char* kRemedy =
      " Remove it, or use --socket with a folder that only the agent may write to, such as /run/vedette-edge/.";
  const int file = ::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
  const int code = errno;
  struct stat info {};
  const bool is_there = file >= 0 ? ::fstat(file, &info) == 0 : ::lstat(name.c_str(), &info) == 0;
  const bool is_own = is_there && S_ISREG(info.st_mode) && info.st_uid == ::geteuid();
  if (file >= 0 && is_own) return file;
  if (file >= 0) ::close(file);
  if (!is_there || is_own) return unusable("The lock " + name + " cannot be made", code);
  return invalid_input("The lock " + name +
                       (S_ISREG(info.st_mode) ? " belongs to user " + std::to_string(info.st_uid) + "."
                                              : std::string(" is no plain file.")) +
                       kRemedy);
}

}  // namespace

Result<ListeningSocket> ListeningSocket::at_path(const fs::path& path, const std::string& group) {
  ListeningSocket out;
  const auto name = path.string();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (!path.is_absolute() || name.size() >= sizeof(address.sun_path))
    return invalid_input("The socket " + name + " must be an absolute path of at most " +
                         std::to_string(sizeof(address.sun_path) - 1) + " bytes.");
  std::memcpy(address.sun_path, name.data(), name.size());
  const auto lock = open_lock(name + ".lock");
  if (!lock) return lock.error();
  out.lock_ = *lock;
  const auto taken = fail(ErrorKind::conflict, "Another program already serves on the socket " + name + ".");
  if (::flock(out.lock_, LOCK_EX | LOCK_NB) != 0)
    return errno == EWOULDBLOCK ? taken : unusable("The lock " + name + ".lock cannot be taken", errno);
  // Programs that do not know the lock may listen there, too.
  if (is_live(address)) return taken;
  struct stat info {};
  if (::lstat(name.c_str(), &info) == 0) {
    if (!S_ISSOCK(info.st_mode)) return invalid_input("The path " + name + " of the socket is taken by a file.");
    if (::unlink(name.c_str()) != 0) return unusable("The old socket " + name + " cannot be removed", errno);
  }
  out.file_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (out.file_ < 0) return unusable("No socket can be made", errno);
  // Until its group and mode are set, the socket is its user's alone: the path gets the mode of the socket.
  if (::fchmod(out.file_, 0600) != 0 ||
      ::bind(out.file_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      ::lstat(name.c_str(), &info) != 0)
    return unusable("The socket " + name + " cannot be made", errno);
  out.path_ = path;
  out.device_ = info.st_dev;
  out.number_ = info.st_ino;
  if (!group.empty()) {
    const auto id = find_group(group);
    if (!id) return id.error();
    if (::lchown(name.c_str(), static_cast<uid_t>(-1), *id) != 0)
      return unusable("The socket cannot be given to the group " + group, errno);
  }
  if (::chmod(name.c_str(), 0660) != 0) return unusable("The mode of the socket cannot be set", errno);
  if (::listen(out.file_, kBacklog) != 0) return unusable("The socket " + name + " cannot listen", errno);
  return Result<ListeningSocket>(std::move(out));
}

Result<ListeningSocket> ListeningSocket::at_address(const std::string& address) {
  ListeningSocket out;
  const auto colon = address.rfind(':');
  const auto wrong = invalid_input("The address " + address + " must be ADDR:PORT or [ADDR]:PORT, both of numbers.");
  if (colon == std::string::npos) return wrong;
  auto host = address.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE;
  addrinfo* list = nullptr;
  const auto port = parse_integer(address.substr(colon + 1));
  if (host.empty() || !port || *port < 0 || *port > 65535 ||
      ::getaddrinfo(host.c_str(), address.c_str() + colon + 1, &hints, &list) != 0)
    return wrong;
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> found(list, ::freeaddrinfo);
  out.file_ = ::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (out.file_ < 0) return unusable("No socket can be made", errno);
  const int yes = 1;
  ::setsockopt(out.file_, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  if (::bind(out.file_, found->ai_addr, found->ai_addrlen) != 0 || ::listen(out.file_, kBacklog) != 0) {
    if (errno == EADDRINUSE) return fail(ErrorKind::conflict, "Another program already listens at " + address + ".");
    return unusable("The agent cannot listen at " + address, errno);
  }
  return Result<ListeningSocket>(std::move(out));
}

ListeningSocket::ListeningSocket(ListeningSocket&& other) noexcept
    : file_(std::exchange(other.file_, -1)),
      lock_(std::exchange(other.lock_, -1)),
      path_(std::exchange(other.path_, {})),
      device_(other.device_),
      number_(other.number_) {}

ListeningSocket::~ListeningSocket() {
  if (struct stat info{};
      !path_.empty() && ::lstat(path_.c_str(), &info) == 0 && info.st_dev == device_ && info.st_ino == number_)
    ::unlink(path_.c_str());
  if (file_ >= 0) ::close(file_);
  if (lock_ >= 0) ::close(lock_);
}

int ListeningSocket::port() const {
  sockaddr_storage address{};
  socklen_t length = sizeof(address);
  if (::getsockname(file_, reinterpret_cast<sockaddr*>(&address), &length) != 0) return 0;
  if (address.ss_family == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in&>(address).sin_port);
  if (address.ss_family == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6&>(address).sin6_port);
  return 0;
}

}  // namespace vedette
