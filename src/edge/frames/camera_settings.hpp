#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/result.hpp"
#include "edge/frames/frame.hpp"

/// What the configuration says of one camera. The agent reads it to supervise the camera program, and hands it on; the
/// camera program reads it once more. docs/edge-cameras.md describes every member.
namespace vedette {

enum class CameraKind { v4l2, gstreamer, aravis };

/// When pictures are taken.
enum class TriggerMode {
  free,      ///< at `rate` pictures per second
  software,  ///< when the agent asks for one
  hardware,  ///< when a line of the camera says so (Aravis), or whenever a picture comes (other kinds)
};

struct CameraSettings {
  CameraKind kind = CameraKind::v4l2;
  std::string name;  ///< of the source

  TriggerMode mode = TriggerMode::free;
  double rate = 1;                          ///< free: pictures per second at most, 0.001 … 1000
  std::chrono::milliseconds timeout{2000};  ///< software: a picture must be whole by then, 10 ms … 10 min
  std::chrono::milliseconds settle{0};  ///< software: frames that are whole within this time show the past, 0 … 10 s

  std::size_t frame_bytes = std::size_t{64} << 20;  ///< the most that one frame takes, 4 KiB … 1 GiB
  std::chrono::milliseconds silence{20'000};    ///< free: without a frame for so long it is restarted, 100 ms … 1 h
  std::chrono::milliseconds first_pause{1000};  ///< before the first restart, 10 ms … 1 h; doubled each time
  std::chrono::milliseconds longest_pause{60'000};  ///< first_pause … 1 h

  std::string device = "/dev/video0";       ///< v4l2
  std::optional<PixelFormat> pixel_format;  ///< v4l2, aravis: if it is missing, the best that the camera offers
  int width = 0, height = 0;                ///< v4l2, aravis: 0 leaves it to the camera
  double frame_rate = 0;                    ///< v4l2, aravis: of the camera itself; 0 leaves it to the camera

  std::string url;                         ///< gstreamer: an rtsp:// or rtsps:// address
  std::string pipeline;                    ///< gstreamer: elements up to the frames, as gst-launch takes them
  std::chrono::milliseconds latency{200};  ///< gstreamer with a url: how long packets may be late, 0 … 10 s

  std::string camera;  ///< aravis: the id or address of the camera; empty means the first that is found
  /// aravis: GenICam features; v4l2: controls by the name that the driver tells. They are set in the order of their
  /// names, after width, height and pixel_format.
  std::map<std::string, std::variant<bool, std::int64_t, double, std::string>> features;
  std::string trigger_source = "Line1";  ///< aravis, hardware: the line
  int buffers = 10;                      ///< aravis: frames that wait for their packets, 2 … 100; v4l2: 2 … 32
  int packet_size = 0;                   ///< aravis, GigE: bytes, 576 … 16384; 0 asks the network for the largest
  std::int64_t packet_delay_ns = -1;     ///< aravis, GigE: between packets; −1 leaves it to the camera
  bool is_packet_socket_allowed =
      true;  ///< aravis, GigE: whether packets may bypass the kernel's UDP if rights allow it
};

/// Reads a member of "sources" whose kind is a camera's. The member "model" is for others and only checked to be text.
/// Fails with invalid_input, which names the member at fault, also for a member that there is not or not for this kind.
Result<CameraSettings> parse_camera_settings(const nlohmann::json& settings);

}  // namespace vedette
