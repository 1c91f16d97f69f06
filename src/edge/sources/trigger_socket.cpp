#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>

#include "edge/sources/kinds.hpp"
#include "edge/sources/trigger_kinds.hpp"

namespace vedette {
namespace {

constexpr std::size_t kMostBytes = 1024;
constexpr std::chrono::milliseconds kPause{100};  ///< after a client that could not be taken
constexpr timeval kPatience{0, 200'000};          ///< for one client, which others wait behind

Error trouble(const char* what) {
  return fail(ErrorKind::unavailable, std::string(what) + ": " + std::strerror(errno) + ".");
}

Result<sockaddr_un> address_of(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.native().size() >= sizeof(address.sun_path)) return invalid_input("The path of the socket is too long.");
  std::memcpy(&address.sun_path[0], path.c_str(), path.native().size() + 1);
  return address;
}

struct Socket {
  explicit Socket(int number_of = -1) : number(number_of) {}
  ~Socket() {
    if (number >= 0) ::close(number);
  }
  Socket(Socket&& other) noexcept : number(std::exchange(other.number, -1)) {}
  Socket& operator=(Socket&&) = delete;
  int number;
};

Socket make_socket() {
  return Socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
}

bool connects(int socket, const sockaddr_un& address) {
  return ::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
}

void be_impatient(int socket, timeval patience) {
  ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  ::setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
}

/// Listens for one packet per connection: the source's name, a line end, and the id. The answer is the kind of the error
/// as a digit and its message, or nothing but "ok".
class SocketTrigger final : public Trigger {
 public:
  /// `about` says which file of the path is the socket's.
  SocketTrigger(Socket socket, std::filesystem::path path, const struct stat& about, TriggerCallback on_trigger)
      : socket_(std::move(socket)),
        path_(std::move(path)),
        device_(about.st_dev),
        number_(about.st_ino),
        on_trigger_(std::move(on_trigger)) {
    thread_ = std::thread([this] { run(); });
  }
  ~SocketTrigger() override {
    is_stopping_ = true;
    wake_.wake();
    thread_.join();
    // Another agent may have put its own there.
    if (struct stat info{}; ::lstat(path_.c_str(), &info) == 0 && info.st_dev == device_ && info.st_ino == number_)
      ::unlink(path_.c_str());
  }
  SocketTrigger(const SocketTrigger&) = delete;
  SocketTrigger& operator=(const SocketTrigger&) = delete;

 private:
  void run() {
    while (true) {
      wait_readable(socket_.number, wake_.descriptor(), std::chrono::hours(1));
      if (is_stopping_) return;
      const Socket client(::accept4(socket_.number, nullptr, nullptr, SOCK_CLOEXEC));
      if (client.number >= 0)
        serve(client.number);
      else if (errno != EINTR && errno != ECONNABORTED)
        // Without a free descriptor the client stays in the queue; asking again at once would only use a core.
        wait_readable(wake_.descriptor(), -1, kPause);
    }
  }

  void serve(int client) const {
    be_impatient(client, kPatience);
    std::array<char, kMostBytes + 1> packet{};
    const auto length = ::recv(client, packet.data(), packet.size(), 0);
    if (length <= 0) return;
    const std::string_view text(packet.data(), static_cast<std::size_t>(length));
    const auto end = text.find('\n');
    Result<void> done = invalid_input("That is no trigger.");
    if (end != std::string_view::npos && text.size() <= kMostBytes)
      done = on_trigger_(std::string(text.substr(0, end)), std::string(text.substr(end + 1)));
    const std::string answer =
        done ? "ok" : std::to_string(static_cast<int>(done.error().kind)) + " " + done.error().message;
    (void)::send(client, answer.data(), answer.size(), MSG_NOSIGNAL);
  }

  Socket socket_;
  const std::filesystem::path path_;
  const dev_t device_;
  const ino_t number_;
  const TriggerCallback on_trigger_;
  std::atomic<bool> is_stopping_ = false;
  WakeUp wake_;
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<Trigger>> start_socket_trigger(const std::filesystem::path& path, TriggerCallback on_trigger) {
  const auto address = address_of(path);
  if (!address) return address.error();
  {
    // A socket that nobody listens on is left from an agent that was killed.
    const Socket probe = make_socket();
    if (connects(probe.number, *address))
      return fail(ErrorKind::unavailable, "Another agent listens for triggers on this socket.");
    struct stat about {};
    if (errno == ECONNREFUSED && ::lstat(path.c_str(), &about) == 0 && S_ISSOCK(about.st_mode)) ::unlink(path.c_str());
  }
  Socket socket = make_socket();
  if (socket.number < 0 || ::bind(socket.number, reinterpret_cast<const sockaddr*>(&*address), sizeof(*address)) != 0)
    return trouble("The socket for triggers cannot be made");
  // Whoever may write to the socket may trigger: the agent's user and its group.
  struct stat about {};
  if (::chmod(path.c_str(), 0660) != 0 || ::lstat(path.c_str(), &about) != 0 || ::listen(socket.number, 16) != 0)
    return trouble("The socket for triggers cannot be opened");
  return std::unique_ptr<Trigger>(
      std::make_unique<SocketTrigger>(std::move(socket), path, about, std::move(on_trigger)));
}

Result<void> send_trigger(const std::filesystem::path& path, const std::string& source, const std::string& id) {
  const auto address = address_of(path);
  if (!address) return address.error();
  const Socket socket = make_socket();
  const std::string text = source + "\n" + id;
  if (text.size() > kMostBytes || source.find('\n') != std::string::npos)
    return invalid_input("The name of the source and the id are too long.");
  if (!connects(socket.number, *address)) return trouble("No agent listens for triggers there");
  be_impatient(socket.number, {5, 0});
  std::array<char, 4096> answer{};
  if (::send(socket.number, text.data(), text.size(), MSG_NOSIGNAL) < 0) return trouble("The trigger cannot be sent");
  const auto length = ::recv(socket.number, answer.data(), answer.size(), 0);
  if (length <= 0) return trouble("The agent does not answer");
  const std::string said(answer.data(), static_cast<std::size_t>(length));
  if (said == "ok") return {};
  const auto space = said.find(' ');
  const auto kind = parse_integer(said.substr(0, space)).value_or(-1);
  const bool is_kind = kind >= 0 && kind <= static_cast<int>(ErrorKind::internal);
  return fail(is_kind ? static_cast<ErrorKind>(kind) : ErrorKind::internal,
              space == std::string::npos ? said : said.substr(space + 1));
}

}  // namespace vedette
