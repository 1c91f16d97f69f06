#pragma once

#include "edge/frames/camera_settings.hpp"
#include "edge/sources/source.hpp"

/// One function per kind of source, and what they share. Internal to edge/sources.
namespace vedette {

/// `text` is the settings as JSON, for the camera program.
std::unique_ptr<Source> make_camera_source(const CameraSettings& settings, std::string text,
                                           std::filesystem::path program);
Result<std::unique_ptr<Source>> make_folder_source(const nlohmann::json& settings,
                                                   const SourceSurroundings& surroundings);

/// Nanoseconds since the Unix epoch.
std::int64_t wall_clock_now();

/// Wakes a thread that waits in poll().
class WakeUp {
 public:
  WakeUp();  ///< Throws std::system_error if the system has no descriptors left.
  ~WakeUp();
  WakeUp(const WakeUp&) = delete;
  WakeUp& operator=(const WakeUp&) = delete;
  void wake() const;
  void clear() const;
  [[nodiscard]] int descriptor() const { return descriptor_; }

 private:
  int descriptor_;
};

/// Waits until one of the two descriptors can be read; a negative one is left out. Returns after `timeout` at the latest.
void wait_readable(int one, int other, std::chrono::milliseconds timeout);

}  // namespace vedette
