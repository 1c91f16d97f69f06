#include "doctor/machine.hpp"

#include <sched.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>

#include <fmt/format.h>

#include "base/text.hpp"

namespace vedette::doctor {
namespace fs = std::filesystem;
namespace {

constexpr std::uint64_t kMebibyte = 1 << 20, kGibibyte = 1 << 30;
constexpr std::uint64_t kLeastMemoryMib = 1024;
constexpr std::uint64_t kFilesForTheRest = 512;  // beside connections; make_room_for_connections() has the same number
constexpr std::uint64_t kLeastSpace = kGibibyte, kLittleSpace = 10 * kGibibyte;

/// The words of a small file of the kernel; none if there is no such file.
std::vector<std::string> words_of(const fs::path& file) {
  std::ifstream in(file);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

/// The folders of this process's control group and of those around it: the smallest limit of them counts.
std::vector<fs::path> groups_of(const fs::path& mount, const fs::path& self) {
  std::vector<fs::path> groups = {mount};
  for (const auto& line : words_of(self)) {
    if (!line.starts_with("0::/")) continue;
    auto at = mount;
    for (const auto& part : fs::path(line.substr(4))) {
      if (part.empty()) continue;
      at /= part;
      groups.push_back(at);
    }
  }
  return groups;
}

std::string gibibytes(std::uint64_t mib) {
  return fmt::format("{:.1f} GiB", static_cast<double>(mib) / 1024);
}

}  // namespace

Machine look_at_machine(const fs::path& cgroups, const fs::path& self) {
  Machine machine;
  cpu_set_t cores;
  machine.cores = ::sched_getaffinity(0, sizeof cores, &cores) == 0 ? CPU_COUNT(&cores) : 1;
  machine.memory_mib = static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
                       static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) / kMebibyte;
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0) machine.open_files = files.rlim_max;
  for (const auto& group : groups_of(cgroups, self)) {
    if (const auto cpu = words_of(group / "cpu.max"); cpu.size() == 2) {
      const auto quota = parse_integer(cpu[0]), period = parse_integer(cpu[1]);
      if (quota && period && *period > 0) {
        const double limit = static_cast<double>(*quota) / static_cast<double>(*period);
        machine.core_limit = std::min(limit, machine.core_limit.value_or(limit));
      }
    }
    if (const auto memory = words_of(group / "memory.max"); memory.size() == 1)
      if (const auto bytes = parse_integer(memory[0])) {
        const auto limit = static_cast<std::uint64_t>(*bytes) / kMebibyte;
        machine.memory_limit_mib = std::min(limit, machine.memory_limit_mib.value_or(limit));
      }
  }
  return machine;
}

void judge_machine(const Machine& machine, const ServerSettings& settings, const Report& report) {
  const double cores = std::min<double>(machine.cores, machine.core_limit.value_or(machine.cores));
  if (settings.cores > cores + 0.5)
    report({"cores", Level::warning,
            fmt::format("The server would judge on {} cores, but may use only {:.3g}, so that pictures get in each "
                        "other's way. Start it "
                        "with --cores {}",
                        settings.cores, cores, std::max(1, static_cast<int>(cores)))});
  else
    report({"cores", Level::ok, fmt::format("The server judges on {} of {:.3g} cores.", settings.cores, cores)});

  const auto memory = std::min(machine.memory_mib, machine.memory_limit_mib.value_or(machine.memory_mib));
  const auto models = static_cast<std::uint64_t>(std::max<std::int64_t>(settings.model_memory_mib, 0));
  if (memory < kLeastMemoryMib)
    report({"memory", Level::failed,
            fmt::format("There are only {} of memory, and a server needs at least {}. Give it more.", gibibytes(memory),
                        gibibytes(kLeastMemoryMib))});
  else if (models == 0 || models > memory / 4 * 3)
    report({"memory", Level::warning,
            fmt::format(
                "There are {} of memory, and models may take {}, so that the system may kill the server. Start it with "
                "--model-memory {}",
                gibibytes(memory), models == 0 ? "any amount" : gibibytes(models), memory / 2)});
  else
    report({"memory", Level::ok,
            fmt::format("There are {} of memory, of which models may take {}.", gibibytes(memory), gibibytes(models))});

  if (machine.open_files < settings.most_connections + kFilesForTheRest)
    report(
        {"open files", Level::warning,
         fmt::format(
             "The limit of open files is {}, which is too low for {} connections; the server accepts fewer. Raise it "
             "(LimitNOFILE= with systemd, ulimit -n), or lower --most-connections",
             machine.open_files, settings.most_connections)});
  else
    report({"open files", Level::ok,
            fmt::format("The limit of open files, {}, is enough for {} connections.", machine.open_files,
                        settings.most_connections)});
}

void judge_space(const fs::path& folder, const Space& space, const Report& report) {
  const auto shown =
      fmt::format("{:.1f} of {:.1f} GiB are free where {} lies", static_cast<double>(space.free_bytes) / kGibibyte,
                  static_cast<double>(space.bytes) / kGibibyte, folder.string());
  constexpr const char* kCure = ". Delete what nobody needs, or give the disk more room";
  const bool lacks_files = space.files > 0 && space.free_files < space.files / 20;
  if (space.free_bytes < kLeastSpace)
    report({"disk", Level::failed, "Only " + shown + kCure});
  else if (space.free_bytes < kLittleSpace && space.free_bytes < space.bytes / 10)
    report({"disk", Level::warning, "Only " + shown + kCure});
  else if (lacks_files)
    report({"disk", Level::warning,
            fmt::format("Only {} more files can be made where {} lies{}", space.free_files, folder.string(), kCure)});
  else
    report({"disk", Level::ok, shown + "."});
}

void check_space(const ServerSettings& settings, const Report& report) {
  auto folder = fs::absolute(settings.data);
  while (!fs::exists(folder) && folder.has_parent_path() && folder != folder.parent_path())
    folder = folder.parent_path();
  struct statvfs info {};
  if (::statvfs(folder.c_str(), &info) != 0)
    return report(
        {"disk", Level::failed, fmt::format("{} cannot be looked at: {}.", folder.string(), std::strerror(errno))});
  const std::uint64_t block = info.f_frsize;
  judge_space(folder, {info.f_blocks * block, info.f_bavail * block, info.f_files, info.f_favail}, report);
}

}  // namespace vedette::doctor
