#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>

#include "base/files.hpp"
#include "base/random.hpp"
#include "vision/assess/assess.hpp"
#include "vision/evaluate/evaluate.hpp"
#include "vision/infer/graph.hpp"
#include "vision/infer/infer.hpp"
#include "vision/infer/registration.hpp"
#include "vision/learn/decision.hpp"
#include "vision/learn/features.hpp"
#include "vision/learn/learn.hpp"
#include "vision/learn/normality.hpp"

namespace vedette {
namespace {

constexpr std::int64_t kMostFolds = 5;
constexpr std::int64_t kNormalsPerFold = 4;  // fewer folds when a fold would hold less
constexpr std::int64_t kMostComponents = 64;
constexpr std::size_t kSampledRows = 100'000;  // feature rows drawn from all good pictures, for whitening and banks
constexpr std::size_t kBankRows = 2'400;       // of all folds together
constexpr std::size_t kExemplars = 24;         // good pictures kept whole, for comparison position by position
constexpr double kSearchRadius = 1;            // cells that a part may be displaced
constexpr std::size_t kReferencePictures = 48;
constexpr int kReferenceRounds = 2;
constexpr double kLeastCorrelation = 0.5;  // below, the pictures show no common part
constexpr double kLargestRemainder =
    0.7;                              // of what correlation leaves unexplained, or registration is not worth its risk
constexpr double kLevelPower = 4;     // norm that a cell's level is: rare specks must raise it
constexpr double kPriorPictures = 4;  // that the average cell counts for when a cell's own level is estimated
constexpr double kMapBlur = 1.0;      // cells
constexpr std::size_t kChunk = 16;
constexpr std::size_t kMostMapPictures = 400;  // pictures per class whose maps are kept to choose the map threshold
constexpr double kNormalWeight = 0.25;         // of a good picture when the map threshold is chosen
constexpr std::size_t kThresholds = 400;
/// Shares of the map that a contestant's score may average: from a single spot to a changed surface.
const std::vector<double> kPoolFractions = {0.001, 0.01, 0.05};
constexpr std::size_t kDefaultPool = 0;

/// Maps the steps of one training to a fraction of the whole and an estimate of the time left.
class ProgressMeter {
 public:
  ProgressMeter(const ProgressSink& sink) : sink_(sink), start_(std::chrono::steady_clock::now()) {}
  void report(const char* stage, double fraction) {
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    Progress p{stage, fraction, {}};
    if (fraction > 0.05) p.seconds_left = seconds * (1 - fraction) / fraction;
    if (sink_) sink_(p);
  }
  [[nodiscard]] double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  const ProgressSink& sink_;
  std::chrono::steady_clock::time_point start_;
};

/// A labelled picture that takes part.
struct Picture {
  const TrainingSample* sample;
  bool is_anomalous;
  bool has_mask;
  std::int64_t fold = 0;
};

/// What one picture's own fold models (which had not seen it) make of it.
struct OutOfFold {
  std::vector<std::vector<double>> pooled;  ///< [contestant][pool fraction]
  std::vector<ContestantOutput> maps;       ///< one map each; empty if not kept
  std::vector<float> region_features;
  std::optional<Grid<std::uint8_t>> truth;
};

class Trainer {
 public:
  Trainer(const TrainingJob& job, int threads, const ProgressSink& progress)
      : job_(job), threads_(threads), meter_(progress), random_(job.seed) {}

  Result<Evaluation> run(const std::filesystem::path& folder) {
    if (auto ok = select_pictures(); !ok) return ok.error();
    assign_folds();
    if (auto ok = find_reference(); !ok) return ok.error();
    if (auto ok = sample_features(); !ok) return ok.error();
    fit_banks();
    if (auto ok = fit_positions(); !ok) return ok.error();
    build_artifact();
    if (auto ok = calibrate_cells(); !ok) return ok.error();
    if (auto ok = measure_out_of_fold(); !ok) return ok.error();
    decide();
    if (is_segmentation_) fit_segmentation();
    if (auto ok = write(folder); !ok) return ok.error();
    if (job_.test) {
      if (auto ok = evaluate_test_set(folder); !ok) return ok.error();
    }
    evaluation_.training_images = static_cast<std::int64_t>(pictures_.size());
    evaluation_.seconds = meter_.seconds();
    meter_.report("finished", 1.0);
    return std::move(evaluation_);
  }

 private:
  // ---- which pictures
  // -------------------------------------------------------------------------------------------------

  Result<void> select_pictures() {
    meter_.report("checking pictures", 0.0);
    labels_ = collect_labels(job_.train);
    if (labels_.size() > 100)
      return invalid_input(fmt::format("There are {} anomaly labels; at most 100 are possible.", labels_.size()));
    if (auto ok = choose_image_size(); !ok) return ok;

    std::vector<const TrainingSample*> candidates;
    for (const auto& s : job_.train)
      if (s.is_anomalous) candidates.push_back(&s);
    std::vector<std::optional<Error>> failures(candidates.size());
    std::vector<char> has_mask(candidates.size()), was_letterboxed(candidates.size());
    std::vector<std::vector<char>> holds(candidates.size());
    parallel_for(candidates.size(), threads_, [&](std::size_t i) {
      auto loaded = load_sample(*candidates[i], labels_, image_height_, image_width_, job_.letterbox_mixed_sizes);
      if (!loaded) {
        failures[i] = loaded.error();
        return;
      }
      was_letterboxed[i] = loaded->was_letterboxed;
      has_mask[i] = loaded->truth.has_value();
      holds[i].assign(labels_.size() + 1, 0);
      if (loaded->truth)
        for (auto v : loaded->truth->values) holds[i][v] = 1;
    });
    std::vector<std::int64_t> alone(labels_.size());
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      if (failures[i]) {
        if (failures[i]->code != kUnreadable) return *failures[i];
        evaluation_.skipped.push_back(failures[i]->message);
        continue;
      }
      pictures_.push_back({candidates[i], *candidates[i]->is_anomalous, has_mask[i] != 0});
      if (has_mask[i]) {
        const auto held = std::count(holds[i].begin() + 1, holds[i].end(), 1);
        for (std::size_t l = 0; l < labels_.size(); ++l)
          if (held == 1 && holds[i][l + 1]) ++alone[l];
      }
    }
    const auto letterboxed = std::count(was_letterboxed.begin(), was_letterboxed.end(), 1);
    if (letterboxed > 0)
      evaluation_.warnings.push_back(fmt::format("{} pictures of other sizes were letterboxed to {}x{}", letterboxed,
                                                 image_width_, image_height_));

    const auto anomalies =
        std::count_if(pictures_.begin(), pictures_.end(), [](const auto& p) { return p.is_anomalous; });
    const auto normals = static_cast<std::int64_t>(pictures_.size()) - anomalies;
    const auto need = [&](const char* what, std::int64_t have, std::int64_t minimum) -> Result<void> {
      if (have >= minimum) return {};
      std::string message =
          fmt::format("Training needs at least {} {} images, but only {} can be used.", minimum, what, have);
      if (!evaluation_.skipped.empty())
        message +=
            fmt::format(" {} could not be read; the first: {}", evaluation_.skipped.size(), evaluation_.skipped[0]);
      return invalid_input(message);
    };
    if (auto ok = need("normal", normals, std::max<std::int64_t>(4, job_.minimum.train_normal)); !ok) return ok;
    if (auto ok = need("anomalous", anomalies, job_.minimum.train_anomaly); !ok) return ok;
    is_segmentation_ = std::any_of(pictures_.begin(), pictures_.end(), [](const auto& p) { return p.has_mask; });
    if (is_segmentation_ && *std::max_element(alone.begin(), alone.end()) < job_.minimum.train_per_label)
      return invalid_input(fmt::format("At least {} training images must show only one anomaly label; \"{}\" has {}.",
                                       job_.minimum.train_per_label, labels_[0].name, alone[0]));
    return {};
  }

  /// The size most pictures have; where none has a majority (cropped parts), the median height and width.
  Result<void> choose_image_size() {
    std::vector<std::pair<std::pair<int, int>, int>> sizes;
    for (const auto& s : job_.train) {
      if (!s.is_anomalous) continue;
      const auto bytes = read_file(s.image, kImageFileLimit);
      if (!bytes) continue;
      const auto header = read_image_header(*bytes);
      if (!header) continue;
      const std::pair size{header->height, header->width};
      const auto it = std::find_if(sizes.begin(), sizes.end(), [&](const auto& e) { return e.first == size; });
      if (it == sizes.end()) {
        sizes.emplace_back(size, 1);
      } else {
        ++it->second;
      }
    }
    if (sizes.empty()) return invalid_input("None of the training images can be read.");
    const auto best =
        std::max_element(sizes.begin(), sizes.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
    std::tie(image_height_, image_width_) = best->first;
    std::vector<int> heights, widths;
    for (const auto& [size, count] : sizes) {
      heights.insert(heights.end(), static_cast<std::size_t>(count), size.first);
      widths.insert(widths.end(), static_cast<std::size_t>(count), size.second);
    }
    if (static_cast<std::size_t>(best->second) * 2 < heights.size()) {
      std::sort(heights.begin(), heights.end());
      std::sort(widths.begin(), widths.end());
      image_height_ = heights[heights.size() / 2];
      image_width_ = widths[widths.size() / 2];
    }
    input_ = choose_input_size(image_height_, image_width_);
    return {};
  }

  void assign_folds() {
    const auto normals =
        std::count_if(pictures_.begin(), pictures_.end(), [](const auto& p) { return !p.is_anomalous; });
    folds_ = std::clamp<std::int64_t>(normals / kNormalsPerFold, 2, kMostFolds);
    for (const bool anomalous : {false, true}) {
      std::vector<std::size_t> members;
      for (std::size_t i = 0; i < pictures_.size(); ++i)
        if (pictures_[i].is_anomalous == anomalous) members.push_back(i);
      Random random = random_.fork(anomalous ? 2 : 1);
      for (std::size_t i = members.size(); i > 1; --i) std::swap(members[i - 1], members[random.below(i)]);
      for (std::size_t i = 0; i < members.size(); ++i)
        pictures_[members[i]].fold = static_cast<std::int64_t>(i) % folds_;
    }
    for (std::size_t i = 0; i < pictures_.size(); ++i)
      if (!pictures_[i].is_anomalous) normals_.push_back(i);
  }

  /// Do the good pictures show one part in slightly different places? Then all is compared in the frame of their mean.
  Result<void> find_reference() {
    meter_.report("looking for a common pose", 0.03);
    const std::size_t count = std::min(kReferencePictures, normals_.size());
    std::vector<Grid<float>> maps(count);
    std::vector<std::optional<Error>> failures(count);
    parallel_for(count, threads_, [&](std::size_t i) {
      auto loaded =
          load_sample(*pictures_[normals_[i]].sample, {}, image_height_, image_width_, job_.letterbox_mixed_sizes);
      if (loaded) {
        maps[i] = registration_map(resize_to_planes(loaded->image, input_.height, input_.width));
      } else {
        failures[i] = loaded.error();
      }
    });
    for (const auto& failure : failures)
      if (failure) return *failure;
    Grid<float> reference = maps[0];
    std::vector<RigidTransform> transforms(count);
    for (int round = 0; round < kReferenceRounds; ++round) {
      parallel_for(count, threads_, [&](std::size_t i) { transforms[i] = estimate_registration(reference, maps[i]); });
      // The mean pose, not the first picture's, is the frame: else every warp would carry that picture's offset.
      RigidTransform mean;
      for (const auto& t : transforms)
        mean.dy += t.dy / static_cast<double>(count), mean.dx += t.dx / static_cast<double>(count),
            mean.angle += t.angle / static_cast<double>(count);
      Grid<float> sum(reference.height, reference.width), warped = sum;
      for (std::size_t i = 0; i < count; ++i) {
        const RigidTransform t{transforms[i].dy - mean.dy, transforms[i].dx - mean.dx,
                               transforms[i].angle - mean.angle};
        warp_to_reference(maps[i].values.data(), warped.values.data(), 1, warped.height, warped.width, t, 1);
        for (std::size_t k = 0; k < sum.values.size(); ++k)
          sum.values[k] += warped.values[k] / static_cast<float>(count);
      }
      reference = std::move(sum);
    }
    double plain = 0, registered = 0;
    std::vector<double> before(count), after(count);
    parallel_for(count, threads_, [&](std::size_t i) {
      before[i] = registration_score(reference, maps[i], {});
      after[i] = registration_score(reference, maps[i], estimate_registration(reference, maps[i]));
    });
    for (std::size_t i = 0; i < count; ++i)
      plain += before[i] / static_cast<double>(count), registered += after[i] / static_cast<double>(count);
    const bool helps = registered > kLeastCorrelation && 1 - registered < kLargestRemainder * (1 - plain);
    features_ = make_feature_graph(
        input_,
        helps ? std::optional(Tensor::make({reference.height, reference.width}, reference.values)) : std::nullopt);
    is_registered_ = helps;
    return {};
  }

  // ---- fitting
  // --------------------------------------------------------------------------------------------------------

  std::size_t variants() const { return kLightVariants.size(); }
  std::int64_t cells() const { return static_cast<std::int64_t>(features_.grid_height) * features_.grid_width; }

  /// Runs the feature graph over the good pictures in chunks; `use` sees each chunk's values [picture][variant] in
  /// order.
  Result<void> for_each_normal(
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

  Result<void> sample_features() {
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

  /// Whitening is shared; every other model part is kept per fold, so that a fold's models are all parts but its own.
  void fit_banks() {
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

  Result<void> fit_positions() {
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

  void build_artifact() {
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
        m.graph.push_back(
            {"position_distance",
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

  /// Good pictures are farther from the models at some places (edges of a part that moves) than at others: each fold's
  /// map is divided by the level that good pictures outside the fold, each judged by its own fold's models, have at the
  /// place.
  Result<void> calibrate_cells() {
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
          factors.push_back(static_cast<float>(
              std::pow((count + kPriorPictures) / (sum + kPriorPictures * average), 1 / kLevelPower)));
        artifact_.tensors.insert_or_assign(
            factor_names_[c * folds + f],
            Tensor::make({features_.grid_height, features_.grid_width}, std::move(factors)));
      }
    return {};
  }

  // ---- deciding
  // -------------------------------------------------------------------------------------------------------

  Result<void> measure_out_of_fold() {
    auto engine = Engine::create(artifact_);
    if (!engine) return internal_error(engine.error().message);
    measured_.resize(pictures_.size());
    std::vector<std::optional<Error>> failures(pictures_.size());
    std::vector<char> keep_maps(pictures_.size());
    std::size_t kept_normals = 0, kept_masked = 0;
    for (std::size_t i = 0; i < pictures_.size() && is_segmentation_; ++i) {
      if (pictures_[i].has_mask) keep_maps[i] = kept_masked++ < kMostMapPictures;
      if (!pictures_[i].is_anomalous) keep_maps[i] = kept_normals++ < kMostMapPictures;
    }
    for (std::size_t first = 0; first < pictures_.size(); first += kChunk) {
      meter_.report("scoring out of fold",
                    0.65 + 0.3 * static_cast<double>(first) / static_cast<double>(pictures_.size()));
      parallel_for(std::min(kChunk, pictures_.size() - first), threads_, [&](std::size_t k) {
        const std::size_t i = first + k;
        const auto& picture = pictures_[i];
        auto loaded = load_sample(*picture.sample, labels_, image_height_, image_width_, job_.letterbox_mixed_sizes);
        auto measurement = loaded ? (*engine)->measure(loaded->image) : Result<Engine::Measurement>(loaded.error());
        if (!measurement) {
          failures[i] = measurement.error();
          return;
        }
        auto& out = measured_[i];
        for (auto& output : measurement->outputs) {
          auto& map = output.maps[static_cast<std::size_t>(picture.fold)];
          std::vector<double> pooled;
          for (double fraction : kPoolFractions) pooled.push_back(pool_largest(map.values, fraction));
          out.pooled.push_back(std::move(pooled));
          if (keep_maps[i]) out.maps.push_back({{std::move(map)}, {0.0}});
        }
        if (keep_maps[i]) {
          out.region_features = std::move(measurement->region_features);
          out.truth = loaded->truth.value_or(Grid<std::uint8_t>(image_height_, image_width_));
        }
      });
    }
    for (const auto& failure : failures)
      if (failure) return *failure;
    return {};
  }

  void decide() {
    auto& m = artifact_.manifest;
    std::vector<std::uint8_t> labels;
    std::vector<std::int64_t> fold;
    for (const auto& p : pictures_) {
      labels.push_back(p.is_anomalous ? 1 : 0);
      fold.push_back(p.fold);
    }
    const bool has_both = normals_.size() < pictures_.size();
    ScoreRows rows(pictures_.size());
    for (std::size_t c = 0; c < m.contestants.size(); ++c) {
      std::size_t best = kDefaultPool;
      if (has_both) {
        double best_auroc = 0;
        for (std::size_t f = 0; f < kPoolFractions.size(); ++f) {
          std::vector<double> scores;
          for (const auto& picture : measured_) scores.push_back(picture.pooled[c][f]);
          const double value = auroc(scores, labels);
          // The choice costs evidence: a wider pool must win by more than noise.
          if (f == kDefaultPool || value > best_auroc + 0.01) best_auroc = value, best = f;
        }
      }
      auto& contestant = m.contestants[c];
      contestant.pool_fraction = kPoolFractions[best];
      double mean = 0, square = 0;
      const auto log_score = [&](std::size_t i) { return std::log(std::max(measured_[i].pooled[c][best], 1e-12)); };
      for (auto i : normals_) mean += log_score(i) / static_cast<double>(normals_.size());
      for (auto i : normals_)
        square += (log_score(i) - mean) * (log_score(i) - mean) / static_cast<double>(normals_.size());
      contestant.location = mean;
      contestant.scale = std::max(std::sqrt(square), 1e-3);
      for (std::size_t i = 0; i < pictures_.size(); ++i) rows[i].push_back((log_score(i) - mean) / contestant.scale);
    }
    // A score twenty deviations out says no more than one six out: tame the tail before fitting by the same rule as
    // serving (none: the logistic model sees what infer computes), the penalty keeps the weights small instead.
    const auto choice = choose_fusion(rows, labels, fold, folds_);
    std::vector<double> logits;
    for (const auto& row : rows) logits.push_back(choice.fusion.logit(row));
    const auto decision = choose_decision(logits, labels);
    for (std::size_t c = 0; c < m.contestants.size(); ++c) {
      m.contestants[c].score_weight = choice.fusion.weights[c];
      m.contestants[c].map_weight = choice.fusion.weights[c];
    }
    m.fusion_bias = choice.fusion.bias;
    const auto softplus = [](double x) { return x > 30 ? x : std::log1p(std::exp(x)); };
    m.threshold = softplus(decision.threshold);
    m.confidence_slope = decision.confidence_slope;
    m.confidence_limit = decision.confidence_limit;
    if (job_.test) return;

    // Each picture is judged by a fusion and a threshold chosen without its fold, too.
    evaluation_.is_out_of_fold = true;
    evaluation_.predictions.resize(pictures_.size());
    for (std::int64_t f = 0; f < folds_; ++f) {
      std::vector<double> other_logits;
      std::vector<std::uint8_t> other_labels;
      for (std::size_t i = 0; i < pictures_.size(); ++i)
        if (fold[i] != f) other_logits.push_back(choice.cross_fitted_logits[i]), other_labels.push_back(labels[i]);
      const auto judge = choose_decision(other_logits, other_labels);
      for (std::size_t i = 0; i < pictures_.size(); ++i) {
        if (fold[i] != f) continue;
        const double beyond = choice.cross_fitted_logits[i] - judge.threshold;
        const double confidence =
            std::clamp(1 / (1 + std::exp(-judge.confidence_slope * std::abs(beyond))), 0.5, judge.confidence_limit);
        evaluation_.predictions[i] = {pictures_[i].sample->source_ref, pictures_[i].is_anomalous, beyond >= 0,
                                      confidence, softplus(beyond + decision.threshold)};
      }
    }
    summarize_predictions(evaluation_);
  }

  // ---- segmentation
  // ---------------------------------------------------------------------------------------------------

  /// Share of each cell that the truth covers, any label.
  Grid<float> coverage(const Grid<std::uint8_t>& truth) const {
    Grid<float> out(features_.grid_height, features_.grid_width);
    Grid<float> area(features_.grid_height, features_.grid_width);
    for (int y = 0; y < truth.height; ++y)
      for (int x = 0; x < truth.width; ++x) {
        const int cy = y * out.height / truth.height, cx = x * out.width / truth.width;
        area.at(cy, cx) += 1;
        out.at(cy, cx) += truth.at(y, x) != 0 ? 1.0F : 0.0F;
      }
    for (std::size_t i = 0; i < out.values.size(); ++i) out.values[i] /= std::max(1.0F, area.values[i]);
    return out;
  }

  struct MapChoice {
    double quality = -1, threshold = 0;
  };
  /// The threshold with the best IoU, averaged over pictures so that small defects count as much as large ones, cells
  /// weighted by how far the truth covers them. Good pictures count a little: 1 if nothing is marked in them, else 0.
  MapChoice best_threshold(const std::vector<std::size_t>& kept, const std::vector<Grid<float>>& coverages) const {
    struct Curve {
      std::vector<float> values;    // descending
      std::vector<double> covered;  // truth under the first n cells
      double weight;
    };
    std::vector<Curve> curves;
    std::vector<float> pooled;
    for (std::size_t k = 0; k < kept.size(); ++k) {
      const auto map = combine_maps(artifact_.manifest, measured_[kept[k]].maps, 0);
      std::vector<std::size_t> order(map.values.size());
      std::iota(order.begin(), order.end(), std::size_t{0});
      std::sort(order.begin(), order.end(), [&](auto a, auto b) { return map.values[a] > map.values[b]; });
      Curve curve{{}, {0.0}, pictures_[kept[k]].has_mask ? 1.0 : kNormalWeight};
      for (auto i : order) {
        curve.values.push_back(map.values[i]);
        curve.covered.push_back(curve.covered.back() + coverages[k].values[i]);
      }
      // Thresholds worth trying lie in the upper tail of the maps.
      for (std::size_t i = 0; i < order.size() / 4; i += 1 + i / 8) pooled.push_back(curve.values[i]);
      curves.push_back(std::move(curve));
    }
    std::sort(pooled.begin(), pooled.end());
    MapChoice best;
    const std::size_t step = std::max<std::size_t>(1, pooled.size() / kThresholds);
    for (std::size_t p = 0; p < pooled.size(); p += step) {
      double sum = 0, weights = 0;
      for (const auto& curve : curves) {
        const auto called = static_cast<std::size_t>(
            std::upper_bound(curve.values.begin(), curve.values.end(), pooled[p], std::greater<>()) -
            curve.values.begin());
        const double hit = curve.covered[called], united = static_cast<double>(called) + curve.covered.back() - hit;
        sum += curve.weight * (united > 0 ? hit / united : 1.0);
        weights += curve.weight;
      }
      if (sum / weights > best.quality) best = {sum / weights, pooled[p]};
    }
    return best;
  }

  void fit_segmentation() {
    meter_.report("drawing masks", 0.95);
    auto& m = artifact_.manifest;
    auto& s = *m.segmentation;
    std::vector<std::size_t> kept;
    std::vector<Grid<float>> coverages;
    for (std::size_t i = 0; i < pictures_.size(); ++i)
      if (!measured_[i].maps.empty()) kept.push_back(i), coverages.push_back(coverage(*measured_[i].truth));

    // Which contestants draw best is another question than which decide best.
    std::vector<std::vector<double>> candidates;
    std::vector<double> fused;
    for (const auto& c : m.contestants) fused.push_back(c.score_weight);
    if (std::accumulate(fused.begin(), fused.end(), 0.0) > 0) candidates.push_back(fused);
    candidates.emplace_back(m.contestants.size(), 1.0);
    for (std::size_t c = 0; c < m.contestants.size(); ++c) {
      candidates.emplace_back(m.contestants.size(), 0.0);
      candidates.back()[c] = 1;
    }
    MapChoice best;
    std::vector<double> best_weights;
    for (const auto& weights : candidates) {
      for (std::size_t c = 0; c < weights.size(); ++c) m.contestants[c].map_weight = weights[c];
      if (const auto choice = best_threshold(kept, coverages); choice.quality > best.quality)
        best = choice, best_weights = weights;
    }
    for (std::size_t c = 0; c < best_weights.size(); ++c) m.contestants[c].map_weight = best_weights[c];
    s.map_threshold = best.threshold;

    // Describe what each label's regions look like.
    struct Region {
      std::int64_t fold;
      std::size_t label;
      std::vector<float> description;
    };
    std::vector<Region> regions;
    for (auto i : kept) {
      if (!pictures_[i].has_mask) continue;
      for (std::size_t l = 0; l < labels_.size(); ++l) {
        Grid<int> cells(features_.grid_height, features_.grid_width);
        bool any = false;
        const auto& truth = *measured_[i].truth;
        for (int y = 0; y < truth.height; ++y)
          for (int x = 0; x < truth.width; ++x)
            if (truth.at(y, x) == l + 1)
              cells.at(y * cells.height / truth.height, x * cells.width / truth.width) = 1, any = true;
        if (any) regions.push_back({pictures_[i].fold, l, describe_region(cells, 1, measured_[i].region_features)});
      }
    }
    const auto set_bank = [&](Artifact& artifact, std::optional<std::int64_t> without_fold) {
      std::vector<float> rows, row_labels;
      for (const auto& r : regions) {
        if (without_fold && r.fold == *without_fold) continue;
        rows.insert(rows.end(), r.description.begin(), r.description.end());
        row_labels.push_back(static_cast<float>(r.label));
      }
      if (row_labels.empty()) return;  // one fold holds all regions: keep the bank there is
      const auto count = static_cast<std::int64_t>(row_labels.size());
      const auto width = static_cast<std::int64_t>(rows.size()) / count;
      artifact.tensors.insert_or_assign(s.region_bank, Tensor::make({count, width}, std::move(rows)));
      artifact.tensors.insert_or_assign(s.region_labels, Tensor::make({count}, std::move(row_labels)));
    };
    set_bank(artifact_, std::nullopt);
    if (job_.test) return;

    std::vector<std::string> names;
    for (const auto& l : labels_) names.push_back(l.name);
    SegmentationTally tally(names);
    std::vector<std::vector<float>> maps;
    std::vector<std::vector<std::uint8_t>> truths;
    for (std::int64_t f = 0; f < folds_; ++f) {
      Artifact judge = artifact_;
      set_bank(judge, f);
      for (std::size_t k = 0; k < kept.size(); ++k) {
        if (pictures_[kept[k]].fold != f) continue;
        const auto& picture = measured_[kept[k]];
        const auto detection = combine(judge, picture.maps, picture.region_features, 0);
        tally.add(*detection.label_map, *picture.truth);
        maps.push_back(detection.anomaly_map.values);
        truths.emplace_back();
        for (float share : coverages[k].values) truths.back().push_back(share >= 0.5F ? 1 : 0);
      }
    }
    evaluation_.labels = tally.metrics();
    evaluation_.pixel_auroc = pixel_auroc(maps, truths);
  }

  // ---- writing
  // --------------------------------------------------------------------------------------------------------

  Result<void> write(const std::filesystem::path& folder) {
    meter_.report("writing the model", 0.97);
    if (artifact_.manifest.segmentation)
      blobs_.push_back({artifact_.manifest.segmentation->region_bank, artifact_.manifest.segmentation->region_labels});

    // The golden sample is a defect if there is one: it moves through every part of the decision.
    const auto anomaly = std::find_if(pictures_.begin(), pictures_.end(), [](const auto& p) { return p.is_anomalous; });
    const auto& golden = anomaly != pictures_.end() ? *anomaly : pictures_.front();
    auto loaded = load_sample(*golden.sample, {}, image_height_, image_width_, job_.letterbox_mixed_sizes);
    if (!loaded) return loaded.error();
    const Planes planes = resize_to_planes(loaded->image, input_.height, input_.width);
    const std::size_t plane = planes.values.size() / 3;
    RgbImage small{input_.height, input_.width, std::vector<std::uint8_t>(planes.values.size())};
    for (std::size_t i = 0; i < plane; ++i)
      for (std::size_t c = 0; c < 3; ++c)
        small.pixels[3 * i + c] =
            static_cast<std::uint8_t>(std::lround(255.0F * std::clamp(planes.values[c * plane + i], 0.0F, 1.0F)));
    artifact_.tensors.insert_or_assign(
        "golden.0",
        Tensor::make({input_.height, input_.width, 3}, std::vector<float>(small.pixels.begin(), small.pixels.end())));
    blobs_.push_back({"golden.0"});
    // Measured as the engine will at load time: the picture already at the model's input size.
    Artifact at_input_size = artifact_;
    at_input_size.manifest.image_height = input_.height;
    at_input_size.manifest.image_width = input_.width;
    auto engine = Engine::create(std::move(at_input_size));
    if (!engine) return internal_error(engine.error().message);
    set_inference_threads(threads_);
    auto detection = (*engine)->detect(small);
    if (!detection) return internal_error(detection.error().message);
    artifact_.manifest.golden = {{"golden.0", detection->anomaly_score}};
    return write_artifact(folder, artifact_.manifest, artifact_.tensors, blobs_);
  }

  Result<void> evaluate_test_set(const std::filesystem::path& folder) {
    meter_.report("testing", 0.98);
    auto engine = Engine::load(folder);
    if (!engine) return internal_error(engine.error().message);
    auto tested = evaluate_model(**engine, *job_.test, job_.letterbox_mixed_sizes, {});
    if (!tested) return invalid_input("The test dataset cannot be used: " + tested.error().message);
    const auto anomalies = std::count_if(tested->predictions.begin(), tested->predictions.end(),
                                         [](const auto& p) { return p.is_anomalous; });
    const auto normals = static_cast<std::int64_t>(tested->predictions.size()) - anomalies;
    if (normals < job_.minimum.test_normal || anomalies < job_.minimum.test_anomaly)
      return invalid_input(
          fmt::format("The test dataset needs at least {} normal and {} anomalous images; {} and {} can be used.",
                      job_.minimum.test_normal, job_.minimum.test_anomaly, normals, anomalies));
    tested->skipped.insert(tested->skipped.begin(), evaluation_.skipped.begin(), evaluation_.skipped.end());
    tested->warnings.insert(tested->warnings.begin(), evaluation_.warnings.begin(), evaluation_.warnings.end());
    evaluation_ = std::move(*tested);
    return {};
  }

  const TrainingJob& job_;
  const int threads_;
  ProgressMeter meter_;
  const Random random_;

  int image_height_ = 0, image_width_ = 0;
  InputSize input_{};
  FeatureGraph features_;
  std::vector<Label> labels_;
  bool is_segmentation_ = false, is_registered_ = false;
  std::vector<std::string> factor_names_;  ///< tensors of scale_cells, [contestant · folds + fold]
  std::vector<Picture> pictures_;
  std::vector<std::size_t> normals_;  ///< indices into pictures_
  std::int64_t folds_ = 0, channels_ = 0;
  std::vector<std::vector<std::vector<float>>> samples_;  ///< [normal][variant], drawn feature rows
  /// Rows or pictures of all folds, and where each fold's begin.
  struct Grouped {
    Tensor values, groups;
  };
  std::vector<Whitening> whitenings_;  ///< per variant, like the next two
  std::vector<Grouped> banks_, exemplars_;
  std::vector<PositionStatistics::Tensors> positions_;  ///< [variant · folds + fold]
  Artifact artifact_;
  std::vector<std::vector<std::string>> blobs_;
  std::vector<OutOfFold> measured_;  ///< per picture
  Evaluation evaluation_;
};

}  // namespace

Result<Evaluation> train(const TrainingJob& job, const std::filesystem::path& model_folder, int threads,
                         const ProgressSink& progress) {
  return Trainer(job, std::max(1, threads), progress).run(model_folder);
}

}  // namespace vedette
