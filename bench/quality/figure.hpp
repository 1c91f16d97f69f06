#pragma once

#include <filesystem>

#include "lessons.hpp"
#include "vision/infer/infer.hpp"

/// Pictures of what a model says, for people.
namespace vedette::bench {

/// Writes a JPEG file that shows, row by row, one anomalous test picture of each label (or the first ones, if the
/// product has no masks): the picture, its anomaly map laid over it and, if the model draws masks, the mask that it draws
/// and the true one. Throws std::runtime_error if a picture fails.
void draw_figure(const std::filesystem::path& file, const Engine& engine, const Samples& test);

}  // namespace vedette::bench
