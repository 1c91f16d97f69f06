#include "edge/frames/camera_channel.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "base/mutex.hpp"

namespace vedette {
namespace {

std::size_t whole_pages(std::size_t bytes) {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return (bytes + page - 1) / page * page;
}

Error refused(const char* what) {
  return internal_error(std::string("The memory for frames cannot be ") + what + ": " + std::strerror(errno) + ".");
}

std::uint8_t* map_slots(int descriptor, std::size_t slot_bytes) {
  void* const begin =
      ::mmap(nullptr, kFrameSlots * slot_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, descriptor, 0);
  return begin == MAP_FAILED ? nullptr : static_cast<std::uint8_t*>(begin);
}

}  // namespace

void CameraMessage::set_text(std::string_view words_to_set) {
  text.fill(0);
  std::copy_n(words_to_set.begin(), std::min(words_to_set.size(), text.size() - 1), text.begin());
}

std::string CameraMessage::words() const {
  return {text.begin(), std::find(text.begin(), text.end(), '\0')};
}

Result<std::shared_ptr<FrameMemory>> FrameMemory::create(std::size_t slot_bytes) {
  if (slot_bytes < 4096 || slot_bytes > (std::size_t{1} << 30))
    return invalid_input("A frame may take 4,096 bytes to 1 GiB.");
  slot_bytes = whole_pages(slot_bytes);
  const int descriptor = ::memfd_create("vedette-frames", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (descriptor < 0) return refused("made");
  // From here on the object closes the descriptor.
  std::shared_ptr<FrameMemory> memory(new FrameMemory(descriptor, nullptr, slot_bytes));
  if (::ftruncate(descriptor, static_cast<off_t>(kFrameSlots * slot_bytes)) != 0 ||
      ::fcntl(descriptor, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
    return refused("sized");
  memory->begin_ = map_slots(descriptor, slot_bytes);
  if (memory->begin_ == nullptr) return refused("mapped");
  return memory;
}

Result<std::shared_ptr<FrameMemory>> FrameMemory::map(int descriptor, std::size_t slot_bytes) {
  slot_bytes = whole_pages(slot_bytes);
  std::uint8_t* const begin = map_slots(descriptor, slot_bytes);
  if (begin == nullptr) return refused("mapped");
  return std::shared_ptr<FrameMemory>(new FrameMemory(-1, begin, slot_bytes));
}

FrameMemory::~FrameMemory() {
  if (begin_ != nullptr) ::munmap(begin_, kFrameSlots * slot_bytes_);
  if (descriptor_ >= 0) ::close(descriptor_);
}

std::span<std::uint8_t> FrameMemory::slot(std::uint32_t number) const {
  return {begin_ + number * slot_bytes_, slot_bytes_};
}

bool send_message(int socket, const CameraMessage& message) {
  while (true) {
    const auto sent = ::send(socket, &message, sizeof(message), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent == static_cast<ssize_t>(sizeof(message))) return true;
    if (sent >= 0 || errno != EINTR) return false;
  }
}

Received receive_message(int socket, std::chrono::milliseconds timeout, CameraMessage& message) {
  pollfd waiting{socket, POLLIN, 0};
  const int ready = ::poll(&waiting, 1, static_cast<int>(timeout.count()));
  if (ready < 0 && errno != EINTR) return Received::closed;
  if (ready <= 0) return Received::nothing;
  // With MSG_TRUNC the length is that of the message, also if it has more bytes than there is room for.
  auto got = ::recv(socket, &message, sizeof(message), MSG_DONTWAIT | MSG_TRUNC);
  // The other side ended without having read everything. The system says so once, and then gives what it had sent.
  if (got < 0 && errno == ECONNRESET) got = ::recv(socket, &message, sizeof(message), MSG_DONTWAIT | MSG_TRUNC);
  if (got == static_cast<ssize_t>(sizeof(message))) return Received::message;
  if (got > 0) return Received::broken;
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return Received::nothing;
  return Received::closed;
}

/// The slots that frames of the agent hold. Frames may outlive the receiver, so they share this.
struct FrameReceiver::Slots {
  explicit Slots(int socket) : own_socket(::fcntl(socket, F_DUPFD_CLOEXEC, 0)) {}
  ~Slots() {
    if (own_socket >= 0) ::close(own_socket);
  }
  Slots(const Slots&) = delete;
  Slots& operator=(const Slots&) = delete;

  void give_back(std::uint32_t slot) {
    {
      const MutexLock lock(mutex);
      is_held[slot] = false;
    }
    CameraMessage release{.kind = CameraMessageKind::release, .slot = slot};
    (void)send_message(own_socket, release);  // A camera program that is gone needs no slot.
  }

  const int own_socket;
  Mutex mutex;
  std::array<bool, kFrameSlots> is_held GUARDED_BY(mutex){};
};

FrameReceiver::FrameReceiver(std::shared_ptr<FrameMemory> memory, int socket)
    : memory_(std::move(memory)), slots_(std::make_shared<Slots>(socket)) {}

Result<Frame> FrameReceiver::accept(const CameraMessage& message) {
  if (message.slot >= kFrameSlots) return invalid_input("The camera program names a slot that there is not.");
  if (message.format > static_cast<std::uint32_t>(PixelFormat::jpeg))
    return invalid_input("The camera program names a pixel format that there is not.");
  if (message.size > memory_->slot_bytes())
    return invalid_input("The camera program names more bytes than a slot has.");
  Frame frame;
  frame.format = static_cast<PixelFormat>(message.format);
  if (message.width > kMostFrameSide || message.height > kMostFrameSide)
    return invalid_input("The camera program names a size that no frame has.");
  frame.width = static_cast<int>(message.width);
  frame.height = static_cast<int>(message.height);
  frame.stride = message.stride;
  frame.pictured_at = message.at;
  const auto least = frame_bytes(frame.format, frame.width, frame.height, frame.stride);
  if (!least || message.size < *least)
    return invalid_input("The camera program names a size that does not fit to the frame.");
  {
    const MutexLock lock(slots_->mutex);
    if (std::exchange(slots_->is_held[message.slot], true))
      return invalid_input("The camera program writes to a slot that is in use.");
  }
  const auto bytes = memory_->slot(message.slot).first(message.size);
  // The slot goes back when the last copy of the frame has gone.
  std::shared_ptr<void> held(
      nullptr, [slots = slots_, memory = memory_, slot = message.slot](void*) { slots->give_back(slot); });
  if (frame.format == PixelFormat::jpeg) {
    auto copy = std::make_shared<const std::vector<std::uint8_t>>(bytes.begin(), bytes.end());
    frame.pixels = *copy;
    frame.memory = std::move(copy);
  } else {
    frame.pixels = bytes;
    frame.memory = std::move(held);
  }
  return frame;
}

}  // namespace vedette
