#include "edge/cameras/video_device.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "edge/cameras/kinds.hpp"

namespace vedette {
namespace {

class KernelVideoDevice final : public VideoDevice {
 public:
  explicit KernelVideoDevice(int descriptor) : descriptor_(descriptor) {}
  ~KernelVideoDevice() override {
    for (const auto& mapping : mappings_) ::munmap(mapping.first, mapping.second);
    ::close(descriptor_);
  }
  KernelVideoDevice(const KernelVideoDevice&) = delete;
  KernelVideoDevice& operator=(const KernelVideoDevice&) = delete;

  int control(unsigned long request, void* argument) override {
    int result = 0;
    do result = ::ioctl(descriptor_, request, argument);
    while (result < 0 && errno == EINTR);
    return result;
  }
  const std::uint8_t* map(std::size_t length, std::int64_t offset) override {
    void* const begin = ::mmap(nullptr, length, PROT_READ, MAP_SHARED, descriptor_, offset);
    if (begin == MAP_FAILED) return nullptr;
    mappings_.emplace_back(begin, length);
    return static_cast<const std::uint8_t*>(begin);
  }
  bool wait(std::chrono::milliseconds timeout) override {
    pollfd waiting{descriptor_, POLLIN, 0};
    return ::poll(&waiting, 1, static_cast<int>(timeout.count())) > 0;
  }

 private:
  int descriptor_;
  std::vector<std::pair<void*, std::size_t>> mappings_;
};

}  // namespace

Result<std::unique_ptr<VideoDevice>> open_video_device(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (descriptor >= 0) return std::unique_ptr<VideoDevice>(std::make_unique<KernelVideoDevice>(descriptor));
  if (errno == EACCES)
    return fail(ErrorKind::unavailable,
                "This user may not use the video device: add the user to the group video and start the agent again.");
  return fail(ErrorKind::unavailable, std::string("The video device cannot be opened: ") + std::strerror(errno) + ".");
}

Result<std::unique_ptr<Camera>> open_v4l2(const CameraSettings& settings) {
  auto device = open_video_device(settings.device);
  if (!device) return device.error();
  return open_v4l2(std::move(*device), settings);
}

}  // namespace vedette
