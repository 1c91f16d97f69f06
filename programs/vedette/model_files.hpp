#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "base/files.hpp"
#include "vision/infer/infer.hpp"

namespace vedette {

/// Where the model's files lie: its folder, or what its archive holds, unpacked. Throws std::runtime_error naming the file.
std::filesystem::path model_folder(const std::string& path, std::optional<TemporaryFolder>& unpacked);

/// A model from its folder, or from the archive that a packaging job writes. Throws std::runtime_error naming the file.
std::shared_ptr<const Engine> load_model(const std::string& path);

}  // namespace vedette
