#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/parallel.hpp"
#include "vision/learn/model_move.hpp"
#include "vision/learn/normality.hpp"

namespace vedette {
namespace {

constexpr std::size_t kMostRowsOfPicture = 5'000;  // More rows of one picture say little that is new to a bank.
constexpr double kBankGrowth = 0.5;                // The rows that a bank gets, as a share of those it has.
constexpr std::size_t kMostBankRows = 4'800;       // The most rows of all groups together, however often it is moved.
constexpr double kLevelPower = 4;                  // As in calibrate_cells().
constexpr double kPriorPictures = 4;
constexpr std::uint64_t kSeed = 50'000;

}  // namespace

std::optional<MapReader> reader_of(const Manifest& m, const std::string& value) {
  std::set<std::string> reached = {value};
  for (const auto& node : m.graph)
    if (std::any_of(node.inputs.begin(), node.inputs.end(), [&](const auto& in) { return reached.contains(in); }))
      reached.insert(node.output);
  for (std::size_t c = 0; c < m.contestants.size(); ++c) {
    std::vector<std::size_t> folds;
    for (std::size_t f = 0; f < m.contestants[c].maps.size(); ++f)
      if (reached.contains(m.contestants[c].maps[f])) folds.push_back(f);
    if (folds.size() == 1) return MapReader{c, folds[0]};
  }
  return {};
}

Result<void> ModelMove::extend_bank(const Node& node) {
  auto& bank = artifact_.tensors.at(node.tensors.at("bank"));
  auto& groups = artifact_.tensors.at(node.tensors.at("groups"));
  if (groups.count != folds_ + 1)
    return invalid_input(
        fmt::format("The bank of the model has {} groups, but the model has {} folds.", groups.count - 1, folds_));
  const auto components = bank.size(1);
  const auto width = static_cast<std::size_t>(components);
  // `vedette report` shows where rows come from, if the model tells it.
  auto& sources = evaluation_.bank_sources;
  if (sources.size() != static_cast<std::size_t>(bank.size(0))) sources.clear();
  const int columns = std::max(1, static_cast<int>(node.numbers.at("width")));
  const auto& rows_of = rows_.at(node.inputs[0]);
  const int stride = static_cast<int>(stride_.at(node.inputs[0]));
  std::vector<std::vector<float>> parts(folds_);
  std::vector<std::vector<BankSource>> sources_of(folds_);
  run_parallel(folds_, threads_, [&](std::size_t f) {
    const auto first = static_cast<std::size_t>(groups.data()[f]), end = static_cast<std::size_t>(groups.data()[f + 1]);
    const auto known = bank.values().subspan(first * width, (end - first) * width);
    std::vector<float> rows;
    std::vector<BankSource> source_of;
    for (std::size_t i = f; i < rows_of.size(); i += folds_) {
      rows.insert(rows.end(), rows_of[i].begin(), rows_of[i].end());
      for (int row = 0; static_cast<std::size_t>(row) < rows_of[i].size() / width; ++row)
        source_of.push_back(
            {used_[i]->image.string(), row * stride / columns, row * stride % columns, used_[i]->source_ref});
    }
    const auto add = [&](std::span<const float> values, const std::vector<BankSource>& from, std::size_t row) {
      const auto own = values.subspan(row * width, width);
      parts[f].insert(parts[f].end(), own.begin(), own.end());
      if (!sources.empty()) sources_of[f].push_back(from[row]);
    };
    std::vector<BankSource> known_from;
    if (!sources.empty())
      known_from.assign(sources.begin() + static_cast<std::ptrdiff_t>(first),
                        sources.begin() + static_cast<std::ptrdiff_t>(end));
    // A bank that has been moved often keeps its size: then some rows must go before others come.
    const std::size_t most = std::max(kMostBankRows / folds_, std::size_t{2});
    const auto added =
        rows.empty() ? 0 : static_cast<std::size_t>(std::ceil(kBankGrowth * static_cast<double>(end - first)));
    const std::size_t kept = std::min(end - first, most - std::min(added, most / 2));
    if (kept == end - first) {
      for (std::size_t row = 0; row < kept; ++row) add(known, known_from, row);
    } else {
      for (const auto row : select_coreset(known, components, kept, kSeed + f)) add(known, known_from, row);
    }
    for (const auto row : select_coreset(rows, components, std::min(added, most - kept), kSeed + f))
      add(rows, source_of, row);
  });
  std::vector<float> values, offsets = {0};
  for (const auto& part : parts) {
    values.insert(values.end(), part.begin(), part.end());
    const auto so_far = static_cast<std::int64_t>(values.size()) / components;
    offsets.push_back(static_cast<float>(so_far));
  }
  sources.clear();
  for (auto& own : sources_of) sources.insert(sources.end(), own.begin(), own.end());
  const auto entries = static_cast<std::int64_t>(values.size()) / components;
  bank = Tensor::make({entries, components}, std::move(values));
  groups = Tensor::make(groups.shape, std::move(offsets));
  return {};
}

void ModelMove::move_subspace(const Node& node, std::size_t fold) {
  auto& mean = artifact_.tensors.at(node.tensors.at("mean"));
  auto& basis = artifact_.tensors.at(node.tensors.at("basis"));
  const auto& weight = artifact_.tensors.at(node.tensors.at("weight"));
  std::vector<std::span<const float>> pictures;
  for (const auto i : pictures_without(fold)) pictures.emplace_back(rows_.at(node.inputs[0])[i]);
  auto moved = move_position_subspace({mean, basis, weight}, pictures, threads_);
  mean = std::move(moved.mean);
  basis = std::move(moved.basis);
}

void ModelMove::move_probe(const Node& node, std::size_t fold) {
  auto& center = artifact_.tensors.at(node.tensors.at("center"));
  std::vector<double> sum(center.count);
  const auto pictures = pictures_without(fold);
  for (const auto i : pictures)
    for (std::size_t c = 0; c < sum.size(); ++c) sum[c] += rows_.at(node.inputs[0])[i][c];
  std::vector<float> moved;
  for (const double v : sum) moved.push_back(static_cast<float>(v / static_cast<double>(pictures.size())));
  center = Tensor::make(center.shape, std::move(moved));
}

Result<void> ModelMove::move_models() {
  // Nodes that no map needs were never checked, and a tensor is moved once, whoever shares it.
  struct Move {
    const Node* node;
    std::optional<std::size_t> fold;
  };
  std::vector<Move> moves;
  std::set<std::string> moved;
  for (const auto& node : artifact_.manifest.graph) {
    const bool is_bank = node.op == "nearest_distance";
    if (!is_bank && node.op != "position_subspace" && node.op != "probe") continue;
    const auto& tensor = node.tensors.at(is_bank ? "bank" : node.op == "probe" ? "center" : "mean");
    if (is_bank) {
      const bool is_read =
          std::any_of(artifact_.manifest.graph.begin(), artifact_.manifest.graph.end(), [&](const auto& n) {
            return n.op == "nearest_other_group" && n.inputs == std::vector{node.output} &&
                   reader_of(artifact_.manifest, n.output);
          });
      if (is_read && moved.insert(tensor).second) moves.push_back({&node, {}});
    } else if (const auto reader = reader_of(artifact_.manifest, node.output); reader && moved.insert(tensor).second) {
      moves.push_back({&node, reader->fold});
    }
  }
  std::vector<std::string> names;
  for (const auto& move : moves) {
    const auto& name = move.node->inputs[0];
    if (rows_.contains(name)) continue;
    names.push_back(name);
    rows_[name].resize(images_.size());
    const bool is_bank = !move.fold;
    const auto cells =
        is_bank ? static_cast<std::size_t>(move.node->numbers.at("width") * move.node->numbers.at("height")) : 1;
    stride_[name] = (cells + kMostRowsOfPicture - 1) / kMostRowsOfPicture;
  }
  auto ok = run_graph(names, [&](std::size_t i, const Graph& graph) {
    for (const auto& name : names) {
      const auto& value = graph.output(name);
      const auto stride = stride_.at(name);
      auto& own = rows_.at(name)[i];
      if (stride <= 1 || value.shape.size() != 2) {
        own = value.copy();
        continue;
      }
      const auto width = static_cast<std::size_t>(value.shape[1]);
      for (std::size_t row = 0; row < static_cast<std::size_t>(value.shape[0]); row += stride)
        own.insert(own.end(), value.data.begin() + static_cast<std::ptrdiff_t>(row * width),
                   value.data.begin() + static_cast<std::ptrdiff_t>((row + 1) * width));
    }
  });
  if (!ok) return ok;
  for (const auto& [node, fold] : moves) {
    if (!fold) {
      if (auto extended = extend_bank(*node); !extended) return extended;
    } else if (node->op == "probe") {
      move_probe(*node, *fold);
    } else {
      move_subspace(*node, *fold);
    }
  }
  rows_.clear();
  return {};
}

Result<void> ModelMove::widen_ranges() {
  auto& m = artifact_.manifest;
  std::vector<std::string> ranged;
  for (const auto& node : m.graph)
    if (node.numbers.contains("range")) ranged.push_back(node.output);
  if (ranged.empty()) return {};
  // One graph suffices: all of its values stay in memory.
  auto graph = Graph::plan(m.graph, artifact_.tensors, ranged, m.input_height, m.input_width);
  if (!graph) return graph.error();
  for (const auto& image : images_) {
    graph->run(resize_to_planes(image, m.input_height, m.input_width));
    for (auto& node : m.graph)
      if (node.numbers.contains("range")) {
        const auto& values = graph->output(node.output).data;
        widen_range(node, *std::max_element(values.begin(), values.end()));
      }
  }
  return {};
}

Result<void> ModelMove::level_cells() {
  const auto& m = artifact_.manifest;
  // [contestant][fold]; empty where the cells of a contestant have no levels (decoders). Levels belong to places on the
  // part, so the maps are taken before they are warped back.
  std::vector<std::vector<const Node*>> scaled(m.contestants.size(), std::vector<const Node*>(folds_));
  std::vector<std::string> names;
  for (const auto& node : m.graph) {
    if (node.op != "scale_cells") continue;
    if (const auto reader = reader_of(m, node.output)) {
      scaled[reader->contestant][reader->fold] = &node;
      names.push_back(node.output);
    }
  }
  if (names.empty()) return {};
  std::vector<std::vector<std::vector<float>>> maps(images_.size());  // [picture][contestant], by the own fold's models
  auto ok = run_graph(names, [&](std::size_t i, const Graph& graph) {
    for (const auto& nodes : scaled) {
      auto& map = maps[i].emplace_back();
      if (const auto* node = nodes[fold_of(i)]) map = graph.output(node->output).copy();
    }
  });
  if (!ok) return ok;
  for (std::size_t c = 0; c < scaled.size(); ++c)
    for (std::size_t f = 0; f < folds_; ++f) {
      if (scaled[c][f] == nullptr) continue;
      auto& factors = artifact_.tensors.at(scaled[c][f]->tensors.at("factors"));
      std::vector<double> sums(factors.count);
      double count = 0, total = 0;
      for (const auto i : pictures_without(f)) {
        if (maps[i][c].size() != sums.size())
          return invalid_input("The maps of the model's folds differ in size, so that it cannot be moved.");
        for (std::size_t k = 0; k < sums.size(); ++k) {
          const double power = std::pow(static_cast<double>(maps[i][c][k]), kLevelPower);
          sums[k] += power;
          total += power;
        }
        count += 1;
      }
      const double average = std::max(total / count / static_cast<double>(sums.size()), 1e-9);
      std::vector<float> values = factors.copy();
      // The old batch counts as much as the new one, so that a cell stays as restless as it was in either.
      for (std::size_t k = 0; k < sums.size(); ++k) {
        const double level = (sums[k] + kPriorPictures * average) / (count + kPriorPictures);
        values[k] *= static_cast<float>(std::pow(0.5 + 0.5 * level, -1 / kLevelPower));
      }
      factors = Tensor::make(factors.shape, std::move(values));
    }
  return {};
}

}  // namespace vedette
