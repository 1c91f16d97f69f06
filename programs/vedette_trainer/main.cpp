// vedette-trainer turns a job folder into a model (docs/training-job.md). `vedette train` and the server's job worker
// start it. `vedette-trainer pretrain` makes the backbone's weights (docs/pretraining.md), and `vedette-trainer
// backbone` looks at those of another backbone.

#include <malloc.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <thread>

#include "commands.hpp"
#include "training/training.hpp"
#include "vision/learn/learn.hpp"
#include "vision/learn/rebase.hpp"

namespace {

namespace fs = std::filesystem;
using namespace vedette;

int run_job(const fs::path& folder, int threads) {
  const auto give_up = [&](const Error& error) {
    std::fprintf(stderr, "vedette-trainer: %s\n", error.message.c_str());
    (void)write_failure(folder, error).has_value();
    return 1;
  };
  try {
    const auto job = read_job(folder);
    if (!job) return give_up(job.error());
    const ProgressSink progress = [&](const Progress& p) { (void)append_progress(folder, p).has_value(); };
    auto evaluation = job->base ? rebase(*job, *job->base, folder / "model", threads, progress)
                                : train(*job, folder / "model", threads, progress);
    if (!evaluation) return give_up(evaluation.error());
    if (auto ok = write_evaluation(folder, *evaluation); !ok) return give_up(ok.error());
    return 0;
  } catch (const std::exception& e) {
    return give_up(internal_error(std::string("The training broke off: ") + e.what()));
  }
}

}  // namespace

int main(int argc, char** argv) {
  // Networks allocate and free the same large blocks at every step. This setting keeps these blocks in the process,
  // because the system would have to clear them each time.
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  CLI::App app("Trains a Vedette model from a job folder (job.json).");
  std::string folder;
  int threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  app.add_option("--job", folder, "Folder with job.json; model/, evaluation.json and progress.jsonl are written there")
      ->check(CLI::ExistingDirectory);
  app.add_option("--threads", threads, "Threads to use")->check(CLI::Range(1, 1024));

  int status = 0;
  auto* pretraining = add_pretrain(app, threads, status);
  auto* backbone = add_backbone(app, status);
  CLI11_PARSE(app, argc, argv);
  if (pretraining->parsed() || backbone->parsed()) return status;
  if (folder.empty()) {
    std::fprintf(stderr, "vedette-trainer: --job is required\n");
    return 106;  // CLI11 ends with this status if an option is missing.
  }
  return run_job(folder, threads);
}
