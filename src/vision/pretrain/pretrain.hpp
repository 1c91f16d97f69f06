#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>

#include "base/result.hpp"

/// Learns the backbone's weights from rendered pictures, without anybody's data. A contrastive loss (NT-Xent, Chen et
/// al., ICML 2020) compares patches and their quadrants. Its hard negatives are damaged copies of the same patch, and
/// its positives differ by what a plant cannot control: pose, light, noise and focus.
namespace vedette {

struct PretrainOptions {
  /// The folder for checkpoint, log and weights. A run that was cut off goes on from there.
  std::filesystem::path folder;
  std::filesystem::path from;  ///< The weights to begin with, as an earlier run wrote them; empty: random ones.
  std::uint64_t seed = 1;
  int steps = 20'000;
  int pictures = 16;  ///< The number of pictures that a step learns from.
  int patches = 4;    ///< The number of patches that a step cuts from each picture.
  int looks = 4;      ///< The number of steps that learn from the same pictures, each from other patches.
  /// The highest rate: after a warm-up there is a plateau, and a cosine over the last fifth.
  double learning_rate = 2e-3;
  double temperature = 0.1;
  int threads = 2;
  int checkpoint_every = 250;  ///< in steps
  int report_every = 25;
  bool half = false;  ///< Uses bf16 for maps and products, which is twice as fast where the hardware has it.
  bool on_gpu = false;
};

/// The means since the last report.
struct PretrainStep {
  int step = 0, steps = 0;
  double loss = 0;
  double retrieval = 0;  ///< The share of patches whose nearest other view is their own.
  /// The share of damaged patches that are farther from the original's view than an undamaged view is.
  double detection = 0;
  double small_detection = 0;  ///< The same for small and faint damage, in cells of 16 pixels.
  double seconds = 0;          ///< The seconds since this process began.
};

/// Trains, and writes into the folder:
///   checkpoint.pt         everything that the next run needs; replaced every `checkpoint_every` steps
///   log.jsonl             a line per report
///   backbone.safetensors  batch norms folded into convolutions, fp16, with the options as metadata
/// With `from`, only the heads of the loss learn while the rate warms up, since they begin anew.
/// Step s sees data drawn from (seed, s) alone: the same options give the same data, however often the run was cut off.
/// Returns when all steps are done, or after a checkpoint once `cancelled` turns true. Fails with invalid_input if the
/// folder holds a run with other options (`steps` may change until the last fifth begins) or there is no GPU, and with
/// internal if it cannot be written.
Result<void> pretrain(const PretrainOptions& options, const std::function<void(const PretrainStep&)>& report,
                      const std::atomic<bool>& cancelled);

}  // namespace vedette
