#pragma once

#include <atomic>
#include <vector>

#include "vision/dataset_check/dataset_check.hpp"

/// The parts of find_all(), each in a file of its own. Only files of vision/dataset_check include this header. Each
/// takes pictures that could be looked at, and returns findings or values in the order of these pictures.
namespace vedette::dataset_check {

using Pictures = std::vector<CheckedPicture>;

/// The pictures that could be looked at, by their indices.
std::vector<std::size_t> usable_pictures(const Pictures& pictures);

/// How alike the pictures are, from their thumbnails.
struct Likeness {
  struct Copy {
    std::size_t original;  ///< an index into the pictures, before that of the copy
    bool is_exact = false;
    bool has_other_label = false, is_in_other_dataset = false;
  };
  std::vector<std::optional<Copy>> copies;  ///< for each usable picture the copy that matters most
  /// For each usable picture its distance to the good pictures that look most like it (to the fifth one, or to the one
  /// behind the nearest twentieth of them); empty if there are too few.
  std::vector<float> distances;
};
/// Fails with unavailable once `cancelled` is true.
Result<Likeness> compare_pictures(const Pictures& pictures, const std::vector<std::size_t>& usable, int threads,
                                  const std::atomic<bool>& cancelled);

void find_copies(const Pictures& pictures, const std::vector<std::size_t>& usable, const Likeness& likeness,
                 std::vector<Finding>& out);
void find_outliers(const Pictures& pictures, const std::vector<std::size_t>& usable, const Likeness& likeness,
                   std::vector<Finding>& out);
void find_contradictions(const Pictures& pictures, const std::vector<std::size_t>& usable, const Likeness& likeness,
                         std::vector<Finding>& out);

}  // namespace vedette::dataset_check
