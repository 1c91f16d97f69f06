#pragma once

#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "training/training.hpp"
#include "vision/image/image.hpp"

/// The products of the benchmark: which pictures teach, and which ones judge what was learned.
namespace vedette::bench {

using Samples = std::vector<TrainingPicture>;

/// Returns the value, or throws the error's message as std::runtime_error.
template <typename T>
T required(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  return std::move(*result);
}
inline void required(const Result<void>& result) {
  if (!result) throw std::runtime_error(result.error().message);
}

/// The kinds of training, in the order of the table:
///   labelled  good and bad pictures, some products with masks and some without
///   normal    the good pictures alone
///   few-good  five good pictures, which the seed chooses
///   few-both  ten good and three bad ones, with masks if the product has them
///   batch     as `labelled`, but judged on pictures of another batch
///   rebased   the same, after ten good pictures of the other batch moved the model (vision/learn/rebase)
///   kept      the moved model, judged on the test pictures of `labelled`
extern const std::vector<std::string> kKinds;
/// The products that are measured by default, and those that are measured only when they are named.
extern const std::vector<std::string> kProducts, kFurtherProducts;

/// A set of pictures that judges one kind of training.
struct Exam {
  std::string kind;
  Samples test;
  Samples rebasing = {};  ///< Good pictures of another batch. If there are any, they move the model before the exam.
};
/// One training, and what judges its model.
struct Lesson {
  Samples train;
  std::vector<Exam> exams;
};

/// Where pictures are found and made.
struct Places {
  std::filesystem::path data;  ///< folder of the real products
  std::filesystem::path work;  ///< folder for rendered and stretched pictures, which are kept for later calls
};

/// Returns the trainings of one product. Kinds that the product does not have are left out, and kinds that share a
/// training are one lesson. Rendered products draw their pictures from the seed. Of a product whose pictures are not at
/// hand nothing is returned. Throws std::runtime_error if pictures cannot be read or written.
std::vector<Lesson> lessons_of(const std::string& product, const std::vector<std::string>& kinds, std::uint64_t seed,
                               const Places& places);

/// Keeps all good pictures and the first `most` anomalous pictures of each label.
void keep_defects(Samples& samples, std::size_t most);

/// Where a picture of the circuit boards differs from its template, widened so that all that depends on it is inside:
/// 1 there, otherwise 0. A template has the places of the board that was made of it. Empty for any other product.
std::optional<Grid<std::uint8_t>> known_places(const TrainingPicture& sample, int height, int width);

}  // namespace vedette::bench
