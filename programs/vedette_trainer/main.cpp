// vedette-trainer: turns a job folder into a model. Started by `vedette train` and by the server's job worker;
// docs/training-job.md.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <thread>

#include "training/training.hpp"
#include "vision/learn/learn.hpp"

int main(int argc, char** argv) {
  CLI::App app("Trains a Vedette model from a job folder (job.json).");
  std::string folder;
  int threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  app.add_option("--job", folder, "Folder with job.json; model/, evaluation.json and progress.jsonl are written there")
      ->required()
      ->check(CLI::ExistingDirectory);
  app.add_option("--threads", threads, "Threads to use")->check(CLI::Range(1, 1024));
  CLI11_PARSE(app, argc, argv);
  namespace fs = std::filesystem;
  const auto give_up = [&](const vedette::Error& error) {
    std::fprintf(stderr, "vedette-trainer: %s\n", error.message.c_str());
    (void)vedette::write_failure(folder, error).has_value();
    return 1;
  };
  try {
    const auto job = vedette::read_job(folder);
    if (!job) return give_up(job.error());
    auto evaluation = vedette::train(*job, fs::path(folder) / "model", threads, [&](const vedette::Progress& p) {
      (void)vedette::append_progress(folder, p).has_value();
    });
    if (!evaluation) return give_up(evaluation.error());
    if (auto ok = vedette::write_evaluation(folder, *evaluation); !ok) return give_up(ok.error());
    return 0;
  } catch (const std::exception& e) {
    return give_up(vedette::internal_error(std::string("The training broke off: ") + e.what()));
  }
}
