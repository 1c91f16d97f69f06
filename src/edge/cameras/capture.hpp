#pragma once

#include "base/result.hpp"
#include "edge/cameras/camera.hpp"
#include "edge/frames/camera_channel.hpp"

namespace vedette {

/// Takes pictures with a camera and gives them to the agent, as the settings say (CameraSettings::mode), until the agent
/// has gone (returns) or the camera is lost (fails with unavailable).
///   socket  the camera program's end; see camera_channel.hpp
/// A frame for which no slot is free is dropped and counted, so that the agent never gets old frames: the next one that
/// comes after it has given a slot back is new. While a trigger waits for its picture, every frame that does not come
/// whole is the end of that trigger: the agent is told that there is no picture, since the next frame would show
/// another part.
Result<void> capture(Camera& camera, const CameraSettings& settings, const FrameMemory& memory, int socket);

}  // namespace vedette
