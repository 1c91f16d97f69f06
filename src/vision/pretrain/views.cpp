#include "vision/pretrain/views.hpp"

#include <cmath>
#include <numbers>

namespace vedette {
namespace {

namespace F = torch::nn::functional;
using torch::Tensor;

constexpr int kCanvas = 128;  // The side of what is cut from a picture, in pixels.
constexpr int kWindow = 96;   // The side of what a camera sees; views are its middle.
/// The share of the patches that are seen light-normalised, and the sigma of the neighbourhood, in pixels.
constexpr double kLightShare = 0.5, kLightSigmaLow = 14, kLightSigmaHigh = 56;
/// The brightest place of a field of light is dimmed by this share, in the logarithm, so that little is overexposed.
constexpr double kBrightest = 0.7;
/// Damage can be seen if its energy (the root of the sum of the squared changes) exceeds so many deviations of a pixel:
/// of the view's noise and of what is lost otherwise.
constexpr double kVisible = 5, kLeastDeviation = 0.01;

/// Draws one value for each of many things. The drawn values are [count, 1, 1, 1], unless said otherwise.
class Dice {
 public:
  Dice(std::int64_t count, torch::Device device) : count_(count), options_(torch::TensorOptions().device(device)) {}
  [[nodiscard]] Tensor uniform(double low, double high) const { return raw() * (high - low) + low; }
  [[nodiscard]] Tensor log_uniform(double low, double high) const {
    return uniform(std::log(low), std::log(high)).exp();
  }
  /// Returns 1 with this probability, else 0.
  [[nodiscard]] Tensor chance(double share) const { return raw().lt(share).to(torch::kFloat); }
  [[nodiscard]] Tensor normal(std::int64_t channels, std::int64_t side) const {
    return torch::randn({count_, channels, side, side}, options_);
  }
  /// Returns noise whose channels are alike to a degree that differs.
  [[nodiscard]] Tensor sensor_noise(std::int64_t side) const {
    const auto alike = uniform(0, 1);
    return normal(1, side) * alike.sqrt() + normal(3, side) * (1 - alike).sqrt();
  }
  /// Returns smooth fields of about −1 … 1, [count, 1, side, side].
  [[nodiscard]] Tensor field(std::int64_t knots, std::int64_t side) const {
    return F::interpolate(torch::rand({count_, 1, knots, knots}, options_) * 2 - 1,
                          F::InterpolateFuncOptions()
                              .size(std::vector<std::int64_t>{side, side})
                              .mode(torch::kBicubic)
                              .align_corners(true));
  }

 private:
  [[nodiscard]] Tensor raw() const { return torch::rand({count_, 1, 1, 1}, options_); }
  std::int64_t count_;
  torch::TensorOptions options_;
};

/// Returns matrices [n, side, side] that smooth a line of pixels with Gaussians of these sigmas, [n, 1, 1, 1], in
/// pixels. The last pixels are repeated beyond the ends.
Tensor smoothing(const Tensor& sigma, std::int64_t side) {
  const auto places = torch::arange(side, sigma.options());
  const auto scale = sigma.reshape({-1, 1, 1}).clamp_min(1e-3) * std::numbers::sqrt2;
  const auto upper = torch::erf((places.unsqueeze(0) + 0.5 - places.unsqueeze(1)) / scale);  // [n, to, from]
  const auto low = -torch::ones_like(upper.narrow(2, 0, 1));
  const auto edges = torch::cat({low, upper.narrow(2, 0, side - 1), -low}, 2);
  return (edges.narrow(2, 1, side) - edges.narrow(2, 0, side)) / 2;
}

/// Smooths [n, channels, side, side] with matrices of smoothing().
Tensor smooth(const Tensor& images, const Tensor& matrices) {
  const auto m = matrices.unsqueeze(1);
  return torch::matmul(torch::matmul(m, images), m.transpose(2, 3));
}

/// Returns the transforms [n, 2, 3] of affine_grid(): where a window of pixels about the middle of an image looks.
/// `turn` is [n, 2, 2], `shift` is [n, 2] in pixels, as x and y; `window` and `image` are sides in pixels.
Tensor looking(const Tensor& turn, const Tensor& shift, double window, double image) {
  return torch::cat({turn * (window / image), shift.unsqueeze(2) * (2 / image)}, 2);
}

Tensor look(const Tensor& images, const Tensor& transforms, std::int64_t side) {
  const auto grid = F::affine_grid(transforms, {images.size(0), images.size(1), side, side}, false);
  return F::grid_sample(
      images, grid,
      F::GridSampleFuncOptions().mode(torch::kBilinear).padding_mode(torch::kBorder).align_corners(false));
}

Tensor rotation(const Tensor& angle, const Tensor& scale) {
  const auto a = (angle.cos() * scale).reshape({-1, 1}), b = (angle.sin() * scale).reshape({-1, 1});
  return torch::cat({a, -b, b, a}, 1).reshape({-1, 2, 2});
}

/// Returns the own pose of each patch, [n, 2, 2]: turned by any angle, or by quarters so that the pixels are kept, and
/// mirrored or not.
Tensor own_pose(const Dice& dice) {
  const auto quarters = dice.uniform(0, 4).floor() * (std::numbers::pi / 2);
  const auto angle = torch::where(dice.chance(0.7).gt(0), quarters, dice.uniform(0, 2 * std::numbers::pi));
  const auto mirror = 1 - 2 * dice.chance(0.5).reshape({-1, 1, 1});
  const auto turn = rotation(angle, torch::ones_like(angle));
  return torch::cat({turn.narrow(2, 0, 1) * mirror, turn.narrow(2, 1, 1)}, 2);
}

/// Gives the patches [n, views, 3, side, side] colours of their own: channels in any order, more or less grey, some
/// inverted, some with little contrast.
Tensor recolor(const Tensor& patches, const Dice& dice, std::int64_t n, torch::Device device) {
  const auto order = std::get<1>(torch::rand({n, 3}, torch::TensorOptions().device(device)).topk(3, 1));
  const auto mixed =
      torch::where(dice.chance(0.4).reshape({-1, 1}).gt(0), order, torch::arange(3, order.options()).expand({n, 3}));
  auto matrix = torch::one_hot(mixed, 3).to(torch::kFloat);
  const auto grey = (dice.chance(0.4) * dice.uniform(0, 1.3).clamp_max(1)).reshape({-1, 1, 1});
  matrix = matrix * (1 - grey) + grey / 3;
  const auto sign = 1 - 2 * dice.chance(0.2).reshape({-1, 1, 1});
  const auto contrast =
      torch::where(dice.chance(0.35).gt(0), dice.log_uniform(0.2, 1), torch::ones({1, 1, 1, 1}, device))
          .reshape({-1, 1, 1});
  const auto side = patches.size(3);
  const auto flat = patches.reshape({n, -1, 3, side * side});
  auto colors = torch::matmul((matrix * sign).unsqueeze(1), flat) + (1 - sign.unsqueeze(1)) / 2;
  const auto middle = colors.narrow(1, 0, 1).mean({2, 3}, true);
  colors = (colors - middle) * contrast.unsqueeze(1) + middle;
  return colors.reshape(patches.sizes());
}

/// What the camera, the lamps and the lens of each view do to what it sees, [v, 3, kWindow, kWindow].
Tensor expose(Tensor x, const Dice& dice, const Tensor& blur, const Tensor& noise) {
  const auto mean = x.mean({1, 2, 3}, true);
  x = (x - mean) * dice.uniform(-0.3, 0.3).exp() + mean + dice.uniform(-0.12, 0.12);
  x = x.clamp(0, 1).pow(dice.uniform(-0.35, 0.35).exp());
  const auto gains = torch::cat({dice.uniform(-0.06, 0.06), dice.uniform(-0.06, 0.06), dice.uniform(-0.06, 0.06)}, 1);
  x = x * gains.exp();
  // The light is a plane wave and a smoother or rougher field, in the logarithm, and sometimes there is glare.
  const auto options = x.options();
  const auto ramp = torch::linspace(-1, 1, kWindow, options);
  const auto plane =
      ramp.reshape({1, 1, 1, -1}) * dice.uniform(-0.5, 0.5) + ramp.reshape({1, 1, -1, 1}) * dice.uniform(-0.5, 0.5);
  const auto light = dice.chance(0.6) * plane + dice.chance(0.6) * dice.uniform(0.05, 0.3) * dice.field(3, kWindow) +
                     dice.chance(0.3) * dice.uniform(0.02, 0.12) * dice.field(5, kWindow);
  x = x * (light - kBrightest * light.amax({2, 3}, true)).exp();
  x = x + dice.chance(0.12) * dice.uniform(0, 0.25) * (dice.field(3, kWindow) + 1) / 2;
  x = smooth(x, smoothing(blur, kWindow));
  return (x + noise * dice.sensor_noise(kWindow)).clamp(0, 1);
}

/// Does what normalize_light() does; `sigma` is [v, 1, 1, 1].
Tensor normalize_light(const Tensor& x, const Tensor& sigma) {
  const auto matrices = smoothing(sigma, x.size(2));
  const auto mean = smooth(x, matrices);
  const auto variance = smooth(x * x, matrices) - mean * mean;
  return (x - mean) / (variance.clamp_min(0).sqrt() + 0.05);
}

}  // namespace

Views make_views(const Tensor& pixels, const Patches& patches, int patches_per_picture, std::uint64_t seed) {
  const torch::NoGradGuard no_gradients;
  torch::manual_seed(seed);
  const auto device = pixels.device();
  const auto n = static_cast<std::int64_t>(patches.centres.size() / 2);
  const std::int64_t views = 2 + kCopies, v = n * views;
  const auto longs = torch::TensorOptions().dtype(torch::kLong).device(device);

  // Cuts the patches and their damaged copies: [n, 1 + kCopies, 3, kCanvas, kCanvas].
  const auto centres =
      torch::from_blob(const_cast<std::int64_t*>(patches.centres.data()), {n, 2}, torch::kLong).to(device);
  const auto reach = torch::arange(kCanvas, longs) - kCanvas / 2;
  const auto rows = (centres.narrow(1, 0, 1) + reach).clamp(0, kPicture - 1).unsqueeze(2);
  const auto columns = (centres.narrow(1, 1, 1) + reach).clamp(0, kPicture - 1).unsqueeze(1);
  const auto picture = torch::floor_divide(torch::arange(n, longs), patches_per_picture).reshape({n, 1, 1});
  auto canvas = pixels.index({picture, rows, columns}).unsqueeze(1).repeat({1, 1 + kCopies, 1, 1, 1});
  constexpr int border = (kCanvas - kCore) / 2;
  canvas.narrow(1, 1, kCopies)
      .narrow(2, border, kCore)
      .narrow(3, border, kCore)
      .copy_(torch::from_blob(const_cast<std::uint8_t*>(patches.copies.data()), {n, kCopies, kCore, kCore, 3},
                              torch::kUInt8));
  const Dice each(n, device), all(v, device);
  auto sources = recolor(canvas.permute({0, 1, 4, 2, 3}).to(torch::kFloat).div(255).contiguous(), each, n, device);

  const auto own = own_pose(each);
  const auto blur = all.chance(0.5) * all.uniform(0.2, 1.3);
  const auto noise = all.chance(0.7) * all.uniform(0, 0.03);
  Views out;

  // Finds out in which cells damage can be seen, from the change that it made and from what its view loses.
  const auto change = (sources.narrow(1, 1, kCopies) - sources.narrow(1, 0, 1))
                          .transpose(0, 1)
                          .reshape({kCopies * n, 3, kCanvas, kCanvas});
  const auto seen = look(
      change, looking(own.repeat({kCopies, 1, 1}), torch::zeros({kCopies * n, 2}, device), kPatch, kCanvas), kPatch);
  const auto kept = smooth(seen, smoothing(blur.narrow(0, 2 * n, kCopies * n), kPatch)).square().mean(1, true);
  const auto energies =
      F::avg_pool2d(kept, F::AvgPool2dFuncOptions(kPatch / kCells)) * (kPatch / kCells * kPatch / kCells);
  const auto least = (kVisible * (noise.narrow(0, 2 * n, kCopies * n) + kLeastDeviation)).square();
  const auto visible = [&](const Tensor& energy) { return energy.gt(least).reshape({kCopies, -1}); };
  out.damaged_cells = visible(energies);
  out.damaged_quadrants = visible(F::avg_pool2d(energies, F::AvgPool2dFuncOptions(kCells / 2)) * (kCells * kCells / 4));
  out.damaged_patches = visible(energies.sum({2, 3}, true));

  // The grain of a patch is the same in all of its views: it belongs to the surface.
  sources = sources + (each.chance(0.35) * each.uniform(0, 0.06) * each.sensor_noise(kCanvas)).unsqueeze(1);

  // Each view looks from a pose of its own.
  const auto scale = all.uniform(-0.08, 0.08).exp();
  const auto pose = rotation(all.uniform(-6, 6) * (std::numbers::pi / 180), scale);
  const auto shift = torch::cat({all.uniform(-3, 3), all.uniform(-3, 3)}, 1).reshape({v, 2});
  const auto base = own.repeat({views, 1, 1});
  const auto first = sources.narrow(1, 0, 1).squeeze(1);
  auto x = look(torch::cat({first, first,
                            sources.narrow(1, 1, kCopies).transpose(0, 1).reshape({kCopies * n, 3, kCanvas, kCanvas})}),
                looking(base.matmul(pose), base.matmul(shift.unsqueeze(2)).squeeze(2), kWindow, kCanvas), kWindow);
  const auto back = pose.transpose(1, 2) / scale.square().reshape({v, 1, 1});  // the inverse of turning and scaling
  out.straighten = looking(back, -back.matmul(shift.unsqueeze(2)).squeeze(2), kPatch, kPatch);

  x = expose(x, all, blur, noise);
  const auto is_normalized = each.chance(kLightShare).repeat({views, 1, 1, 1});
  const auto sigma = each.log_uniform(kLightSigmaLow, kLightSigmaHigh).repeat({views, 1, 1, 1});
  x = torch::where(is_normalized.gt(0), 0.5 + kNormalizedScale * normalize_light(x, sigma), x);
  constexpr int margin = (kWindow - kPatch) / 2;
  out.images = x.narrow(2, margin, kPatch).narrow(3, margin, kPatch).contiguous();
  return out;
}

}  // namespace vedette
