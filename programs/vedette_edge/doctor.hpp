#pragma once

#include <filesystem>
#include <vector>

#include "edge/sources/camera_doctor.hpp"

namespace vedette {

/// What the agent would be started with.
struct DoctorOptions {
  std::filesystem::path socket;  ///< empty for none
  std::filesystem::path models;  ///< the folder of the model components
  std::filesystem::path state;   ///< the folder of the agent's state
  std::filesystem::path config;  ///< empty if there is none
};

/// Looks at the socket, the configuration, the models (each version is loaded and tried on its golden sample), the
/// folders that are written to with the room on their disks, the clock, and what cameras need. Changes nothing, and may
/// run beside an agent.
std::vector<DoctorFinding> examine(const DoctorOptions& options);

}  // namespace vedette
