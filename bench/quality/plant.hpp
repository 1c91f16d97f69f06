#pragma once

#include <nlohmann/json.hpp>

#include "lessons.hpp"
#include "vision/infer/infer.hpp"

/// What a plant does to pictures and labels.
namespace vedette::bench {

/// Returns the share of the pictures whose verdict changes when something changes that a plant cannot control. For
/// pictures that show something else than the part, it returns how many are called anomalous.
nlohmann::json robustness(const Engine& engine, const Samples& test);

/// Moves some defective pictures of `test` to `train`, where they count as good: a tenth as many as there are good ones.
void mislabel_some(Samples& train, Samples& test);

}  // namespace vedette::bench
