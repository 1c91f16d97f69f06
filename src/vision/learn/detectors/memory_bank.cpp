#include <fmt/format.h>

#include <algorithm>

#include "base/parallel.hpp"
#include "vision/learn/detectors/detector.hpp"
#include "vision/learn/detectors/rows.hpp"
#include "vision/learn/normality.hpp"
#include "vision/learn/pools.hpp"
#include "vision/learn/steps.hpp"

namespace vedette {
namespace {

constexpr std::size_t kBankRows = 1'600;  // The rows of the banks of all folds together.

class MemoryBank final : public Detector {
 public:
  [[nodiscard]] const char* name() const override { return "memory_bank"; }
  [[nodiscard]] bool is_default(const Pool& pool, const InputSize& input) const override {
    return is_default_of_distances(pool, input);
  }
  void see(const Workshop& w, std::size_t normal, const PictureFeatures& features) override {
    Random random = w.random.fork(1000 + normal);
    channels_ = static_cast<std::int64_t>(features.rows.size()) / w.features.grid.cells();
    drawn_of_.push_back(
        draw_rows(features.rows, w.features.grid.cells(), sampled_rows(w), random, samples_.emplace_back()));
  }
  Result<void> fit(Workshop& w) override;

 private:
  std::vector<std::vector<float>> samples_;         // Feature rows drawn from each good picture.
  std::vector<std::vector<std::size_t>> drawn_of_;  // The cells that these rows describe.
  std::int64_t channels_ = 0;
};

Result<void> MemoryBank::fit(Workshop& w) {
  w.meter.report("building memory banks", 0.15);
  std::vector<float> rows;
  std::vector<std::int32_t> picture_of;
  for (std::size_t i = 0; i < samples_.size(); ++i) {
    rows.insert(rows.end(), samples_[i].begin(), samples_[i].end());
    picture_of.resize(rows.size() / static_cast<std::size_t>(channels_), static_cast<std::int32_t>(i));
  }
  const auto whitening = fit_whitening(rows, channels_, picture_of, kMostComponents, w.random.fork(50).next());
  const auto components = whitening.weights.size(1);
  const auto folds = static_cast<std::size_t>(w.folds);
  std::vector<std::vector<float>> parts(folds);
  std::vector<std::vector<BankSource>> sources(folds);
  run_parallel(folds, w.threads, [&](std::size_t f) {
    std::vector<float> own;
    std::vector<BankSource> source_of;
    for (std::size_t i = 0; i < w.normals.size(); ++i) {
      const auto& picture = w.pictures[w.normals[i]];
      if (picture.fold != static_cast<std::int64_t>(f)) continue;
      own.insert(own.end(), samples_[i].begin(), samples_[i].end());
      for (auto cell : drawn_of_[i])
        source_of.push_back({picture.sample->image.string(), static_cast<int>(cell) / w.features.grid.width,
                             static_cast<int>(cell) % w.features.grid.width, picture.sample->source_ref});
    }
    const auto embedded = apply_whitening(whitening, own);
    for (auto row : select_coreset(embedded, components, kBankRows / folds, w.random.fork(100 + f).next())) {
      parts[f].insert(parts[f].end(), embedded.begin() + static_cast<std::ptrdiff_t>(row) * components,
                      embedded.begin() + static_cast<std::ptrdiff_t>(row + 1) * components);
      sources[f].push_back(source_of[row]);
    }
  });
  std::vector<float> bank, offsets = {0};
  for (const auto& part : parts) {
    bank.insert(bank.end(), part.begin(), part.end());
    const auto rows_so_far = static_cast<std::int64_t>(bank.size()) / components;
    offsets.push_back(static_cast<float>(rows_so_far));
  }
  const auto entries = static_cast<std::int64_t>(bank.size()) / components;
  samples_.clear();
  drawn_of_.clear();
  for (auto& s : sources) w.evaluation.bank_sources.insert(w.evaluation.bank_sources.end(), s.begin(), s.end());

  auto& graph = w.artifact.manifest.graph;
  const auto embeddings = append_projection(w, "embeddings", w.features.rows, whitening);
  graph.push_back({"nearest_distance",
                   "bank_distance",
                   {embeddings},
                   {{"bank", w.keep("bank", Tensor::make({entries, components}, std::move(bank)))},
                    {"groups", w.keep("bank.groups", Tensor::make({w.folds + 1}, std::move(offsets)))}},
                   {{"height", w.features.grid.height}, {"width", w.features.grid.width}}});
  std::vector<std::string> maps;
  for (std::int64_t fold = 0; fold < w.folds; ++fold) {
    maps.push_back(fmt::format("bank.{}", fold));
    graph.push_back(
        {"nearest_other_group", maps.back(), {"bank_distance"}, {}, {{"group", static_cast<double>(fold)}}});
  }
  w.enter(*this,
          {.name = name(), .maps = append_levels(w, maps, w.features.grid, kFineCell), .pools = all_pools(w.input)});
  return {};
}

}  // namespace

std::unique_ptr<Detector> make_memory_bank() {
  return std::make_unique<MemoryBank>();
}

}  // namespace vedette
