#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "vision/assess/assess.hpp"
#include "vision/infer/graph.hpp"
#include "vision/learn/trainer.hpp"

namespace vedette {
namespace {

constexpr std::int64_t kMostComponents = 64;
constexpr std::size_t kSampledRows = 100'000;  // feature rows drawn from all good pictures, for whitening and banks
constexpr std::size_t kBankRows = 2'400;       // of all folds together
constexpr std::size_t kExemplars = 24;         // good pictures kept whole, for comparison position by position
constexpr double kSearchRadius = 1;            // cells that a part may be displaced
constexpr double kLevelPower = 4;              // norm that a cell's level is: rare specks must raise it
constexpr double kPriorPictures = 4;           // that the average cell counts for when a cell's own level is estimated
constexpr double kMapBlur = 1.0;               // cells

}  // namespace

Result<void> Trainer::for_each_normal(
    const char* stage, double from, double to,
    const std::function<void(std::size_t first, const std::vector<std::vector<std::vector<float>>>&)>& use) {
  std::vector<std::unique_ptr<Graph>> graphs;
  for (int t = 0; t < threads_; ++t) {
    auto graph = Graph::plan(features_.nodes, features_.tensors, input_.height, input_.width);
    if (!graph) return internal_error(graph.error().message);
    graphs.push_back(std::make_unique<Graph>(std::move(*graph)));
  }
  for (std::size_t first = 0; first < normals_.size(); first += kChunk) {
    meter_.report(stage, from + (to - from) * static_cast<double>(first) / static_cast<double>(normals_.size()));
    const std::size_t count = std::min(kChunk, normals_.size() - first);
    std::vector<std::vector<std::vector<float>>> values(count);
    std::vector<std::optional<Error>> failures(count);
    // One strand of pictures per graph: a graph is not thread-safe.
    parallel_for(graphs.size(), threads_, [&](std::size_t t) {
      for (std::size_t i = t; i < count; i += graphs.size()) {
        auto loaded = load_sample(*pictures_[normals_[first + i]].sample, {}, image_height_, image_width_,
                                  job_.letterbox_mixed_sizes);
        if (!loaded) {
          failures[i] = loaded.error();
          continue;
        }
        graphs[t]->run(resize_to_planes(loaded->image, input_.height, input_.width));
        for (const auto& name : features_.outputs) values[i].push_back(graphs[t]->output(name).data);
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
  return for_each_normal("describing pictures", 0.05, 0.25, [&](std::size_t first, const auto& values) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      Random random = random_.fork(1000 + first + i);
      std::vector<std::size_t> rows(std::min<std::size_t>(per_picture, static_cast<std::size_t>(cells())));
      for (auto& row : rows) row = random.below(static_cast<std::uint64_t>(cells()));
      for (const auto& all : values[i]) {
        channels_ = static_cast<std::int64_t>(all.size()) / cells();
        std::vector<float> drawn;
        drawn.reserve(rows.size() * static_cast<std::size_t>(channels_));
        for (auto row : rows)
          drawn.insert(drawn.end(), all.begin() + static_cast<std::ptrdiff_t>(row) * channels_,
                       all.begin() + static_cast<std::ptrdiff_t>(row + 1) * channels_);
        samples_[first + i].push_back(std::move(drawn));
      }
    }
  });
}

void Trainer::fit_banks() {
  meter_.report("building memory banks", 0.25);
  whitenings_.resize(variants());
  parallel_for(variants(), threads_, [&](std::size_t v) {
    std::vector<float> rows;
    std::vector<std::int32_t> picture_of;
    for (std::size_t i = 0; i < samples_.size(); ++i) {
      rows.insert(rows.end(), samples_[i][v].begin(), samples_[i][v].end());
      picture_of.resize(rows.size() / static_cast<std::size_t>(channels_), static_cast<std::int32_t>(i));
    }
    whitenings_[v] = fit_whitening(rows, channels_, picture_of, kMostComponents, random_.fork(50 + v).next());
  });
  const auto folds = static_cast<std::size_t>(folds_);
  std::vector<std::vector<float>> parts(variants() * folds);
  parallel_for(parts.size(), threads_, [&](std::size_t m) {
    const std::size_t v = m / folds;
    std::vector<float> rows;
    for (std::size_t i = 0; i < normals_.size(); ++i)
      if (pictures_[normals_[i]].fold == static_cast<std::int64_t>(m % folds))
        rows.insert(rows.end(), samples_[i][v].begin(), samples_[i][v].end());
    const auto embedded = apply_whitening(whitenings_[v], rows);
    const auto components = whitenings_[v].weights.size(1);
    for (auto row : select_coreset(embedded, components, kBankRows / folds, random_.fork(100 + m).next()))
      parts[m].insert(parts[m].end(), embedded.begin() + static_cast<std::ptrdiff_t>(row) * components,
                      embedded.begin() + static_cast<std::ptrdiff_t>(row + 1) * components);
  });
  for (std::size_t v = 0; v < variants(); ++v) {
    const auto components = whitenings_[v].weights.size(1);
    std::vector<float> bank, offsets = {0};
    for (std::size_t f = 0; f < folds; ++f) {
      bank.insert(bank.end(), parts[v * folds + f].begin(), parts[v * folds + f].end());
      offsets.push_back(static_cast<float>(static_cast<std::int64_t>(bank.size()) / components));
    }
    const auto entries = static_cast<std::int64_t>(bank.size()) / components;
    banks_.push_back(
        {Tensor::make({entries, components}, std::move(bank)), Tensor::make({folds_ + 1}, std::move(offsets))});
  }
  samples_.clear();
}

Result<void> Trainer::fit_positions() {
  const auto folds = static_cast<std::size_t>(folds_);
  std::vector<PositionStatistics> statistics;
  for (const auto& w : whitenings_)
    statistics.insert(statistics.end(), folds, PositionStatistics(cells(), w.weights.size(1)));
  // The first pictures of each fold are exemplars; the folds are shuffled, so they are a fair choice.
  std::vector<std::vector<std::vector<float>>> exemplars(variants(), std::vector<std::vector<float>>(folds));
  std::vector<std::size_t> kept(folds);
  std::vector<char> is_exemplar(normals_.size());
  for (std::size_t i = 0; i < normals_.size(); ++i)
    is_exemplar[i] =
        kept[static_cast<std::size_t>(pictures_[normals_[i]].fold)]++ < std::max<std::size_t>(1, kExemplars / folds);
  auto ok = for_each_normal("learning positions", 0.35, 0.5, [&](std::size_t first, const auto& values) {
    parallel_for(variants(), threads_, [&](std::size_t v) {
      for (std::size_t i = 0; i < values.size(); ++i) {
        const auto fold = static_cast<std::size_t>(pictures_[normals_[first + i]].fold);
        const auto embedded = apply_whitening(whitenings_[v], values[i][v]);
        statistics[v * folds + fold].add(embedded);
        if (is_exemplar[first + i])
          exemplars[v][fold].insert(exemplars[v][fold].end(), embedded.begin(), embedded.end());
      }
    });
  });
  if (!ok) return ok;
  for (std::size_t v = 0; v < variants(); ++v) {
    const auto components = whitenings_[v].weights.size(1);
    for (std::size_t f = 0; f < folds; ++f) {
      PositionStatistics others(cells(), components);
      for (std::size_t g = 0; g < folds; ++g)
        if (g != f) others.add(statistics[v * folds + g]);
      positions_.push_back(others.finish());
    }
    std::vector<float> all, offsets = {0};
    for (auto& part : exemplars[v]) {
      all.insert(all.end(), part.begin(), part.end());
      part.clear();
      offsets.push_back(static_cast<float>(static_cast<std::int64_t>(all.size()) / (cells() * components)));
    }
    const auto count = static_cast<std::int64_t>(all.size()) / (cells() * components);
    exemplars_.push_back(
        {Tensor::make({count, cells(), components}, std::move(all)), Tensor::make({folds_ + 1}, std::move(offsets))});
  }
  return {};
}

void Trainer::build_artifact() {
  auto& m = artifact_.manifest;
  m.image_height = image_height_;
  m.image_width = image_width_;
  m.input_height = input_.height;
  m.input_width = input_.width;
  m.folds = folds_;
  m.graph = features_.nodes;
  artifact_.tensors = features_.tensors;
  blobs_.resize(2);
  for (const auto& [name, tensor] : features_.tensors)
    blobs_[name.starts_with("filters.") ? 0 : 1].push_back(name);  // filters are equal in all models: one blob
  const auto keep = [&](const std::string& name, const Tensor& tensor) {
    artifact_.tensors.insert_or_assign(name, tensor);
    blobs_[1].push_back(name);
    return name;
  };
  const std::map<std::string, double> grid = {{"height", features_.grid_height}, {"width", features_.grid_width}};
  auto search = grid;
  search["radius"] = kSearchRadius;
  for (std::size_t v = 0; v < variants(); ++v) {
    const std::string prefix = kLightVariants[v] + ".";
    m.graph.push_back({"project",
                       prefix + "embeddings",
                       {features_.outputs[v]},
                       {{"weights", keep(prefix + "whitening.weights", whitenings_[v].weights)},
                        {"bias", keep(prefix + "whitening.bias", whitenings_[v].bias)}},
                       {}});
    m.graph.push_back({"nearest_distance",
                       prefix + "bank_distance",
                       {prefix + "embeddings"},
                       {{"bank", keep(prefix + "bank", banks_[v].values)},
                        {"groups", keep(prefix + "bank.groups", banks_[v].groups)}},
                       grid});
    m.graph.push_back({"position_nearest",
                       prefix + "exemplar_distance",
                       {prefix + "embeddings"},
                       {{"exemplars", keep(prefix + "exemplars", exemplars_[v].values)},
                        {"groups", keep(prefix + "exemplars.groups", exemplars_[v].groups)}},
                       search});
    Contestant bank{"memory_bank." + kLightVariants[v], {}, kPoolFractions[kDefaultPool], 0, 1, 0, 0};
    Contestant gaussian{"position_gaussian." + kLightVariants[v], {}, kPoolFractions[kDefaultPool], 0, 1, 0, 0};
    Contestant exemplar{"position_exemplar." + kLightVariants[v], {}, kPoolFractions[kDefaultPool], 0, 1, 0, 0};
    for (std::int64_t fold = 0; fold < folds_; ++fold) {
      const std::string own = fmt::format("{}{}.", prefix, fold);
      const auto& position = positions_[v * static_cast<std::size_t>(folds_) + static_cast<std::size_t>(fold)];
      const std::map<std::string, double> group = {{"group", static_cast<double>(fold)}};
      m.graph.push_back({"nearest_other_group", own + "bank", {prefix + "bank_distance"}, {}, group});
      m.graph.push_back({"position_distance",
                         own + "gaussian",
                         {prefix + "embeddings"},
                         {{"mean", keep(own + "position.mean", position.mean)},
                          {"inverse_deviation", keep(own + "position.inverse_deviation", position.inverse_deviation)}},
                         grid});
      m.graph.push_back({"nearest_other_group", own + "exemplar", {prefix + "exemplar_distance"}, {}, group});
      for (auto& [contestant, name] : {std::pair(&bank, "bank"), {&gaussian, "gaussian"}, {&exemplar, "exemplar"}}) {
        // Factors of one until calibrate_cells() has measured them.
        const auto ones = Tensor::make({features_.grid_height, features_.grid_width},
                                       std::vector<float>(static_cast<std::size_t>(cells()), 1.0F));
        m.graph.push_back({"blur", own + name + "_smooth", {own + name}, {}, {{"sigma", kMapBlur}}});
        m.graph.push_back({"scale_cells",
                           own + name + "_map",
                           {own + name + "_smooth"},
                           {{"factors", keep(own + name + ".factors", ones)}},
                           {}});
        contestant->maps.push_back(own + name + "_map");
        if (!is_registered_) continue;
        m.graph.push_back({"warp_from_reference",
                           own + name + "_in_place",
                           {own + name + "_map", kTransform},
                           {},
                           {{"scale", kCellsPerReferencePixel}}});
        contestant->maps.back() = own + name + "_in_place";
      }
    }
    for (const char* name : {"bank", "gaussian", "exemplar"})
      for (std::int64_t fold = 0; fold < folds_; ++fold)
        factor_names_.push_back(fmt::format("{}{}.{}.factors", prefix, fold, name));
    m.contestants.insert(m.contestants.end(), {bank, gaussian, exemplar});
  }
  if (is_segmentation_) {
    // Set early so that measuring also returns the features that describe regions; filled in fit_segmentation().
    Segmentation s;
    s.labels = labels_;
    s.region_features = "raw.embeddings";
    if (is_registered_) {
      m.graph.push_back({"warp_from_reference",
                         "region.features",
                         {features_.features[0], kTransform},
                         {},
                         {{"scale", kCellsPerReferencePixel}}});
      m.graph.push_back({"tokens", "region.tokens", {"region.features"}, {}, {}});
      m.graph.push_back({"project",
                         "region.embeddings",
                         {"region.tokens"},
                         {{"weights", "raw.whitening.weights"}, {"bias", "raw.whitening.bias"}},
                         {}});
      s.region_features = "region.embeddings";
    }
    s.region_bank = "regions.bank";
    s.region_labels = "regions.labels";
    const auto components = whitenings_[0].weights.size(1);
    artifact_.tensors.insert_or_assign(
        s.region_bank, Tensor::make({1, components}, std::vector<float>(static_cast<std::size_t>(components))));
    artifact_.tensors.insert_or_assign(s.region_labels, Tensor::make({1}, {0.0F}));
    m.segmentation = std::move(s);
  }
}

Result<void> Trainer::calibrate_cells() {
  // Levels belong to places on the part: measured before the maps are warped back.
  Artifact in_reference = artifact_;
  for (auto& contestant : in_reference.manifest.contestants)
    for (auto& map : contestant.maps)
      if (is_registered_) map.replace(map.rfind("_in_place"), std::string::npos, "_map");
  auto engine = Engine::create(std::move(in_reference));
  if (!engine) return internal_error(engine.error().message);
  const auto folds = static_cast<std::size_t>(folds_), contestants = artifact_.manifest.contestants.size();
  std::vector<std::vector<double>> sums(contestants * folds, std::vector<double>(static_cast<std::size_t>(cells())));
  std::vector<double> counts(folds);
  for (std::size_t first = 0; first < normals_.size(); first += kChunk) {
    meter_.report("learning levels", 0.5 + 0.15 * static_cast<double>(first) / static_cast<double>(normals_.size()));
    const std::size_t count = std::min(kChunk, normals_.size() - first);
    std::vector<std::optional<Engine::Measurement>> measured(count);
    std::vector<std::optional<Error>> failures(count);
    parallel_for(count, threads_, [&](std::size_t i) {
      auto loaded = load_sample(*pictures_[normals_[first + i]].sample, {}, image_height_, image_width_,
                                job_.letterbox_mixed_sizes);
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
        for (std::size_t k = 0; k < map.size(); ++k)
          sums[c * folds + fold][k] += std::pow(static_cast<double>(map[k]), kLevelPower);
      }
    }
  }
  for (std::size_t c = 0; c < contestants; ++c)
    for (std::size_t f = 0; f < folds; ++f) {
      std::vector<double> level(static_cast<std::size_t>(cells()));
      double total = 0, count = 0;
      for (std::size_t g = 0; g < folds; ++g) {
        if (g == f) continue;
        count += counts[g];
        for (std::size_t k = 0; k < level.size(); ++k)
          level[k] += sums[c * folds + g][k], total += sums[c * folds + g][k];
      }
      const double average = std::max(total / count / static_cast<double>(cells()), 1e-9);
      std::vector<float> factors;
      for (double sum : level)
        factors.push_back(
            static_cast<float>(std::pow((count + kPriorPictures) / (sum + kPriorPictures * average), 1 / kLevelPower)));
      artifact_.tensors.insert_or_assign(
          factor_names_[c * folds + f],
          Tensor::make({features_.grid_height, features_.grid_width}, std::move(factors)));
    }
  return {};
}

}  // namespace vedette
