#pragma once

#include <nlohmann/json.hpp>

#include "lessons.hpp"

/// Trains with `vedette-trainer` and judges with `vision/infer`.
namespace vedette::bench {

struct RunOptions {
  TrainingPlan plan;
  bool with_contest = false;      ///< tests every contestant alone, too
  bool with_teaching = false;     ///< corrects errors by verified pictures (teach.hpp)
  bool with_robustness = false;   ///< changes and mislabels pictures; trains twice
  std::filesystem::path keep;     ///< if not empty, the models are copied into this folder
  std::filesystem::path dump;     ///< if not empty, the scores of all contestants are written into this folder
  std::filesystem::path figures;  ///< if not empty, a picture of the first exam is drawn into this folder
};

/// Runs one training and all of its exams. Returns one object per exam. Throws std::runtime_error if that fails.
std::vector<nlohmann::json> run(const std::string& product, const Lesson& lesson, std::uint64_t seed,
                                const RunOptions& options);

}  // namespace vedette::bench
