#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>

#include "base/result.hpp"
#include "edge/frames/camera_channel.hpp"

/// Internal to edge/sources.
namespace vedette {

/// A started vedette-edge-camera. It ends with this object, with the thread that started it, and with this process.
class CameraProcess {
 public:
  /// Starts the program and sends it its settings. Fails with unavailable if there is no such program.
  static Result<CameraProcess> start(const std::filesystem::path& program, const std::string& settings,
                                     const FrameMemory& memory);
  ~CameraProcess();
  CameraProcess(CameraProcess&& other) noexcept;
  CameraProcess& operator=(CameraProcess&&) = delete;

  [[nodiscard]] int socket() const { return socket_; }
  /// Says how the program ended, after its end of the socket was closed: "was ended by signal 11".
  std::string wait_for_end();
  /// Asks the program to end, so that it can let go of the camera, and waits up to two seconds. The destructor does not
  /// ask.
  void end_kindly();

 private:
  CameraProcess(pid_t id, int socket) : id_(id), socket_(socket) {}
  bool has_ended(int& status);
  pid_t id_;
  int socket_;
};

}  // namespace vedette
