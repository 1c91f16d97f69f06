#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "base/digest.hpp"
#include "base/files.hpp"
#include "base/parallel.hpp"
#include "vision/assess/assess.hpp"
#include "vision/image/mask_file.hpp"
#include "vision/infer/registration.hpp"
#include "vision/learn/batches.hpp"
#include "vision/learn/steps.hpp"

namespace vedette {
namespace {

// The models of a fold learn from three quarters of the pictures, even if there are only five. With fewer folds, models
// that know less than the whole would judge the good pictures when the threshold is chosen, and it would be too high.
constexpr std::int64_t kFolds = 4;
// The fewest good pictures, not counting copies, that a training needs: each fold has one.
constexpr std::int64_t kLeastDistinct = kFolds;
constexpr std::size_t kReferencePictures = 48;
constexpr int kReferenceRounds = 2;
constexpr double kLeastCorrelation = 0.9;  // Below this correlation, the pictures show no common rigid part.
// Registration is not worth its risk if it leaves a larger share of what correlation does not explain.
constexpr double kLargestRemainder = 0.5;

/// Chooses the size that most pictures have. Where no size has a majority (cropped parts), it is the median height and
/// width.
Result<void> choose_image_size(Workshop& w) {
  std::vector<std::pair<std::pair<int, int>, int>> sizes;
  for (const auto& s : w.job.train) {
    if (!s.is_anomalous) continue;
    const auto bytes = read_file(s.image, kImageFileLimit);
    if (!bytes) continue;
    const auto header = read_image_header(*bytes, w.formats());
    if (!header) continue;
    const std::pair size{header->height, header->width};
    const auto it = std::find_if(sizes.begin(), sizes.end(), [&](const auto& e) { return e.first == size; });
    if (it == sizes.end()) {
      sizes.emplace_back(size, 1);
    } else {
      ++it->second;
    }
  }
  if (std::none_of(w.job.train.begin(), w.job.train.end(), [](const auto& s) { return s.is_anomalous.has_value(); }))
    return invalid_input(
        fmt::format("None of the {} training images is labelled normal or anomaly.", w.job.train.size()));
  if (sizes.empty()) return invalid_input("None of the training images can be read.");
  const auto best =
      std::max_element(sizes.begin(), sizes.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  std::tie(w.image_height, w.image_width) = best->first;
  std::vector<int> heights, widths;
  for (const auto& [size, count] : sizes) {
    heights.insert(heights.end(), static_cast<std::size_t>(count), size.first);
    widths.insert(widths.end(), static_cast<std::size_t>(count), size.second);
  }
  if (static_cast<std::size_t>(best->second) * 2 < heights.size()) {
    std::sort(heights.begin(), heights.end());
    std::sort(widths.begin(), widths.end());
    w.image_height = heights[heights.size() / 2];
    w.image_width = widths[widths.size() / 2];
  }
  return {};
}

std::int64_t count_distinct_normals(const Workshop& w) {
  std::int64_t count = 0;
  for (std::size_t i = 0; i < w.pictures.size(); ++i)
    count += !w.pictures[i].is_anomalous && w.pictures[i].original == i ? 1 : 0;
  return count;
}

/// Chooses the smallest usual number of bits that all 16-bit pictures fit into. `used_bits` is what each picture uses
/// (0: it has not 16 bits).
void choose_sample_bits(Workshop& w, std::span<const int> used_bits) {
  const int most = used_bits.empty() ? 0 : *std::max_element(used_bits.begin(), used_bits.end());
  if (most == 0) return;
  for (const int bits : {16, 14, 12, 10, 8})
    if (bits >= most) w.sample_bits = bits;
  if (w.sample_bits < 16)
    w.evaluation.warnings.push_back(fmt::format(
        "{} pictures use only the lowest {} of 16 bits: values are scaled by this range, in training and "
        "detection",
        std::count_if(used_bits.begin(), used_bits.end(), [](int bits) { return bits > 0; }), w.sample_bits));
}

/// Returns the good or the defective pictures that are no copies.
std::vector<std::size_t> originals(const Workshop& w, bool anomalous) {
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < w.pictures.size(); ++i)
    if (w.pictures[i].is_anomalous == anomalous && w.pictures[i].original == i) out.push_back(i);
  return out;
}

/// Puts each copy into the fold of its original, because a model must not judge a picture that it has seen under another
/// name.
void place_copies(Workshop& w) {
  for (auto& picture : w.pictures) picture.fold = w.pictures[picture.original].fold;
}

}  // namespace

Result<void> select_pictures(Workshop& w) {
  w.meter.report("checking pictures", 0.0);
  w.labels = collect_labels(w.job.train);
  if (w.labels.size() > 100)
    return invalid_input(fmt::format("There are {} anomaly labels; at most 100 are possible.", w.labels.size()));
  if (auto ok = choose_image_size(w); !ok) return ok;

  std::vector<const TrainingPicture*> candidates;
  for (const auto& s : w.job.train)
    if (s.is_anomalous) candidates.push_back(&s);
  std::vector<std::optional<Error>> failures(candidates.size());
  std::vector<char> has_mask(candidates.size()), was_letterboxed(candidates.size());
  // `used_bits` is 0 where a picture cannot be read.
  std::vector<int> orientations(candidates.size()), used_bits(candidates.size());
  std::vector<std::vector<char>> holds(candidates.size());
  std::vector<double> areas(candidates.size());  // The areas of what is marked, in pixels.
  std::vector<std::string> digests(candidates.size());
  run_parallel(candidates.size(), w.threads, [&](std::size_t i) {
    auto loaded = load_picture(*candidates[i], w.labels, w.image_height, w.image_width, w.job.letterbox_mixed_sizes, {},
                               w.rules());
    if (!loaded) {
      failures[i] = loaded.error();
      return;
    }
    was_letterboxed[i] = loaded->was_letterboxed ? 1 : 0;
    // The range of 16-bit samples is chosen below, and until then different files may look alike: copies of such files
    // are told by their bytes.
    const auto file =
        loaded->used_bits > 0 ? read_file(candidates[i]->image, kImageFileLimit) : std::vector<std::uint8_t>();
    digests[i] = sha256_hex(as_text(file && !file->empty() ? *file : loaded->image.pixels));
    orientations[i] = loaded->orientation;
    used_bits[i] = loaded->used_bits;
    has_mask[i] = loaded->truth.has_value() ? 1 : 0;
    holds[i].assign(w.labels.size() + 1, 0);
    if (loaded->truth)
      for (auto v : loaded->truth->values) holds[i][v] = 1, areas[i] += v != 0 ? 1 : 0;
  });
  std::vector<std::size_t> full;  // The pictures that are marked nearly everywhere.
  std::vector<std::int64_t> alone(w.labels.size());
  std::map<std::string, std::size_t> first;  // For each digest, the first picture of its class that looks so.
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    if (failures[i]) {
      if (failures[i]->code != kUnreadable) return *failures[i];
      w.evaluation.skipped.push_back(skipped_picture(*candidates[i], *failures[i]));
      continue;
    }
    w.pictures.push_back({candidates[i], *candidates[i]->is_anomalous, has_mask[i] != 0});
    if (areas[i] > kMostMarked * w.image_height * w.image_width) full.push_back(i);
    const auto look = (w.pictures.back().is_anomalous ? "anomaly " : "normal ") + digests[i];
    w.pictures.back().original = first.emplace(look, w.pictures.size() - 1).first->second;
    if (has_mask[i]) {
      const auto held = std::count(holds[i].begin() + 1, holds[i].end(), 1);
      for (std::size_t l = 0; l < w.labels.size(); ++l)
        if (held == 1 && holds[i][l + 1]) ++alone[l];
    }
  }
  if (!full.empty())
    w.evaluation.warnings.push_back(
        fmt::format("{} masks mark more than {:.0f} % of their picture; the first is that of {}", full.size(),
                    100 * kMostMarked, candidates[full[0]]->source_ref));
  choose_sample_bits(w, used_bits);
  std::erase(orientations, 0);
  for (auto& warning : describe_orientations(orientations)) w.evaluation.warnings.push_back(std::move(warning));
  std::erase(areas, 0.0);
  std::sort(areas.begin(), areas.end());
  w.input = choose_input_size(w.image_height, w.image_width,
                              areas.empty() ? std::nullopt : std::optional(std::sqrt(areas[areas.size() / 5])));
  const auto letterboxed = std::count(was_letterboxed.begin(), was_letterboxed.end(), 1);
  if (letterboxed > 0)
    w.evaluation.warnings.push_back(fmt::format("{} pictures of other sizes were letterboxed to {}x{}", letterboxed,
                                                w.image_width, w.image_height));

  const auto anomalies =
      std::count_if(w.pictures.begin(), w.pictures.end(), [](const auto& p) { return p.is_anomalous; });
  const auto normals = static_cast<std::int64_t>(w.pictures.size()) - anomalies;
  const auto need = [&](const char* what, std::int64_t have, std::int64_t minimum) -> Result<void> {
    if (have >= minimum) return {};
    std::string message =
        fmt::format("Training needs at least {} {} images, but only {} can be used.", minimum, what, have);
    if (!w.evaluation.skipped.empty())
      message +=
          fmt::format(" {} could not be read: {}", w.evaluation.skipped.size(), list_skipped(w.evaluation.skipped));
    return invalid_input(message);
  };
  if (auto ok = need("normal", normals, std::max<std::int64_t>(kLeastDistinct, w.job.minimum.train_normal)); !ok)
    return ok;
  const auto distinct = count_distinct_normals(w);
  if (distinct < kLeastDistinct)
    return invalid_input(
        distinct == 1
            ? fmt::format("The {} good pictures are one and the same picture, pixel by pixel; at least {} different "
                          "ones are needed.",
                          normals, kLeastDistinct)
            : fmt::format(
                  "The {} good pictures are copies of {} different ones, pixel by pixel; at least {} different good "
                  "pictures are needed.",
                  normals, distinct, kLeastDistinct));
  if (distinct < normals)
    w.evaluation.warnings.push_back(
        fmt::format("{} of the {} good pictures are copies of others, pixel by pixel; they show nothing new.",
                    normals - distinct, normals));
  if (auto ok = need("anomalous", anomalies, w.job.minimum.train_anomaly); !ok) return ok;
  w.is_segmentation = std::any_of(w.pictures.begin(), w.pictures.end(), [](const auto& p) { return p.has_mask; });
  if (w.is_segmentation && *std::max_element(alone.begin(), alone.end()) < w.job.minimum.train_per_label)
    return invalid_input(fmt::format("At least {} training images must show only one anomaly label; \"{}\" has {}.",
                                     w.job.minimum.train_per_label, w.labels[0].name, alone[0]));
  w.folds = kFolds;
  for (std::size_t i = 0; i < w.pictures.size(); ++i)
    if (!w.pictures[i].is_anomalous) w.normals.push_back(i);
  return {};
}

void draw_folds(Workshop& w) {
  for (const bool anomalous : {false, true}) {
    auto members = originals(w, anomalous);
    Random random = w.random.fork(anomalous ? 2 : 1);
    for (std::size_t i = members.size(); i > 1; --i) std::swap(members[i - 1], members[random.below(i)]);
    for (std::size_t i = 0; i < members.size(); ++i)
      w.pictures[members[i]].fold = static_cast<std::int64_t>(i) % w.folds;
  }
  place_copies(w);
}

void find_batches(Workshop& w, std::span<const std::vector<float>> descriptions) {
  draw_folds(w);
  const auto good = originals(w, false);
  if (good.size() < kLeastForBatches) return;
  const auto runs_of = [&](const std::vector<std::size_t>& members) {
    std::vector<std::string> names;
    for (const auto i : members) names.push_back(w.pictures[i].sample->source_ref);
    return cut_into_runs(names, w.folds);
  };
  const auto runs = runs_of(good);
  std::vector<float> rows;
  for (std::size_t normal = 0; normal < w.normals.size(); ++normal)
    if (w.pictures[w.normals[normal]].original == w.normals[normal])
      rows.insert(rows.end(), descriptions[normal].begin(), descriptions[normal].end());
  const auto evidence = evidence_of_batches(rows, runs, w.random.fork(3));
  w.evaluation.batches = {evidence.is_clear(), evidence.share, {}, {}};
  if (!evidence.is_clear()) return;
  if (w.normals.size() == w.pictures.size()) {
    w.evaluation.warnings.emplace_back(
        "The good pictures come in batches by the order of their names: good pictures of the next batch may be called "
        "anomalous more often than these.");
    return;
  }
  for (std::size_t i = 0; i < good.size(); ++i) w.pictures[good[i]].fold = runs[i];
  // Defective pictures are put in order by themselves, as they have names of their own; each fold gets some.
  if (const auto bad = originals(w, true); std::ssize(bad) >= w.folds) {
    const auto runs_of_bad = runs_of(bad);
    for (std::size_t i = 0; i < bad.size(); ++i) w.pictures[bad[i]].fold = runs_of_bad[i];
  }
  place_copies(w);
}

Result<void> find_reference(Workshop& w) {
  w.meter.report("looking for a common pose", 0.03);
  const std::size_t count = std::min(kReferencePictures, w.normals.size());
  std::vector<Grid<float>> maps(count);
  std::vector<std::optional<Error>> failures(count);
  run_parallel(count, w.threads, [&](std::size_t i) {
    auto loaded = w.load(w.pictures[w.normals[i]]);
    if (loaded) {
      maps[i] = registration_map(resize_to_planes(loaded->image, w.input.height, w.input.width), w.input.reduction());
    } else {
      failures[i] = loaded.error();
    }
  });
  for (const auto& failure : failures)
    if (failure) return *failure;
  Grid<float> reference = maps[0];
  std::vector<RigidTransform> transforms(count);
  const auto average = [&](const std::vector<RigidTransform>& poses, const RigidTransform& frame) {
    Grid<float> sum(reference.height, reference.width), warped = sum;
    for (std::size_t i = 0; i < count; ++i) {
      const RigidTransform t{poses[i].dy - frame.dy, poses[i].dx - frame.dx, poses[i].angle - frame.angle};
      warp_to_reference(maps[i].values.data(), warped.values.data(), 1, warped.height, warped.width, t, 1);
      for (std::size_t k = 0; k < sum.values.size(); ++k) sum.values[k] += warped.values[k] / static_cast<float>(count);
    }
    return sum;
  };
  for (int round = 0; round < kReferenceRounds; ++round) {
    run_parallel(count, w.threads, [&](std::size_t i) { transforms[i] = estimate_registration(reference, maps[i]); });
    // The frame is the mean pose and not the pose of the first picture; otherwise every warp would contain that
    // picture's offset.
    RigidTransform mean;
    for (const auto& t : transforms)
      mean.dy += t.dy / static_cast<double>(count), mean.dx += t.dx / static_cast<double>(count),
          mean.angle += t.angle / static_cast<double>(count);
    reference = average(transforms, mean);
  }
  double plain = 0, registered = 0;
  std::vector<double> before(count), after(count);
  run_parallel(count, w.threads, [&](std::size_t i) {
    before[i] = registration_score(reference, maps[i], {});
    after[i] = registration_score(reference, maps[i], estimate_registration(reference, maps[i]));
  });
  for (std::size_t i = 0; i < count; ++i)
    plain += before[i] / static_cast<double>(count), registered += after[i] / static_cast<double>(count);
  // If a fixture holds the part, the good pictures tell how well a part in its place fits the reference. A picture that
  // fits worse is registered, since cameras get knocked out of place; pictures like the good ones keep every pixel.
  w.is_registered = registered > kLeastCorrelation && has_one_place(reference, registered);
  if (w.is_registered && 1 - registered >= kLargestRemainder * (1 - plain))
    w.fixture_score = *std::min_element(before.begin(), before.end());
  w.features = make_feature_graph(
      *w.backbone, w.input,
      w.is_registered ? std::optional(Tensor::make({reference.height, reference.width}, reference.values))
                      : std::nullopt,
      w.fixture_score);
  if (w.is_registered) w.reference = std::move(reference);
  return {};
}

}  // namespace vedette
