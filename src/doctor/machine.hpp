#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "doctor/doctor.hpp"

namespace vedette::doctor {

struct Machine {
  int cores = 1;                                  ///< that this process may run on
  std::optional<double> core_limit;               ///< of the control group, in cores
  std::uint64_t memory_mib = 0;                   ///< of the machine
  std::optional<std::uint64_t> memory_limit_mib;  ///< of the control group
  std::uint64_t open_files = 0;                   ///< as far as the limit can be raised
};
/// `cgroups` is where the control groups (version 2) are mounted, and `self` the file that names this process's own.
Machine look_at_machine(const std::filesystem::path& cgroups = "/sys/fs/cgroup",
                        const std::filesystem::path& self = "/proc/self/cgroup");
void judge_machine(const Machine& machine, const ServerSettings& settings, const Report& report);

struct Space {
  std::uint64_t bytes = 0, free_bytes = 0;
  std::uint64_t files = 0, free_files = 0;  ///< zero if the file system has no limit
};
void judge_space(const std::filesystem::path& folder, const Space& space, const Report& report);
/// Looks at the file system on which the data folder lies, or will lie.
void check_space(const ServerSettings& settings, const Report& report);

}  // namespace vedette::doctor
