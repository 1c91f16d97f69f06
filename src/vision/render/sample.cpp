#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <thread>

#include "base/files.hpp"
#include "base/mutex.hpp"
#include "base/random.hpp"
#include "vision/render/render.hpp"

namespace vedette::render {
namespace {

constexpr int kJpegQuality = 93;
constexpr int kSmallestSet = 60;  // A smaller set cannot meet the API's minimum counts.
constexpr std::array kFolders = {"manifests", "training-images", "test-images", "mask-images"};
constexpr std::uint64_t kManifestLimit = 1'000'000'000;
constexpr const char* kDate = "2026-01-01T00:00:00.000";

struct Item {
  bool is_test;
  std::optional<Defect> defect;
  std::string name;
  std::uint64_t seed;
};

std::vector<Item> plan(std::uint64_t seed, int count) {
  std::vector<Item> items;
  const Random random(seed);
  int normal[2] = {0, 0}, anomaly[2] = {0, 0};
  for (int i = 0; i < count; ++i) {
    // Of six pictures, four are for training (good, bad, good, bad) and two for testing (good, bad).
    const bool is_test = i % 6 >= 4;
    const bool is_normal = i % 2 == 0;
    const int number = ++(is_normal ? normal : anomaly)[is_test];
    std::optional<Defect> defect;
    if (!is_normal) defect = kDefects[static_cast<std::size_t>(number - 1) % kDefects.size()];
    items.push_back({is_test, defect,
                     fmt::format("{}{}-{}", is_test ? "test-" : "", is_normal ? "normal" : "anomaly", number),
                     random.fork(static_cast<std::uint64_t>(i)).next()});
  }
  return items;
}

std::string folder_of(const Item& item) {
  return item.is_test ? "test-images" : "training-images";
}

/// Returns one line in Ground Truth form. Every text in it is our own, so nothing needs escaping.
std::string manifest_line(const Item& item) {
  const auto metadata = [](const char* type, const std::string& members) {
    return fmt::format(
        R"({{{}"type":"groundtruth/{}","human-annotated":"yes","creation-date":"{}","job-name":"labeling-job/sample"}})",
        members, type, kDate);
  };
  std::string line = fmt::format(R"({{"source-ref":"{}/{}.jpg","anomaly-label":{},"anomaly-label-metadata":{})",
                                 folder_of(item), item.name, item.defect ? 1 : 0,
                                 metadata("image-classification", fmt::format(R"("class-name":"{}","confidence":1,)",
                                                                              item.defect ? "anomaly" : "normal")));
  if (item.defect) {
    const auto label = label_of(*item.defect);
    line += fmt::format(
        R"(,"anomaly-mask-ref":"mask-images/{}.png","anomaly-mask-ref-metadata":{})", item.name,
        metadata(
            "semantic-segmentation",
            fmt::format(
                R"("internal-color-map":{{"0":{{"class-name":"BACKGROUND","hex-color":"#ffffff","confidence":0}},"1":{{"class-name":"{}","hex-color":"{}","confidence":0}}}},)",
                label.name, label.color)));
  }
  return line + "}\n";
}

Result<void> write_item(const std::filesystem::path& folder, const Item& item) {
  const auto picture = render_flange(item.seed, item.defect);
  const auto jpeg = encode_jpeg(picture.image, kJpegQuality);
  if (!jpeg) return jpeg.error();
  if (auto ok = write_file_atomically(folder / folder_of(item) / (item.name + ".jpg"), as_text(*jpeg)); !ok) return ok;
  if (!item.defect) return {};
  const auto color = parse_color(label_of(*item.defect).color);
  if (!color) return color.error();
  RgbImage mask{picture.mask.height, picture.mask.width,
                std::vector<std::uint8_t>(picture.mask.values.size() * 3, 255)};
  for (std::size_t i = 0; i < picture.mask.values.size(); ++i)
    if (picture.mask.values[i] != 0) std::copy(color->begin(), color->end(), &mask.pixels[3 * i]);
  const auto png = encode_png(mask);
  if (!png) return png.error();
  return write_file_atomically(folder / "mask-images" / (item.name + ".png"), as_text(*png));
}

/// A sample set may be made again where one is or was begun. Anything else in the folder stays as it is.
Result<void> check_folder(const std::filesystem::path& folder) {
  std::error_code code;
  if (!std::filesystem::exists(folder, code)) return {};
  if (!std::filesystem::is_directory(folder, code)) return invalid_input(folder.string() + " is no folder");
  bool is_ours = true;
  if (const auto manifest = read_file(folder / "manifests" / "train.manifest", kManifestLimit)) {
    is_ours = as_text(*manifest).find("labeling-job/sample") != std::string_view::npos;
  } else {
    for (const auto& entry : std::filesystem::directory_iterator(folder, code))
      is_ours &= std::find(kFolders.begin(), kFolders.end(), entry.path().filename()) != kFolders.end();
  }
  if (is_ours && !code) return {};
  return invalid_input(folder.string() + " holds something else than a sample set; choose another folder");
}

}  // namespace

Result<void> write_sample(const std::filesystem::path& folder, std::uint64_t seed, int count, int threads,
                          const std::function<void(int)>& progress) {
  if (count < kSmallestSet) return invalid_input(fmt::format("A sample set needs at least {} pictures.", kSmallestSet));
  std::error_code code;
  if (auto ok = check_folder(folder); !ok) return ok;
  for (const char* name : kFolders) std::filesystem::create_directories(folder / name, code);
  if (code) return internal_error("cannot create " + folder.string() + ": " + code.message());
  const auto items = plan(seed, count);
  std::atomic<std::size_t> next{0};
  std::atomic<int> done{0};
  struct {
    Mutex mutex;
    Result<void> first GUARDED_BY(mutex);
  } failure;
  std::vector<std::thread> pool;
  for (int t = 0; t < std::max(1, threads); ++t)
    pool.emplace_back([&] {
      for (std::size_t i = next++; i < items.size(); i = next++) {
        if (auto ok = write_item(folder, items[i]); !ok) {
          const MutexLock lock(failure.mutex);
          if (failure.first) failure.first = ok;
          next = items.size();
        }
        if (progress) progress(++done);
      }
    });
  for (auto& t : pool) t.join();
  {
    const MutexLock lock(failure.mutex);
    if (!failure.first) return failure.first;
  }
  for (const bool is_test : {false, true}) {
    std::string text;
    for (const auto& item : items)
      if (item.is_test == is_test) text += manifest_line(item);
    if (auto ok = write_file_atomically(folder / "manifests" / (is_test ? "test.manifest" : "train.manifest"), text);
        !ok)
      return ok;
  }
  return {};
}

}  // namespace vedette::render
