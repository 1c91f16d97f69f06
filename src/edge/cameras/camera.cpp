#include "edge/cameras/camera.hpp"

#include "edge/cameras/kinds.hpp"

namespace vedette {

Result<std::unique_ptr<Camera>> open_camera(const CameraSettings& settings) {
  switch (settings.kind) {
    case CameraKind::v4l2:
      return open_v4l2(settings);
    case CameraKind::gstreamer:
      return open_gstreamer(settings);
    case CameraKind::aravis:
      return open_aravis(settings);
  }
  return internal_error("a kind of camera has no driver");
}

}  // namespace vedette
