#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>

#include "base/result.hpp"

/// The backbone's weights from rendered pictures, without anybody's data: a contrastive loss (NT-Xent, Chen et al., ICML
/// 2020) on patches and their quadrants, whose hard negatives are damaged copies of the same patch, and whose positives
/// differ by what a plant cannot control: pose, light, noise, focus.
namespace vedette {

struct PretrainOptions {
  std::filesystem::path folder;  ///< checkpoint, log and weights; a run that was cut off goes on from there
  std::filesystem::path from;    ///< weights to begin with, as an earlier run wrote them; empty: random ones
  std::uint64_t seed = 1;
  int steps = 20'000;
  int pictures = 16;            ///< rendered per step
  int patches = 4;              ///< cut from each
  double learning_rate = 2e-3;  ///< at its highest: warm-up, plateau, a cosine over the last tenth
  double temperature = 0.1;
  int threads = 2;
  int checkpoint_every = 250;  ///< steps
  int report_every = 25;
  bool half = false;  ///< bf16 maps and products; twice as fast where the hardware has them
  bool on_gpu = false;
};

/// Means since the last report.
struct PretrainStep {
  int step = 0, steps = 0;
  double loss = 0;
  double retrieval = 0;  ///< share of patches whose nearest other view is their own
  double detection = 0;  ///< share of damaged patches farther from the original's view than an undamaged view
  double seconds = 0;    ///< since this process began
};

/// Trains, and writes into the folder:
///   checkpoint.pt         everything that the next run needs; replaced every `checkpoint_every` steps
///   log.jsonl             a line per report
///   backbone.safetensors  batch norms folded into convolutions, fp16, with the options as metadata
/// With `from`, only the heads of the loss learn while the rate warms up: they begin anew.
/// Step s sees data drawn from (seed, s) alone: the same options give the same data, however often it was cut off.
/// Returns when all steps are done or `cancelled` turns true (after a checkpoint). Fails with invalid_input if the folder holds
/// a run with other options (`steps` may change until the last tenth
/// begins) or there is no GPU, internal if it cannot be written.
Result<void> pretrain(const PretrainOptions& options, const std::function<void(const PretrainStep&)>& report,
                      const std::atomic<bool>& cancelled);

}  // namespace vedette
