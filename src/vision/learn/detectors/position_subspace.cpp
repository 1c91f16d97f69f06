#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/parallel.hpp"
#include "vision/infer/half.hpp"
#include "vision/infer/infer.hpp"
#include "vision/learn/detectors/detector.hpp"
#include "vision/learn/detectors/rows.hpp"
#include "vision/learn/normality.hpp"
#include "vision/learn/pools.hpp"
#include "vision/learn/steps.hpp"

namespace vedette {
namespace {

constexpr std::size_t kMostPictures = 400;           // The good pictures on which the subspaces are fitted.
constexpr std::size_t kMostKeptBytes = 400'000'000;  // The most that their rows may take.

/// Of so many good pictures, each n-th one is for the subspaces. The folds are shuffled, so this is a fair choice.
std::size_t stride_of(std::size_t normals) {
  return (normals + kMostPictures - 1) / kMostPictures;
}

/// What one kind of subspaces describes cells with.
struct Description {
  const char* contestant;
  const char* prefix;  ///< of the names of its values and tensors
  std::string FeatureGraph::*output;
  std::vector<float> PictureFeatures::*rows;
  double share;
};
constexpr Description kByBackbone = {kLevelContestant, "subspace.", &FeatureGraph::coarse_rows,
                                     &PictureFeatures::coarse_rows, 1};
// Its share was chosen over products, on good pictures alone: more costs products whose defects are fine.
constexpr Description kByEdges = {"edge_subspace", "edges.", &FeatureGraph::edge_rows, &PictureFeatures::edge_rows,
                                  0.3};

class Positions final : public Detector {
 public:
  explicit Positions(const Description& description) : of_(description) {}
  [[nodiscard]] const char* name() const override { return of_.contestant; }
  [[nodiscard]] double share() const override { return of_.share; }
  [[nodiscard]] bool is_default(const Pool& pool, const InputSize& input) const override {
    return is_default_of_distances(pool, input);
  }
  void see(const Workshop& w, std::size_t normal, const PictureFeatures& features) override;
  Result<void> fit(Workshop& w) override;

 private:
  const Description& of_;
  std::vector<float> samples_;  // Rows drawn from all good pictures.
  std::int64_t channels_ = 0;
  // All rows of every n-th good picture, rounded to bf16. It is empty if they would take too much memory; then the
  // pictures are described again, and nothing is rounded.
  std::vector<std::vector<Half>> rows_;
};

void Positions::see(const Workshop& w, std::size_t normal, const PictureFeatures& features) {
  const auto& rows = features.*of_.rows;
  channels_ = static_cast<std::int64_t>(rows.size()) / w.features.coarse_grid.cells();
  Random random = w.random.fork(1'000'000 + normal);
  draw_rows(rows, w.features.coarse_grid.cells(), sampled_rows(w) / 4, random, samples_);
  const std::size_t every = stride_of(w.normals.size());
  if (normal % every == 0 && (w.normals.size() + every - 1) / every * rows.size() * sizeof(Half) <= kMostKeptBytes)
    std::transform(rows.begin(), rows.end(), std::back_inserter(rows_.emplace_back()), narrow);
}

Result<void> Positions::fit(Workshop& w) {
  const auto principal = fit_principal_components(samples_, channels_, kMostComponents);
  samples_.clear();
  const auto cells = w.features.coarse_grid.cells();
  const std::size_t every = stride_of(w.normals.size());
  std::vector<std::vector<float>> embedded((w.normals.size() + every - 1) / every);
  if (!rows_.empty()) {
    w.meter.report("learning positions", 0.2);
    run_parallel(embedded.size(), w.threads, [&](std::size_t i) {
      std::vector<float> rows(rows_[i].size());
      std::transform(rows_[i].begin(), rows_[i].end(), rows.begin(), widen);
      embedded[i] = apply_whitening(principal, rows);
    });
    rows_.clear();
  } else if (auto ok = w.for_each_normal("learning positions", 0.2, 0.3,
                                         [&](std::size_t first, const auto& values) {
                                           run_parallel(values.size(), w.threads, [&](std::size_t i) {
                                             if ((first + i) % every == 0)
                                               embedded[(first + i) / every] =
                                                   apply_whitening(principal, values[i].*of_.rows);
                                           });
                                         });
             !ok) {
    return ok;
  }
  std::vector<float> coarse_rows;  // [picture, coarse cell, component]
  std::vector<std::int64_t> coarse_fold;
  for (std::size_t i = 0; i < embedded.size(); ++i) {
    coarse_fold.push_back(w.pictures[w.normals[i * every]].fold);
    coarse_rows.insert(coarse_rows.end(), embedded[i].begin(), embedded[i].end());
    std::vector<float>().swap(embedded[i]);
  }
  const auto directions = principal.weights.size(1);
  const auto within = fit_residual_whitening(coarse_rows, cells, directions);
  const auto whitening = compose(principal, within);
  coarse_rows = apply_whitening(within, coarse_rows);
  auto& graph = w.artifact.manifest.graph;
  const auto embeddings =
      append_projection(w, std::string(of_.prefix) + "embeddings", w.features.*of_.output, whitening);
  std::vector<std::string> maps;
  for (std::int64_t f = 0; f < w.folds; ++f) {
    w.meter.report("learning positions", 0.3 + 0.06 * static_cast<double>(f) / static_cast<double>(w.folds));
    std::vector<std::size_t> pictures;
    for (std::size_t i = 0; i < coarse_fold.size(); ++i)
      if (coarse_fold[i] != f) pictures.push_back(i);
    const auto subspace = fit_position_subspace(coarse_rows, cells, directions, pictures, w.threads);
    const auto own = fmt::format("{}{}", of_.prefix, f);
    graph.push_back({"position_subspace",
                     own,
                     {embeddings},
                     {{"mean", w.keep(own + ".mean", subspace.mean)},
                      {"basis", w.keep(own + ".basis", subspace.basis)},
                      {"weight", w.keep(own + ".weight", subspace.weight)}},
                     {{"height", w.features.coarse_grid.height}, {"width", w.features.coarse_grid.width}}});
    maps.push_back(own);
  }
  w.enter(*this, {.name = name(),
                  .maps = append_levels(w, maps, w.features.coarse_grid, w.input.coarse_cell),
                  .pools = all_pools(w.input)});
  return {};
}

}  // namespace

std::unique_ptr<Detector> make_position_subspace() {
  return std::make_unique<Positions>(kByBackbone);
}

std::unique_ptr<Detector> make_edge_subspace() {
  return std::make_unique<Positions>(kByEdges);
}

}  // namespace vedette
