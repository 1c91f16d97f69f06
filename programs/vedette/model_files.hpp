#pragma once

#include <memory>
#include <string>

#include "vision/infer/infer.hpp"

namespace vedette {

/// A model from its folder, or from the archive that a packaging job writes. Throws std::runtime_error naming the file.
std::shared_ptr<const Engine> load_model(const std::string& path);

}  // namespace vedette
