#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "base/environment.hpp"
#include "base/files.hpp"
#include "base/text.hpp"
#include "training/training.hpp"

namespace vedette {
namespace fs = std::filesystem;
using Json = nlohmann::json;

namespace {

constexpr int kTrainerNiceness = 10;
constexpr auto kPollInterval = std::chrono::milliseconds(50);

/// Reads the complete new lines of a growing file.
class LineFollower {
 public:
  explicit LineFollower(fs::path path) : path_(std::move(path)) {}

  template <typename F>
  void for_each_new(F&& handle) {
    std::ifstream file(path_);
    if (!file) return;
    file.seekg(offset_);
    // There is room for one line, so that a line without an end costs no memory. A longer line is no progress line.
    std::array<char, 65536> line{};
    while (file.getline(line.data(), line.size()) && !file.eof()) {
      offset_ = file.tellg();
      handle(std::string(line.data()));
    }
  }

 private:
  fs::path path_;
  std::streamoff offset_ = 0;
};

/// Returns the variables of this process's environment that the trainer may know; the keys of an object store, for
/// example, are not among them. A name that ends in * stands for all names that begin so.
std::vector<std::string> trainer_environment() {
  static constexpr std::string_view kPassedOn[] = {"PATH",
                                                   "HOME",
                                                   "LANG",
                                                   "LC_*",
                                                   "TZ",
                                                   "TMPDIR",
                                                   "LD_LIBRARY_PATH",
                                                   "OMP_*",
                                                   "GOMP_*",
                                                   "KMP_*",
                                                   "MKL_*",
                                                   "DNNL_*",
                                                   "ONEDNN_*",
                                                   "OPENBLAS_*",
                                                   "GOTO_NUM_THREADS",
                                                   "ATEN_CPU_CAPABILITY",
                                                   "MALLOC_*",
                                                   "GLIBC_TUNABLES",
                                                   "ASAN_OPTIONS",
                                                   "UBSAN_OPTIONS",
                                                   "LSAN_OPTIONS",
                                                   "TSAN_OPTIONS",
                                                   "LLVM_PROFILE_FILE"};
  return select_environment(kPassedOn);
}

/// Runs in the child: closes the files and sockets of this process, except standard output and standard error, since
/// libraries open some that exec would hand on. Calls async-signal-safe functions only. Returns false if it cannot be
/// done.
bool close_inherited(int null_device, int most_descriptors) {
  if (::dup2(null_device, STDIN_FILENO) < 0) return false;
  if (::close_range(STDERR_FILENO + 1, ~0U, 0) == 0) return true;
  if (errno != ENOSYS) return false;
  for (int fd = STDERR_FILENO + 1; fd < most_descriptors; ++fd) ::close(fd);  // Linux before 5.9 lacks close_range().
  return true;
}

/// A started trainer. Its destructor ends it and waits for it, also after an exception, so that no trainer outlives its
/// caller or becomes a zombie.
class RunningTrainer {
 public:
  explicit RunningTrainer(pid_t id) : id_(id) {}
  ~RunningTrainer() {
    if (id_ <= 0) return;
    ::kill(id_, SIGKILL);
    while (::waitpid(id_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  RunningTrainer(const RunningTrainer&) = delete;
  RunningTrainer& operator=(const RunningTrainer&) = delete;

  /// Returns the status with which the trainer ended, as waitpid gives it, or nothing while it runs. Fails if other
  /// code has waited for it.
  Result<std::optional<int>> status() {
    int status = 0;
    const pid_t ended = ::waitpid(id_, &status, WNOHANG);
    if (ended == 0 || (ended < 0 && errno == EINTR)) return std::optional<int>();
    id_ = 0;  // the system may give this number to another process from now on
    if (ended < 0) return internal_error("Lost the trainer: " + std::string(std::strerror(errno)) + ".");
    return std::optional(status);
  }

 private:
  pid_t id_;
};

/// Returns a text of the trainer as it can be stored. A trainer that a picture has taken over may write anything.
std::string text_of(const Json& json) {
  auto text = json.get<std::string>();
  std::replace(text.begin(), text.end(), '\0', ' ');
  return text;
}

Error read_failure(const fs::path& folder, int status) {
  if (auto text = read_file(folder / "failure.json", 1 << 20)) {
    const Json json = Json::parse(as_text(*text), nullptr, false);
    if (json.is_object() && json.contains("message") && json["message"].is_string()) {
      const bool is_users = json.contains("fault") && json["fault"] == "input";
      return fail(is_users ? ErrorKind::invalid_input : ErrorKind::internal, text_of(json["message"]));
    }
  }
  if (WIFSIGNALED(status))
    return internal_error("The trainer was ended by signal " + std::to_string(WTERMSIG(status)) + ".");
  return internal_error("The trainer ended with status " + std::to_string(WEXITSTATUS(status)) + ".");
}

}  // namespace

fs::path find_trainer() {
  std::error_code code;
  const auto self = fs::read_symlink("/proc/self/exe", code);
  const auto beside = self.parent_path() / "vedette-trainer";
  return !code && fs::exists(beside, code) ? beside : fs::path("vedette-trainer");
}

Result<Evaluation> run_trainer(const fs::path& program, const fs::path& folder,
                               const std::function<void(const Progress&)>& on_progress, const std::atomic<bool>* cancel,
                               const std::optional<TrainerSandbox>& sandbox) {
  std::error_code ignored;
  for (const char* name : {"progress.jsonl", "evaluation.json", "failure.json"}) fs::remove(folder / name, ignored);
  fs::remove_all(folder / "model", ignored);

  // Everything that the child needs is made before fork(), because only async-signal-safe calls are allowed between
  // fork and exec.
  std::optional<Confinement> confinement;
  if (sandbox) {
    auto prepared = Confinement::prepare(*sandbox, program, folder);
    if (!prepared) return prepared.error();
    confinement.emplace(std::move(*prepared));
  }
  std::string program_text = program.string(), folder_text = folder.string(), option = "--job";
  char* const arguments[] = {program_text.data(), option.data(), folder_text.data(), nullptr};
  auto variables = trainer_environment();
  std::vector<char*> environment;
  for (auto& variable : variables) environment.push_back(variable.data());
  environment.push_back(nullptr);
  const int null_device = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (null_device < 0) return internal_error("Cannot start the trainer: " + std::string(std::strerror(errno)) + ".");
  const auto most_descriptors = static_cast<int>(::sysconf(_SC_OPEN_MAX));
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) {
    const int reason = errno;
    ::close(null_device);
    return internal_error("Cannot start the trainer: " + std::string(std::strerror(reason)) + ".");
  }
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(125);
    ::setpriority(PRIO_PROCESS, 0, kTrainerNiceness);
    if (!close_inherited(null_device, most_descriptors)) ::_exit(125);
    // exec keeps the signal mask, so it is cleared here.
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    if (confinement) ::_exit(confinement->confine_and_execute(arguments, environment.data()));
    ::execvpe(program_text.c_str(), arguments, environment.data());
    ::_exit(127);
  }

  RunningTrainer trainer(child);
  ::close(null_device);

  LineFollower lines(folder / "progress.jsonl");
  const auto forward = [&] {
    lines.for_each_new([&](const std::string& line) {
      const Json json = Json::parse(line, nullptr, false);
      if (!json.is_object() || !on_progress) return;
      const auto number = [&](const char* name) {
        return json.contains(name) && json[name].is_number() ? std::optional(json[name].get<double>()) : std::nullopt;
      };
      const auto stage = json.find("stage");
      on_progress({stage != json.end() && stage->is_string() ? text_of(*stage) : "", number("fraction").value_or(0),
                   number("seconds_left")});
    });
  };
  int status = 0;
  while (true) {
    const auto ended = trainer.status();
    if (!ended) return ended.error();
    if (*ended) {
      status = **ended;
      break;
    }
    if (cancel != nullptr && *cancel) return fail(ErrorKind::unavailable, "The training was interrupted.");
    forward();
    std::this_thread::sleep_for(kPollInterval);
  }
  forward();
  if (WIFEXITED(status) && WEXITSTATUS(status) == Confinement::kCannotConfine)
    return internal_error("The trainer could not be confined; VEDETTE_TRAINER_SANDBOX=off runs it as it is.");
  if (WIFEXITED(status) && WEXITSTATUS(status) == 127) return internal_error("Cannot run " + program_text + ".");
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return read_failure(folder, status);
  return read_evaluation(folder);
}

}  // namespace vedette
