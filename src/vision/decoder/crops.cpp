#include "vision/decoder/crops.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <optional>

#include "base/parallel.hpp"
#include "vision/image/light.hpp"
#include "vision/render/noise.hpp"
#include "vision/render/surfaces.hpp"

namespace vedette {
namespace {

constexpr int kLargestCrop = 256;
constexpr double kDefectShare = 0.6;  // This share of the crops lies around a real defect, rounded up.
constexpr double kPastedShare = 0.35, kDamagedShare = 0.3;  // These are shares of the other crops.
// A cell's label is not learnt from if less than this share of the cell is labelled: cracks are thin.
constexpr float kLabelledShare = 0.25F;
constexpr std::size_t kPixelsKept = 2'000;  // So many pixels are kept per picture.
// For each good picture, so many pictures of each kind are put together, at most kMostComposed.
constexpr std::size_t kPerGood = 2, kMostComposed = 160;
// All pictures that are put together have at most so many pixels.
constexpr double kComposedPixels = 50e6;

/// Returns the mean colours of the cells of kColorStride pixels, 0 … 1.
Planes cell_means(const RgbImage& image) {
  Planes out{3, image.height / kColorStride, image.width / kColorStride, {}};
  const auto cells = static_cast<std::size_t>(out.height) * static_cast<std::size_t>(out.width);
  out.values.resize(3 * cells);
  for (int y = 0; y < image.height; ++y)
    for (int x = 0; x < image.width; ++x)
      for (std::size_t c = 0; c < 3; ++c)
        out.values[c * cells + static_cast<std::size_t>(y / kColorStride * out.width + x / kColorStride)] +=
            static_cast<float>(image.at(y, x)[c]) / (255.0F * kColorStride * kColorStride);
  return out;
}

}  // namespace

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
    if (area == 0) continue;  // The defect is too small to be seen at this size.
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

DecoderSample CropSource::look(const DecoderSample& sample, double y, double x, int height, int width,
                               Random& r) const {
  DecoderSample out{{height, width, {}}, Grid<std::uint8_t>(height, width), {}};
  auto& image = out.image;
  image.pixels.resize(static_cast<std::size_t>(height) * static_cast<std::size_t>(width) * 3);
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
    v = std::abs(v);
    if (v >= period) v = std::fmod(v, period);
    return v > size - 1 ? period - v : v;
  };
  const auto seen_at = [&](double iy, double ix) {
    const double dx = flip_x * (ix - 0.5 * (width - 1)), dy = flip_y * (iy - 0.5 * (height - 1));
    return std::pair(mirrored(y + b * dx + a * dy, height_), mirrored(x + a * dx - b * dy, width_));
  };
  // Contrast, tint and offset are one linear function of each channel's values, which are from 0 to 255.
  float slopes[3], shifts[3];
  for (std::size_t c = 0; c < 3; ++c) {
    slopes[c] = static_cast<float>(contrast * tint[c]);
    shifts[c] = static_cast<float>(255 * (0.5 * (1 - contrast) * tint[c] + offset) + 0.5);  // 0.5 rounds
  }
  auto* to_pixel = image.pixels.data();
  for (int iy = 0; iy < height; ++iy)
    for (int ix = 0; ix < width; ++ix) {
      const auto [py, px] = seen_at(iy, ix);
      const int y0 = std::min(static_cast<int>(py), height_ - 2), x0 = std::min(static_cast<int>(px), width_ - 2);
      const auto fy = static_cast<float>(py - y0), fx = static_cast<float>(px - x0);
      const auto *p = sample.image.at(y0, x0), *q = sample.image.at(y0 + 1, x0);
      const float grain =
          noise > 0 ? static_cast<float>(255 * 2.4 * noise *
                                         (render::hash_noise(ix, iy, seed) + render::hash_noise(ix, iy, seed + 1) - 1))
                    : 0;
      for (std::size_t c = 0; c < 3; ++c) {
        const float above = static_cast<float>(p[c]) * (1 - fx) + static_cast<float>(p[c + 3]) * fx,
                    below = static_cast<float>(q[c]) * (1 - fx) + static_cast<float>(q[c + 3]) * fx;
        const float toned = (above + (below - above) * fy) * slopes[c] + shifts[c] + grain;
        *to_pixel++ = static_cast<std::uint8_t>(std::clamp(toned, 0.0F, 255.0F));
      }
      if (!sample.truth.values.empty())
        out.truth.at(iy, ix) = sample.truth.at(fy < 0.5F ? y0 : y0 + 1, fx < 0.5F ? x0 : x0 + 1);
    }
  const auto& from = sample.distances;
  auto& to = out.distances = {from.channels, height / kColorStride, width / kColorStride, {}};
  const auto plane = static_cast<std::size_t>(from.height) * static_cast<std::size_t>(from.width);
  to.values.resize(static_cast<std::size_t>(to.channels) * static_cast<std::size_t>(to.height) *
                   static_cast<std::size_t>(to.width));
  auto* target = to.values.data();
  for (std::size_t c = 0; c < static_cast<std::size_t>(to.channels); ++c)
    for (int iy = 0; iy < to.height; ++iy)
      for (int ix = 0; ix < to.width; ++ix) {
        const auto [py, px] = seen_at((iy + 0.5) * kColorStride - 0.5, (ix + 0.5) * kColorStride - 0.5);
        const double cy = std::clamp((py + 0.5) / kColorStride - 0.5, 0.0, from.height - 1.001),
                     cx = std::clamp((px + 0.5) / kColorStride - 0.5, 0.0, from.width - 1.001);
        const auto y0 = static_cast<std::size_t>(cy), x0 = static_cast<std::size_t>(cx);
        const double fy = cy - static_cast<double>(y0), fx = cx - static_cast<double>(x0);
        const float* v = from.values.data() + c * plane + y0 * static_cast<std::size_t>(from.width) + x0;
        *target++ = static_cast<float>((v[0] * (1 - fx) + v[1] * fx) * (1 - fy) +
                                       (v[from.width] * (1 - fx) + v[from.width + 1] * fx) * fy);
      }
  return out;
}

/// Pastes a real defect with soft edges, shifted in brightness as if it were in the light of its new place.
CropSource::Composed CropSource::paste(Random r) const {
  const auto good = good_[r.below(good_.size())];
  const auto place = defect(r);
  Composed out{{samples_[good].image, Grid<std::uint8_t>(height_, width_), {}},
               {pictures_[good].fold, pictures_[place.picture].fold}};
  const auto other = look(samples_[place.picture], place.y + r.uniform(-0.45, 0.45) * height_,
                          place.x + r.uniform(-0.45, 0.45) * width_, height_, width_, r);
  auto& image = out.sample.image;
  Grid<float> alpha(height_, width_);
  for (std::size_t i = 0; i < alpha.values.size(); ++i) alpha.values[i] = other.truth.values[i] != 0 ? 1.0F : 0.0F;
  auto near = alpha;
  gaussian_blur(near.values.data(), near.height, near.width, 6);
  gaussian_blur(alpha.values.data(), alpha.height, alpha.width, 1);
  double here[3] = {}, there[3] = {}, weights = 1e-6;
  for (std::size_t i = 0; i < near.values.size(); ++i) {
    if (other.truth.values[i] != 0) continue;
    weights += near.values[i];
    for (std::size_t c = 0; c < 3; ++c) {
      here[c] += near.values[i] * static_cast<float>(image.pixels[3 * i + c]);
      there[c] += near.values[i] * static_cast<float>(other.image.pixels[3 * i + c]);
    }
  }
  for (std::size_t i = 0; i < alpha.values.size(); ++i) {
    const double share = std::min(1.0, 2.0 * alpha.values[i]);
    for (std::size_t c = 0; c < 3; ++c) {
      const double moved = other.image.pixels[3 * i + c] + (here[c] - there[c]) / weights;
      auto& pixel = image.pixels[3 * i + c];
      pixel = static_cast<std::uint8_t>(std::lround(std::clamp(pixel * (1 - share) + moved * share, 0.0, 255.0)));
    }
    if (other.truth.values[i] != 0) out.sample.truth.values[i] = other.truth.values[i];
  }
  return out;
}

CropSource::Composed CropSource::damage(Random r) const {
  const auto good = good_[r.below(good_.size())], stranger = good_[r.below(good_.size())];
  Composed out{{samples_[good].image, Grid<std::uint8_t>(height_, width_), {}},
               {pictures_[good].fold, pictures_[stranger].fold}};
  const auto foreign =
      look(samples_[stranger], r.uniform(0, height_ - 1), r.uniform(0, width_ - 1), height_, width_, r).image;
  const double size = sizes_.empty() ? std::exp(r.uniform(std::log(5.0), std::log(60.0)))
                                     : sizes_[r.below(sizes_.size())] * std::exp(r.uniform(-0.8, 0.5));
  const render::Damage damage{render::kFills[r.below(render::kFills.size())],
                              render::kOutlines[r.below(render::kOutlines.size())],
                              r.uniform(0.05, 0.95) * height_,
                              r.uniform(0.05, 0.95) * width_,
                              std::clamp(size, 4.0, 0.6 * std::min(height_, width_)),
                              r.uniform(0.3, 1)};
  const auto mask = render::damage(out.sample.image, damage, foreign, r.fork(7));
  for (std::size_t i = 0; i < mask.values.size(); ++i)
    if (mask.values[i] != 0) out.sample.truth.values[i] = kUnknown;
  return out;
}

Result<void> CropSource::compose(const Random& random, int threads, const decltype(DecoderJob::measure)& measure) {
  const auto fit = static_cast<std::size_t>(kComposedPixels / (static_cast<double>(height_) * width_)) + 1;
  const std::size_t count = std::min({kMostComposed, kPerGood * good_.size(), fit});
  pasted_.resize(with_label_.empty() ? 0 : count);
  damaged_.resize(count);
  std::vector<std::optional<Error>> failures(pasted_.size() + damaged_.size());
  run_parallel(failures.size(), threads, [&](std::size_t i) {
    const bool is_pasted = i < pasted_.size();
    auto& out = is_pasted ? pasted_[i] : damaged_[i - pasted_.size()];
    out = is_pasted ? paste(random.fork(i)) : damage(random.fork(i));
    auto distances = measure(out.sample.image, out.folds[0]);
    if (distances) {
      out.sample.distances = std::move(*distances);
    } else {
      failures[i] = distances.error();
    }
  });
  for (const auto& failure : failures)
    if (failure) return *failure;
  return {};
}

DecoderSample CropSource::draw_one(Random r, bool from_defect, std::vector<std::int64_t>& folds) const {
  const int height = std::min(kLargestCrop, height_), width = std::min(kLargestCrop, width_);
  if (from_defect && !with_label_.empty()) {
    const auto place = defect(r);
    folds = {pictures_[place.picture].fold};
    const double reach = 0.35 * std::min(height, width);
    return look(samples_[place.picture], place.y + r.uniform(-reach, reach), place.x + r.uniform(-reach, reach), height,
                width, r);
  }
  const auto anywhere = [&](const DecoderSample& sample) {
    const double y = r.uniform(0, height_ - 1), x = r.uniform(0, width_ - 1);
    return look(sample, y, x, height, width, r);
  };
  const double kind = r.uniform();
  const auto* composed = kind < kPastedShare ? &pasted_ : kind < kPastedShare + kDamagedShare ? &damaged_ : nullptr;
  if (composed && !composed->empty()) {
    const auto& [sample, taught] = (*composed)[r.below(composed->size())];
    folds = taught;
    return anywhere(sample);
  }
  const auto good = good_[r.below(good_.size())];
  folds = {pictures_[good].fold};
  return anywhere(samples_[good]);
}

Result<Crop> CropSource::draw_crop(Random r, bool from_defect, const decltype(DecoderJob::describe)& describe) const {
  Crop crop;
  const auto seen = draw_one(r, from_defect, crop.taught);
  crop.is_real = crop.taught.size() == 1;  // Otherwise it was put together of two pictures.
  const int height = seen.image.height, width = seen.image.width;
  auto description = describe(seen.image);
  if (!description) return description.error();
  crop.description = std::move(*description);
  crop.distances = seen.distances;
  for (auto& d : crop.distances.values) d = std::log1p(d);
  crop.truth = Grid<float>(height, width);
  std::transform(seen.truth.values.begin(), seen.truth.values.end(), crop.truth.values.begin(),
                 [](auto v) { return v != 0 ? 1.0F : 0.0F; });
  crop.colors = cell_means(seen.image);
  crop.coverage = Grid<float>(height / kMapStride, width / kMapStride);
  crop.labels = Grid<std::int64_t>(height / kMapStride, width / kMapStride);
  for (int y = 0; y < crop.coverage.height; ++y)
    for (int x = 0; x < crop.coverage.width; ++x) {
      auto& covered = crop.coverage.at(y, x);
      auto& label = crop.labels.at(y, x) = -1;
      for (int k = 0; k < kMapStride * kMapStride; ++k) {
        const auto v = seen.truth.at(y * kMapStride + k / kMapStride, x * kMapStride + k % kMapStride);
        if (v == 0) continue;
        covered += 1.0F / (kMapStride * kMapStride);
        if (v != kUnknown) label = v - 1;
      }
      if (covered < kLabelledShare) label = -1;
    }
  return crop;
}

Result<std::vector<Crop>> CropSource::draw(const Random& random, int count, int threads,
                                           const decltype(DecoderJob::describe)& describe) const {
  std::vector<Crop> crops(static_cast<std::size_t>(count));
  std::vector<std::optional<Error>> failures(crops.size());
  run_parallel(crops.size(), threads, [&](std::size_t i) {
    auto crop = draw_crop(random.fork(i), static_cast<double>(i) < kDefectShare * count, describe);
    if (crop) {
      crops[i] = std::move(*crop);
    } else {
      failures[i] = crop.error();
    }
  });
  for (const auto& failure : failures)
    if (failure) return *failure;
  return crops;
}

}  // namespace vedette
