#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/result.hpp"
#include "edge/cameras/camera.hpp"

namespace vedette {

/// A device of V4L2 as the system has it. This is the seam at which a test puts a device of its own.
class VideoDevice {
 public:
  virtual ~VideoDevice() = default;
  /// Does as ioctl(2) does: returns −1 and sets errno if it fails.
  virtual int control(unsigned long request, void* argument) = 0;
  /// Maps a buffer of the device for reading; nullptr if that fails. The mapping lasts as long as this object.
  virtual const std::uint8_t* map(std::size_t length, std::int64_t offset) = 0;
  /// Waits until a frame is there or the device is in trouble. Returns false if the time is over.
  virtual bool wait(std::chrono::milliseconds timeout) = 0;
};

/// Opens /dev/video…. Fails with unavailable, and says what to do if the rights are missing.
Result<std::unique_ptr<VideoDevice>> open_video_device(const std::string& path);

/// Negotiates format, size, rate and controls, and starts to stream.
Result<std::unique_ptr<Camera>> open_v4l2(std::unique_ptr<VideoDevice> device, const CameraSettings& settings);

}  // namespace vedette
