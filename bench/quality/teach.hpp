#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>

#include "lessons.hpp"
#include "vision/infer/infer.hpp"

namespace vedette::bench {

/// Lets a person verify half of the pictures, drawn six times, and counts how the corrections that the errors among them
/// become (vision/verdict/corrections.hpp) change the verdicts of the other half: once with the pictures of the training,
/// each judged by models that had not seen it, and once with those of the test. Returns for each reach that was tried
/// the numbers of pictures, of errors without corrections, of verified errors, and of verdicts that became right and
/// wrong.
nlohmann::json teach(const std::filesystem::path& model, const Engine& engine, const Samples& test);

}  // namespace vedette::bench
