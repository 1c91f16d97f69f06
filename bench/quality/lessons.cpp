#include "lessons.hpp"

#include <algorithm>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/files.hpp"
#include "base/random.hpp"
#include "pictures.hpp"
#include "rendered.hpp"
#include "vision/render/render.hpp"

namespace vedette::bench {

const std::vector<std::string> kKinds = {"labelled", "normal", "few-good", "few-both", "batch", "rebased", "kept"};
const std::vector<std::string> kProducts = {"cookies",      "tiles",       "toys",         "cells",
                                            "boards",       "metal-plate", "ceramic-tile", "carbon-laminate",
                                            "blister-pack", "wood-veneer", "connector"};
const std::vector<std::string> kFurtherProducts = {"sample", "tiny"};

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int kTileHeight = 320, kTileWidth = 288;  // These sides are about the median of the tiles' sides.

/// What a product offers for one kind of training.
struct Split {
  Samples good, bad, test;
};

/// Parts pictures into good and bad ones.
Split parted(Samples train, Samples test) {
  Split out{{}, {}, std::move(test)};
  for (auto& s : train) (s.is_anomalous.value_or(false) ? out.bad : out.good).push_back(std::move(s));
  return out;
}

Split from_manifests(const fs::path& folder) {
  return parted(read_manifest_pictures(folder / "manifests/train.manifest", ""),
                read_manifest_pictures(folder / "manifests/test.manifest", ""));
}

/// Reads a product that has the folders good/ and defect/ and a file that says which of their pictures teach.
Split from_split_file(const fs::path& folder, const std::string& file) {
  const auto names = json::parse(std::ifstream(folder / file));
  const auto pictures = [&](const char* part, bool is_anomalous) {
    Samples out;
    for (const auto& name : names.at(part)) {
      TrainingPicture s;
      s.source_ref = (is_anomalous ? "defect/" : "good/") + name.get<std::string>();
      s.image = folder / s.source_ref;
      s.is_anomalous = is_anomalous;
      out.push_back(std::move(s));
    }
    return out;
  };
  Split out{pictures("train_good", false), pictures("train_defect", true), pictures("test_good", false)};
  const auto bad = pictures("test_defect", true);
  out.test.insert(out.test.end(), bad.begin(), bad.end());
  return out;
}

/// Makes a copy of a picture or mask, stretched to the tiles' common size.
fs::path stretched(const fs::path& from, const fs::path& to) {
  if (fs::exists(to)) return to;
  const auto image = required(decode_image(required(read_file(from, 64 << 20)), {8, 16384}));
  required(write_file_atomically(
      to, as_text(required(encode_png(to_image(resize_to_planes(image, kTileHeight, kTileWidth)))))));
  return to;
}

/// Reads the magnetic tiles (Huang, Qiu, Yuan 2020), which have a folder per class and masks as PNG of the same name.
/// The tiles differ in size, so copies of one size are made. Trains on the first of each class.
Split magnetic_tiles(const fs::path& folder, const fs::path& work, std::size_t normals, std::size_t defects) {
  fs::create_directories(work);
  Samples train, test;
  for (const std::string name : {"free", "blowhole", "break", "crack", "fray", "uneven"}) {
    std::size_t i = 0;
    for (const auto& picture : list_pictures(folder / name)) {
      if (picture.extension() != ".jpg") continue;
      TrainingPicture s;
      s.source_ref = name + "/" + picture.filename().string();
      const auto copy = work / (name + "-" + picture.stem().string());
      s.image = stretched(picture, copy.string() + ".png");
      s.is_anomalous = name != "free";
      if (*s.is_anomalous) {
        s.mask = stretched(fs::path(picture).replace_extension(".png"), copy.string() + "-mask.png");
        s.mask_colors = {{name, "#ffffff"}};
        s.is_binary_mask = true;
      }
      (i++ < (*s.is_anomalous ? defects : normals) ? train : test).push_back(std::move(s));
    }
  }
  return parted(std::move(train), std::move(test));
}

/// Renders one of the six products. Every other one has masks.
Split rendered(products::Product product, const std::string& kind, std::uint64_t seed, const fs::path& work) {
  constexpr std::uint64_t kSeeds = 100'000, kTest = 1000, kOtherBatch = 2000;
  const bool has_masks = static_cast<std::size_t>(product) % 2 == 0;
  const auto name = std::to_string(seed);
  const auto train = [&] {
    return render_set(product, {40, 12, 0, has_masks, seed * kSeeds}, work / (name + "-train"));
  };
  if (kind == "batch" || kind == "rebased")
    return parted(train(), render_set(product, {40, 40, 1 + seed, has_masks, seed * kSeeds + kOtherBatch},
                                      work / (name + "-batch")));
  return parted(train(), render_set(product, {40, 40, 0, has_masks, seed * kSeeds + kTest}, work / (name + "-test")));
}

/// Returns nothing if the product does not have this kind, or if its pictures are not at hand.
std::optional<Split> split_of(const std::string& product, const std::string& kind, std::uint64_t seed,
                              const Places& places) {
  const auto work = places.work / product;
  for (const auto p : products::kProducts)
    if (product == products::name_of(p)) return rendered(p, kind, seed, work);
  const bool is_other_batch = kind == "batch" || kind == "rebased";
  if (product == "sample" && !is_other_batch) {
    const int cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
    const auto folder = work / std::to_string(seed);
    if (!fs::exists(folder)) required(render::write_sample(folder, seed, 180, cores, {}));
    return from_manifests(folder);
  }
  if (product == "tiny" && (kind == "labelled" || kind == "normal")) {
    auto all = render_tiny_defects(seed, work / std::to_string(seed));
    const auto half = all.begin() + std::ssize(all) / 2;
    return parted({all.begin(), half}, {half, all.end()});
  }
  const auto folder = places.data / (product == "tiles" ? "magnetic-tile" : product);
  if ((is_other_batch && product != "cells") || !fs::exists(folder)) return {};
  if (product == "cookies") return from_manifests(folder);
  if (product == "tiles")
    return kind == "normal" ? magnetic_tiles(folder, work, 200, 0) : magnetic_tiles(folder, work, 60, 10);
  if (product == "cells") return from_split_file(folder, is_other_batch ? "split-later.json" : "split-mixed.json");
  if (product == "toys" || product == "boards") return from_split_file(folder, "split-standard.json");
  return {};
}

/// Draws some pictures without replacement.
Samples drawn(Samples from, std::size_t count, Random random) {
  for (std::size_t i = 0; i < std::min(count, from.size()); ++i)
    std::swap(from[i], from[i + random.below(from.size() - i)]);
  from.resize(std::min(count, from.size()));
  return from;
}

Samples training_set(const std::string& kind, const Split& split, std::uint64_t seed) {
  const Random random(seed);
  auto train = kind == "few-good"   ? drawn(split.good, 5, random.fork(1))
               : kind == "few-both" ? drawn(split.good, 10, random.fork(1))
                                    : split.good;
  const auto bad = kind == "few-both"                       ? drawn(split.bad, 3, random.fork(2))
                   : kind == "normal" || kind == "few-good" ? Samples()
                                                            : split.bad;
  train.insert(train.end(), bad.begin(), bad.end());
  return train;
}

constexpr std::size_t kRebasing = 10;

bool are_the_same(const Samples& a, const Samples& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const auto& x, const auto& y) { return x.image == y.image && x.mask == y.mask; });
}

}  // namespace

std::vector<Lesson> lessons_of(const std::string& product, const std::vector<std::string>& kinds, std::uint64_t seed,
                               const Places& places) {
  std::vector<Lesson> out;
  for (const auto& kind : kKinds) {
    if (std::find(kinds.begin(), kinds.end(), kind) == kinds.end()) continue;
    auto split = split_of(product, kind, seed, places);
    if (!split) continue;
    const bool needs_other = kind == "batch" || kind == "rebased" || kind == "kept";
    auto other = needs_other ? split_of(product, "batch", seed, places) : std::nullopt;
    if (needs_other && !other) continue;
    auto train = training_set(kind, *split, seed);
    auto same = std::find_if(out.begin(), out.end(), [&](const Lesson& l) { return are_the_same(l.train, train); });
    if (same == out.end()) same = out.insert(out.end(), {std::move(train), {}});
    Exam exam{kind, std::move(split->test)};
    if (other) {
      auto good = other->test;
      std::erase_if(good, [](const auto& s) { return *s.is_anomalous; });
      const auto moving = drawn(std::move(good), kRebasing, Random(seed).fork(3));
      // The pictures that move a model judge neither it nor the model as it was.
      if (kind != "kept")
        std::erase_if(exam.test, [&](const auto& s) {
          return std::any_of(moving.begin(), moving.end(), [&](const auto& m) { return m.image == s.image; });
        });
      if (kind != "batch") exam.rebasing = moving;
    }
    same->exams.push_back(std::move(exam));
  }
  return out;
}

void keep_defects(Samples& samples, std::size_t most) {
  std::map<std::string, std::size_t> seen;
  std::erase_if(samples, [&](const auto& s) {
    std::string label;
    for (const auto& color : s.mask_colors)
      if (color.name != "BACKGROUND") label = color.name;
    return s.is_anomalous.value_or(false) && seen[label]++ >= most;
  });
}

std::optional<Grid<std::uint8_t>> known_places(const TrainingPicture& sample, int height, int width) {
  constexpr int kWiden = 24;
  const auto name = sample.image.stem().string();
  std::ifstream file(sample.image.parent_path().parent_path() / "boxes" / (name.substr(0, name.find('_')) + ".txt"));
  if (!file) return {};
  Grid<std::uint8_t> out(height, width);
  for (int x0 = 0, y0 = 0, x1 = 0, y1 = 0, label = 0; file >> x0 >> y0 >> x1 >> y1 >> label;)
    for (int y = std::max(0, y0 - kWiden); y < std::min(height, y1 + kWiden); ++y)
      for (int x = std::max(0, x0 - kWiden); x < std::min(width, x1 + kWiden); ++x) out.at(y, x) = 1;
  return out;
}

}  // namespace vedette::bench
