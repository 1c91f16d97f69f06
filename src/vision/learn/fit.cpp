#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "base/parallel.hpp"
#include "vision/assess/assess.hpp"
#include "vision/infer/graph.hpp"
#include "vision/learn/trainer.hpp"

namespace vedette {
namespace {

constexpr std::int64_t kMostComponents = 96;
// The feature rows that are drawn from all good pictures, for whitening and banks.
constexpr std::size_t kSampledRows = 100'000;
constexpr std::size_t kBankRows = 1'600;             // The rows of the banks of all folds together.
constexpr std::size_t kSubspacePictures = 400;       // The good pictures on which the subspaces are fitted.
constexpr std::size_t kMostKeptBytes = 400'000'000;  // The most that their coarse rows may take.
// A cell's level is a norm of this power, because rare specks must raise it.
constexpr double kLevelPower = 4;
// The average cell counts for so many pictures when a cell's own level is estimated.
constexpr double kPriorPictures = 4;
constexpr double kMapBlur = 1.0;  // in cells

/// Of so many good pictures, each n-th one is for the subspaces. The folds are shuffled, so this is a fair choice.
std::size_t stride_of_positions(std::size_t normals) {
  return (normals + kSubspacePictures - 1) / kSubspacePictures;
}

}  // namespace

void Trainer::for_pictures(std::size_t count, const std::function<void(std::size_t)>& work) const {
  if (strands() > 1) return run_parallel(count, strands(), work);
  for (std::size_t i = 0; i < count; ++i) work(i);
}

Result<void> Trainer::for_each_normal(
    const char* stage, double from, double to,
    const std::function<void(std::size_t first, const std::vector<PictureFeatures>&)>& use) {
  std::vector<std::unique_ptr<Graph>> graphs;
  for (int t = 0; t < strands(); ++t) {
    auto graph = Graph::plan(features_.nodes, features_.tensors, {features_.rows, features_.coarse_rows}, input_.height,
                             input_.width);
    if (!graph) return internal_error(graph.error().message);
    graphs.push_back(std::make_unique<Graph>(std::move(*graph)));
  }
  for (std::size_t first = 0; first < normals_.size(); first += chunk()) {
    meter_.report(stage, from + (to - from) * static_cast<double>(first) / static_cast<double>(normals_.size()));
    const std::size_t count = std::min(chunk(), normals_.size() - first);
    std::vector<PictureFeatures> values(count);
    std::vector<std::optional<Error>> failures(count);
    // Each graph has one strand of pictures, because a graph is not thread-safe.
    for_pictures(graphs.size(), [&](std::size_t t) {
      for (std::size_t i = t; i < count; i += graphs.size()) {
        auto loaded = load(pictures_[normals_[first + i]]);
        if (!loaded) {
          failures[i] = loaded.error();
          continue;
        }
        graphs[t]->run(resize_to_planes(loaded->image, input_.height, input_.width));
        values[i] = {graphs[t]->output(features_.rows).copy(), graphs[t]->output(features_.coarse_rows).copy()};
      }
    });
    for (const auto& failure : failures)
      if (failure) return *failure;
    use(first, values);
  }
  return {};
}

Result<void> Trainer::sample_features() {
  const auto per_picture = std::clamp<std::size_t>(kSampledRows / normals_.size(), 30, 800);
  samples_.resize(normals_.size());
  drawn_of_.resize(normals_.size());
  const std::size_t every = stride_of_positions(normals_.size());
  return for_each_normal("describing pictures", 0.05, 0.15, [&](std::size_t first, const auto& values) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      Random random = random_.fork(1000 + first + i);
      const auto draw = [&](const std::vector<float>& all, const CellGrid& grid, std::size_t count,
                            std::vector<float>& drawn) {
        const auto channels = static_cast<std::ptrdiff_t>(static_cast<std::int64_t>(all.size()) / grid.cells());
        std::vector<std::size_t> rows(std::min<std::size_t>(count, static_cast<std::size_t>(grid.cells())));
        for (auto& row : rows) row = random.below(static_cast<std::uint64_t>(grid.cells()));
        for (auto row : rows)
          drawn.insert(drawn.end(), all.begin() + static_cast<std::ptrdiff_t>(row) * channels,
                       all.begin() + static_cast<std::ptrdiff_t>(row + 1) * channels);
        return rows;
      };
      drawn_of_[first + i] = draw(values[i].rows, features_.grid, per_picture, samples_[first + i]);
      draw(values[i].coarse_rows, features_.coarse_grid, per_picture / 4, coarse_samples_);
      channels_ = static_cast<std::int64_t>(values[i].rows.size()) / features_.grid.cells();
      coarse_channels_ = static_cast<std::int64_t>(values[i].coarse_rows.size()) / features_.coarse_grid.cells();
      const auto& coarse = values[i].coarse_rows;
      if ((first + i) % every == 0 && normals_.size() / every * coarse.size() * sizeof(Half) <= kMostKeptBytes)
        std::transform(coarse.begin(), coarse.end(), std::back_inserter(coarse_rows_.emplace_back()), narrow);
    }
  });
}

void Trainer::fit_banks() {
  meter_.report("building memory banks", 0.15);
  std::vector<float> rows;
  std::vector<std::int32_t> picture_of;
  for (std::size_t i = 0; i < samples_.size(); ++i) {
    rows.insert(rows.end(), samples_[i].begin(), samples_[i].end());
    picture_of.resize(rows.size() / static_cast<std::size_t>(channels_), static_cast<std::int32_t>(i));
  }
  principal_ = fit_principal_components(coarse_samples_, coarse_channels_, kMostComponents);
  coarse_samples_.clear();
  whitening_ = fit_whitening(rows, channels_, picture_of, kMostComponents, random_.fork(50).next());
  const auto components = whitening_.weights.size(1);
  const auto folds = static_cast<std::size_t>(folds_);
  std::vector<std::vector<float>> parts(folds);
  std::vector<std::vector<BankSource>> sources(folds);
  run_parallel(folds, threads_, [&](std::size_t f) {
    std::vector<float> own;
    std::vector<BankSource> source_of;
    for (std::size_t i = 0; i < normals_.size(); ++i) {
      const auto& picture = pictures_[normals_[i]];
      if (picture.fold != static_cast<std::int64_t>(f)) continue;
      own.insert(own.end(), samples_[i].begin(), samples_[i].end());
      for (auto cell : drawn_of_[i])
        source_of.push_back({picture.sample->image.string(), static_cast<int>(cell) / features_.grid.width,
                             static_cast<int>(cell) % features_.grid.width});
    }
    const auto embedded = apply_whitening(whitening_, own);
    for (auto row : select_coreset(embedded, components, kBankRows / folds, random_.fork(100 + f).next())) {
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
  bank_ = {Tensor::make({entries, components}, std::move(bank)), Tensor::make({folds_ + 1}, std::move(offsets))};
  samples_.clear();
  drawn_of_.clear();
  for (auto& s : sources) evaluation_.bank_sources.insert(evaluation_.bank_sources.end(), s.begin(), s.end());
}

Result<void> Trainer::fit_positions() {
  const auto cells = features_.coarse_grid.cells();
  const std::size_t every = stride_of_positions(normals_.size());
  std::vector<std::vector<float>> embedded((normals_.size() + every - 1) / every);
  if (!coarse_rows_.empty()) {
    meter_.report("learning positions", 0.2);
    run_parallel(embedded.size(), threads_, [&](std::size_t i) {
      std::vector<float> rows(coarse_rows_[i].size());
      std::transform(coarse_rows_[i].begin(), coarse_rows_[i].end(), rows.begin(), widen);
      embedded[i] = apply_whitening(principal_, rows);
    });
    coarse_rows_.clear();
  } else if (auto ok = for_each_normal("learning positions", 0.2, 0.3,
                                       [&](std::size_t first, const auto& values) {
                                         run_parallel(values.size(), threads_, [&](std::size_t i) {
                                           if ((first + i) % every == 0)
                                             embedded[(first + i) / every] =
                                                 apply_whitening(principal_, values[i].coarse_rows);
                                         });
                                       });
             !ok) {
    return ok;
  }
  std::vector<float> coarse_rows;  // [picture, coarse cell, component]
  std::vector<std::int64_t> coarse_fold;
  for (std::size_t i = 0; i < embedded.size(); ++i) {
    coarse_fold.push_back(pictures_[normals_[i * every]].fold);
    coarse_rows.insert(coarse_rows.end(), embedded[i].begin(), embedded[i].end());
    std::vector<float>().swap(embedded[i]);
  }
  const auto directions = principal_.weights.size(1);
  const auto within = fit_residual_whitening(coarse_rows, cells, directions);
  coarse_whitening_ = compose(principal_, within);
  coarse_rows = apply_whitening(within, coarse_rows);
  for (std::int64_t f = 0; f < folds_; ++f) {
    meter_.report("learning positions", 0.3 + 0.06 * static_cast<double>(f) / static_cast<double>(folds_));
    std::vector<std::size_t> pictures;
    for (std::size_t i = 0; i < coarse_fold.size(); ++i)
      if (coarse_fold[i] != f) pictures.push_back(i);
    subspaces_.push_back(fit_position_subspace(coarse_rows, cells, directions, pictures, threads_));
  }
  return {};
}

void Trainer::build_artifact() {
  auto& m = artifact_.manifest;
  m.image_height = image_height_;
  m.sample_bits = sample_bits_;
  m.image_width = image_width_;
  m.input_height = input_.height;
  m.input_width = input_.width;
  m.folds = folds_;
  m.graph = features_.nodes;
  artifact_.tensors = features_.tensors;
  blobs_.resize(2);
  for (const auto& [name, tensor] : features_.tensors)
    blobs_[name.starts_with("backbone.") ? 0 : 1].push_back(name);  // The backbone is equal in all models.
  const auto keep = [&](const std::string& name, const Tensor& tensor) {
    artifact_.tensors.insert_or_assign(name, tensor);
    blobs_[1].push_back(name);
    return name;
  };
  const auto size_of = [](const CellGrid& g) {
    return std::map<std::string, double>{{"height", g.height}, {"width", g.width}};
  };
  const auto project = [&](const std::string& output, const std::string& rows, const Whitening& whitening) {
    m.graph.push_back(
        {"project",
         output,
         {rows},
         {{"weights", keep(output + ".weights", whitening.weights)}, {"bias", keep(output + ".bias", whitening.bias)}},
         {}});
    return output;
  };
  const auto fine = project("embeddings", features_.rows, whitening_);
  const auto coarse = project("coarse_embeddings", features_.coarse_rows, coarse_whitening_);
  m.graph.push_back({"nearest_distance",
                     "bank_distance",
                     {fine},
                     {{"bank", keep("bank", bank_.values)}, {"groups", keep("bank.groups", bank_.groups)}},
                     size_of(features_.grid)});
  struct Member {
    Contestant contestant;
    std::string name;
    CellGrid grid;
    int cell;
    std::function<void(const std::string& output, std::int64_t fold)> append;
  };
  const auto contestant = [&](const char* name) {
    return Contestant{.name = name, .maps = {}, .pools = all_pools(input_)};
  };
  std::vector<Member> members = {
      {contestant("memory_bank"), "bank", features_.grid, kFineCell,
       [&](const std::string& output, std::int64_t fold) {
         m.graph.push_back(
             {"nearest_other_group", output, {"bank_distance"}, {}, {{"group", static_cast<double>(fold)}}});
       }},
      {contestant(kLevelContestant), "subspace", features_.coarse_grid, input_.coarse_cell,
       [&](const std::string& output, std::int64_t fold) {
         const auto& subspace = subspaces_[static_cast<std::size_t>(fold)];
         m.graph.push_back({"position_subspace",
                            output,
                            {coarse},
                            {{"mean", keep(output + ".mean", subspace.mean)},
                             {"basis", keep(output + ".basis", subspace.basis)},
                             {"weight", keep(output + ".weight", subspace.weight)}},
                            size_of(features_.coarse_grid)});
       }}};
  for (auto& member : members) {
    // The factors are one until calibrate_cells() has measured them.
    const auto ones = Tensor::make({member.grid.height, member.grid.width},
                                   std::vector<float>(static_cast<std::size_t>(member.grid.cells()), 1.0F));
    for (std::int64_t fold = 0; fold < folds_; ++fold) {
      const auto own = fmt::format("{}.{}", member.name, fold);
      member.append(own, fold);
      factor_names_.push_back(keep(own + ".factors", ones));
      m.graph.push_back({"blur", own + ".smooth", {own}, {}, {{"sigma", kMapBlur}}});
      m.graph.push_back({"scale_cells", own + ".map", {own + ".smooth"}, {{"factors", factor_names_.back()}}, {}});
      member.contestant.maps.push_back(in_place(own + ".map", member.cell));
    }
    m.contestants.push_back(std::move(member.contestant));
  }
}

std::string Trainer::in_place(const std::string& map, double cell) {
  if (!is_registered_) return map;
  artifact_.manifest.graph.push_back(
      {"warp_from_reference", map + kInPlace, {map, kTransform}, {}, {{"scale", input_.reduction() / cell}}});
  return map + kInPlace;
}

Artifact Trainer::seen_from_reference() const {
  Artifact out = artifact_;
  for (auto& contestant : out.manifest.contestants)
    for (auto& map : contestant.maps)
      if (is_registered_) map.resize(map.size() - std::string(kInPlace).size());
  return out;
}

Result<void> Trainer::calibrate_cells() {
  const double begin = meter_.seconds();
  // Levels belong to places on the part.
  auto engine = Engine::create(seen_from_reference());
  if (!engine) return internal_error(engine.error().message);
  const auto folds = static_cast<std::size_t>(folds_), contestants = artifact_.manifest.contestants.size();
  std::vector<std::vector<double>> sums(contestants * folds);
  std::vector<double> counts(folds);
  for (std::size_t first = 0; first < normals_.size(); first += chunk()) {
    meter_.report("learning levels", 0.36 + 0.04 * static_cast<double>(first) / static_cast<double>(normals_.size()));
    const std::size_t count = std::min(chunk(), normals_.size() - first);
    std::vector<std::optional<Engine::Measurement>> measured(count);
    std::vector<std::optional<Error>> failures(count);
    for_pictures(count, [&](std::size_t i) {
      auto loaded = load(pictures_[normals_[first + i]]);
      auto measurement = loaded ? (*engine)->measure(loaded->image) : Result<Engine::Measurement>(loaded.error());
      if (measurement) {
        measured[i] = std::move(*measurement);
      } else {
        failures[i] = measurement.error();
      }
    });
    for (std::size_t i = 0; i < count; ++i) {
      if (failures[i]) return *failures[i];
      const auto fold = static_cast<std::size_t>(pictures_[normals_[first + i]].fold);
      counts[fold] += 1;
      for (std::size_t c = 0; c < contestants; ++c) {
        const auto& map = measured[i]->outputs[c].maps[fold].values;
        sums[c * folds + fold].resize(map.size());
        for (std::size_t k = 0; k < map.size(); ++k)
          sums[c * folds + fold][k] += std::pow(static_cast<double>(map[k]), kLevelPower);
      }
    }
  }
  for (std::size_t c = 0; c < contestants; ++c)
    for (std::size_t f = 0; f < folds; ++f) {
      const auto& shape = artifact_.tensors.at(factor_names_[c * folds + f]).shape;
      std::vector<double> level(sums[c * folds].size());
      double total = 0, count = 0;
      for (std::size_t g = 0; g < folds; ++g) {
        if (g == f) continue;
        count += counts[g];
        for (std::size_t k = 0; k < level.size(); ++k)
          level[k] += sums[c * folds + g][k], total += sums[c * folds + g][k];
      }
      const double average = std::max(total / count / static_cast<double>(level.size()), 1e-9);
      std::vector<float> factors;
      for (double sum : level)
        factors.push_back(
            static_cast<float>(std::pow((count + kPriorPictures) / (sum + kPriorPictures * average), 1 / kLevelPower)));
      artifact_.tensors.insert_or_assign(factor_names_[c * folds + f], Tensor::make(shape, std::move(factors)));
    }
  pass_seconds_ = meter_.seconds() - begin;
  return {};
}

}  // namespace vedette
