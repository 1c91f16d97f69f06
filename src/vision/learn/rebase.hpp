#pragma once

#include <filesystem>

#include "vision/learn/learn.hpp"

namespace vedette {

/// The number of good pictures without which a model cannot be moved. Ten are better.
inline constexpr std::size_t kLeastRebasing = 5;
/// The most good pictures that are taken, at 640 × 480 pixels; fewer at a large working size, but at least ten. Of more
/// pictures each n-th one is taken, with a warning.
inline constexpr std::size_t kMostRebasing = 60;

/// Moves a model to another batch of the same product (other light, material or camera) with a few good pictures of
/// that batch, without training again, and writes the moved model to `model_folder`. `base` is the folder of the model.
/// The pictures of job.train that are labelled normal are used; anomalous and unlabelled ones are passed over.
///
/// What the model knows stays: the memory bank gets half as many rows again, of the new pictures (but has never more
/// than 4,800), and each cell's subspace moves to the mean of the new pictures while the way back to the old mean
/// becomes a direction in which good pictures may differ. Then the levels of cells, the location and scale of every
/// pool, and the limits of plausibility are measured again. Whitening, registration, decoders, the weights of the
/// fusion, and the threshold on its axis stay as they were learned. Fewer digits are used only if they decided alike in
/// the training and do so on the new pictures.
///
/// The new pictures are cut into the model's folds, so that each of them is judged by models that have not seen it, as
/// in a training, and by numbers that were chosen without its fold; the evaluation holds these verdicts. Pictures that
/// the evaluation beside the model names as learned from are left out. Its figures say nothing of defects, since there
/// are none.
///
/// Uses at most `threads` threads, the calling one among them, and blocks. The same pictures and model give the same
/// bytes on one machine type. Fails with invalid_input if the model or a picture cannot be used, if the size of a
/// picture is not the model's (unless job.letterbox_mixed_sizes), or if there are fewer than kLeastRebasing different
/// pictures.
Result<Evaluation> rebase(const TrainingJob& job, const std::filesystem::path& base,
                          const std::filesystem::path& model_folder, int threads, const ProgressSink& progress);

}  // namespace vedette
