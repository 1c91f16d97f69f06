// This target fuzzes both sides of the socket for triggers: a client that sends any packet to the agent, and an agent
// that answers anything to `vedette-edge trigger`.
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>

#include "base/files.hpp"
#include "edge/sources/trigger_kinds.hpp"

namespace {

using namespace vedette;

int connected_or_listening(const std::filesystem::path& path, bool listens) {
  const int socket = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(&address.sun_path[0], path.c_str(), path.native().size() + 1);
  const auto* const where = reinterpret_cast<const sockaddr*>(&address);
  if (listens ? ::bind(socket, where, sizeof(address)) != 0 || ::listen(socket, 1) != 0
              : ::connect(socket, where, sizeof(address)) != 0)
    std::abort();
  return socket;
}

/// An agent, and what its newest trigger said.
struct Agent {
  Agent() {
    auto started = start_socket_trigger(
        folder.path() / "agent", [this](const std::string& source, const Result<std::string>& id) -> Result<void> {
          said = source + "\n" + (id ? *id : std::string());
          if (source == "none") return not_found("SOURCE", source, "There is no such source.");
          return {};
        });
    if (!started) std::abort();
    trigger = std::move(*started);
  }
  TemporaryFolder folder;
  std::string said;  // Written before the answer is sent, and read after it has come.
  std::unique_ptr<Trigger> trigger;
};

void trigger_agent(std::string_view packet) {
  static Agent agent;
  agent.said.clear();
  const int client = connected_or_listening(agent.folder.path() / "agent", false);
  if (::send(client, packet.data(), packet.size(), MSG_NOSIGNAL) < 0) std::abort();
  std::array<char, 4096> answer{};
  const auto length = ::recv(client, answer.data(), answer.size(), 0);
  ::close(client);
  if (length < 0 || (length == 0) != packet.empty()) std::abort();
  const bool is_trigger = packet.size() <= 1024 && packet.find('\n') != std::string_view::npos;
  if (agent.said != (is_trigger ? packet : std::string_view())) std::abort();
}

void answer_program(std::string_view answer) {
  static const TemporaryFolder folder;
  static const int listener = connected_or_listening(folder.path() / "hostile", true);
  std::thread agent([&] {
    const int client = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    std::array<char, 2048> packet{};
    if (::recv(client, packet.data(), packet.size(), 0) <= 0) std::abort();
    if (!answer.empty()) (void)::send(client, answer.data(), answer.size(), MSG_NOSIGNAL);
    ::close(client);
  });
  const auto done = send_trigger(folder.path() / "hostile", "camera", "part 1");
  agent.join();
  if (done.has_value() != (answer == "ok")) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  trigger_agent(bytes);
  answer_program(bytes);
  return 0;
}
