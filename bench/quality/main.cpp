// This benchmark measures how good verdicts are on many products, real ones where they are at hand and rendered ones
// that nothing was trained on. docs/vision.md says how it is used. It trains with `vedette-trainer` and judges with
// `vision/infer`, prints one JSON object per product, kind of training and seed, and at the end one table.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>

#include "base/files.hpp"
#include "run.hpp"
#include "table.hpp"

namespace {

using namespace vedette;
using nlohmann::json;

/// Adds a result. It takes the place of an earlier one of the same product, kind and seed.
void add_result(std::vector<json>& results, json result) {
  const auto earlier = std::find_if(results.begin(), results.end(), [&](const json& r) {
    return r["product"] == result["product"] && r["kind"] == result["kind"] && r["seed"] == result["seed"];
  });
  if (earlier == results.end())
    results.push_back(std::move(result));
  else
    *earlier = std::move(result);
}

/// Reads the lines that earlier runs printed; lines that are not results are passed over.
std::vector<json> read_results(const std::vector<std::string>& files) {
  std::vector<json> out;
  for (const auto& name : files) {
    std::ifstream file(name);
    for (std::string line; std::getline(file, line);) {
      auto value = json::parse(line, nullptr, false);
      const auto has = [&](const char* member) { return value.contains(member); };
      if (value.is_object() && has("auroc") && has("kind") && has("product") && has("seed"))
        add_result(out, std::move(value));
    }
  }
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Measures how good verdicts are, product by product.");
  int seeds = 3, slow_seeds = 1, first_seed = 0;
  std::string data = "../shared/data";
  std::vector<std::string> products = bench::kProducts, kinds = bench::kKinds, earlier;
  auto all = bench::kProducts;
  all.insert(all.end(), bench::kFurtherProducts.begin(), bench::kFurtherProducts.end());
  app.add_option("--products", products,
                 "Which products; also sample (the sample set) and tiny (large pictures with tiny defects)")
      ->capture_default_str()
      ->check(CLI::IsMember(all))
      ->delimiter(',');
  app.add_option("--kinds", kinds, "Which kinds of training; a product takes part in those that it has")
      ->capture_default_str()
      ->check(CLI::IsMember(bench::kKinds))
      ->delimiter(',');
  app.add_option("--seeds", seeds, "How many seeds, of the training and of what is drawn or rendered")
      ->capture_default_str()
      ->check(CLI::Range(1, 100));
  app.add_option("--slow-seeds", slow_seeds, "How many of them where masks teach, which takes ten times as long")
      ->capture_default_str()
      ->check(CLI::Range(0, 100));
  app.add_option("--first-seed", first_seed, "The first of them")
      ->capture_default_str()
      ->check(CLI::Range(0, 1'000'000));
  app.add_option("--data", data, "The folder of the real products; those that are missing are skipped")
      ->capture_default_str();
  app.add_option("--with", earlier, "Files with the output of earlier runs, whose results join the table")
      ->check(CLI::ExistingFile)
      ->delimiter(',');
  bench::RunOptions options;
  std::optional<std::size_t> defects;
  app.add_option("--defects", defects, "Train with the first so many anomalous pictures of each label only");
  app.add_option("--steps", options.plan.steps, "Steps of the decoders")->check(CLI::Range(1, 100'000));
  app.add_option("--budget", options.plan.budget_seconds, "Seconds that each training may take")
      ->check(CLI::Range(1.0, 1e6));
  app.add_option("--backbone", options.plan.backbone, "Another backbone, an ONNX file")->check(CLI::ExistingFile);
  app.add_flag("--robustness", options.with_robustness,
               "Change the test pictures as a plant does, show others, mislabel some; trains twice");
  app.add_flag("--contest", options.with_contest, "Test every contestant alone, too");
  app.add_flag("--teaching", options.with_teaching, "Correct errors by verified pictures, and count what that changes");
  app.add_option("--keep", options.keep, "Copy the models into this folder")->check(CLI::ExistingDirectory);
  app.add_option("--dump", options.dump, "Write every picture's scores by every contestant into this folder")
      ->check(CLI::ExistingDirectory);
  app.add_option("--figures", options.figures, "Draw maps and masks of some test pictures into this folder")
      ->check(CLI::ExistingDirectory);
  CLI11_PARSE(app, argc, argv);
  if (options.plan.backbone) options.plan.backbone = std::filesystem::absolute(*options.plan.backbone);
  try {
    const auto start = std::chrono::steady_clock::now();
    auto results = read_results(earlier);
    for (const auto& product : products) {
      const TemporaryFolder work;
      bool is_at_hand = false;
      for (int seed = first_seed; seed < first_seed + seeds; ++seed) {
        const auto number = static_cast<std::uint64_t>(seed);
        for (auto& lesson : bench::lessons_of(product, kinds, number, {data, work.path()})) {
          is_at_hand = true;
          const bool is_slow =
              std::any_of(lesson.train.begin(), lesson.train.end(), [](const auto& s) { return s.mask.has_value(); });
          if (is_slow && seed >= first_seed + slow_seeds) continue;
          if (defects) bench::keep_defects(lesson.train, *defects);
          for (auto& result : bench::run(product, lesson, number, options)) {
            std::printf("%s\n", result.dump().c_str());
            std::fflush(stdout);
            add_result(results, std::move(result));
          }
        }
      }
      if (!is_at_hand) std::fprintf(stderr, "%s has no pictures of these kinds here and is skipped\n", product.c_str());
    }
    std::printf("\n%s", bench::table(results).c_str());
    std::fprintf(stderr, "%.0f s\n", std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "quality: %s\n", e.what());
    return 1;
  }
}
