#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "vision/image/image.hpp"
#include "vision/infer/registration.hpp"

/// Pictures as examples: each keeps its most conspicuous places, and what is to be seen there, so that other pictures
/// can be compared with it. A training keeps its pictures as examples, each as the models of its own fold see it, and
/// verified pictures become examples, too (vision/verdict/corrections.hpp).
namespace vedette {

/// The file of a model's folder with the pictures of its training; detection does not need it.
inline constexpr const char* kExamplesFile = "examples.json";
inline constexpr std::size_t kMostPlaces = 16;  ///< The places of one picture.

/// A place of a picture that stands out from its surroundings in the anomaly map.
struct Place {
  double y = 0, x = 0;  ///< Where its centre lies, as shares of the picture's height and width, 0 … 1.
  double height = 0;    ///< The value of the anomaly map, ≥ 0; 1 is the height that good pictures reach.
  /// What the memory bank compares: the whitened features of the cell and its neighbours, averaged. Distances of such
  /// rows are Euclidean. All rows of one model have the same length.
  std::vector<float> features;
  /// The distance of the features to the nearest row of the memory bank, which holds what is ordinary.
  double distance = 0;
};

/// A point of a picture, as shares of its height and width, 0 … 1.
struct PicturePoint {
  double y = 0, x = 0;
};

struct Example {
  std::string source_ref;
  bool is_anomalous = false;  ///< What a person says of the picture.
  bool is_pointed = false;    ///< A person pointed at the defect, which is the first of the places.
  double anomaly_score = 0;   ///< By models that had not learnt from the picture.
  std::vector<Place> places;  ///< The highest first, behind the one that a person pointed at; at most kMostPlaces + 1.
};

/// The whitened features of all cells of one picture, and what they are compared with.
struct CellFeatures {
  int height = 0, width = 0;
  std::vector<float> rows;      ///< [height · width, channels]
  std::span<const float> bank;  ///< [rows of the memory bank, channels]; it must outlive this
  /// Where the cells lie in the picture, if it was moved to be compared with a reference: the unit of dy and dx is a
  /// cell.
  std::optional<RigidTransform> pose;
};

/// Returns the places where the anomaly map is highest, the highest first. None lies next to a higher one. If somebody
/// pointed `at` a place, that place is returned before all others.
std::vector<Place> find_places(const Grid<float>& map, const CellFeatures& cells, std::optional<PicturePoint> at = {});

/// Writes examples as JSON; features are rounded to bf16.
std::string to_text(std::span<const Example> examples);
/// Reads what to_text() wrote. Fails with invalid_input if it is anything else, or if the rows differ in length.
Result<std::vector<Example>> parse_examples(std::string_view text);

}  // namespace vedette
