#include "edge/sources/source.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <system_error>

#include "edge/frames/camera_channel.hpp"
#include "edge/sources/kinds.hpp"

namespace vedette {

std::string_view to_text(SourceCondition condition) {
  switch (condition) {
    case SourceCondition::starting:
      return "starting";
    case SourceCondition::online:
      return "online";
    case SourceCondition::offline:
      return "offline";
  }
  return "offline";
}

std::filesystem::path find_camera_program() {
  constexpr const char* kName = "vedette-edge-camera";
  std::error_code code;
  const auto beside = std::filesystem::read_symlink("/proc/self/exe", code).parent_path() / kName;
  return !code && std::filesystem::exists(beside, code) ? beside : std::filesystem::path(kName);
}

Result<std::unique_ptr<Source>> make_source(const nlohmann::json& settings, const SourceSurroundings& surroundings) {
  if (!settings.is_object()) return invalid_input("A source must be an object.");
  const auto kind = settings.find("kind");
  if (kind != settings.end() && *kind == "folder") return make_folder_source(settings, surroundings);
  if (kind == settings.end() || (*kind != "v4l2" && *kind != "gstreamer" && *kind != "aravis"))
    return invalid_input("source.kind must be folder, v4l2, gstreamer or aravis.");
  const auto camera = parse_camera_settings(settings);
  if (!camera) return camera.error();
  auto text = settings.dump();
  if (text.size() > kMostCameraSettings) return invalid_input("source has more than 128 KiB of settings.");
  return make_camera_source(*camera, std::move(text), surroundings.camera_program);
}

std::int64_t wall_clock_now() {
  return std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count();
}

WakeUp::WakeUp() : descriptor_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (descriptor_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
}
WakeUp::~WakeUp() {
  ::close(descriptor_);
}
void WakeUp::wake() const {
  (void)::eventfd_write(descriptor_, 1);
}
void WakeUp::clear() const {
  eventfd_t ignored = 0;
  (void)::eventfd_read(descriptor_, &ignored);
}

void wait_readable(int one, int other, std::chrono::milliseconds timeout) {
  std::array<pollfd, 2> waiting{pollfd{one, POLLIN, 0}, pollfd{other, POLLIN, 0}};
  (void)::poll(waiting.data(), waiting.size(), static_cast<int>(std::max<std::int64_t>(0, timeout.count())));
}

}  // namespace vedette
