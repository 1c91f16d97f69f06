#include "edge/sources/camera_process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/environment.hpp"

namespace vedette {
namespace {

constexpr auto kKindWait = std::chrono::seconds(2);
constexpr auto kPollInterval = std::chrono::milliseconds(5);

/// Returns the variables of this process's environment that a camera program may know. A name that ends in * stands for
/// all names that begin so.
std::vector<std::string> camera_environment() {
  static constexpr std::string_view kPassedOn[] = {
      "PATH",           "HOME",  "LANG",  "LC_*",           "TZ",           "TMPDIR",        "LD_LIBRARY_PATH",
      "XDG_CACHE_HOME", "GST_*", "ARV_*", "GLIBC_TUNABLES", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS",
      "TSAN_OPTIONS"};
  return select_environment(kPassedOn);
}

/// Runs in the child: puts the two descriptors where the program expects them, and closes all others. Calls
/// async-signal-safe functions only.
bool arrange_descriptors(int null_device, int socket, int memory, int most_descriptors) {
  // Copies above all that is needed first, so that no step overwrites what a later one reads.
  const int high_null = ::fcntl(null_device, F_DUPFD, 10);
  const int high_socket = ::fcntl(socket, F_DUPFD, 10), high_memory = ::fcntl(memory, F_DUPFD, 10);
  if (high_null < 0 || high_socket < 0 || high_memory < 0) return false;
  if (::dup2(high_null, STDIN_FILENO) < 0 || ::dup2(high_socket, kCameraSocket) < 0 ||
      ::dup2(high_memory, kCameraMemory) < 0)
    return false;
  if (::close_range(kCameraMemory + 1, ~0U, 0) == 0) return true;
  if (errno != ENOSYS) return false;
  for (int fd = kCameraMemory + 1; fd < most_descriptors; ++fd) ::close(fd);  // Linux before 5.9 lacks close_range().
  return true;
}

Error cannot_start() {
  return fail(ErrorKind::unavailable,
              std::string("The camera program cannot be started: ") + std::strerror(errno) + ".");
}

}  // namespace

Result<CameraProcess> CameraProcess::start(const std::filesystem::path& program, const std::string& settings,
                                           const FrameMemory& memory) {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) return cannot_start();
  const int null_device = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  // Everything that the child needs is made before fork(), because only async-signal-safe calls are allowed between
  // fork and exec.
  std::string program_text = program.string();
  char* const arguments[] = {program_text.data(), nullptr};
  auto variables = camera_environment();
  std::vector<char*> environment;
  for (auto& variable : variables) environment.push_back(variable.data());
  environment.push_back(nullptr);
  const auto most_descriptors = static_cast<int>(::sysconf(_SC_OPEN_MAX));
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(125);
    if (!arrange_descriptors(null_device, ends[1], memory.descriptor(), most_descriptors)) ::_exit(125);
    // exec keeps the signal mask and ignored signals, so they are set back here.
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::signal(SIGPIPE, SIG_DFL);
    ::execvpe(program_text.c_str(), arguments, environment.data());
    ::_exit(127);
  }
  const int reason = errno;
  if (null_device >= 0) ::close(null_device);
  ::close(ends[1]);
  CameraProcess process(child, ends[0]);
  errno = reason;
  if (child < 0) return cannot_start();
  if (::send(ends[0], settings.data(), settings.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(settings.size()))
    return fail(ErrorKind::unavailable, "The camera program " + process.wait_for_end() + ".");
  return process;
}

CameraProcess::CameraProcess(CameraProcess&& other) noexcept
    : id_(std::exchange(other.id_, -1)), socket_(std::exchange(other.socket_, -1)) {}

CameraProcess::~CameraProcess() {
  if (id_ > 0) {
    ::kill(id_, SIGKILL);
    while (::waitpid(id_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  if (socket_ >= 0) ::close(socket_);
}

bool CameraProcess::has_ended(int& status) {
  if (id_ <= 0) return true;
  const pid_t ended = ::waitpid(id_, &status, WNOHANG);
  if (ended == 0 || (ended < 0 && errno == EINTR)) return false;
  id_ = -1;
  return true;
}

std::string CameraProcess::wait_for_end() {
  int status = 0;
  const auto deadline = std::chrono::steady_clock::now() + kKindWait;
  while (!has_ended(status)) {
    if (std::chrono::steady_clock::now() > deadline) return "no longer speaks";
    std::this_thread::sleep_for(kPollInterval);
  }
  if (WIFSIGNALED(status)) return fmt::format("was ended by signal {}", WTERMSIG(status));
  if (WEXITSTATUS(status) == 127) return "is not installed";
  return fmt::format("ended with status {}", WEXITSTATUS(status));
}

void CameraProcess::end_kindly() {
  if (socket_ >= 0) ::shutdown(socket_, SHUT_RDWR);
  (void)wait_for_end();
}

}  // namespace vedette
