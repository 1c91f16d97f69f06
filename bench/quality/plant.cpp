#include "plant.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>
#include <set>

#include "vision/assess/assess.hpp"
#include "vision/render/surfaces.hpp"

namespace vedette::bench {

using nlohmann::json;

namespace {

/// Returns the picture turned about its centre and shifted, continued by its mirror image.
RgbImage moved(const RgbImage& image, double dy, double dx, double degrees) {
  RgbImage out = image;
  const double angle = degrees * std::numbers::pi / 180, a = std::cos(angle), b = std::sin(angle);
  const auto mirrored = [](double v, int size) {
    v = std::abs(v);
    return std::min(v > size - 1 ? 2 * (size - 1) - v : v, size - 1.001);
  };
  for (int y = 0; y < out.height; ++y)
    for (int x = 0; x < out.width; ++x) {
      const double v = y - 0.5 * (out.height - 1) - dy, u = x - 0.5 * (out.width - 1) - dx;
      const double py = mirrored(0.5 * (out.height - 1) + a * v - b * u, out.height),
                   px = mirrored(0.5 * (out.width - 1) + b * v + a * u, out.width);
      const int y0 = static_cast<int>(py), x0 = static_cast<int>(px);
      for (std::size_t c = 0; c < 3; ++c) {
        const auto at = [&](int iy, int ix) { return static_cast<double>(image.at(iy, ix)[c]); };
        const double top = at(y0, x0) + (px - x0) * (at(y0, x0 + 1) - at(y0, x0)),
                     bottom = at(y0 + 1, x0) + (px - x0) * (at(y0 + 1, x0 + 1) - at(y0 + 1, x0));
        out.at(y, x)[c] = static_cast<std::uint8_t>(std::lround(top + (py - y0) * (bottom - top)));
      }
    }
  return out;
}

RgbImage toned(const RgbImage& image, double gain) {
  auto out = image;
  for (auto& v : out.pixels) v = static_cast<std::uint8_t>(std::lround(std::min(255.0, gain * v)));
  return out;
}

/// Applies a 3 × 3 binomial filter, which puts the picture slightly out of focus.
RgbImage softened(const RgbImage& image) {
  auto out = image;
  for (int y = 1; y + 1 < out.height; ++y)
    for (int x = 1; x + 1 < out.width; ++x)
      for (std::size_t c = 0; c < 3; ++c) {
        int sum = 8;
        for (int j = -1; j <= 1; ++j)
          for (int i = -1; i <= 1; ++i) sum += (2 - std::abs(j)) * (2 - std::abs(i)) * image.at(y + j, x + i)[c];
        out.at(y, x)[c] = static_cast<std::uint8_t>(sum / 16);
      }
  return out;
}

}  // namespace

json robustness(const Engine& engine, const Samples& test) {
  using Image = RgbImage;
  const std::vector<std::pair<const char*, std::function<Image(const Image&)>>> changes = {
      {"brighter", [](const Image& i) { return toned(i, 1.2); }},
      {"darker", [](const Image& i) { return toned(i, 0.8); }},
      {"shifted", [](const Image& i) { return moved(i, 0.03 * i.height, -0.03 * i.width, 0); }},
      {"turned", [](const Image& i) { return moved(i, 0, 0, 5); }},
      {"jpeg_60", [](const Image& i) { return required(decode_image(required(encode_jpeg(i, 60)))); }},
      {"softened", softened}};
  const std::vector<std::pair<const char*, std::function<Image(const Image&)>>> foreign = {
      {"black", [](const Image& i) { return toned(i, 0.01); }},
      {"white", [](const Image& i) { return toned(i, 1000); }},
      {"defocused",
       [](const Image& i) {
         const auto small = to_image(resize_to_planes(i, i.height / 24, i.width / 24));
         return to_image(resize_to_planes(small, i.height, i.width));
       }},
      {"other_surface", [](const Image& i) { return render::render_surface(7, i.height, i.width); }}};
  const auto& m = engine.manifest();
  std::vector<double> flips(changes.size()), refused(foreign.size());
  const auto share = 1.0 / static_cast<double>(test.size());
  for (const auto& sample : test) {
    const auto loaded = required(
        load_picture(sample, {}, m.image_height, m.image_width, false, least_size(m), {.sample_bits = m.sample_bits}));
    const bool verdict = required(engine.detect(loaded.image)).is_anomalous;
    for (std::size_t k = 0; k < changes.size(); ++k)
      flips[k] += required(engine.detect(changes[k].second(loaded.image))).is_anomalous != verdict ? share : 0;
    for (std::size_t k = 0; k < foreign.size(); ++k)
      refused[k] += required(engine.detect(foreign[k].second(loaded.image))).is_anomalous ? share : 0;
  }
  json out;
  for (std::size_t k = 0; k < changes.size(); ++k) out["flips"][changes[k].first] = flips[k];
  for (std::size_t k = 0; k < foreign.size(); ++k) out["refused"][foreign[k].first] = refused[k];
  return out;
}

void mislabel_some(Samples& train, Samples& test) {
  const auto normals = std::count_if(train.begin(), train.end(), [](const auto& s) { return !*s.is_anomalous; });
  std::vector<std::size_t> defects;
  for (std::size_t i = 0; i < test.size(); ++i)
    if (*test[i].is_anomalous) defects.push_back(i);
  const auto wrong = std::min<std::size_t>(static_cast<std::size_t>(normals) / 10, defects.size() / 2);
  std::set<std::size_t> taken;
  for (std::size_t k = 0; k < wrong; ++k) {
    const auto i = defects[k * defects.size() / wrong];
    taken.insert(i);
    auto sample = test[i];
    sample.is_anomalous = false;
    sample.mask = {};
    train.push_back(std::move(sample));
  }
  Samples rest;
  for (std::size_t i = 0; i < test.size(); ++i)
    if (!taken.contains(i)) rest.push_back(test[i]);
  test = std::move(rest);
}

}  // namespace vedette::bench
