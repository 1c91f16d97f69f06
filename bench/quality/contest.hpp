#pragma once

#include <nlohmann/json.hpp>

#include "lessons.hpp"
#include "vision/infer/infer.hpp"

/// What each contestant of a model says alone.
namespace vedette::bench {

/// Returns the scores of every picture by contestant, fold and share of the map that is averaged, so that rules of
/// pooling and fusion can be tried without training:
///   {"fractions": [0, …, 1],
///    "pictures": [{"source_ref": …, "is_anomalous": …, "scores": {contestant: [[score by fraction] by fold]}}]}
/// A fraction of 0 is the largest cell, and 1 is the mean of all. Throws std::runtime_error if a picture fails.
nlohmann::json pooled_scores(const Engine& engine, const Samples& samples);

/// Returns the AUROC over pictures of each contestant alone, all folds together, by the same fractions. `pooled` is the
/// result of pooled_scores().
nlohmann::json contest(const nlohmann::json& pooled);

}  // namespace vedette::bench
