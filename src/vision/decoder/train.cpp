#include <torch/torch.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <future>
#include <numbers>
#include <optional>

#include "base/parallel.hpp"
#include "vision/decoder/crops.hpp"
#include "vision/decoder/decoder.hpp"
#include "vision/decoder/refiner.hpp"

namespace vedette {
namespace {

namespace nn = torch::nn;
namespace F = torch::nn::functional;

constexpr std::int64_t kWidth = 24;  // The number of channels of each fold's decoder.
// A step learns from twice so many crops: new ones, and those that were new in the step before (data echoing, Choi et
// al., 2019). Making and describing a crop takes as long as learning from it.
constexpr int kNewCrops = 8;
constexpr int kDistances = 3;  // The place of the distances among the maps.
constexpr int kWarmUp = 20, kTimedFrom = 6, kLeastSteps = 10, kMostSteps = 4'000;
constexpr int kLossSteps = 10;
constexpr int kLooks = 4;              // The number of draws from which the scale of the inputs is taken.
constexpr double kRefinedAfter = 0.6;  // The share of the steps after which the refiner begins to learn.
constexpr double kRate = 4e-3, kDecay = 1e-3, kDropout = 0.1;
constexpr double kDefectWeight = 1.5;  // The weight of a defect's pixels in the cross-entropy.
constexpr double kClassWeight = 0.5;   // The weight of the labels' loss.

/// Returns the precision of maps and products: bf16 where the processor multiplies it; elsewhere it would be slower
/// than fp32.
torch::Dtype precision() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512bf16")) return torch::kBFloat16;
#endif
  return torch::kFloat;
}

/// Crops as they are learnt from. All tensors have as many rows as there are crops.
struct Batch {
  /// The backbone's maps at strides 4, 8 (joined with the mean colours) and 16, then the distances.
  std::vector<torch::Tensor> maps;
  torch::Tensor coverage, teaches, labels, light, truth, is_real;  ///< As in CropBatch.
};

Batch to_batch(CropBatch& crops) {
  const auto view = [&](std::vector<float>& values, std::int64_t channels, int stride) {
    return torch::from_blob(values.data(), {crops.count, channels, crops.height / stride, crops.width / stride});
  };
  constexpr auto kLast = torch::MemoryFormat::ChannelsLast;
  Batch out;
  for (std::size_t m = 0; m < crops.maps.size(); ++m)
    out.maps.push_back(view(crops.maps[m], crops.channels[m], kMapStride << m).clone(kLast));
  out.maps[1] = torch::cat({out.maps[1], view(crops.colors, 3, kColorStride)}, 1).contiguous(kLast);
  out.maps.push_back(view(crops.distances, kDistanceMaps, kColorStride).clone(kLast));
  out.coverage = view(crops.coverage, 1, kMapStride).clone();
  out.teaches = torch::from_blob(crops.teaches.data(),
                                 {crops.count, static_cast<std::int64_t>(crops.teaches.size()) / crops.count})
                    .clone();
  out.light = view(crops.light, 3, 1).clone();
  out.is_real = torch::from_blob(crops.is_real.data(), {crops.count, 1}).clone();
  out.truth = torch::from_blob(crops.truth.data(), {crops.count, crops.height, crops.width}).clone();
  out.labels = torch::from_blob(crops.labels.data(), {crops.count, crops.height / kMapStride, crops.width / kMapStride},
                                torch::kLong)
                   .clone();
  return out;
}

Batch joined(const Batch& first, const Batch& second) {
  Batch out;
  for (std::size_t m = 0; m < first.maps.size(); ++m) out.maps.push_back(torch::cat({first.maps[m], second.maps[m]}));
  out.coverage = torch::cat({first.coverage, second.coverage});
  out.teaches = torch::cat({first.teaches, second.teaches});
  out.labels = torch::cat({first.labels, second.labels});
  out.light = torch::cat({first.light, second.light});
  out.is_real = torch::cat({first.is_real, second.is_real});
  out.truth = torch::cat({first.truth, second.truth});
  return out;
}

/// Returns the convolution of x, of which no channels are grouped. Everything lies channels last, where LibTorch
/// enlarges and multiplies several times as fast as plane by plane.
torch::Tensor product(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias) {
  return torch::conv2d(x.to(precision()), weight.to(precision(), false, false, torch::MemoryFormat::ChannelsLast),
                       bias.to(precision()), 1, weight.size(2) / 2);
}

torch::Tensor applied(const nn::Conv2d& convolution, const torch::Tensor& x) {
  return product(x, convolution->weight, convolution->bias);
}

/// Applies a grouped convolution group by group, since oneDNN has no quick gradient for the weights of groups that are
/// as narrow as these.
torch::Tensor applied_by_fold(const nn::Conv2d& convolution, const torch::Tensor& x) {
  const auto groups = convolution->options.groups();
  const auto inputs = x.chunk(groups, 1), weights = convolution->weight.chunk(groups),
             biases = convolution->bias.chunk(groups);
  std::vector<torch::Tensor> parts;
  for (std::size_t g = 0; g < inputs.size(); ++g)
    parts.push_back(product(inputs[g].contiguous(torch::MemoryFormat::ChannelsLast), weights[g], biases[g]));
  return torch::cat(parts, 1);
}

/// Applies a grouped 1×1 convolution as one that is not grouped and has zeros between the groups, which is quicker
/// where a group has few outputs.
torch::Tensor applied_at_once(const nn::Conv2d& convolution, const torch::Tensor& x) {
  const auto groups = convolution->options.groups();
  std::vector<torch::Tensor> blocks;
  for (const auto& weight : convolution->weight.flatten(1).chunk(groups)) blocks.push_back(weight);
  return product(x, torch::block_diag(blocks).unsqueeze(2).unsqueeze(3), convolution->bias);
}

struct FoldDecodersImpl : nn::Module {
  FoldDecodersImpl(const std::array<std::int64_t, 3>& channels, std::int64_t folds, std::int64_t outputs) {
    const auto all = folds * kWidth;
    const auto conv = [&](const char* name, std::int64_t in, std::int64_t outs, std::int64_t kernel,
                          std::int64_t groups) {
      return register_module(name, nn::Conv2d(nn::Conv2dOptions(in, outs, kernel).padding(kernel / 2).groups(groups)));
    };
    lateral16 = conv("lateral16", channels[2], all, 1, 1);
    distance8 = conv("distance8", kDistanceMaps, all, 1, 1);
    lateral8 = conv("lateral8", channels[1] + 3, all, 1, 1);
    lateral4 = conv("lateral4", channels[0], all, 1, 1);
    merge8 = conv("merge8", all, all, 3, folds);
    merge4 = conv("merge4", all, all, 3, folds);
    out = conv("out", all, folds * outputs, 1, folds);
    // Defects are rare: the first guess is that there is none.
    torch::NoGradGuard no_gradients;
    out->bias.zero_();
    for (std::int64_t f = 0; f < folds; ++f) out->bias[f * outputs] = -4;
  }
  /// Standardises the inputs from the maps of a few crops, because the channels of the backbone differ in scale by
  /// orders of magnitude.
  void set_scales(const std::vector<Batch>& batches) {
    for (std::size_t stage = 0; stage < batches[0].maps.size(); ++stage) {
      std::vector<torch::Tensor> parts;
      for (const auto& batch : batches) parts.push_back(batch.maps[stage]);
      const auto all = torch::cat(parts);
      means.push_back(all.mean({0, 2, 3}, true));
      scales.push_back(1 / (all.std({0, 2, 3}, true, true) + 1e-3));
    }
  }
  struct Output {
    torch::Tensor features, logits;  // The last layer turns features into logits, whose channels are fold by fold.
  };
  Output forward(const std::vector<torch::Tensor>& maps) {
    const auto enlarged = [](const torch::Tensor& x) {
      return F::interpolate(x, F::InterpolateFuncOptions()
                                   .scale_factor(std::vector<double>{2, 2})
                                   .mode(torch::kBilinear)
                                   .align_corners(false));
    };
    const auto seen = [&](std::size_t stage) {
      return F::dropout2d((maps[stage] - means[stage]) * scales[stage],
                          F::Dropout2dFuncOptions().p(kDropout).training(is_training()));
    };
    auto x = torch::relu(applied(lateral16, seen(2)));
    x = applied(distance8, seen(kDistances)) + enlarged(x);
    x = torch::relu(applied_by_fold(merge8, torch::relu(applied(lateral8, seen(1)) + x)));
    x = torch::relu(applied_by_fold(merge4, torch::relu(applied(lateral4, seen(0)) + enlarged(x))));
    return {x, applied_at_once(out, x).to(torch::kFloat, false, false, torch::MemoryFormat::Contiguous)};
  }
  std::vector<torch::Tensor> means, scales;  // There is one tensor per stage.
  nn::Conv2d lateral16{nullptr}, distance8{nullptr}, lateral8{nullptr}, lateral4{nullptr}, merge8{nullptr},
      merge4{nullptr}, out{nullptr};
};
TORCH_MODULE(FoldDecoders);

torch::Tensor loss_of(const torch::Tensor& output, const Batch& batch, std::int64_t labels) {
  const auto rows = output.size(2), columns = output.size(3), folds = batch.teaches.size(1);
  const auto &coverage = batch.coverage, &teaches = batch.teaches, &known = batch.labels;
  const auto all = output.reshape({output.size(0), folds, 1 + labels, rows, columns});
  const auto logit = all.select(2, 0);
  const auto target = coverage.expand_as(logit);
  const auto cross_entropy = F::binary_cross_entropy_with_logits(logit, target,
                                                                 F::BinaryCrossEntropyWithLogitsFuncOptions()
                                                                     .reduction(torch::kNone)
                                                                     .pos_weight(torch::full({1}, kDefectWeight)))
                                 .mean({2, 3});
  auto loss = (cross_entropy * teaches).sum() / teaches.sum().clamp_min(1) * static_cast<double>(folds);
  // The loss is soft Dice (Milletari et al., 3DV 2016): half of it is taken over the batch, where pixels count, and
  // half crop by crop, where a small defect counts as much as a large one.
  const auto dice = [](const torch::Tensor& both, const torch::Tensor& either) {
    return 1 - (2 * both + 1) / (either + 1);
  };
  const auto probability = torch::sigmoid(logit);
  const auto both = (probability * target).sum({2, 3}), either = (probability + target).sum({2, 3});
  const auto holds = teaches * coverage.sum({1, 2, 3}).gt(0).to(torch::kFloat).unsqueeze(1);
  loss = loss + 0.5 * dice((teaches * both).sum(0), (teaches * either).sum(0)).sum() +
         0.5 * static_cast<double>(folds) * (dice(both, either) * holds).sum() / holds.sum().clamp_min(1);
  if (labels > 1) {
    // The labelled cells of each crop together have the weight one.
    const auto is_known = known.ge(0).to(torch::kFloat);
    const auto weight =
        (is_known / is_known.sum({1, 2}, true).clamp_min(1)).unsqueeze(1) * teaches.unsqueeze(2).unsqueeze(3);
    const auto truth = known.clamp_min(0).unsqueeze(1).expand_as(logit).unsqueeze(2);
    const auto log_share = torch::log_softmax(all.narrow(2, 1, labels), 2).gather(2, truth).squeeze(2);
    loss = loss - kClassWeight * static_cast<double>(folds) * (log_share * weight).sum() / weight.sum().clamp_min(1);
  }
  return loss;
}

std::map<std::string, Tensor> exported(FoldDecoders& decoders) {
  // What standardises the maps becomes part of the 1×1 convolutions that read them.
  {
    const torch::NoGradGuard no_gradients;
    for (const auto& [layer, stage] : {std::pair(&decoders->lateral16, 2),
                                       {&decoders->distance8, kDistances},
                                       {&decoders->lateral8, 1},
                                       {&decoders->lateral4, 0}}) {
      auto& convolution = **layer;
      const auto s = static_cast<std::size_t>(stage);
      convolution.weight.mul_(decoders->scales[s]);
      convolution.bias.sub_((convolution.weight * decoders->means[s]).sum({1, 2, 3}));
    }
  }
  std::map<std::string, Tensor> out;
  for (const auto& entry : decoders->named_parameters()) {
    const auto values = entry.value().detach().contiguous();
    out.emplace("decoder." + entry.key(),
                Tensor::make(values.sizes().vec(),
                             std::vector<float>(values.data_ptr<float>(), values.data_ptr<float>() + values.numel())));
  }
  return out;
}

}  // namespace

Result<Decoders> train_decoders(const DecoderJob& job) {
  try {
    const ThreadCount limit(job.threads);  // what LibTorch sets for this thread ends with it
    torch::set_num_threads(job.threads);
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
    const Random random(job.seed);
    const auto draw = [&](int step) {
      return std::async(std::launch::async, [&source, &job, r = random.fork(static_cast<std::uint64_t>(step))] {
        return source.draw(r, kNewCrops, job.threads, job.describe);
      });
    };
    std::vector<Batch> looks;
    std::array<std::int64_t, 3> channels = {};
    for (int i = 0; i < kLooks; ++i) {
      auto crops = draw(-1 - i).get();
      if (!crops) return crops.error();
      looks.push_back(to_batch(*crops));
      channels = crops->channels;
    }
    FoldDecoders decoders(channels, job.folds, 1 + job.labels);
    decoders->set_scales(looks);
    Refiner refiner(job.folds, kWidth, Random(job.seed).fork(2ULL << 40).next());
    auto before = std::move(looks.back());
    looks.clear();
    torch::optim::AdamW optimizer(decoders->parameters(), torch::optim::AdamWOptions(kRate).weight_decay(kDecay));
    int steps = job.seconds_left ? kWarmUp + kLeastSteps : job.steps;
    std::vector<std::pair<int, double>> curve;
    double sum = 0;
    int count = 0;
    auto next = draw(0);
    auto timed = std::chrono::steady_clock::now();
    for (int step = 0; step < steps; ++step) {
      auto crops = next.get();
      if (!crops) return crops.error();
      if (step == kTimedFrom) timed = std::chrono::steady_clock::now();
      if (step == kWarmUp && job.seconds_left) {
        const double one =
            std::chrono::duration<double>(std::chrono::steady_clock::now() - timed).count() / (kWarmUp - kTimedFrom);
        steps = kWarmUp + static_cast<int>(std::clamp(job.seconds_left() / one, kLeastSteps * 1.0, kMostSteps * 1.0));
      }
      if (step + 1 < steps) next = draw(step + 1);  // The next crops are drawn while these are learnt from.
      // The rate of the first steps does not depend on how many steps there will be, since that may not be known yet.
      const double share = static_cast<double>(std::max(0, step - kWarmUp)) / std::max(1, steps - kWarmUp);
      const double rate =
          kRate * std::min(1.0, (step + 1.0) / kWarmUp) * (0.5 + 0.5 * std::cos(std::numbers::pi * share));
      for (auto& group : optimizer.param_groups()) static_cast<torch::optim::AdamWOptions&>(group.options()).lr(rate);
      optimizer.zero_grad();
      auto fresh = to_batch(*crops);
      const auto batch = joined(before, fresh);
      before = std::move(fresh);
      const auto output = decoders->forward(batch.maps);
      const auto loss = loss_of(output.logits, batch, job.labels);
      loss.backward();
      optimizer.step();
      // What is drawn pixel by pixel rests on decoders that know something. People mark other edges than those of
      // pictures that were put together.
      if (const int refined = step - static_cast<int>(kRefinedAfter * steps); refined >= 0)
        refiner.learn(output.features.detach(), output.logits.detach().slice(1, 0, {}, 1 + job.labels), batch.light,
                      batch.truth, batch.teaches * batch.is_real, refined / ((1 - kRefinedAfter) * steps));
      sum += loss.item<double>() / static_cast<double>(job.folds), ++count;
      if (count == kLossSteps || step + 1 == steps) {
        curve.emplace_back(step + 1, sum / count);
        sum = 0;
        count = 0;
      }
      if (job.progress) job.progress(static_cast<double>(step + 1) / steps);
    }
    auto tensors = exported(decoders);
    tensors.merge(refiner.exported());
    return Decoders{std::move(tensors), steps, std::move(curve)};
  } catch (const c10::Error& e) {
    return internal_error(std::string("LibTorch: ") + e.what_without_backtrace());
  }
}

}  // namespace vedette
