#include "vision/pretrain/loss.hpp"

#include <cmath>

namespace vedette {
namespace {

namespace nn = torch::nn;
namespace F = torch::nn::functional;
using torch::Tensor;

constexpr int kEmbedding = 64;
constexpr double kDamageWeight = 8;  // The weight of a damaged copy among the negatives.
/// What the levels count: whole patches, quadrants, and cells of 16 pixels on the maps at strides 8 and 4.
constexpr double kPatchShare = 0.3, kQuadrantShare = 0.3, kCellShare = 0.2, kFineCellShare = 0.2;
constexpr double kDamagedItem =
    4;  // An item whose damage can be seen counts so many times, since most cells have none.
constexpr double kNever = -1e9;

nn::Sequential make_head(int channels) {
  return nn::Sequential(nn::Linear(channels, channels), nn::ReLU(), nn::Linear(channels, kEmbedding));
}

/// Returns unit vectors of the places of a map, [n · places, kEmbedding].
Tensor embed(nn::Sequential& head, const Tensor& map) {
  const auto rows = map.permute({0, 2, 3, 1}).reshape({-1, map.size(1)});
  return F::normalize(head->forward(rows), F::NormalizeFuncOptions().dim(1));
}

/// Returns the map in the patches' own poses, as means of kCells × kCells cells.
Tensor cells_of(const Tensor& map, const Tensor& straighten) {
  const auto grid = F::affine_grid(straighten, {map.size(0), map.size(1), map.size(2), map.size(3)}, false);
  const auto straight = F::grid_sample(
      map.contiguous(), grid,
      F::GridSampleFuncOptions().mode(torch::kBilinear).padding_mode(torch::kBorder).align_corners(false));
  return F::avg_pool2d(straight, F::AvgPool2dFuncOptions(map.size(2) / kCells));
}

struct Contrast {
  Tensor loss, retrieval;
  Tensor detection;  // [kCopies]
};

/// Computes NT-Xent of one item's two views against other views and against the item's damaged copies, each of which
/// counts kDamageWeight times where `damaged` [kCopies, items] is set. `unit` is [(2 + kCopies) · items, kEmbedding].
/// With `kin` [items, items], bool, an item's negatives are those of the other views that are not of its kin; without,
/// they are all other views.
Contrast contrast(const Tensor& unit, const Tensor& damaged, const Tensor& kin, double temperature) {
  const auto items = damaged.size(1);
  const auto view = [&](std::int64_t which) { return unit.narrow(0, which * items, items); };
  const auto target = torch::arange(items, torch::TensorOptions().device(unit.device()).dtype(torch::kLong));
  const auto similar = view(0).mm(view(1).t()) / temperature;
  const auto own = (view(0) * view(1)).sum(1) / temperature;
  auto weights = 1 + (kDamagedItem - 1) * damaged.any(0).to(torch::kFloat);
  weights = weights / weights.sum();
  Contrast out;
  for (const std::int64_t which : {0, 1}) {
    const auto across = which == 0 ? similar : similar.t();
    std::vector<Tensor> logits;
    if (kin.defined()) {
      logits = {across.masked_fill(kin, kNever)};
    } else {
      const auto itself = torch::eye(items, torch::TensorOptions().device(unit.device()).dtype(torch::kBool));
      logits = {across, (view(which).mm(view(which).t()) / temperature).masked_fill(itself, kNever)};
    }
    std::vector<Tensor> found;
    for (std::int64_t copy = 0; copy < kCopies; ++copy) {
      const auto to_copy = (view(which) * view(2 + copy)).sum(1) / temperature;
      const auto is_damaged = damaged[copy];
      logits.push_back((to_copy + std::log(kDamageWeight)).masked_fill(is_damaged.logical_not(), kNever).unsqueeze(1));
      found.push_back(own.gt(to_copy).logical_and(is_damaged).sum() / is_damaged.sum().clamp_min(1).to(torch::kFloat));
    }
    const auto each =
        F::cross_entropy(torch::cat(logits, 1), target, F::CrossEntropyFuncOptions().reduction(torch::kNone));
    const auto loss = (weights * each).sum() / 2;
    const auto retrieval = logits[0].detach().argmax(1).eq(target).to(torch::kFloat).mean() / 2;
    const auto detection = torch::stack(found).detach() / 2;
    out = which == 0 ? Contrast{loss, retrieval, detection}
                     : Contrast{out.loss + loss, out.retrieval + retrieval, out.detection + detection};
  }
  return out;
}

}  // namespace

LearnerImpl::LearnerImpl() {
  const auto channels = BackboneImpl::kChannels;
  backbone = register_module("backbone", Backbone());
  patch_head = register_module("patch_head", make_head(channels[3]));
  quadrant_head = register_module("quadrant_head", make_head(channels[2]));
  cell_head = register_module("cell_head", make_head(channels[2]));
  fine_cell_head = register_module("fine_cell_head", make_head(channels[1]));
}

std::vector<torch::Tensor> LearnerImpl::heads() const {
  std::vector<torch::Tensor> out;
  for (const auto& head : {patch_head, quadrant_head, cell_head, fine_cell_head})
    for (const auto& parameter : head->parameters()) out.push_back(parameter);
  return out;
}

Outcome learn(Learner& learner, const Views& views, int patches_per_picture, double temperature) {
  const auto [fine, middle, deep] = learner->backbone->forward(views.images);
  const auto patches =
      contrast(embed(learner->patch_head, F::adaptive_avg_pool2d(deep, F::AdaptiveAvgPool2dFuncOptions(1))),
               views.damaged_patches, {}, temperature);
  const auto quadrants =
      contrast(embed(learner->quadrant_head, F::adaptive_avg_pool2d(middle, F::AdaptiveAvgPool2dFuncOptions(2))),
               views.damaged_quadrants, {}, temperature);
  // The cells of one surface look alike, so that only cells of other pictures are negatives.
  const auto items = views.damaged_cells.size(1);
  const auto places = torch::arange(items, torch::TensorOptions().device(deep.device()).dtype(torch::kLong));
  const auto picture = torch::floor_divide(places, patches_per_picture * kCells * kCells);
  const auto kin =
      picture.unsqueeze(0).eq(picture.unsqueeze(1)).logical_and(places.unsqueeze(0).ne(places.unsqueeze(1)));
  const auto cells =
      contrast(embed(learner->cell_head, cells_of(middle, views.straighten)), views.damaged_cells, kin, temperature);
  const auto fine_cells =
      contrast(embed(learner->fine_cell_head, cells_of(fine, views.straighten)), views.damaged_cells, kin, temperature);
  return {kPatchShare * patches.loss + kQuadrantShare * quadrants.loss + kCellShare * cells.loss +
              kFineCellShare * fine_cells.loss,
          patches.retrieval, patches.detection[0], cells.detection[1]};
}

}  // namespace vedette
