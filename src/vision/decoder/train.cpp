#include <torch/torch.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <deque>
#include <future>
#include <memory>
#include <numbers>
#include <numeric>
#include <optional>

#include "base/parallel.hpp"
#include "vision/decoder/crops.hpp"
#include "vision/decoder/decoder.hpp"
#include "vision/decoder/fold_decoder.hpp"

namespace vedette {
namespace {

// A step learns from more crops than are new: the others were new in the steps before (data echoing, Choi et al.,
// 2019). Making and describing a crop takes as long as learning from it.
constexpr int kNewCrops = 4, kCrops = 16;
constexpr int kWarmUp = 20, kTimedFrom = 6, kLeastSteps = 10, kMostSteps = 4'000;
constexpr int kLossSteps = 10;
constexpr int kLooks = 32;             // The number of crops from which the scale of the inputs is taken.
constexpr double kRefinedAfter = 0.6;  // The share of the steps after which the refiner begins to learn.

/// Returns what all folds have learned, with the folds one after the other.
std::map<std::string, Tensor> joined(const std::vector<std::unique_ptr<FoldDecoder>>& decoders, const Scales& scales) {
  std::map<std::string, std::vector<torch::Tensor>> parts;
  for (const auto& decoder : decoders)
    for (auto& [name, tensor] : decoder->exported(scales)) parts[name].push_back(tensor);
  std::map<std::string, Tensor> out;
  for (const auto& [name, tensors] : parts) {
    const auto values = torch::cat(tensors).contiguous();
    out.emplace("decoder." + name,
                Tensor::make(values.sizes().vec(),
                             std::vector<float>(values.data_ptr<float>(), values.data_ptr<float>() + values.numel())));
  }
  return out;
}

/// A lesson, and whether each fold may learn it.
struct FoldLesson {
  Lesson lesson;
  std::vector<bool> teaches;
};

}  // namespace

Result<Decoders> train_decoders(DecoderJob job) {
  try {
    const ThreadCount limit(job.threads);  // what LibTorch sets for this thread ends with it
    torch::set_num_threads(1);             // Each fold learns on a thread of its own.
    torch::manual_seed(job.seed);
    std::vector<DecoderSample> samples(job.pictures.size());
    std::vector<std::optional<Error>> failures(samples.size());
    run_parallel(samples.size(), job.threads, [&](std::size_t i) {
      auto sample = job.load(i);
      if (sample) {
        samples[i] = std::move(*sample);
      } else {
        failures[i] = sample.error();
      }
    });
    for (const auto& failure : failures)
      if (failure) return *failure;
    CropSource source(std::move(samples), job.pictures, job.folds, job.labels);
    if (auto ok = source.compose(Random(job.seed).fork(1ULL << 40), job.threads, job.measure); !ok) return ok.error();
    job.load = {}, job.measure = {};  // What they hold takes memory, and they are not needed any more.
    const Random random(job.seed);
    auto looks = source.draw(random.fork(1ULL << 41), kLooks, job.threads, job.describe);
    if (!looks) return looks.error();
    const Scales scales(*looks);
    const auto to_lessons = [&](std::vector<Crop> crops) {
      std::vector<FoldLesson> lessons;
      for (const auto& crop : crops) {
        lessons.push_back({Lesson(crop, scales), std::vector<bool>(static_cast<std::size_t>(job.folds), true)});
        for (auto fold : crop.taught) lessons.back().teaches[static_cast<std::size_t>(fold)] = false;
      }
      return lessons;
    };
    const auto draw = [&](int step) {
      return std::async(std::launch::async,
                        [&, r = random.fork(static_cast<std::uint64_t>(step))]() -> Result<std::vector<FoldLesson>> {
                          auto crops = source.draw(r, kNewCrops, job.threads, job.describe);
                          if (!crops) return crops.error();
                          return to_lessons(std::move(*crops));
                        });
    };
    looks->resize(static_cast<std::size_t>(kCrops - kNewCrops));
    const auto first = to_lessons(std::move(*looks));
    std::deque<FoldLesson> lessons(first.begin(), first.end());
    std::vector<std::unique_ptr<FoldDecoder>> decoders;
    for (std::uint64_t f = 0; f < static_cast<std::uint64_t>(job.folds); ++f)
      decoders.push_back(
          std::make_unique<FoldDecoder>(scales, job.labels, Random(job.seed).fork((2ULL << 40) + f).next()));
    int steps = job.seconds_left ? kWarmUp + kLeastSteps : job.steps;
    std::vector<std::pair<int, double>> curve;
    double sum = 0;
    int count = 0;
    auto next = draw(0);
    auto timed = std::chrono::steady_clock::now();
    for (int step = 0; step < steps; ++step) {
      auto fresh = next.get();
      if (!fresh) return fresh.error();
      if (step == kTimedFrom) timed = std::chrono::steady_clock::now();
      if (step == kWarmUp && job.seconds_left) {
        const double one =
            std::chrono::duration<double>(std::chrono::steady_clock::now() - timed).count() / (kWarmUp - kTimedFrom);
        steps = kWarmUp + static_cast<int>(std::clamp(job.seconds_left() / one, kLeastSteps * 1.0, kMostSteps * 1.0));
      }
      if (step + 1 < steps) next = draw(step + 1);  // The next crops are drawn while these are learnt from.
      for (auto& lesson : *fresh) lessons.push_back(std::move(lesson));
      while (lessons.size() > static_cast<std::size_t>(kCrops)) lessons.pop_front();
      // The rate of the first steps does not depend on how many steps there will be, since that may not be known yet.
      const double share = static_cast<double>(std::max(0, step - kWarmUp)) / std::max(1, steps - kWarmUp);
      const double rate = std::min(1.0, (step + 1.0) / kWarmUp) * (0.5 + 0.5 * std::cos(std::numbers::pi * share));
      const int refined = step - static_cast<int>(kRefinedAfter * steps);
      std::vector<double> losses(decoders.size());
      run_parallel(decoders.size(), job.threads, [&](std::size_t f) {
        std::vector<const Lesson*> own;
        for (const bool is_real : {true, false})
          for (const auto& [lesson, teaches] : lessons)
            if (teaches[f] && lesson.is_real == is_real) own.push_back(&lesson);
        if (own.empty()) return;
        losses[f] = decoders[f]->learn(
            own, rate, refined >= 0 ? std::optional(refined / ((1 - kRefinedAfter) * steps)) : std::nullopt);
      });
      sum += std::accumulate(losses.begin(), losses.end(), 0.0) / static_cast<double>(job.folds), ++count;
      if (count == kLossSteps || step + 1 == steps) {
        curve.emplace_back(step + 1, sum / count);
        sum = 0;
        count = 0;
      }
      if (job.progress) job.progress(static_cast<double>(step + 1) / steps);
    }
    return Decoders{joined(decoders, scales), steps, std::move(curve)};
  } catch (const c10::Error& e) {
    return internal_error(std::string("LibTorch: ") + e.what_without_backtrace());
  }
}

}  // namespace vedette
