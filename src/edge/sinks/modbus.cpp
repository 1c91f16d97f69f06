#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <system_error>
#include <thread>
#include <vector>

#include "base/log.hpp"
#include "base/mutex.hpp"
#include "base/text.hpp"
#include "edge/sinks/kinds.hpp"
#include "edge/sinks/modbus_registers.hpp"

/// The live output `modbus`: a server of Modbus TCP whose registers have the newest verdict.
///   MODBUS Messaging on TCP/IP Implementation Guide V1.0b
namespace vedette::sinks {
namespace {

using Moment = std::chrono::steady_clock::time_point;

constexpr std::chrono::seconds kStuckAfter{3};
constexpr int kBacklog = 16;

/// The registers, as the newest verdict and the beats have them.
class Picture {
 public:
  void show(const VerdictRecord& record) {
    const MutexLock lock(mutex_);
    registers_ = registers_of(record, ++change_, registers_[registers::kAlive]);
    heard_ = std::chrono::steady_clock::now();
  }
  void beat() {
    const MutexLock lock(mutex_);
    ++registers_[registers::kAlive];
    heard_ = std::chrono::steady_clock::now();
  }
  [[nodiscard]] Registers read() const {
    const MutexLock lock(mutex_);
    auto all = registers_;
    if (std::chrono::steady_clock::now() - heard_ > kStuckAfter) all[registers::kResult] = all[registers::kState] = 0;
    return all;
  }

 private:
  mutable Mutex mutex_;
  Registers registers_ GUARDED_BY(mutex_) = {};
  std::uint16_t change_ GUARDED_BY(mutex_) = 0;
  Moment heard_ GUARDED_BY(mutex_) = {};
};

struct Client {
  int socket = -1;
  Moment heard;
  Bytes received;
};

class Modbus : public LiveOutput {
 public:
  Modbus(std::string name, int listener, int waker, std::size_t most_clients)
      : name_(std::move(name)), listener_(listener), waker_(waker), most_clients_(most_clients) {
    thread_ = std::thread([this] { serve(); });
  }
  ~Modbus() override {
    const std::uint64_t one = 1;
    while (::write(waker_, &one, sizeof one) < 0 && errno == EINTR) continue;
    thread_.join();
    for (const auto& client : clients_) ::close(client.socket);
    ::close(listener_);
    ::close(waker_);
  }
  Modbus(const Modbus&) = delete;
  Modbus& operator=(const Modbus&) = delete;

  [[nodiscard]] const std::string& name() const override { return name_; }
  void show(const VerdictRecord& record) override { picture_.show(record); }
  void beat() override { picture_.beat(); }

 private:
  void serve() {
    for (;;) {
      std::vector<pollfd> polled{{waker_, POLLIN, 0}, {listener_, POLLIN, 0}};
      for (const auto& client : clients_) polled.push_back({client.socket, POLLIN, 0});
      // Without a free descriptor, a waiting client cannot be taken: it is asked for again after a second.
      if (!accepting_) polled[1].events = 0;
      const auto found = ::poll(polled.data(), polled.size(), accepting_ ? -1 : 1000);
      accepting_ = true;
      if (found < 0) continue;
      if (polled[0].revents != 0) return;
      for (std::size_t i = 0; i < clients_.size(); ++i)
        if (polled[i + 2].revents != 0 && !receive(clients_[i])) {
          ::close(clients_[i].socket);
          clients_[i].socket = -1;
        }
      std::erase_if(clients_, [](const Client& client) { return client.socket < 0; });
      if ((polled[1].revents & POLLIN) != 0) accept();
    }
  }

  /// Takes a new client; the one that has been silent for the longest time makes room for it.
  void accept() {
    const auto socket = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (socket < 0) {
      accepting_ = errno == EAGAIN || errno == EINTR || errno == ECONNABORTED;
      return;
    }
    const int on = 1;
    ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (clients_.size() >= most_clients_) {
      const auto silent = std::ranges::min_element(clients_, {}, &Client::heard);
      ::close(silent->socket);
      clients_.erase(silent);
    }
    clients_.push_back({socket, std::chrono::steady_clock::now(), {}});
  }

  /// Reads and answers. Returns false if the client is gone, sends what is no Modbus, or does not read its answers.
  bool receive(Client& client) {
    std::array<std::uint8_t, kLongestModbusFrame> bytes{};
    const auto count = ::recv(client.socket, bytes.data(), bytes.size(), 0);
    if (count < 0) return errno == EAGAIN || errno == EINTR;
    if (count == 0) return false;
    client.heard = std::chrono::steady_clock::now();
    client.received.insert(client.received.end(), bytes.begin(), bytes.begin() + count);
    for (;;) {
      const auto step = answer_first(client.received, picture_.read());
      if (step.is_broken) return false;
      if (step.used == 0) return true;
      const auto& out = step.answer;
      if (::send(client.socket, out.data(), out.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(out.size())) return false;
      client.received.erase(client.received.begin(), client.received.begin() + static_cast<std::ptrdiff_t>(step.used));
    }
  }

  const std::string name_;
  const int listener_;
  const int waker_;
  const std::size_t most_clients_;
  Picture picture_;
  std::vector<Client> clients_;  ///< belongs to the thread, as accepting_ does
  bool accepting_ = true;
  std::thread thread_;
};

/// Listens at an IPv4 address. Returns -1, with errno, if that fails.
int listen_at(const in_addr& address, std::uint16_t port) {
  const auto listener = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (listener < 0) return -1;
  const int on = 1;
  ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_addr = address;
  where.sin_port = htons(port);
  if (::bind(listener, reinterpret_cast<const sockaddr*>(&where), sizeof where) == 0 &&
      ::listen(listener, kBacklog) == 0)
    return listener;
  const auto number = errno;
  ::close(listener);
  errno = number;
  return -1;
}

}  // namespace

MadeOutput make_modbus(Settings& settings, std::string name) {
  auto host = settings.text("address", false, 64);
  if (host.empty()) host = "127.0.0.1";
  in_addr address{};
  if (::inet_pton(AF_INET, host.c_str(), &address) != 1) settings.complain("address", "is no IPv4 address");
  const auto port = settings.number("port", 0, 65535, 502);
  const auto clients = settings.number("clients", 1, 64, 8);
  if (auto finished = settings.finish(); !finished) return finished.error();
  const auto listener = listen_at(address, static_cast<std::uint16_t>(port));
  const auto refuse = [&] {
    return fail(ErrorKind::unavailable, fmt::format("The output {} cannot listen at {}:{}: {}.", name, host, port,
                                                    std::generic_category().message(errno)));
  };
  if (listener < 0) return refuse();
  const auto waker = ::eventfd(0, EFD_CLOEXEC);
  if (waker < 0) {
    ::close(listener);
    return refuse();
  }
  sockaddr_in where{};
  socklen_t size = sizeof where;
  ::getsockname(listener, reinterpret_cast<sockaddr*>(&where), &size);
  log::info("modbus listens", {{"output", name}, {"port", std::to_string(ntohs(where.sin_port))}});
  return std::unique_ptr<LiveOutput>(std::make_unique<Modbus>(std::move(name), listener, waker, clients));
}

}  // namespace vedette::sinks
