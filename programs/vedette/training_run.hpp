#pragma once

#include <filesystem>
#include <string>

#include "training/training.hpp"

namespace vedette {

/// Runs a training job in a temporary folder, shows its progress on standard error, puts the model in `place`, which
/// check_model_place() returned for `out`, and prints the evaluation: as a table and a JSON object, or only as the latter.
/// Returns the status that the program ends with. A signal ends the training without changing anything. Throws
/// std::runtime_error if the training fails.
int run_training(const TrainingJob& job, const std::filesystem::path& place, const std::string& out, bool is_json);

}  // namespace vedette
