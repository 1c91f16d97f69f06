#include "vision/dataset_check/dataset_check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "vision/dataset_check/parts.hpp"

namespace vedette::dataset_check {
namespace {

constexpr std::array<std::string_view, kFindingKinds> kNames = {"MISSING",
                                                                "UNREADABLE",
                                                                "OTHER_SIZE",
                                                                "UNREADABLE_MASK",
                                                                "OTHER_MASK_SIZE",
                                                                "UNKNOWN_MASK_COLOR",
                                                                "EMPTY_MASK",
                                                                "FULL_MASK",
                                                                "CONFLICTING_DUPLICATE",
                                                                "TRAIN_TEST_DUPLICATE",
                                                                "EXACT_DUPLICATE",
                                                                "NEAR_DUPLICATE",
                                                                "CONTRADICTED_LABEL",
                                                                "BRIGHTNESS_OUTLIER",
                                                                "FOCUS_OUTLIER",
                                                                "FRAMING_OUTLIER",
                                                                "TOO_FEW",
                                                                "IMBALANCE"};

// So many times as many good pictures as anomalous ones, or anomalous as good ones, are worth a word.
constexpr std::int64_t kMostGood = 20, kMostAnomalies = 3;

/// Returns the size that most pictures have, of several that are as frequent the first one.
std::pair<int, int> usual_size(const Pictures& pictures, const std::vector<std::size_t>& usable) {
  std::map<std::pair<int, int>, int> counts;
  std::pair<int, int> best;
  for (const auto p : usable) ++counts[{pictures[p].look->height, pictures[p].look->width}];
  int most = 0;
  for (const auto p : usable) {
    const std::pair size{pictures[p].look->height, pictures[p].look->width};
    if (counts[size] > most) most = counts[size], best = size;
  }
  return best;
}

void find_faults(const Pictures& pictures, const std::vector<std::size_t>& usable, std::vector<Finding>& out) {
  const auto size = usual_size(pictures, usable);
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    const auto& picture = pictures[i];
    if (!picture.look) {
      out.push_back({picture.is_missing ? FindingKind::missing : FindingKind::unreadable,
                     i,
                     {},
                     picture.is_test,
                     picture.look.error().message});
      continue;
    }
    const auto& look = *picture.look;
    if (std::pair{look.height, look.width} != size)
      out.push_back({FindingKind::other_size,
                     i,
                     {},
                     picture.is_test,
                     fmt::format("It has {}x{} pixels, and {}x{} is the most frequent size.", look.width, look.height,
                                 size.second, size.first)});
    if (picture.mask && picture.mask->trouble)
      out.push_back({picture.mask->trouble->kind, i, {}, picture.is_test, picture.mask->trouble->detail});
  }
}

void find_shortage(const Pictures& pictures, const std::vector<std::size_t>& usable, const LeastPictures& least,
                   std::vector<Finding>& out) {
  for (const bool is_test : {false, true}) {
    std::int64_t good = 0, anomalies = 0;
    for (const auto p : usable)
      if (pictures[p].is_test == is_test) ++(pictures[p].is_anomalous ? anomalies : good);
    const char* name = is_test ? "test" : "training";
    const auto need = [&](std::int64_t have, std::int64_t wanted, const char* label) {
      if (have < wanted)
        out.push_back(
            {FindingKind::too_few,
             {},
             {},
             is_test,
             fmt::format("A training needs at least {} {} pictures labelled {} that can be used, and there are {}.",
                         wanted, name, label, have)});
    };
    need(good, is_test ? least.test_normal : least.train_normal, "normal");
    need(anomalies, is_test ? least.test_anomaly : least.train_anomaly, "as anomalies");
    if (anomalies > 0 && good > kMostGood * anomalies)
      out.push_back(
          {FindingKind::imbalance,
           {},
           {},
           is_test,
           fmt::format("Of the {} pictures {} are normal and {} anomalous: how many anomalies a model finds can "
                       "hardly be told from so few.",
                       name, good, anomalies)});
    if (good > 0 && anomalies > kMostAnomalies * good)
      out.push_back(
          {FindingKind::imbalance,
           {},
           {},
           is_test,
           fmt::format("Of the {} pictures {} are normal and {} anomalous: a model learns from the normal ones "
                       "what good parts look like, and needs more of them.",
                       name, good, anomalies)});
  }
  std::map<std::string, std::int64_t> alone;
  for (const auto p : usable) {
    const auto& mask = pictures[p].mask;
    if (pictures[p].is_test || !mask) continue;
    for (const auto& label : mask->labels) alone[label] += mask->labels.size() == 1 ? 1 : 0;
  }
  const auto best =
      std::max_element(alone.begin(), alone.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  if (best != alone.end() && best->second < least.train_per_label)
    out.push_back(
        {FindingKind::too_few,
         {},
         {},
         false,
         fmt::format("At least {} training pictures must have masks that show only one anomaly label; {} has {}.",
                     least.train_per_label, best->first, best->second)});
}

}  // namespace

std::string_view to_text(FindingKind kind) {
  return kNames.at(static_cast<std::size_t>(kind));
}

std::vector<std::size_t> usable_pictures(const Pictures& pictures) {
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < pictures.size(); ++i)
    if (pictures[i].look) out.push_back(i);
  return out;
}

Result<std::vector<Finding>> find_all(const std::vector<CheckedPicture>& pictures, const LeastPictures& least,
                                      int threads, const std::atomic<bool>& cancelled) {
  std::vector<Finding> out;
  const auto usable = usable_pictures(pictures);
  find_faults(pictures, usable, out);
  const auto likeness = compare_pictures(pictures, usable, threads, cancelled);
  if (!likeness) return likeness.error();
  find_copies(pictures, usable, *likeness, out);
  find_contradictions(pictures, usable, *likeness, out);
  find_outliers(pictures, usable, *likeness, out);
  find_shortage(pictures, usable, least, out);
  std::stable_sort(out.begin(), out.end(), [](const auto& a, const auto& b) {
    return std::pair(a.kind, a.picture) < std::pair(b.kind, b.picture);
  });
  return out;
}

}  // namespace vedette::dataset_check
