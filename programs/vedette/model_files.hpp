#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "base/files.hpp"
#include "vision/infer/infer.hpp"

namespace vedette {

/// Returns where the model's files lie: its folder, or the folder into which its archive was unpacked. Throws
/// std::runtime_error that names the file.
std::filesystem::path model_folder(const std::string& path, std::optional<TemporaryFolder>& unpacked);

/// Loads a model from its folder or from the archive that a packaging job writes. Throws std::runtime_error that names
/// the file.
std::shared_ptr<const Engine> load_model(const std::string& path);

}  // namespace vedette
