#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "base/files.hpp"
#include "vision/infer/infer.hpp"
#include "vision/verdict/corrections.hpp"

namespace vedette {

/// Returns the folder of the model's files: the given one, or the one into which its archive was unpacked. Throws
/// std::runtime_error, which names the file.
std::filesystem::path model_folder(const std::string& path, std::optional<TemporaryFolder>& unpacked);

/// A model with what corrects it.
struct CorrectedModel {
  std::shared_ptr<const Engine> engine;
  std::shared_ptr<const Corrections> corrections;  ///< null if nothing does
};
/// Loads both, as load_model() does.
CorrectedModel load_corrected_model(const std::string& path);

/// Loads a model from its folder or from the archive that a packaging job writes. Throws std::runtime_error, which
/// names the file.
std::shared_ptr<const Engine> load_model(const std::string& path);

}  // namespace vedette
