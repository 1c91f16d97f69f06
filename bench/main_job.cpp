// Accuracy and speed of the main job on the rendered sample and, where it is at hand, on the original getting-started
// set. Trains on the training manifest as a single dataset (evaluated out of fold), then detects every test picture.
// One JSON object per set and seed, then the mean and spread over seeds per set; the table in docs/detector.md comes
// from here.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <thread>

#include "base/files.hpp"
#include "pictures.hpp"
#include "training/training.hpp"
#include "vision/assess/assess.hpp"
#include "vision/render/render.hpp"

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

template <typename T>
T required(vedette::Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  return std::move(*result);
}

json run(const std::string& set, const fs::path& folder, std::uint64_t seed) {
  const vedette::TemporaryFolder work;
  vedette::TrainingJob job;
  job.train = vedette::read_manifest_samples(folder / "manifests/train.manifest", "");
  job.seed = seed;
  if (auto ok = vedette::write_job(work.path(), job); !ok) throw std::runtime_error(ok.error().message);
  const fs::path trainer = fs::read_symlink("/proc/self/exe").parent_path().parent_path() / "vedette-trainer";
  auto start = std::chrono::steady_clock::now();
  const auto out_of_fold = required(vedette::run_trainer(trainer, work.path(), {}, nullptr));
  const double train_seconds = seconds_since(start);

  start = std::chrono::steady_clock::now();
  const auto engine = required(vedette::Engine::load(work.path() / "model"));
  const double load_seconds = seconds_since(start);
  const auto samples = vedette::read_manifest_samples(folder / "manifests/test.manifest", "");
  std::vector<double> milliseconds;
  start = std::chrono::steady_clock::now();
  const auto test =
      required(vedette::evaluate_model(*engine, samples, false, [&](std::size_t, const auto&, const auto&) {
        milliseconds.push_back(1000 * seconds_since(start));
        start = std::chrono::steady_clock::now();
      }));
  std::sort(milliseconds.begin(), milliseconds.end());
  json out = {{"set", set},
              {"seed", seed},
              {"oof_auroc", out_of_fold.image_auroc},
              {"oof_f1", out_of_fold.f1},
              {"oof_precision", out_of_fold.precision},
              {"oof_recall", out_of_fold.recall},
              {"oof_ece", out_of_fold.ece},
              {"test_auroc", test.image_auroc},
              {"test_f1", test.f1},
              {"test_precision", test.precision},
              {"test_recall", test.recall},
              {"test_ece", test.ece},
              {"train_seconds", train_seconds},
              {"load_seconds", load_seconds},
              {"detect_ms", milliseconds[milliseconds.size() / 2]}};
  for (const auto& l : out_of_fold.labels) out["oof_aiou"][l.name] = l.aiou;
  return out;
}

json summarize(const std::string& set, const std::vector<json>& runs) {
  json out = {{"set", set}, {"seeds", runs.size()}};
  for (const auto& [name, value] : runs[0].items()) {
    if (!value.is_number_float()) continue;
    double mean = 0, square = 0;
    for (const auto& r : runs) mean += r[name].get<double>() / static_cast<double>(runs.size());
    for (const auto& r : runs) square += std::pow(r[name].get<double>() - mean, 2) / static_cast<double>(runs.size());
    out[name] = mean;
    out[name + "_deviation"] = std::sqrt(square);
  }
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Measures accuracy and speed of training and detection.");
  int seeds = 3;
  std::string cookies = "../shared/data/cookies";
  app.add_option("--seeds", seeds, "Seeds 0 … N−1, of the rendered set and of the training")
      ->capture_default_str()
      ->check(CLI::Range(1, 100));
  app.add_option("--cookies", cookies, "Folder of the original getting-started set; skipped if missing")
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    std::vector<json> sample_runs, cookie_runs;
    for (int seed = 0; seed < seeds; ++seed) {
      const vedette::TemporaryFolder folder;
      const auto number = static_cast<std::uint64_t>(seed);
      if (auto ok = vedette::render::write_sample(
              folder.path(), number, 180, static_cast<int>(std::max(1U, std::thread::hardware_concurrency())), {});
          !ok)
        throw std::runtime_error(ok.error().message);
      sample_runs.push_back(run("sample", folder.path(), number));
      std::printf("%s\n", sample_runs.back().dump().c_str());
      std::fflush(stdout);
    }
    if (fs::exists(cookies)) {
      for (int seed = 0; seed < seeds; ++seed) {
        cookie_runs.push_back(run("cookies", cookies, static_cast<std::uint64_t>(seed)));
        std::printf("%s\n", cookie_runs.back().dump().c_str());
        std::fflush(stdout);
      }
    } else {
      std::fprintf(stderr, "%s does not exist: only the rendered sample is measured\n", cookies.c_str());
    }
    if (!cookie_runs.empty()) std::printf("%s\n", summarize("cookies", cookie_runs).dump().c_str());
    std::printf("%s\n", summarize("sample", sample_runs).dump().c_str());
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "main_job: %s\n", e.what());
    return 1;
  }
}
