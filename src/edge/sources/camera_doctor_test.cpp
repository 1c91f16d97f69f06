#include "edge/sources/camera_doctor.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "base/files.hpp"

namespace vedette {
namespace {

namespace fs = std::filesystem;
using Level = DoctorFinding::Level;

void write(const fs::path& file, const std::string& text) {
  fs::create_directories(file.parent_path());
  std::ofstream(file) << text;
}

DoctorFinding finding_of(const CameraSurroundings& machine, const std::string& subject) {
  const auto all = check_cameras(machine);
  const auto found = std::find_if(all.begin(), all.end(), [&](const auto& f) { return f.subject == subject; });
  EXPECT_NE(found, all.end()) << subject;
  return found == all.end() ? DoctorFinding{} : *found;
}

TEST(CameraDoctor, SmallSocketBuffersAreAProblemAndTheRemedyIsACommand) {
  const TemporaryFolder folder;
  const CameraSurroundings machine{.root = folder.path().string()};
  const auto file = folder.path() / "proc/sys/net/core/rmem_max";
  EXPECT_EQ(finding_of(machine, "net.core.rmem_max").level, Level::hint);  // It cannot be read.
  write(file, "212992\n");
  const auto small = finding_of(machine, "net.core.rmem_max");
  EXPECT_EQ(small.level, Level::problem);
  EXPECT_NE(small.finding.find("212992"), std::string::npos);
  EXPECT_NE(small.remedy.find("sysctl --system"), std::string::npos);
  write(file, "33554432\n");
  EXPECT_EQ(finding_of(machine, "net.core.rmem_max").level, Level::good);
}

TEST(CameraDoctor, OnlyInterfacesOfHardwareAreLookedAt) {
  const TemporaryFolder folder;
  const CameraSurroundings machine{.root = folder.path().string()};
  write(folder.path() / "sys/class/net/lo/mtu", "65536\n");
  write(folder.path() / "sys/class/net/eth0/mtu", "1500\n");
  write(folder.path() / "sys/class/net/eth0/device/x", "");
  const auto slow = finding_of(machine, "eth0");
  EXPECT_EQ(slow.level, Level::hint);
  EXPECT_NE(slow.remedy.find("ip link set eth0 mtu 9000"), std::string::npos);
  for (const auto& finding : check_cameras(machine)) EXPECT_NE(finding.subject, "lo");
  write(folder.path() / "sys/class/net/eth0/mtu", "9000\n");
  EXPECT_EQ(finding_of(machine, "eth0").level, Level::good);
}

TEST(CameraDoctor, DevicesOfForeignGroupsAreAProblem) {
  const TemporaryFolder folder;
  CameraSurroundings machine{.root = folder.path().string()};
  EXPECT_EQ(finding_of(machine, "V4L2").level, Level::hint);
  write(folder.path() / "dev/video0", "");  // It belongs to the group of this process.
  const auto foreign = finding_of(machine, "V4L2");
  EXPECT_EQ(foreign.level, Level::problem);
  EXPECT_NE(foreign.remedy.find("usermod -aG"), std::string::npos);
  machine.is_root = true;
  EXPECT_EQ(finding_of(machine, "V4L2").level, Level::good);
}

TEST(CameraDoctor, UdevRulesAndPacketSocketsAreFound) {
  const TemporaryFolder folder;
  CameraSurroundings machine{.root = folder.path().string()};
  EXPECT_EQ(finding_of(machine, "USB3 Vision").level, Level::hint);
  EXPECT_EQ(finding_of(machine, "packet sockets").level, Level::hint);
  write(folder.path() / "lib/udev/rules.d/60-aravis.rules", "");
  machine.may_use_packet_sockets = true;
  EXPECT_EQ(finding_of(machine, "USB3 Vision").level, Level::good);
  EXPECT_EQ(finding_of(machine, "packet sockets").level, Level::good);
}

}  // namespace
}  // namespace vedette
