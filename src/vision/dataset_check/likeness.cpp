// Finds pictures that are the same, or nearly, and tells how far each picture is from the good ones.

#include <algorithm>
#include <cmath>
#include <map>

#include "base/parallel.hpp"
#include "base/priority.hpp"
#include "base/target_clones.hpp"
#include "vision/dataset_check/parts.hpp"
#include "vision/image/light.hpp"

namespace vedette::dataset_check {
namespace {

constexpr int kSide = kThumbnailSide / 2;  // of what all pairs are compared by
constexpr int kCells = kSide * kSide;
static_assert(kCells % kLanes == 0);
constexpr double kLocalSigma = 2;  // The neighbourhood, in cells, whose mean is taken away.
constexpr float kLeastNorm = 1e-4F;
constexpr std::size_t kBlock =
    32;  // So many pictures are compared with each other one, so that both stay in the cache.
constexpr std::size_t kLeastPictures = 8;
constexpr std::size_t kLeastNeighbours = 5;
constexpr double kNeighbourShare = 0.05;
// Two pictures are copies of each other if they are nearer to each other than this share of the distance at which the
// pictures lie that look most like them (docs/vision.md).
constexpr float kNearShare = 0.2F;
// A damaged part may differ from a good one at one place only. The largest difference of two thumbnails, in deviations
// of their values, up to which different labels contradict each other.
constexpr float kLargestDifference = 0.25F;

/// Returns the fine structure of a picture: what differs from the mean of its neighbourhood, scaled to length 1, so that
/// the light and the contrast of the picture as a whole do not matter. It is all zeros if the picture is flat.
std::vector<float> fine_structure(const Look& look) {
  std::vector<float> cells(kCells);
  for (int y = 0; y < kThumbnailSide; ++y)
    for (int x = 0; x < kThumbnailSide; ++x)
      cells[static_cast<std::size_t>(y / 2 * kSide + x / 2)] +=
          static_cast<float>(look.thumbnail[static_cast<std::size_t>(y * kThumbnailSide + x)]) / (4 * 65'535.0F);
  auto blurred = cells;
  gaussian_blur(blurred.data(), kSide, kSide, kLocalSigma);
  float square = 0;
  for (std::size_t i = 0; i < cells.size(); ++i) cells[i] -= blurred[i], square += cells[i] * cells[i];
  const float norm = std::sqrt(square);
  for (auto& cell : cells) cell = norm < kLeastNorm ? 0 : cell / norm;
  return cells;
}

/// Writes the distances of one vector to `count` ones that lie behind each other.
VEDETTE_TARGET_CLONES void distances_to(const float* __restrict one, const float* __restrict others, std::size_t count,
                                        float* __restrict out) {
  for (std::size_t j = 0; j < count; ++j) {
    Lanes sums = {};
    for (int c = 0; c < kCells; c += kLanes) {
      Lanes a, b;
      __builtin_memcpy(&a, one + c, sizeof a);
      __builtin_memcpy(&b, others + j * kCells + static_cast<std::size_t>(c), sizeof b);
      const Lanes difference = a - b;
      sums += difference * difference;
    }
    float sum = 0;
    for (int l = 0; l < kLanes; ++l) sum += sums[l];
    out[j] = std::sqrt(sum);
  }
}

/// Returns the distance to the neighbour that the comparison goes by, among `distances`, which it reorders.
float neighbour_distance(std::vector<float>& distances) {
  const auto rank =
      std::max(kLeastNeighbours, static_cast<std::size_t>(kNeighbourShare * static_cast<double>(distances.size())));
  const auto at = distances.begin() + static_cast<std::ptrdiff_t>(std::min(rank, distances.size()) - 1);
  std::nth_element(distances.begin(), at, distances.end());
  return *at;
}

/// Returns the largest difference of two thumbnails whose means and deviations have been made equal, in deviations.
float largest_difference(const Look& a, const Look& b) {
  const auto normalized = [](const Look& look) {
    double sum = 0, square = 0;
    for (const auto v : look.thumbnail) sum += v, square += static_cast<double>(v) * v;
    const auto count = static_cast<double>(look.thumbnail.size());
    const double mean = sum / count, deviation = std::sqrt(std::max(1.0, square / count - mean * mean));
    std::vector<float> out;
    for (const auto v : look.thumbnail) out.push_back(static_cast<float>((v - mean) / deviation));
    return out;
  };
  const auto left = normalized(a), right = normalized(b);
  float largest = 0;
  for (std::size_t i = 0; i < left.size(); ++i) largest = std::max(largest, std::abs(left[i] - right[i]));
  return largest;
}

/// Returns how much a copy matters; 0 if it is none.
int weight_of(const std::optional<Likeness::Copy>& copy) {
  if (!copy) return 0;
  return 1 + (copy->is_exact ? 1 : 0) + (copy->is_in_other_dataset ? 2 : 0) + (copy->has_other_label ? 4 : 0);
}

}  // namespace

Result<Likeness> compare_pictures(const Pictures& pictures, const std::vector<std::size_t>& usable, int threads,
                                  const std::atomic<bool>& cancelled) {
  const auto count = usable.size();
  Likeness out;
  out.copies.resize(count);
  const auto picture = [&](std::size_t i) -> const CheckedPicture& { return pictures[usable[i]]; };
  const auto copy_of = [&](std::size_t i, std::size_t j, bool is_exact) {
    return Likeness::Copy{usable[j], is_exact, picture(i).is_anomalous != picture(j).is_anomalous,
                          picture(i).is_test != picture(j).is_test};
  };
  const auto keep = [&](std::size_t i, const Likeness::Copy& copy) {
    if (weight_of(copy) > weight_of(out.copies[i])) out.copies[i] = copy;
  };
  std::map<std::string_view, std::vector<std::size_t>> by_digest;  // the first picture of each dataset and label
  for (std::size_t i = 0; i < count; ++i) {
    auto& same = by_digest[picture(i).look->digest];
    for (const auto j : same) keep(i, copy_of(i, j, true));
    if (std::none_of(same.begin(), same.end(), [&](std::size_t j) {
          return picture(i).is_anomalous == picture(j).is_anomalous && picture(i).is_test == picture(j).is_test;
        }))
      same.push_back(i);
  }
  if (count < kLeastPictures) return out;

  std::vector<float> cells(count * kCells);
  for (std::size_t i = 0; i < count; ++i) {
    const auto structure = fine_structure(*picture(i).look);
    std::copy(structure.begin(), structure.end(), cells.begin() + static_cast<std::ptrdiff_t>(i * kCells));
  }
  std::size_t good = 0;
  for (std::size_t i = 0; i < count; ++i) good += picture(i).is_anomalous ? 0 : 1;
  if (good > kLeastPictures) out.distances.resize(count);
  std::vector<float> near(count);                                        // how near a copy of this picture must be
  std::vector<std::vector<std::pair<std::size_t, float>>> close(count);  // the earlier pictures within that distance
  run_parallel((count + kBlock - 1) / kBlock, threads, [&](std::size_t block) {
    if (cancelled) return;
    lower_thread_priority();
    const auto first = block * kBlock, end = std::min(count, first + kBlock);
    std::vector<float> rows((end - first) * count);
    for (std::size_t from = 0; from < count; from += kBlock)
      for (auto i = first; i < end; ++i)
        distances_to(&cells[i * kCells], &cells[from * kCells], std::min(kBlock, count - from),
                     &rows[(i - first) * count + from]);
    for (auto i = first; i < end; ++i) {
      const float* row = &rows[(i - first) * count];
      std::vector<float> all, to_good;
      for (std::size_t j = 0; j < count; ++j) {
        if (j == i) continue;
        all.push_back(row[j]);
        if (!picture(j).is_anomalous) to_good.push_back(row[j]);
      }
      if (!out.distances.empty()) out.distances[i] = neighbour_distance(to_good);
      near[i] = kNearShare * neighbour_distance(all);
      for (std::size_t j = 0; j < i; ++j)
        if (row[j] < near[i]) close[i].emplace_back(j, row[j]);
    }
  });
  if (cancelled) return fail(ErrorKind::unavailable, "The check was interrupted.");
  for (std::size_t i = 0; i < count; ++i)
    for (const auto& [j, distance] : close[i]) {
      const auto copy = copy_of(i, j, false);
      if (distance >= near[j]) continue;
      if (copy.has_other_label && largest_difference(*picture(i).look, *picture(j).look) > kLargestDifference) continue;
      keep(i, copy);
    }
  return out;
}

void find_copies(const Pictures& pictures, const std::vector<std::size_t>& usable, const Likeness& likeness,
                 std::vector<Finding>& out) {
  for (std::size_t i = 0; i < usable.size(); ++i) {
    const auto& copy = likeness.copies[i];
    if (!copy) continue;
    const auto& picture = pictures[usable[i]];
    std::string detail = copy->is_exact ? "It has the same pixels as " : "It is nearly the same as ";
    auto kind = copy->is_exact ? FindingKind::exact_duplicate : FindingKind::near_duplicate;
    detail +=
        pictures[copy->original].is_test == picture.is_test ? "another picture" : "a picture of the training dataset";
    if (copy->is_in_other_dataset) kind = FindingKind::train_test_duplicate;
    if (copy->has_other_label) {
      kind = FindingKind::conflicting_duplicate;
      detail += picture.is_anomalous ? ", which is labelled normal" : ", which is labelled as an anomaly";
    }
    out.push_back({kind, usable[i], copy->original, picture.is_test, detail + "."});
  }
}

}  // namespace vedette::dataset_check
