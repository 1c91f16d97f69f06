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
#include "vision/learn/trainer.hpp"

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

}  // namespace

Result<void> Trainer::select_pictures() {
  meter_.report("checking pictures", 0.0);
  labels_ = collect_labels(job_.train);
  if (labels_.size() > 100)
    return invalid_input(fmt::format("There are {} anomaly labels; at most 100 are possible.", labels_.size()));
  if (auto ok = choose_image_size(); !ok) return ok;

  std::vector<const TrainingPicture*> candidates;
  for (const auto& s : job_.train)
    if (s.is_anomalous) candidates.push_back(&s);
  std::vector<std::optional<Error>> failures(candidates.size());
  std::vector<char> has_mask(candidates.size()), was_letterboxed(candidates.size());
  // `used_bits` is 0 where a picture cannot be read.
  std::vector<int> orientations(candidates.size()), used_bits(candidates.size());
  std::vector<std::vector<char>> holds(candidates.size());
  std::vector<double> areas(candidates.size());  // The areas of what is marked, in pixels.
  std::vector<std::string> digests(candidates.size());
  run_parallel(candidates.size(), threads_, [&](std::size_t i) {
    auto loaded =
        load_picture(*candidates[i], labels_, image_height_, image_width_, job_.letterbox_mixed_sizes, {}, rules());
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
    holds[i].assign(labels_.size() + 1, 0);
    if (loaded->truth)
      for (auto v : loaded->truth->values) holds[i][v] = 1, areas[i] += v != 0 ? 1 : 0;
  });
  std::vector<std::size_t> full;  // The pictures that are marked nearly everywhere.
  std::vector<std::int64_t> alone(labels_.size());
  std::map<std::string, std::size_t> first;  // For each digest, the first picture of its class that looks so.
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    if (failures[i]) {
      if (failures[i]->code != kUnreadable) return *failures[i];
      evaluation_.skipped.push_back(skipped_picture(*candidates[i], *failures[i]));
      continue;
    }
    pictures_.push_back({candidates[i], *candidates[i]->is_anomalous, has_mask[i] != 0});
    if (areas[i] > kMostMarked * image_height_ * image_width_) full.push_back(i);
    const auto look = (pictures_.back().is_anomalous ? "anomaly " : "normal ") + digests[i];
    pictures_.back().original = first.emplace(look, pictures_.size() - 1).first->second;
    if (has_mask[i]) {
      const auto held = std::count(holds[i].begin() + 1, holds[i].end(), 1);
      for (std::size_t l = 0; l < labels_.size(); ++l)
        if (held == 1 && holds[i][l + 1]) ++alone[l];
    }
  }
  if (!full.empty())
    evaluation_.warnings.push_back(
        fmt::format("{} masks mark more than {:.0f} % of their picture; the first is that of {}", full.size(),
                    100 * kMostMarked, candidates[full[0]]->source_ref));
  choose_sample_bits(used_bits);
  std::erase(orientations, 0);
  for (auto& warning : describe_orientations(orientations)) evaluation_.warnings.push_back(std::move(warning));
  std::erase(areas, 0.0);
  std::sort(areas.begin(), areas.end());
  input_ = choose_input_size(image_height_, image_width_,
                             areas.empty() ? std::nullopt : std::optional(std::sqrt(areas[areas.size() / 5])));
  const auto letterboxed = std::count(was_letterboxed.begin(), was_letterboxed.end(), 1);
  if (letterboxed > 0)
    evaluation_.warnings.push_back(
        fmt::format("{} pictures of other sizes were letterboxed to {}x{}", letterboxed, image_width_, image_height_));

  const auto anomalies =
      std::count_if(pictures_.begin(), pictures_.end(), [](const auto& p) { return p.is_anomalous; });
  const auto normals = static_cast<std::int64_t>(pictures_.size()) - anomalies;
  const auto need = [&](const char* what, std::int64_t have, std::int64_t minimum) -> Result<void> {
    if (have >= minimum) return {};
    std::string message =
        fmt::format("Training needs at least {} {} images, but only {} can be used.", minimum, what, have);
    if (!evaluation_.skipped.empty())
      message +=
          fmt::format(" {} could not be read: {}", evaluation_.skipped.size(), list_skipped(evaluation_.skipped));
    return invalid_input(message);
  };
  if (auto ok = need("normal", normals, std::max<std::int64_t>(kLeastDistinct, job_.minimum.train_normal)); !ok)
    return ok;
  const auto distinct = count_distinct_normals();
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
    evaluation_.warnings.push_back(
        fmt::format("{} of the {} good pictures are copies of others, pixel by pixel; they show nothing new.",
                    normals - distinct, normals));
  if (auto ok = need("anomalous", anomalies, job_.minimum.train_anomaly); !ok) return ok;
  is_segmentation_ = std::any_of(pictures_.begin(), pictures_.end(), [](const auto& p) { return p.has_mask; });
  if (is_segmentation_ && *std::max_element(alone.begin(), alone.end()) < job_.minimum.train_per_label)
    return invalid_input(fmt::format("At least {} training images must show only one anomaly label; \"{}\" has {}.",
                                     job_.minimum.train_per_label, labels_[0].name, alone[0]));
  return {};
}

Result<void> Trainer::choose_image_size() {
  std::vector<std::pair<std::pair<int, int>, int>> sizes;
  for (const auto& s : job_.train) {
    if (!s.is_anomalous) continue;
    const auto bytes = read_file(s.image, kImageFileLimit);
    if (!bytes) continue;
    const auto header = read_image_header(*bytes, formats());
    if (!header) continue;
    const std::pair size{header->height, header->width};
    const auto it = std::find_if(sizes.begin(), sizes.end(), [&](const auto& e) { return e.first == size; });
    if (it == sizes.end()) {
      sizes.emplace_back(size, 1);
    } else {
      ++it->second;
    }
  }
  if (std::none_of(job_.train.begin(), job_.train.end(), [](const auto& s) { return s.is_anomalous.has_value(); }))
    return invalid_input(
        fmt::format("None of the {} training images is labelled normal or anomaly.", job_.train.size()));
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
  return {};
}

std::int64_t Trainer::count_distinct_normals() const {
  std::int64_t count = 0;
  for (std::size_t i = 0; i < pictures_.size(); ++i)
    count += !pictures_[i].is_anomalous && pictures_[i].original == i ? 1 : 0;
  return count;
}

void Trainer::choose_sample_bits(std::span<const int> used_bits) {
  const int most = used_bits.empty() ? 0 : *std::max_element(used_bits.begin(), used_bits.end());
  if (most == 0) return;
  for (const int bits : {16, 14, 12, 10, 8})
    if (bits >= most) sample_bits_ = bits;
  if (sample_bits_ < 16)
    evaluation_.warnings.push_back(fmt::format(
        "{} pictures use only the lowest {} of 16 bits: values are scaled by this range, in training and "
        "detection",
        std::count_if(used_bits.begin(), used_bits.end(), [](int bits) { return bits > 0; }), sample_bits_));
}

void Trainer::assign_folds() {
  folds_ = kFolds;
  for (const bool anomalous : {false, true}) {
    std::vector<std::size_t> members;
    for (std::size_t i = 0; i < pictures_.size(); ++i)
      if (pictures_[i].is_anomalous == anomalous && pictures_[i].original == i) members.push_back(i);
    Random random = random_.fork(anomalous ? 2 : 1);
    for (std::size_t i = members.size(); i > 1; --i) std::swap(members[i - 1], members[random.below(i)]);
    for (std::size_t i = 0; i < members.size(); ++i) pictures_[members[i]].fold = static_cast<std::int64_t>(i) % folds_;
  }
  // A copy goes into the fold of its original, because a model must not judge a picture that it has seen under another
  // name.
  for (std::size_t i = 0; i < pictures_.size(); ++i) {
    pictures_[i].fold = pictures_[pictures_[i].original].fold;
    if (!pictures_[i].is_anomalous) normals_.push_back(i);
  }
}

Result<void> Trainer::find_reference() {
  meter_.report("looking for a common pose", 0.03);
  const std::size_t count = std::min(kReferencePictures, normals_.size());
  std::vector<Grid<float>> maps(count);
  std::vector<std::optional<Error>> failures(count);
  run_parallel(count, threads_, [&](std::size_t i) {
    auto loaded = load(pictures_[normals_[i]]);
    if (loaded) {
      maps[i] = registration_map(resize_to_planes(loaded->image, input_.height, input_.width), input_.reduction());
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
    run_parallel(count, threads_, [&](std::size_t i) { transforms[i] = estimate_registration(reference, maps[i]); });
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
  run_parallel(count, threads_, [&](std::size_t i) {
    before[i] = registration_score(reference, maps[i], {});
    after[i] = registration_score(reference, maps[i], estimate_registration(reference, maps[i]));
  });
  for (std::size_t i = 0; i < count; ++i)
    plain += before[i] / static_cast<double>(count), registered += after[i] / static_cast<double>(count);
  // If a fixture holds the part, the good pictures tell how well a part in its place fits the reference. A picture that
  // fits worse is registered, since cameras get knocked out of place; pictures like the good ones keep every pixel.
  is_registered_ = registered > kLeastCorrelation && has_one_place(reference, registered);
  if (is_registered_ && 1 - registered >= kLargestRemainder * (1 - plain))
    in_place_ = *std::min_element(before.begin(), before.end());
  features_ = make_feature_graph(
      *backbone_, input_,
      is_registered_ ? std::optional(Tensor::make({reference.height, reference.width}, reference.values))
                     : std::nullopt,
      in_place_);
  if (is_registered_) reference_ = std::move(reference);
  return {};
}

}  // namespace vedette
