#include "vision/learn/known_examples.hpp"

#include <algorithm>

#include "base/files.hpp"
#include "vision/learn/steps.hpp"

namespace vedette {
namespace {

constexpr std::size_t kMostOfAKind = 400;  // good pictures, and likewise anomalous ones

/// Returns the pictures that become examples: all, or so many evenly drawn ones of each kind.
std::vector<std::size_t> chosen_pictures(const Workshop& w) {
  std::vector<std::size_t> kinds[2], out;
  for (std::size_t i = 0; i < w.pictures.size(); ++i) kinds[w.pictures[i].is_anomalous ? 1 : 0].push_back(i);
  for (const auto& kind : kinds) {
    const auto count = std::min(kind.size(), kMostOfAKind);
    for (std::size_t k = 0; k < count; ++k) out.push_back(kind[k * kind.size() / count]);
  }
  return out;
}

}  // namespace

Result<Example> own_fold_example(const Engine& engine, const RgbImage& image, std::int64_t fold,
                                 const std::string& source_ref, bool is_anomalous) {
  auto measured = engine.measure(image, true);
  if (!measured) return measured.error();
  auto unmasked = engine.manifest();
  unmasked.segmentation.reset();  // Masks take time and are not wanted.
  const auto detection = combine(unmasked, measured->outputs, {}, {}, measured->statistics, fold);
  return Example{source_ref, is_anomalous, false, detection.anomaly_score,
                 find_places(detection.anomaly_map, measured->cells)};
}

Result<void> write_examples(Workshop& w, const std::filesystem::path& file) {
  auto engine = Engine::create(w.artifact);
  if (!engine) return internal_error(engine.error().message);
  if (!(*engine)->tells_places()) return {};
  w.meter.report("looking at conspicuous places", 0.985);
  const auto chosen = chosen_pictures(w);
  std::vector<Example> examples(chosen.size());
  std::vector<std::optional<Error>> failures(chosen.size());
  w.for_pictures(chosen.size(), [&](std::size_t k) {
    const auto& picture = w.pictures[chosen[k]];
    auto loaded = w.load(picture);
    auto example = loaded ? own_fold_example(**engine, loaded->image, picture.fold, picture.sample->source_ref,
                                             picture.is_anomalous)
                          : Result<Example>(loaded.error());
    if (example) {
      examples[k] = std::move(*example);
    } else {
      failures[k] = example.error();
    }
  });
  for (const auto& failure : failures)
    if (failure) return *failure;
  return write_file_atomically(file, to_text(examples));
}

}  // namespace vedette
