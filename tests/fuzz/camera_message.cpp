// This target fuzzes what a camera program sends to the agent: packets of any length and content. Whatever they say, a
// frame that the agent accepts lies within its slot and can be converted, and no slot is given out twice.
// Each packet begins with a byte of its length; 0 stands for the length of a message.
#include "edge/frames/camera_channel.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <deque>

namespace {

using namespace vedette;

void check(const Frame& frame, const FrameMemory& memory, const std::deque<Frame>& held) {
  const auto least = frame_bytes(frame.format, frame.width, frame.height, frame.stride);
  if (!least || frame.pixels.size() < *least || frame.pixels.size() > memory.slot_bytes()) std::abort();
  if (frame.format == PixelFormat::jpeg) return;
  int slot = -1;
  for (std::uint32_t i = 0; i < kFrameSlots; ++i)
    if (frame.pixels.data() == memory.slot(i).data()) slot = static_cast<int>(i);
  if (slot < 0) std::abort();
  for (const auto& other : held)
    if (other.pixels.data() == frame.pixels.data()) std::abort();
  if (!to_rgb(frame, 12)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto memory = [] {
    auto made = FrameMemory::create(std::size_t{64} << 10);
    if (!made) std::abort();
    return *made;
  }();
  std::array<int, 2> sockets{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets.data()) != 0) std::abort();
  {
    FrameReceiver receiver(memory, sockets[0]);
    std::deque<Frame> held;
    const auto* const end = data + size;
    while (data < end) {
      const std::size_t wanted = *data == 0 ? sizeof(CameraMessage) : *data;
      ++data;
      const auto length = std::min<std::size_t>(wanted, static_cast<std::size_t>(end - data));
      if (length == 0) break;
      if (::send(sockets[1], data, length, MSG_NOSIGNAL) != static_cast<ssize_t>(length)) std::abort();
      data += length;
      CameraMessage message;
      const auto received = receive_message(sockets[0], std::chrono::milliseconds(0), message);
      if ((received == Received::message) != (length == sizeof(CameraMessage))) std::abort();
      if (received != Received::message) break;
      if (message.words().size() > message.text.size()) std::abort();
      if (message.kind != CameraMessageKind::frame) {
        if (!held.empty()) held.pop_front();
        continue;
      }
      auto frame = receiver.accept(message);
      if (!frame) break;
      check(*frame, *memory, held);
      held.push_back(std::move(*frame));
    }
  }
  for (const int socket : sockets) ::close(socket);
  return 0;
}
