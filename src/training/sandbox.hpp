#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace vedette {

/// Says what a trainer may read besides its job while it works on pictures of strangers.
struct TrainerSandbox {
  /// The files that it may read in addition to the job folder, the program and the system's libraries.
  std::vector<std::filesystem::path> readable;
};

/// Returns for the log how far this kernel can confine a trainer: "system calls, files, network", or which of these are
/// missing.
std::string sandbox_abilities();

/// A confinement that a child takes on between fork and exec. The child then may
/// - read and write below the job folder, read the system's libraries, its own program and `readable`, and nothing else
///   (Landlock, Linux 5.13; where the kernel lacks it, files are guarded by their modes only),
/// - make threads, but neither processes nor sockets, and execute no program but the one it is started as (a seccomp
///   filter lists what is allowed; anything else fails with EPERM),
/// - dump no core, open 4,096 files, write 64 GiB to one file, and have as much private memory as the machine has; when
///   memory is short, the system ends the child before this process.
/// The child gains no privileges by what it executes. All this holds for its threads, too, and cannot be undone.
class Confinement {
 public:
  /// Prepares everything that needs memory. Fails with internal if the filter does not know this system.
  static Result<Confinement> prepare(const TrainerSandbox& sandbox, const std::filesystem::path& program,
                                     const std::filesystem::path& folder);

  /// Runs in the child: confines it and executes the program. Calls async-signal-safe functions only. Returns only if
  /// that fails, with the exit status for the child: kCannotConfine or kCannotRun.
  int confine_and_execute(char* const* arguments, char* const* environment);

  static constexpr int kCannotConfine = 126, kCannotRun = 127;

 private:
  struct Rule {
    std::string path;
    bool is_writable;
  };
  struct Instruction {  // The layout is that of the kernel's sock_filter.
    std::uint16_t code;
    std::uint8_t if_true, if_false;
    std::uint32_t k;
  };
  Confinement() = default;
  bool limit_files() const;
  bool limit_calls();

  std::string program_;
  std::vector<Rule> rules_;
  int landlock_ = 0;          ///< The version of the kernel's interface; 0: the kernel has none.
  std::uint64_t memory_ = 0;  ///< in bytes
  std::uint64_t ticket_ = 0;  ///< An unused argument of execve whose value only this call knows.
  std::vector<Instruction> filter_;
  std::vector<std::size_t> own_id_;  ///< The places in filter_ that take the child's process id.
};

}  // namespace vedette
