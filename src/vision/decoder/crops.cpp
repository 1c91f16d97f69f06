#include "vision/decoder/crops.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/parallel.hpp"
#include "vision/image/light.hpp"
#include "vision/render/noise.hpp"
#include "vision/render/surfaces.hpp"

namespace vedette {
namespace {

constexpr int kLargestCrop = 256;
constexpr double kDefectShare = 0.6;                        // crops around a real defect
constexpr double kPastedShare = 0.35, kDamagedShare = 0.3;  // of the others
constexpr std::size_t kPixelsKept = 2'000;                  // per picture

}  // namespace

/// A crop with the label of every pixel; kUnknown is a defect of no known label.
struct CropSource::Crop {
  static constexpr std::uint8_t kUnknown = 255;
  RgbImage image;
  Grid<std::uint8_t> truth;
};

CropSource::CropSource(std::vector<DecoderSample> samples, std::vector<DecoderPicture> pictures, std::int64_t folds,
                       std::int64_t labels)
    : samples_(std::move(samples)),
      pictures_(std::move(pictures)),
      folds_(folds),
      height_(samples_[0].image.height),
      width_(samples_[0].image.width) {
  with_label_.resize(static_cast<std::size_t>(labels));
  pixels_.resize(samples_.size());
  for (std::size_t i = 0; i < samples_.size(); ++i) {
    if (!pictures_[i].has_mask) {
      good_.push_back(i);
      continue;
    }
    const auto& truth = samples_[i].truth;
    std::size_t area = 0;
    std::vector<char> holds(with_label_.size() + 1);
    for (auto v : truth.values) area += v != 0, holds[v] = 1;
    if (area == 0) continue;  // too small to be seen at this size
    sizes_.push_back(std::sqrt(static_cast<double>(area)));
    const std::size_t every = area / kPixelsKept + 1;
    std::size_t seen = 0;
    for (int y = 0; y < truth.height; ++y)
      for (int x = 0; x < truth.width; ++x)
        if (truth.at(y, x) != 0 && seen++ % every == 0)
          pixels_[i].emplace_back(static_cast<std::uint16_t>(y), static_cast<std::uint16_t>(x));
    for (std::size_t l = 0; l < with_label_.size(); ++l)
      if (holds[l + 1]) with_label_[l].push_back(i);
  }
  std::erase_if(with_label_, [](const auto& p) { return p.empty(); });
}

CropSource::Place CropSource::defect(Random& r) const {
  const auto& candidates = with_label_[r.below(with_label_.size())];
  const auto picture = candidates[r.below(candidates.size())];
  const auto [y, x] = pixels_[picture][r.below(pixels_[picture].size())];
  return {picture, y, x};
}

CropSource::Crop CropSource::look(std::size_t picture, double y, double x, Random& r) const {
  const auto& sample = samples_[picture];
  Crop out{{std::min(kLargestCrop, height_), std::min(kLargestCrop, width_), {}}, {}};
  auto& image = out.image;
  image.pixels.resize(static_cast<std::size_t>(image.height) * static_cast<std::size_t>(image.width) * 3);
  out.truth = Grid<std::uint8_t>(image.height, image.width);
  const double angle = r.uniform(-8, 8) * std::numbers::pi / 180, scale = std::exp(r.uniform(-0.15, 0.15));
  const double flip_x = r.uniform() < 0.5 ? -1 : 1, flip_y = r.uniform() < 0.5 ? -1 : 1;
  const double a = std::cos(angle) * scale, b = std::sin(angle) * scale;
  const double gain = std::exp(r.uniform(-0.25, 0.25)), contrast = std::exp(r.uniform(-0.25, 0.25)),
               offset = r.uniform(-0.06, 0.06), noise = r.uniform() < 0.4 ? r.uniform(0, 0.015) : 0;
  double tint[3];
  for (auto& t : tint) t = gain * std::exp(r.uniform(-0.04, 0.04));
  const auto seed = r.next();
  const auto mirrored = [](double v, int size) {
    const double period = 2.0 * (size - 1);
    v = std::abs(std::fmod(v, period));
    return v > size - 1 ? period - v : v;
  };
  for (int iy = 0; iy < image.height; ++iy)
    for (int ix = 0; ix < image.width; ++ix) {
      const double dx = flip_x * (ix - 0.5 * (image.width - 1)), dy = flip_y * (iy - 0.5 * (image.height - 1));
      const double py = mirrored(y + b * dx + a * dy, height_), px = mirrored(x + a * dx - b * dy, width_);
      const int y0 = std::min(static_cast<int>(py), height_ - 2), x0 = std::min(static_cast<int>(px), width_ - 2);
      const double fy = py - y0, fx = px - x0;
      const auto *p = sample.image.at(y0, x0), *q = sample.image.at(y0 + 1, x0);
      const double grain =
          noise > 0 ? 2.4 * noise * (render::hash_noise(ix, iy, seed) + render::hash_noise(ix, iy, seed + 1) - 1) : 0;
      for (std::size_t c = 0; c < 3; ++c) {
        const double value =
            ((p[c] * (1 - fx) + p[c + 3] * fx) * (1 - fy) + (q[c] * (1 - fx) + q[c + 3] * fx) * fy) / 255;
        const double toned = ((value - 0.5) * contrast + 0.5) * tint[c] + offset + grain;
        image.pixels[3 * static_cast<std::size_t>(iy * image.width + ix) + c] =
            static_cast<std::uint8_t>(std::lround(255 * std::clamp(toned, 0.0, 1.0)));
      }
      if (!sample.truth.values.empty())
        out.truth.at(iy, ix) = sample.truth.at(fy < 0.5 ? y0 : y0 + 1, fx < 0.5 ? x0 : x0 + 1);
    }
  return out;
}

CropSource::Crop CropSource::draw_one(Random r, bool from_defect, std::vector<std::int64_t>& folds) const {
  const double reach = 0.35 * std::min({kLargestCrop, height_, width_});
  const auto around = [&](const Place& place) {
    folds.push_back(pictures_[place.picture].fold);
    return look(place.picture, place.y + r.uniform(-reach, reach), place.x + r.uniform(-reach, reach), r);
  };
  if (from_defect && !with_label_.empty()) return around(defect(r));
  const auto good = good_[r.below(good_.size())];
  folds.push_back(pictures_[good].fold);
  auto crop = look(good, r.uniform(0, height_ - 1), r.uniform(0, width_ - 1), r);
  const double kind = r.uniform();
  if (kind < kPastedShare && !with_label_.empty()) {
    // A real defect, shifted in brightness as if it were in the place's light, with soft edges.
    const auto other = around(defect(r));
    Grid<float> alpha(crop.truth.height, crop.truth.width);
    for (std::size_t i = 0; i < alpha.values.size(); ++i) alpha.values[i] = other.truth.values[i] != 0 ? 1.0F : 0.0F;
    auto near = alpha;
    gaussian_blur(near.values.data(), near.height, near.width, 6);
    gaussian_blur(alpha.values.data(), alpha.height, alpha.width, 1);
    double here[3] = {}, there[3] = {}, weights = 1e-6;
    for (std::size_t i = 0; i < near.values.size(); ++i) {
      if (other.truth.values[i] != 0) continue;
      weights += near.values[i];
      for (std::size_t c = 0; c < 3; ++c) {
        here[c] += near.values[i] * crop.image.pixels[3 * i + c];
        there[c] += near.values[i] * other.image.pixels[3 * i + c];
      }
    }
    for (std::size_t i = 0; i < alpha.values.size(); ++i) {
      const double share = std::min(1.0, 2.0 * alpha.values[i]);
      for (std::size_t c = 0; c < 3; ++c) {
        const double moved = other.image.pixels[3 * i + c] + (here[c] - there[c]) / weights;
        auto& pixel = crop.image.pixels[3 * i + c];
        pixel = static_cast<std::uint8_t>(std::lround(std::clamp(pixel * (1 - share) + moved * share, 0.0, 255.0)));
      }
      if (other.truth.values[i] != 0) crop.truth.values[i] = other.truth.values[i];
    }
  } else if (kind < kPastedShare + kDamagedShare) {
    const auto stranger = good_[r.below(good_.size())];
    folds.push_back(pictures_[stranger].fold);
    const auto foreign = look(stranger, r.uniform(0, height_ - 1), r.uniform(0, width_ - 1), r);
    const double size = sizes_.empty() ? std::exp(r.uniform(std::log(5.0), std::log(60.0)))
                                       : sizes_[r.below(sizes_.size())] * std::exp(r.uniform(-0.8, 0.5));
    const render::Damage damage{
        render::kFills[r.below(render::kFills.size())], render::kOutlines[r.below(render::kOutlines.size())],
        r.uniform(0.1, 0.9) * crop.image.height,        r.uniform(0.1, 0.9) * crop.image.width,
        std::clamp(size, 4.0, 0.6 * crop.image.height), r.uniform(0.3, 1)};
    const auto mask = render::damage(crop.image, damage, foreign.image, r.fork(7));
    for (std::size_t i = 0; i < mask.values.size(); ++i)
      if (mask.values[i] != 0) crop.truth.values[i] = Crop::kUnknown;
  }
  return crop;
}

CropBatch CropSource::draw(const Random& random, int count, int threads) const {
  CropBatch batch;
  batch.count = count;
  batch.height = std::min(kLargestCrop, height_);
  batch.width = std::min(kLargestCrop, width_);
  const auto n = static_cast<std::size_t>(count),
             plane = static_cast<std::size_t>(batch.height) * static_cast<std::size_t>(batch.width);
  const auto rows = batch.height / kMapStride, columns = batch.width / kMapStride;
  const auto cells = static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns);
  batch.images.resize(n * 3 * plane);
  const std::size_t colors = plane / (kColorStride * kColorStride);
  batch.colors.resize(n * 3 * colors);
  batch.coverage.resize(n * cells);
  batch.labels.assign(n * cells, -1);
  batch.teaches.assign(n * static_cast<std::size_t>(folds_), 1);
  run_parallel(n, threads, [&](std::size_t i) {
    std::vector<std::int64_t> folds;
    const auto crop = draw_one(random.fork(i), static_cast<double>(i) < kDefectShare * count, folds);
    for (auto fold : folds) batch.teaches[i * static_cast<std::size_t>(folds_) + static_cast<std::size_t>(fold)] = 0;
    std::vector<float> channel(plane);
    for (std::size_t c = 0; c < 3; ++c) {
      for (std::size_t p = 0; p < plane; ++p) channel[p] = static_cast<float>(crop.image.pixels[3 * p + c]) / 255;
      float* out = batch.images.data() + (3 * i + c) * plane;
      normalize_light(channel.data(), out, batch.height, batch.width, kLightSigma);
      for (std::size_t p = 0; p < plane; ++p) out[p] *= static_cast<float>(kNormalizedGain);
      float* color = batch.colors.data() + (3 * i + c) * colors;
      for (std::size_t p = 0; p < plane; ++p)
        color[p / static_cast<std::size_t>(batch.width) / kColorStride *
                  static_cast<std::size_t>(batch.width / kColorStride) +
              p % static_cast<std::size_t>(batch.width) / kColorStride] += channel[p] / (kColorStride * kColorStride);
    }
    for (int y = 0; y < rows; ++y)
      for (int x = 0; x < columns; ++x) {
        const auto cell = i * cells + static_cast<std::size_t>(y * columns + x);
        for (int k = 0; k < kMapStride * kMapStride; ++k) {
          const auto v = crop.truth.at(y * kMapStride + k / kMapStride, x * kMapStride + k % kMapStride);
          if (v == 0) continue;
          batch.coverage[cell] += 1.0F / (kMapStride * kMapStride);
          if (v != Crop::kUnknown) batch.labels[cell] = v - 1;
        }
        if (batch.coverage[cell] < 0.5F) batch.labels[cell] = -1;
      }
  });
  return batch;
}

}  // namespace vedette
