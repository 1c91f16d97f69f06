// Takes pictures with one camera for vedette-edge, which starts this program, hands it two descriptors, and ends it.
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <exception>
#include <nlohmann/json.hpp>
#include <vector>

#include "edge/cameras/capture.hpp"
#include "edge/frames/camera_channel.hpp"

namespace vedette {
namespace {

/// Gives up every right that no camera needs: to gain rights by executing something, and, if the agent runs as root, all
/// of root's powers but the one to receive packets before the kernel's UDP does. A core would hold pictures.
bool drop_rights() {
  const rlimit no_core{0, 0};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || ::setrlimit(RLIMIT_CORE, &no_core) != 0) return false;
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> data{};
  if (::syscall(SYS_capget, &header, data.data()) != 0) return false;
  const auto kept = data[0].permitted & (1U << CAP_NET_RAW);
  data[0] = {kept, kept, 0};
  data[1] = {0, 0, 0};
  return ::syscall(SYS_capset, &header, data.data()) == 0;
}

/// Receives the settings, which are the first thing that the agent sends.
Result<CameraSettings> receive_settings() {
  std::vector<char> text(kMostCameraSettings);
  const auto length = ::recv(kCameraSocket, text.data(), text.size(), 0);
  if (length <= 0) return internal_error("The agent sent no settings.");
  const auto json = nlohmann::json::parse(text.begin(), text.begin() + length, nullptr, false);
  if (json.is_discarded()) return internal_error("The agent sent broken settings.");
  return parse_camera_settings(json);
}

Result<void> run() {
  const auto settings = receive_settings();
  if (!settings) return settings.error();
  const auto memory = FrameMemory::map(kCameraMemory, settings->frame_bytes);
  if (!memory) return memory.error();
  const auto camera = open_camera(*settings);
  if (!camera) return camera.error();
  return capture(**camera, *settings, **memory, kCameraSocket);
}

int main_or_throw() {
  int type = 0;
  socklen_t size = sizeof(type);
  if (::getsockopt(kCameraSocket, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_SEQPACKET) {
    std::fputs("vedette-edge-camera is started by vedette-edge, once for each camera of its configuration.\n", stderr);
    return 2;
  }
  // Programs that libraries start must not hold the agent's descriptors.
  ::fcntl(kCameraSocket, F_SETFD, FD_CLOEXEC);
  ::fcntl(kCameraMemory, F_SETFD, FD_CLOEXEC);
  if (!drop_rights()) {
    std::fputs("vedette-edge-camera cannot give up its rights.\n", stderr);
    return 2;
  }
  const auto ended = run();
  if (ended) return 0;
  CameraMessage failed{.kind = CameraMessageKind::state};
  failed.set_text(ended.error().message);
  (void)send_message(kCameraSocket, failed);
  return 1;
}

}  // namespace
}  // namespace vedette

int main() {
  try {
    return vedette::main_or_throw();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "vedette-edge-camera: %s\n", e.what());
    return 70;
  }
}
