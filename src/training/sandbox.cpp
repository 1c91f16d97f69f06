#include "training/sandbox.hpp"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/digest.hpp"

namespace vedette {
namespace fs = std::filesystem;
namespace {

#if defined(__x86_64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#else
constexpr std::uint32_t kArchitecture = 0;
#endif

constexpr rlim_t kOpenFiles = 4096;
constexpr rlim_t kFileBytes = rlim_t{64} << 30;
// This is the newest system call of Linux 6.1. Newer calls fail as if the kernel lacked them, so that libraries do
// without them.
constexpr std::uint32_t kNewestKnownCall = 450;

// These system calls may be made with any arguments. They read and write files, and handle memory, threads and time.
// clang-format off
constexpr long kAllowed[] = {
    SYS_futex, SYS_sched_yield, SYS_madvise, SYS_mmap, SYS_munmap, SYS_mprotect, SYS_mremap, SYS_brk, SYS_read, SYS_write,
    SYS_readv, SYS_writev, SYS_pread64, SYS_pwrite64, SYS_lseek, SYS_openat, SYS_close, SYS_fstat, SYS_newfstatat, SYS_statx,
    SYS_statfs, SYS_fstatfs, SYS_faccessat, SYS_readlinkat, SYS_getdents64, SYS_getcwd, SYS_chdir, SYS_fchdir, SYS_mkdirat,
    SYS_unlinkat, SYS_renameat2, SYS_ftruncate, SYS_fallocate, SYS_fadvise64, SYS_fsync, SYS_fdatasync, SYS_fchmod, SYS_flock,
    SYS_sendfile, SYS_copy_file_range, SYS_dup, SYS_dup3, SYS_pipe2, SYS_ppoll, SYS_umask, SYS_membarrier, SYS_mlock,
    SYS_munlock, SYS_mincore, SYS_mbind, SYS_get_mempolicy, SYS_set_mempolicy, SYS_sched_getaffinity, SYS_sched_setaffinity,
    SYS_sched_getparam, SYS_sched_getscheduler, SYS_sched_get_priority_max, SYS_sched_get_priority_min, SYS_getcpu, SYS_getpriority,
    SYS_set_tid_address, SYS_set_robust_list, SYS_rseq, SYS_exit, SYS_exit_group, SYS_restart_syscall, SYS_rt_sigaction,
    SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_rt_sigtimedwait, SYS_sigaltstack, SYS_clock_gettime, SYS_clock_getres,
    SYS_clock_nanosleep, SYS_nanosleep, SYS_gettimeofday, SYS_times, SYS_getrusage, SYS_sysinfo, SYS_uname, SYS_getrandom,
    SYS_getpid, SYS_getppid, SYS_gettid, SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid,
#if defined(__x86_64__)
    SYS_open, SYS_stat, SYS_lstat, SYS_access, SYS_readlink, SYS_mkdir, SYS_rmdir, SYS_unlink, SYS_rename, SYS_dup2, SYS_pipe,
    SYS_poll, SYS_time, SYS_arch_prctl,
#else
    SYS_renameat,
#endif
};
// clang-format on

/// This struct is the kernel's landlock_ruleset_attr. The system's headers are older and lack its last members.
struct Ruleset {
  std::uint64_t files = 0, network = 0, scoped = 0;
};
constexpr std::uint64_t kReadFile = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_EXECUTE;
constexpr std::uint64_t kTruncate = 1ULL << 14;       // This right came with version 3.
constexpr std::uint64_t kDeviceControl = 1ULL << 15;  // This right came with version 5.
constexpr std::uint64_t kWriteFile = kReadFile | LANDLOCK_ACCESS_FS_WRITE_FILE | kTruncate;

std::uint64_t file_rights(int version) {
  std::uint64_t rights = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;
  if (version >= 2) rights |= LANDLOCK_ACCESS_FS_REFER;
  if (version >= 3) rights |= kTruncate;
  if (version >= 5) rights |= kDeviceControl;
  return rights;
}

/// Returns the version of Landlock, or 0 if the kernel has none.
int landlock_version() {
  const long version = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  return version < 0 ? 0 : static_cast<int>(version);
}

/// Finds a program in the way execvp does.
fs::path find_on_path(const fs::path& program) {
  if (program.string().find('/') != std::string::npos) return program;
  const char* path = std::getenv("PATH");
  std::string_view rest = path == nullptr ? "/usr/bin:/bin" : path;
  while (!rest.empty()) {
    const auto end = rest.find(':');
    auto candidate = fs::path(rest.substr(0, end)) / program;
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
    rest = end == std::string_view::npos ? "" : rest.substr(end + 1);
  }
  return program;
}

constexpr std::uint32_t kAllow = SECCOMP_RET_ALLOW, kRefuse = SECCOMP_RET_ERRNO | EPERM,
                        kMissing = SECCOMP_RET_ERRNO | ENOSYS;

constexpr std::uint32_t argument(unsigned number, bool is_upper_half = false) {
  return static_cast<std::uint32_t>(offsetof(seccomp_data, args) + 8 * number +
                                    (is_upper_half ? 4 : 0));  // The processor is little-endian.
}

}  // namespace

std::string sandbox_abilities() {
  const int version = landlock_version();
  if (version == 0) return "system calls; this kernel lacks Landlock: a trainer may read what the server may read";
  return version < 4 ? "system calls, files" : "system calls, files, network";
}

Result<Confinement> Confinement::prepare(const TrainerSandbox& sandbox, const fs::path& program,
                                         const fs::path& folder) {
  if (kArchitecture == 0 || std::endian::native != std::endian::little)
    return internal_error(
        "The trainer's sandbox knows no filter for this processor; VEDETTE_TRAINER_SANDBOX=off does without.");
  Confinement out;
  out.program_ = find_on_path(program).string();
  out.landlock_ = landlock_version();
  out.memory_ =
      static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  const auto secret = random_bytes(sizeof out.ticket_);
  std::memcpy(&out.ticket_, secret.data(), sizeof out.ticket_);

  // The first two must exist; the others may be missing.
  out.rules_ = {{folder.string(), true}, {out.program_, false}, {"/dev/null", true}};
  for (const char* path :
       {"/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", "/etc/ld.so.preload", "/etc/localtime",
        "/etc/ssl/openssl.cnf", "/dev/urandom", "/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat",
        "/proc/sys/vm/overcommit_memory", "/sys/devices/system", "/sys/kernel/mm/transparent_hugepage"})
    out.rules_.push_back({path, false});
  if (const char* libraries = std::getenv("LD_LIBRARY_PATH"); libraries != nullptr)
    for (std::string_view rest = libraries; !rest.empty();) {
      const auto end = rest.find(':');
      if (end != 0) out.rules_.push_back({std::string(rest.substr(0, end)), false});
      rest = end == std::string_view::npos ? "" : rest.substr(end + 1);
    }
  for (const auto& path : sandbox.readable) out.rules_.push_back({path.string(), false});

  auto& filter = out.filter_;
  const auto load = [&](std::uint32_t offset) { filter.push_back({BPF_LD | BPF_W | BPF_ABS, 0, 0, offset}); };
  const auto answer = [&](std::uint32_t action) { filter.push_back({BPF_RET | BPF_K, 0, 0, action}); };
  const auto allow_if_equal = [&](std::uint32_t value) {
    filter.push_back({BPF_JMP | BPF_JEQ | BPF_K, 0, 1, value});
    answer(kAllow);
  };
  /// Allows one system call where `checks` lets it pass; otherwise the call fails with EPERM. Checks may overwrite the
  /// accumulator, since each path ends in an answer.
  const auto on_call = [&](long call, const auto& checks) {
    const auto at = filter.size();
    filter.push_back({BPF_JMP | BPF_JEQ | BPF_K, 0, 0, static_cast<std::uint32_t>(call)});
    checks();
    answer(kRefuse);
    filter[at].if_false = static_cast<std::uint8_t>(filter.size() - at - 1);
  };
  const auto on_values = [&](long call, unsigned number, std::initializer_list<std::uint32_t> values) {
    on_call(call, [&] {
      load(argument(number));
      for (const auto value : values) allow_if_equal(value);
    });
  };

  load(offsetof(seccomp_data, arch));
  filter.push_back({BPF_JMP | BPF_JEQ | BPF_K, 1, 0, kArchitecture});
  answer(SECCOMP_RET_KILL_PROCESS);
  load(offsetof(seccomp_data, nr));
  for (const long call : kAllowed) allow_if_equal(static_cast<std::uint32_t>(call));
  // This process may make threads, but only in its own namespaces. clone3 fails as if it were missing, because its
  // flags are in memory, which a filter cannot read.
  on_call(SYS_clone, [&] {
    constexpr std::uint32_t thread = CLONE_VM | CLONE_THREAD;
    constexpr std::uint32_t namespaces =
        CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
    load(argument(0));
    filter.push_back({BPF_ALU | BPF_AND | BPF_K, 0, 0, thread | namespaces});
    allow_if_equal(thread);
  });
  on_call(SYS_clone3, [&] { answer(kMissing); });
  // This process may execute one program, and only with a value that no code but its starter knows.
  on_call(SYS_execve, [&] {
    load(argument(5));
    filter.push_back({BPF_JMP | BPF_JEQ | BPF_K, 0, 3, static_cast<std::uint32_t>(out.ticket_)});
    load(argument(5, true));
    allow_if_equal(static_cast<std::uint32_t>(out.ticket_ >> 32));
  });
  on_values(SYS_ioctl, 1, {TCGETS, FIOCLEX, FIONREAD});
  on_values(SYS_prctl, 0, {PR_SET_NAME, PR_GET_NAME, PR_GET_NO_NEW_PRIVS, 0x53564d41 /* PR_SET_VMA */});
  on_values(SYS_fcntl, 1, {F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_GETLK, F_SETLK, F_SETLKW, F_DUPFD_CLOEXEC});
  // This process may read its limits but not set them.
  on_call(SYS_prlimit64, [&] {
    load(argument(2));
    filter.push_back({BPF_JMP | BPF_JEQ | BPF_K, 0, 3, 0});
    load(argument(2, true));
    allow_if_equal(0);
  });
  // abort() and raise() need these calls.
  for (const long call : {SYS_tgkill, SYS_kill})
    on_call(call, [&] {
      load(argument(0));
      out.own_id_.push_back(filter.size());
      allow_if_equal(0);
    });
  filter.push_back({BPF_JMP | BPF_JGT | BPF_K, 0, 1, kNewestKnownCall});
  answer(kMissing);
  answer(kRefuse);
  return out;
}

bool Confinement::limit_files() const {
  const Ruleset ruleset{file_rights(landlock_), landlock_ >= 4 ? 3ULL : 0ULL /* bind, connect */,
                        landlock_ >= 6 ? 3ULL : 0ULL /* abstract sockets, signals */};
  const std::size_t size = landlock_ >= 6 ? 24 : landlock_ >= 4 ? 16 : 8;
  const auto fd = static_cast<int>(::syscall(SYS_landlock_create_ruleset, &ruleset, size, 0));
  if (fd < 0) return false;
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    const int place = ::open(rules_[i].path.c_str(), O_PATH | O_CLOEXEC);
    if (place < 0 && i > 1) continue;
    struct stat info {};
    if (place < 0 || ::fstat(place, &info) != 0) return false;
    std::uint64_t rights = rules_[i].is_writable ? kWriteFile : kReadFile;
    if (S_ISDIR(info.st_mode))
      rights = rules_[i].is_writable ? ruleset.files & ~(LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK |
                                                         LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_EXECUTE)
                                     : kReadFile | LANDLOCK_ACCESS_FS_READ_DIR;
    landlock_path_beneath_attr rule{};
    rule.allowed_access = rights & ruleset.files;
    rule.parent_fd = place;
    const bool is_added = ::syscall(SYS_landlock_add_rule, fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
    ::close(place);
    if (!is_added) return false;
  }
  const bool is_done = ::syscall(SYS_landlock_restrict_self, fd, 0) == 0;
  ::close(fd);
  return is_done;
}

bool Confinement::limit_calls() {
  for (const auto at : own_id_) filter_[at].k = static_cast<std::uint32_t>(::getpid());
  static_assert(sizeof(Instruction) == sizeof(sock_filter) && offsetof(Instruction, k) == offsetof(sock_filter, k));
  sock_fprog program{};
  program.len = static_cast<unsigned short>(filter_.size());
  program.filter = reinterpret_cast<sock_filter*>(filter_.data());
  return ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}

int Confinement::confine_and_execute(char* const* arguments, char* const* environment) {
  if (::access(program_.c_str(), X_OK) != 0) return kCannotRun;
  if (const int fd = ::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC); fd >= 0) {
    if (::write(fd, "500", 3) != 3) { /* a kernel without; the limit of memory holds */
    }
    ::close(fd);
  }
  for (const auto& [resource, most] : {std::pair<__rlimit_resource, rlim_t>{RLIMIT_CORE, 0},
                                       {RLIMIT_NOFILE, kOpenFiles},
                                       {RLIMIT_FSIZE, kFileBytes},
                                       {RLIMIT_DATA, memory_}}) {
    rlimit limit{};
    if (::getrlimit(resource, &limit) != 0) return kCannotConfine;
    limit.rlim_cur = limit.rlim_max = std::min(limit.rlim_max, most);
    if (::setrlimit(resource, &limit) != 0) return kCannotConfine;
  }
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return kCannotConfine;
  if (landlock_ > 0 && !limit_files()) return kCannotConfine;
  if (!limit_calls()) return kCannotConfine;
  ::syscall(SYS_execve, program_.c_str(), arguments, environment, 0, 0, ticket_);
  return kCannotRun;
}

}  // namespace vedette
