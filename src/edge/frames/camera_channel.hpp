#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "edge/frames/frame.hpp"

/// What passes between the agent and a camera program: small messages over a socket that keeps their borders
/// (SOCK_SEQPACKET), and pixels in slots of a shared memory file (memfd) that both have mapped. The camera program
/// writes a frame into a free slot and says so; the agent gives the slot back when nobody needs the frame any more. So
/// the camera program copies pixels once, and the agent never. The agent trusts nothing that comes from there: messages
/// of another size, other slots, other sizes of frames end the connection; the memory file is sealed, so that it cannot
/// shrink under the agent's reads.
namespace vedette {

/// The number of frames that may be under way. One is judged, one waits, one is being written.
inline constexpr int kFrameSlots = 3;
/// The most bytes of a trigger's id.
inline constexpr std::size_t kMostTriggerId = 128;

/// The descriptors that the agent leaves open in a camera program. The first packet on the socket is the settings as
/// JSON, whatever follows is a CameraMessage.
inline constexpr int kCameraSocket = 3, kCameraMemory = 4;
/// The most bytes of the settings.
inline constexpr std::size_t kMostCameraSettings = 128 << 10;

enum class CameraMessageKind : std::uint32_t {
  // The camera program says:
  frame = 1,   ///< `slot` holds a frame
  no_picture,  ///< the trigger `trigger` gave no whole picture; `text` says why
  alive,       ///< comes at least every second while the camera works, with new counters
  state,       ///< `text` says in words for people what the camera does; `value` is 1 if it gives pictures
  // The agent says:
  release = 16,  ///< `slot` may be written again
  trigger,       ///< take a picture; `text` is the trigger's id
};

/// A message. It passes as its bytes: both programs are of one build.
struct CameraMessage {
  CameraMessageKind kind{};
  std::uint32_t slot = 0;
  std::uint32_t format = 0;  ///< a PixelFormat
  std::uint32_t width = 0, height = 0;
  std::uint32_t value = 0;
  std::uint64_t stride = 0;
  std::uint64_t size = 0;        ///< the bytes in the slot
  std::uint64_t trigger = 0;     ///< counts the agent's triggers from 1; 0 if nothing triggered the picture
  std::uint64_t frames = 0;      ///< counts the frames that the camera gave whole
  std::uint64_t incomplete = 0;  ///< counts the frames that did not come whole and went back unused
  std::uint64_t unused = 0;      ///< counts the whole frames that nobody needed, or for which no slot was free
  std::int64_t at = 0;           ///< nanoseconds since the Unix epoch: when the frame was complete, or the trigger came
  std::array<char, 256> text{};  ///< ends at its first zero byte

  void set_text(std::string_view words);  ///< cuts at the end of the array
  [[nodiscard]] std::string words() const;
};

/// The memory of the slots. Pages that no frame has touched cost nothing.
class FrameMemory {
 public:
  /// Makes a memory file of kFrameSlots slots and seals its size. Fails with invalid_input unless a slot has
  /// 4,096 bytes to 1 GiB, and with internal if the system refuses.
  static Result<std::shared_ptr<FrameMemory>> create(std::size_t slot_bytes);
  /// Maps the memory file of a descriptor, which stays open and the caller's. Fails with internal if it is none.
  static Result<std::shared_ptr<FrameMemory>> map(int descriptor, std::size_t slot_bytes);
  ~FrameMemory();
  FrameMemory(const FrameMemory&) = delete;
  FrameMemory& operator=(const FrameMemory&) = delete;

  [[nodiscard]] int descriptor() const { return descriptor_; }  ///< -1 if it was mapped from another's
  [[nodiscard]] std::size_t slot_bytes() const { return slot_bytes_; }
  [[nodiscard]] std::span<std::uint8_t> slot(std::uint32_t number) const;  ///< 0 … kFrameSlots − 1

 private:
  FrameMemory(int descriptor, std::uint8_t* begin, std::size_t slot_bytes)
      : descriptor_(descriptor), begin_(begin), slot_bytes_(slot_bytes) {}
  int descriptor_;
  std::uint8_t* begin_;
  std::size_t slot_bytes_;
};

/// Sends one message without waiting. Returns false if the other side is gone or does not read.
bool send_message(int socket, const CameraMessage& message);

/// What receive_message() found.
enum class Received { message, nothing, closed, broken };
/// Waits up to `timeout` for one message. `broken` means that the other side sent something that is no message.
Received receive_message(int socket, std::chrono::milliseconds timeout, CameraMessage& message);

/// The agent's end: knows which slots the camera program may write, and turns messages into frames.
/// One thread may receive; frames may be dropped on any thread.
class FrameReceiver {
 public:
  /// The socket stays the caller's, and must outlive this object; frames may outlive both.
  FrameReceiver(std::shared_ptr<FrameMemory> memory, int socket);

  /// Checks a message of the kind `frame`, and returns the frame that it speaks of. Its memory is the slot, which goes
  /// back to the camera program with the last copy of the frame; a JPEG file is copied, because its reader cannot bear
  /// bytes that change. Fails with invalid_input if anything in the message cannot be so: then end the camera program.
  Result<Frame> accept(const CameraMessage& message);

 private:
  struct Slots;
  std::shared_ptr<FrameMemory> memory_;
  std::shared_ptr<Slots> slots_;
};

}  // namespace vedette
