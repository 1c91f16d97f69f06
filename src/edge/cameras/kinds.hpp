#pragma once

#include "edge/cameras/camera.hpp"

/// One function per kind of camera. Internal to edge/cameras.
namespace vedette {

Result<std::unique_ptr<Camera>> open_v4l2(const CameraSettings& settings);
Result<std::unique_ptr<Camera>> open_gstreamer(const CameraSettings& settings);
Result<std::unique_ptr<Camera>> open_aravis(const CameraSettings& settings);

}  // namespace vedette
