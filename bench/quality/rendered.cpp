#include "rendered.hpp"

#include <algorithm>
#include <array>
#include <thread>

#include "base/files.hpp"
#include "base/parallel.hpp"
#include "base/random.hpp"
#include "vision/render/surfaces.hpp"

namespace vedette::bench {
namespace {

namespace fs = std::filesystem;
constexpr int kJpegQuality = 95;

void write_picture(const fs::path& to, const RgbImage& image) {
  required(write_file_atomically(to, as_text(required(encode_jpeg(image, kJpegQuality)))));
}

void write_mask(const fs::path& to, const Grid<std::uint8_t>& mask) {
  constexpr std::array<Rgb, 2> kColors = {Rgb{0, 0, 0}, Rgb{255, 255, 255}};
  required(write_file_atomically(to, as_text(encode_label_png(mask, kColors))));
}

void add_mask(TrainingPicture& sample, const fs::path& file) {
  sample.mask = file;
  sample.mask_colors = {{"defect", "#ffffff"}};
  sample.is_binary_mask = true;
}

}  // namespace

Samples render_set(products::Product product, const RenderedSet& set, const fs::path& folder) {
  const bool is_there = fs::exists(folder);
  fs::create_directories(folder);
  const auto kinds = products::damages_of(product);
  Samples out(set.good + set.bad);
  const auto cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  run_parallel(out.size(), cores, [&](std::size_t i) {
    TrainingPicture& s = out[i];
    s.is_anomalous = i >= set.good;
    std::optional<std::size_t> damage;
    if (*s.is_anomalous) damage = (i - set.good) % kinds.size();
    s.source_ref = std::string(damage ? kinds[*damage] : "good") + "-" + std::to_string(i);
    s.image = folder / (s.source_ref + ".jpg");
    const fs::path mask = folder / (s.source_ref + "-mask.png");
    if (damage && set.has_masks) add_mask(s, mask);
    if (is_there) return;
    const auto picture = products::render_product(product, set.first_seed + i, set.batch, damage);
    write_picture(s.image, picture.image);
    if (damage) write_mask(mask, picture.mask);
  });
  return out;
}

Samples render_tiny_defects(std::uint64_t seed, const fs::path& folder) {
  constexpr int kSurfaceSide = 4096, kSide = 3072;
  constexpr std::size_t kCount = 72;
  fs::create_directories(folder);
  const auto surface =
      render::render_surface(render::kSurfaces[seed % render::kSurfaces.size()], seed, kSurfaceSide, kSurfaceSide);
  const auto part = [&](Random& r) {
    const auto y0 = static_cast<int>(r.below(kSurfaceSide - kSide)),
               x0 = static_cast<int>(r.below(kSurfaceSide - kSide));
    RgbImage out{kSide, kSide, {}};
    for (int y = 0; y < kSide; ++y)
      out.pixels.insert(out.pixels.end(), surface.at(y0 + y, x0), surface.at(y0 + y, x0) + std::size_t{3} * kSide);
    return out;
  };
  Samples out;
  for (std::size_t i = 0; i < kCount; ++i) {
    Random r = Random(seed).fork(i);
    auto image = part(r);
    const auto foreign = part(r);
    TrainingPicture s;
    s.source_ref = std::to_string(i);
    s.is_anomalous = i % 3 == 0;
    if (*s.is_anomalous) {
      Grid<std::uint8_t> truth;
      do {
        const render::Damage damage{render::kFills[r.below(render::kFills.size())],
                                    render::kOutlines[r.below(render::kOutlines.size())],
                                    r.uniform(0.05, 0.95) * kSide,
                                    r.uniform(0.05, 0.95) * kSide,
                                    r.uniform(12, 24),
                                    r.uniform(0.5, 1)};
        truth = render::damage(image, damage, foreign, r.fork(1));
      } while (std::count(truth.values.begin(), truth.values.end(), 1) < 40);
      add_mask(s, folder / (s.source_ref + "-mask.png"));
      write_mask(*s.mask, truth);
    }
    s.image = folder / (s.source_ref + ".jpg");
    write_picture(s.image, image);
    out.push_back(std::move(s));
  }
  return out;
}

}  // namespace vedette::bench
