#pragma once

#include <string>
#include <vector>

/// The checks of `vedette-edge doctor` that concern cameras.
namespace vedette {

struct DoctorFinding {
  enum class Level {
    good,     ///< nothing to do
    hint,     ///< may matter for some cameras
    problem,  ///< will keep cameras of this kind from working
  };
  Level level = Level::good;
  std::string subject;  ///< what was looked at: "net.core.rmem_max"
  std::string finding;  ///< what was found, one sentence
  std::string remedy;   ///< what to do, one sentence with the command; empty if there is nothing to do
};

/// What the checks read of the machine; tests set it.
struct CameraSurroundings {
  std::string root = "/";  ///< the folder that holds proc/, sys/, dev/ and etc/
  bool may_use_packet_sockets = false;
  std::vector<std::string> groups = {};  ///< the names of the groups of this process
  bool is_root = false;

  static CameraSurroundings of_this_process();
};

/// Looks at the size of socket buffers and the MTU of network interfaces (GigE Vision), the right to packet sockets, the
/// groups that video and GPIO devices belong to, the rules for USB3 Vision devices, and whether the camera program is
/// there. It needs no camera, changes nothing, and takes a moment.
std::vector<DoctorFinding> check_cameras(const CameraSurroundings& surroundings);

}  // namespace vedette
