#include "vision/decoder/fold_decoder.hpp"

#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>

namespace vedette {
namespace {

namespace nn = torch::nn;
namespace F = torch::nn::functional;

constexpr std::int64_t kWidth = 24;  // The number of a decoder's channels.
constexpr double kRate = 4e-3, kDecay = 1e-3, kDropout = 0.1;
constexpr double kDefectWeight = 1.5;  // The weight of a defect's pixels in the cross-entropy.
constexpr double kClassWeight = 0.5;   // The weight of the labels' loss.
constexpr auto kLast = torch::MemoryFormat::ChannelsLast;

/// Returns the precision of maps and products: bf16 where the processor multiplies it; elsewhere it would be slower
/// than fp32.
torch::Dtype precision() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512bf16")) return torch::kBFloat16;
#endif
  return torch::kFloat;
}

template <typename T>
torch::Tensor to_tensor(const std::vector<T>& values, torch::IntArrayRef shape) {
  auto out = torch::empty(shape, c10::CppTypeToScalarType<T>::value);
  std::copy(values.begin(), values.end(), out.template data_ptr<T>());
  return out;
}

torch::Tensor to_tensor(const Planes& planes) {
  return to_tensor(planes.values, {1, planes.channels, planes.height, planes.width});
}

std::array<torch::Tensor, kMapCount> maps_of(const Crop& crop) {
  const auto& maps = crop.description.maps;
  return {to_tensor(maps[0]), torch::cat({to_tensor(maps[1]), to_tensor(crop.colors)}, 1), to_tensor(maps[2]),
          to_tensor(crop.distances)};
}

nn::Conv2d layer(std::int64_t inputs, std::int64_t outputs, std::int64_t kernel) {
  return nn::Conv2d(nn::Conv2dOptions(inputs, outputs, kernel).padding(kernel / 2));
}

/// Everything lies channels last, where LibTorch enlarges and multiplies several times as fast as plane by plane.
torch::Tensor applied(const nn::Conv2d& convolution, const torch::Tensor& x) {
  const auto& weight = convolution->weight;
  return torch::conv2d(x, weight.to(precision(), false, false, kLast), convolution->bias.to(precision()), 1,
                       weight.size(2) / 2);
}

torch::Tensor enlarged(const torch::Tensor& x) {
  return F::interpolate(
      x,
      F::InterpolateFuncOptions().scale_factor(std::vector<double>{2, 2}).mode(torch::kBilinear).align_corners(false));
}

}  // namespace

Scales::Scales(const std::vector<Crop>& crops) {
  for (std::size_t m = 0; m < kMapCount; ++m) {
    std::vector<torch::Tensor> parts;
    for (const auto& crop : crops) parts.push_back(maps_of(crop)[m]);
    const auto all = torch::cat(parts);
    means[m] = all.mean({0, 2, 3}, true);
    factors[m] = 1 / (all.std({0, 2, 3}, true, true) + 1e-3);
  }
}

Lesson::Lesson(const Crop& crop, const Scales& scales)
    : maps(maps_of(crop)),
      coverage(to_tensor(crop.coverage.values, {1, 1, crop.coverage.height, crop.coverage.width})),
      labels(to_tensor(crop.labels.values, {1, crop.labels.height, crop.labels.width})),
      light(F::pad(to_tensor(crop.description.light),
                   F::PadFuncOptions(std::vector<std::int64_t>(4, Refiner::kMargin)).mode(torch::kReplicate))),
      truth(to_tensor(crop.truth.values, {1, crop.truth.height, crop.truth.width})),
      is_real(crop.is_real) {
  for (std::size_t m = 0; m < kMapCount; ++m)
    maps[m] = ((maps[m] - scales.means[m]) * scales.factors[m]).to(precision(), false, false, kLast);
}

FoldDecoder::FoldDecoder(const Scales& scales, std::int64_t labels, std::uint64_t seed)
    : lateral16_(layer(scales.means[kStride16].size(1), kWidth, 1)),
      distance8_(layer(kDistanceMaps, kWidth, 1)),
      lateral8_(layer(scales.means[kStride8].size(1), kWidth, 1)),
      lateral4_(layer(scales.means[kStride4].size(1), kWidth, 1)),
      merge8_(layer(kWidth, kWidth, 3)),
      merge4_(layer(kWidth, kWidth, 3)),
      out_(layer(kWidth, 1 + labels, 1)),
      layers_{{"lateral16", lateral16_},
              {"distance8", distance8_},
              {"lateral8", lateral8_},
              {"lateral4", lateral4_},
              {"merge8", merge8_},
              {"merge4", merge4_},
              {"out", out_}},
      labels_(labels),
      chance_(at::make_generator<at::CPUGeneratorImpl>(seed)),
      refiner_(kWidth, seed) {
  // Defects are rare: the first guess is that there is none.
  {
    const torch::NoGradGuard no_gradients;
    out_->bias.zero_();
    out_->bias[0] = -4;
  }
  std::vector<torch::Tensor> parameters;
  for (const auto& [name, convolution] : layers_)
    for (const auto& parameter : convolution->parameters()) parameters.push_back(parameter);
  optimizer_.emplace(std::move(parameters), torch::optim::AdamWOptions(kRate).weight_decay(kDecay));
}

FoldDecoder::Output FoldDecoder::forward(std::array<torch::Tensor, kMapCount> maps) {
  for (auto& map : maps) {  // Whole channels are dropped.
    auto kept = torch::empty({map.size(0), map.size(1), 1, 1}).bernoulli_(1 - kDropout, chance_);
    map = map * kept.div_(1 - kDropout).to(precision());
  }
  auto x = torch::relu(applied(lateral16_, maps[kStride16]));
  x = applied(distance8_, maps[kDistances]) + enlarged(x);
  x = torch::relu(applied(merge8_, torch::relu(applied(lateral8_, maps[kStride8]) + x)));
  x = torch::relu(applied(merge4_, torch::relu(applied(lateral4_, maps[kStride4]) + enlarged(x))));
  return {x, applied(out_, x).to(torch::kFloat, false, false, torch::MemoryFormat::Contiguous)};
}

torch::Tensor FoldDecoder::loss(const torch::Tensor& logits, const torch::Tensor& coverage,
                                const torch::Tensor& labels) const {
  const auto logit = logits.narrow(1, 0, 1);
  auto sum = F::binary_cross_entropy_with_logits(
      logit, coverage, F::BinaryCrossEntropyWithLogitsFuncOptions().pos_weight(torch::full({1}, kDefectWeight)));
  // Soft Dice (Milletari et al., 3DV 2016): half of it is taken over all crops, where pixels count, and half crop by
  // crop, where a small defect counts as much as a large one.
  const auto dice = [](const torch::Tensor& both, const torch::Tensor& either) {
    return 1 - (2 * both + 1) / (either + 1);
  };
  const auto probability = torch::sigmoid(logit);
  const auto both = (probability * coverage).sum({1, 2, 3}), either = (probability + coverage).sum({1, 2, 3});
  const auto holds = coverage.sum({1, 2, 3}).gt(0).to(torch::kFloat);
  sum =
      sum + 0.5 * dice(both.sum(), either.sum()) + 0.5 * (dice(both, either) * holds).sum() / holds.sum().clamp_min(1);
  if (labels_ > 1) {
    // The labelled cells of each crop together have the weight one.
    const auto is_known = labels.ge(0).to(torch::kFloat);
    const auto weight = is_known / is_known.sum({1, 2}, true).clamp_min(1);
    const auto log_share =
        torch::log_softmax(logits.narrow(1, 1, labels_), 1).gather(1, labels.clamp_min(0).unsqueeze(1)).squeeze(1);
    sum = sum - kClassWeight * (log_share * weight).sum() / weight.sum().clamp_min(1);
  }
  return sum;
}

double FoldDecoder::learn(const std::vector<const Lesson*>& lessons, double rate_factor,
                          std::optional<double> refined) {
  const auto all = lessons.size();
  const auto joined = [&](std::size_t count, auto member) {  // of the first lessons
    std::vector<torch::Tensor> parts;
    for (std::size_t i = 0; i < count; ++i) parts.push_back(member(*lessons[i]));
    return torch::cat(parts);
  };
  std::array<torch::Tensor, kMapCount> maps;
  for (std::size_t m = 0; m < kMapCount; ++m) maps[m] = joined(all, [m](const Lesson& l) { return l.maps[m]; });
  for (auto& group : optimizer_->param_groups())
    static_cast<torch::optim::AdamWOptions&>(group.options()).lr(rate_factor * kRate);
  optimizer_->zero_grad();
  const auto output = forward(std::move(maps));
  const auto coverage = joined(all, [](const Lesson& l) { return l.coverage; });
  const auto total = loss(output.logits, coverage, joined(all, [](const Lesson& l) { return l.labels; }));
  total.backward();
  optimizer_->step();
  // What is drawn pixel by pixel rests on decoders that know something. People mark other edges than those of pictures
  // that were put together.
  if (refined) {
    const auto real = static_cast<std::size_t>(
        std::count_if(lessons.begin(), lessons.end(), [](const auto* l) { return l->is_real; }));
    if (real > 0)
      refiner_.learn(output.features.detach().slice(0, 0, real), output.logits.detach().slice(0, 0, real).select(1, 0),
                     coverage.slice(0, 0, real).squeeze(1), joined(real, [](const Lesson& l) { return l.light; }),
                     joined(real, [](const Lesson& l) { return l.truth; }), *refined);
  }
  return total.item<double>();
}

std::map<std::string, torch::Tensor> FoldDecoder::exported(const Scales& scales) const {
  const torch::NoGradGuard no_gradients;
  auto out = refiner_.exported();
  for (const auto& [name, convolution] : layers_) {
    out.emplace(name + ".weight", convolution->weight.detach().clone());
    out.emplace(name + ".bias", convolution->bias.detach().clone());
  }
  // What standardises the maps becomes part of the 1×1 convolutions that read them.
  for (const auto& [name, place] :
       {std::pair("lateral16", kStride16), {"distance8", kDistances}, {"lateral8", kStride8}, {"lateral4", kStride4}}) {
    auto& weight = out.at(std::string(name) + ".weight");
    weight.mul_(scales.factors[place]);
    out.at(std::string(name) + ".bias").sub_((weight * scales.means[place]).sum({1, 2, 3}));
  }
  return out;
}

}  // namespace vedette
