#include "training_run.hpp"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <cstdio>
#include <stdexcept>

#include "base/files.hpp"
#include "pictures.hpp"
#include "vision/artifact/placement.hpp"

namespace vedette {
namespace fs = std::filesystem;
namespace {

constexpr int kInterrupted = 130;  // Shells give this status to a program that Ctrl-C ended.

/// Shows progress as a bar on a terminal, and as one line per stage elsewhere.
class ProgressBar {
 public:
  void show(const Progress& p) {
    if (::isatty(STDERR_FILENO) == 0) {
      if (p.stage != stage_) std::fprintf(stderr, "%3.0f %%  %s\n", 100 * p.fraction, p.stage.c_str());
    } else {
      constexpr int width = 30;
      const int filled = static_cast<int>(p.fraction * width);
      std::string bar(static_cast<std::size_t>(filled), '#');
      bar.resize(width, '.');
      const std::string left = p.seconds_left ? "  " + std::to_string(std::lround(*p.seconds_left)) + " s left" : "";
      std::fprintf(stderr, "\r\x1B[K[%s] %3.0f %%  %s%s", bar.c_str(), 100 * p.fraction, p.stage.c_str(), left.c_str());
      if (p.fraction >= 1) std::fputc('\n', stderr);
    }
    stage_ = p.stage;
  }

 private:
  std::string stage_;
};

std::atomic<bool> interrupted{false};

}  // namespace

int run_training(const TrainingJob& job, const fs::path& place, const std::string& out, bool is_json) {
  // A signal ends the training only here and not at any other point, so that its folder is deleted. A signal that the
  // caller has switched off, as nohup does, stays off.
  for (const int number : {SIGINT, SIGTERM, SIGHUP})
    if (::signal(number, [](int) { interrupted = true; }) == SIG_IGN) ::signal(number, SIG_IGN);
  const TemporaryFolder folder;
  if (auto ok = write_job(folder.path(), job); !ok) throw std::runtime_error(ok.error().message);
  ProgressBar bar;
  const auto evaluation = run_trainer(
      find_trainer(), folder.path(), [&](const Progress& p) { bar.show(p); }, &interrupted);
  if (interrupted) {
    std::fprintf(stderr, "vedette: the training was interrupted; nothing was changed\n");
    return kInterrupted;
  }
  if (!evaluation) throw std::runtime_error(evaluation.error().message);
  fs::copy_file(folder.path() / "evaluation.json",
                folder.path() / "model" / "evaluation.json");  // `vedette report` reads this file.
  if (auto ok = place_model(folder.path() / "model", place); !ok) throw std::runtime_error(ok.error().message);
  if (!is_json) {
    print_evaluation(*evaluation);
    std::printf("%-18s %s\n%-18s %.1f\n", "model", out.c_str(), "seconds", evaluation->seconds);
  }
  std::printf("%s\n", summary_json(*evaluation).c_str());
  return 0;
}

}  // namespace vedette
