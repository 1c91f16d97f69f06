#include "edge/sources/camera_doctor.hpp"

#include <fmt/format.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <optional>

#include "base/text.hpp"
#include "edge/sources/source.hpp"

namespace vedette {
namespace {

namespace fs = std::filesystem;
using Level = DoctorFinding::Level;

constexpr std::int64_t kGoodSocketBuffer = 8 << 20, kJumbo = 8000;

std::optional<std::int64_t> read_number(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line)) return {};
  return parse_integer(trim(line));
}

std::vector<fs::path> entries_of(const fs::path& folder, std::string_view prefix) {
  std::vector<fs::path> out;
  std::error_code code;
  for (fs::directory_iterator entry(folder, code), end; !code && entry != end; entry.increment(code))
    if (entry->path().filename().native().starts_with(prefix)) out.push_back(entry->path());
  std::sort(out.begin(), out.end());
  return out;
}

DoctorFinding check_socket_buffers(const CameraSurroundings& machine) {
  const auto most = read_number(fs::path(machine.root) / "proc/sys/net/core/rmem_max");
  if (!most) return {Level::hint, "net.core.rmem_max", "It cannot be read.", ""};
  const auto found = fmt::format("A socket may buffer {} bytes.", *most);
  if (*most >= kGoodSocketBuffer) return {Level::good, "net.core.rmem_max", found, ""};
  return {*most < (1 << 20) ? Level::problem : Level::hint, "net.core.rmem_max",
          found + " Packets of GigE cameras get lost when it is less than some frames.",
          "Write net.core.rmem_max=33554432 into /etc/sysctl.d/60-vedette-cameras.conf, and run sysctl --system."};
}

std::vector<DoctorFinding> check_interfaces(const CameraSurroundings& machine) {
  std::vector<DoctorFinding> out;
  for (const auto& interface : entries_of(fs::path(machine.root) / "sys/class/net", "")) {
    const auto name = interface.filename().string();
    const auto mtu = read_number(interface / "mtu");
    std::error_code code;
    // Only interfaces of hardware have a device; the loopback and bridges have none.
    if (!mtu || !fs::exists(interface / "device", code)) continue;
    const auto found = fmt::format("The MTU is {}.", *mtu);
    if (*mtu >= kJumbo)
      out.push_back({Level::good, name, found, ""});
    else
      out.push_back(
          {Level::hint, name, found + " If a GigE camera hangs on it, larger packets cost less time.",
           fmt::format("Run ip link set {} mtu 9000, if the camera and the switch take jumbo frames.", name)});
  }
  return out;
}

DoctorFinding check_packet_sockets(const CameraSurroundings& machine) {
  if (machine.may_use_packet_sockets) return {Level::good, "packet sockets", "This process may use them.", ""};
  return {Level::hint, "packet sockets",
          "This process may not use them, so that packets of GigE cameras take the slower way through UDP.",
          "Give the right with AmbientCapabilities=CAP_NET_RAW in the systemd unit of vedette-edge."};
}

std::string group_of(const fs::path& device) {
  struct stat about {};
  if (::stat(device.c_str(), &about) != 0) return "";
  const group* const entry = ::getgrgid(about.st_gid);
  return entry != nullptr ? entry->gr_name : std::to_string(about.st_gid);
}

bool is_member(const CameraSurroundings& machine, const std::string& group) {
  return machine.is_root || std::find(machine.groups.begin(), machine.groups.end(), group) != machine.groups.end();
}

/// Looks whether this process is in the groups that the devices of a kind belong to.
DoctorFinding check_devices(const CameraSurroundings& machine, const char* prefix, const char* what) {
  const auto devices = entries_of(fs::path(machine.root) / "dev", prefix);
  if (devices.empty()) return {Level::hint, what, fmt::format("There is no /dev/{}….", prefix), ""};
  for (const auto& device : devices) {
    const auto group = group_of(device);
    if (!is_member(machine, group))
      return {Level::problem, what,
              fmt::format("/dev/{} belongs to the group {}, which this process is not in.", device.filename().string(),
                          group),
              fmt::format("Run usermod -aG {} vedette with the user of the agent, and start the agent again.", group)};
  }
  return {Level::good, what, fmt::format("There are {}, and this process may use them.", devices.size()), ""};
}

DoctorFinding check_udev(const CameraSurroundings& machine) {
  for (const char* folder : {"etc/udev/rules.d", "usr/lib/udev/rules.d", "lib/udev/rules.d"})
    for (const auto& rule : entries_of(fs::path(machine.root) / folder, ""))
      if (to_lower(rule.filename().string()).find("aravis") != std::string::npos)
        return {Level::good, "USB3 Vision", "There are udev rules of Aravis.", ""};
  if (machine.is_root) return {Level::good, "USB3 Vision", "This process is root and may use every USB device.", ""};
  return {Level::hint, "USB3 Vision", "There are no udev rules, so that only root may use USB3 Vision cameras.",
          "Write SUBSYSTEM==\"usb\", ATTRS{idVendor}==\"…\", GROUP=\"video\", MODE=\"0660\" with the camera's vendor "
          "into /etc/udev/rules.d/60-aravis.rules, and run udevadm control --reload."};
}

DoctorFinding check_program() {
  const auto program = find_camera_program();
  std::error_code code;
  if (program.is_absolute() && fs::exists(program, code))
    return {Level::good, "vedette-edge-camera", "The camera program is beside this one.", ""};
  return {Level::hint, "vedette-edge-camera", "The camera program is not beside this one, and is sought in PATH.",
          "Install the package with vedette-edge-camera if this machine has cameras."};
}

}  // namespace

CameraSurroundings CameraSurroundings::of_this_process() {
  CameraSurroundings out;
  out.is_root = ::geteuid() == 0;
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> data{};
  out.may_use_packet_sockets =
      ::syscall(SYS_capget, &header, data.data()) == 0 && (data[0].effective >> CAP_NET_RAW & 1U) != 0;
  std::array<gid_t, 256> ids{};
  const int count = ::getgroups(static_cast<int>(ids.size()), ids.data());
  for (int i = 0; i < count; ++i)
    if (const group* const entry = ::getgrgid(ids[static_cast<std::size_t>(i)]))
      out.groups.emplace_back(entry->gr_name);
  return out;
}

std::vector<DoctorFinding> check_cameras(const CameraSurroundings& machine) {
  std::vector<DoctorFinding> out{check_program(), check_socket_buffers(machine), check_packet_sockets(machine)};
  for (auto& finding : check_interfaces(machine)) out.push_back(std::move(finding));
  out.push_back(check_devices(machine, "video", "V4L2"));
  out.push_back(check_devices(machine, "gpiochip", "GPIO"));
  out.push_back(check_udev(machine));
  return out;
}

}  // namespace vedette
