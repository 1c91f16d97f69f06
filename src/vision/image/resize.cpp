#include <algorithm>
#include <cmath>

#include "base/target_clones.hpp"
#include "vision/image/image.hpp"

namespace vedette {
namespace {

/// For each output position, the first input sample and the weights of a triangle filter, whose sum is 1.
struct Taps {
  std::vector<int> first;
  std::vector<float> weights;  ///< [out, width]
  int width = 0;
};

VEDETTE_TARGET_CLONES void add_scaled(float* __restrict sum, const std::uint8_t* __restrict values, float scale,
                                      std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) sum[i] += scale * static_cast<float>(values[i]);
}
VEDETTE_TARGET_CLONES void add_scaled(float* __restrict sum, const float* __restrict values, float scale,
                                      std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) sum[i] += scale * values[i];
}

/// Splits a row of RGB into three rows.
VEDETTE_TARGET_CLONES void split_row(const float* __restrict rgb, float* __restrict r, float* __restrict g,
                                     float* __restrict b, int count) {
  for (int i = 0; i < count; ++i) r[i] = rgb[3 * i], g[i] = rgb[3 * i + 1], b[i] = rgb[3 * i + 2];
}

Taps make_taps(int in, int out) {
  const double scale = static_cast<double>(in) / out;
  const double radius = std::max(1.0, scale);
  Taps taps;
  taps.width = std::min(in, static_cast<int>(std::ceil(radius)) * 2 + 1);
  taps.first.resize(static_cast<std::size_t>(out));
  taps.weights.assign(static_cast<std::size_t>(out) * static_cast<std::size_t>(taps.width), 0.0F);
  for (int o = 0; o < out; ++o) {
    const double centre = (o + 0.5) * scale - 0.5;
    const int first = std::clamp(static_cast<int>(std::ceil(centre - radius)), 0, in - taps.width);
    taps.first[static_cast<std::size_t>(o)] = first;
    float* w = &taps.weights[static_cast<std::size_t>(o) * static_cast<std::size_t>(taps.width)];
    double sum = 0;
    for (int t = 0; t < taps.width; ++t) sum += std::max(0.0, 1.0 - std::abs(first + t - centre) / radius);
    for (int t = 0; t < taps.width; ++t)
      w[t] = static_cast<float>(std::max(0.0, 1.0 - std::abs(first + t - centre) / radius) / sum);
  }
  return taps;
}

struct Placement {
  int top, left, height, width;
};

Placement place(int in_height, int in_width, int height, int width) {
  const double scale = std::min(static_cast<double>(height) / in_height, static_cast<double>(width) / in_width);
  const int h = std::clamp(static_cast<int>(std::lround(in_height * scale)), 1, height);
  const int w = std::clamp(static_cast<int>(std::lround(in_width * scale)), 1, width);
  return {(height - h) / 2, (width - w) / 2, h, w};
}

/// Returns the place of index i in a row that goes on as its mirror image at both ends.
int mirrored(int i, int count) {
  const int period = 2 * count;
  i = ((i % period) + period) % period;
  return i < count ? i : period - 1 - i;
}

}  // namespace

void resize_rows(const RgbImage& image, int height, int width, int first_row, int end_row, float* out) {
  const Taps rows = make_taps(image.height, height);
  const Taps columns = make_taps(image.width, width);
  const std::size_t stride = static_cast<std::size_t>(image.width) * 3;
  const std::size_t plane = static_cast<std::size_t>(height) * static_cast<std::size_t>(width);
  std::vector<float> line(stride);
  for (int y = first_row; y < end_row; ++y) {
    std::fill(line.begin(), line.end(), 0.0F);
    const int first = rows.first[static_cast<std::size_t>(y)];
    for (int t = 0; t < rows.width; ++t) {
      const float w = rows.weights[static_cast<std::size_t>(y) * static_cast<std::size_t>(rows.width) +
                                   static_cast<std::size_t>(t)] /
                      255.0F;
      if (w == 0.0F) continue;
      add_scaled(line.data(), image.pixels.data() + stride * static_cast<std::size_t>(first + t), w, stride);
    }
    float* target = out + static_cast<std::size_t>(y) * static_cast<std::size_t>(width);
    if (image.width == width) {
      split_row(line.data(), target, target + plane, target + 2 * plane, width);
      continue;
    }
    for (int x = 0; x < width; ++x) {
      const float* w = &columns.weights[static_cast<std::size_t>(x) * static_cast<std::size_t>(columns.width)];
      const float* source = line.data() + static_cast<std::size_t>(columns.first[static_cast<std::size_t>(x)]) * 3;
      float r = 0, g = 0, b = 0;
      for (int t = 0; t < columns.width; ++t) {
        r += w[t] * source[3 * t];
        g += w[t] * source[3 * t + 1];
        b += w[t] * source[3 * t + 2];
      }
      target[x] = r;
      target[plane + static_cast<std::size_t>(x)] = g;
      target[2 * plane + static_cast<std::size_t>(x)] = b;
    }
  }
}

Planes resize_to_planes(const RgbImage& image, int height, int width) {
  Planes out{3, height, width,
             std::vector<float>(3U * static_cast<std::size_t>(height) * static_cast<std::size_t>(width))};
  resize_rows(image, height, width, 0, height, out.values.data());
  return out;
}

RgbImage to_image(const Planes& planes) {
  RgbImage out{planes.height, planes.width, std::vector<std::uint8_t>(planes.values.size())};
  const std::size_t plane = planes.values.size() / 3;
  for (std::size_t i = 0; i < plane; ++i)
    for (std::size_t c = 0; c < 3; ++c)
      out.pixels[3 * i + c] =
          static_cast<std::uint8_t>(std::lround(255.0F * std::clamp(planes.values[c * plane + i], 0.0F, 1.0F)));
  return out;
}

Grid<float> resize_map(const Grid<float>& map, int height, int width) {
  return resize_map(map, height, width, {0, 0, height, width});
}

Grid<float> resize_map(const Grid<float>& map, int height, int width, const Window& part) {
  const Taps rows = make_taps(map.height, height);
  const Taps columns = make_taps(map.width, width);
  Grid<float> out(part.height, part.width);
  if (out.values.empty()) return out;
  // Only those columns of the source are computed that the part reads.
  const int first = columns.first[static_cast<std::size_t>(part.left)];
  const int end = columns.first[static_cast<std::size_t>(part.left + part.width - 1)] + columns.width;
  std::vector<float> line(static_cast<std::size_t>(end - first));
  for (int y = 0; y < part.height; ++y) {
    const auto row = static_cast<std::size_t>(part.top + y);
    std::fill(line.begin(), line.end(), 0.0F);
    for (int t = 0; t < rows.width; ++t) {
      const float w = rows.weights[row * static_cast<std::size_t>(rows.width) + static_cast<std::size_t>(t)];
      if (w == 0.0F) continue;
      add_scaled(line.data(), &map.at(rows.first[row] + t, first), w, line.size());
    }
    float* target = &out.at(y, 0);
    for (int x = 0; x < part.width; ++x) {
      const auto column = static_cast<std::size_t>(part.left + x);
      const float* w = &columns.weights[column * static_cast<std::size_t>(columns.width)];
      const float* source = line.data() + (columns.first[column] - first);
      float sum = 0;
      for (int t = 0; t < columns.width; ++t) sum += w[t] * source[t];
      target[x] = sum;
    }
  }
  return out;
}

RgbImage letterbox(const RgbImage& image, int height, int width) {
  if (image.height == height && image.width == width) return image;
  const auto [top, left, h, w] = place(image.height, image.width, height, width);
  const Planes small = resize_to_planes(image, h, w);
  const std::size_t plane = static_cast<std::size_t>(h) * static_cast<std::size_t>(w);
  RgbImage out{height, width,
               std::vector<std::uint8_t>(static_cast<std::size_t>(height) * static_cast<std::size_t>(width) * 3)};
  out.used_bits = image.used_bits;
  out.beyond_range = image.beyond_range;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      const auto i = static_cast<std::size_t>(mirrored(y - top, h)) * static_cast<std::size_t>(w) +
                     static_cast<std::size_t>(mirrored(x - left, w));
      for (std::size_t c = 0; c < 3; ++c)
        out.at(y, x)[c] = static_cast<std::uint8_t>(std::lround(255.0F * small.values[c * plane + i]));
    }
  return out;
}

Grid<std::uint8_t> letterbox_mask(const Grid<std::uint8_t>& mask, int height, int width) {
  if (mask.height == height && mask.width == width) return mask;
  const auto [top, left, h, w] = place(mask.height, mask.width, height, width);
  Grid<std::uint8_t> out(height, width);
  for (int y = 0; y < h; ++y)
    for (int x = 0; x < w; ++x)
      out.at(top + y, left + x) = mask.at(std::min(mask.height - 1, (2 * y + 1) * mask.height / (2 * h)),
                                          std::min(mask.width - 1, (2 * x + 1) * mask.width / (2 * w)));
  return out;
}

}  // namespace vedette
