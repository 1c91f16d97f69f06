#pragma once

#include <filesystem>
#include <functional>

#include "base/result.hpp"
#include "training/training.hpp"

namespace vedette {

using ProgressSink = std::function<void(const Progress&)>;

/// Learns a model from labelled pictures and writes its artifact to `model_folder`. docs/vision.md describes the
/// method.
///
/// The training is cross-fitted: the good pictures are cut into folds, each fold's models are fitted without it, and
/// those very models are the ensemble that serves. Every number that is chosen (fusion, threshold, confidence) comes
/// from scores of pictures by models that had not seen them, computed by vision/infer. The same job and seed give the
/// same bytes on one machine type.
///
/// Uses at most `threads` threads, the calling one among them, and blocks. Fails with invalid_input, naming the picture
/// or the count, if the pictures do not allow a model; unreadable pictures are left out and named in the evaluation as
/// long as enough remain.
Result<Evaluation> train(const TrainingJob& job, const std::filesystem::path& model_folder, int threads,
                         const ProgressSink& progress);

}  // namespace vedette
