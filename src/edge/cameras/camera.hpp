#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "edge/frames/camera_settings.hpp"
#include "edge/frames/frame.hpp"

/// Takes pictures with V4L2, GStreamer or Aravis. Only vedette-edge-camera uses this, with one camera per process and on
/// one thread; the libraries below start threads of their own.
namespace vedette {

/// What one wait for a frame gave.
struct Capture {
  enum class Kind {
    frame,       ///< `frame` is whole; its pixels are valid until the next call of next()
    incomplete,  ///< a frame came that is not whole, and went back unused; `reason` says what was wrong
    nothing,     ///< nothing came in time
  };
  Kind kind = Kind::nothing;
  Frame frame = {};
  std::string reason = {};
};

class Camera {
 public:
  virtual ~Camera() = default;
  /// Waits for the next frame. Fails with unavailable when the camera is lost (unplugged, the stream ended): then end
  /// the program, and the agent starts it again.
  virtual Result<Capture> next(std::chrono::milliseconds timeout) = 0;
  /// Whether trigger() makes the camera itself take a picture, so that the next frame is the trigger's.
  [[nodiscard]] virtual bool takes_software_triggers() const { return false; }
  /// Has the camera take a picture now. Fails with unavailable if it refuses.
  virtual Result<void> trigger() { return {}; }
  /// Throws away whatever is still under way, so that the next frame cannot belong to an earlier trigger.
  virtual Result<void> flush() { return {}; }
  /// Says in words for people what the camera is and what it gives: "Basler acA2440 (Mono12p, 2448x2048)".
  [[nodiscard]] virtual std::string description() const = 0;
};

/// Opens the camera that the settings speak of, and starts it. Fails with invalid_input if the camera does not know what
/// the settings ask for, and with unavailable if it is not there.
Result<std::unique_ptr<Camera>> open_camera(const CameraSettings& settings);

}  // namespace vedette
