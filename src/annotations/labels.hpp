#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "annotations/dataset.hpp"

namespace vedette {

inline constexpr std::size_t kMostProjectLabels = 100, kMostMaskLabels = 20;

/// Gives the labels of a source names and colours that Vedette takes.
class LabelTable {
 public:
  /// `colors` are those that the source wishes, by its names; colours that are white, black or taken give way.
  explicit LabelTable(const std::vector<std::pair<std::string, std::string>>& colors);

  /// Returns the number of a label, 1 … 100, and adds it if it is new; nothing if there are 100 already.
  std::optional<std::uint8_t> number_of(const std::string& source);
  [[nodiscard]] const std::vector<DatasetLabel>& labels() const { return labels_; }
  /// The colours by number, with white for 0.
  [[nodiscard]] const std::vector<Rgb>& colors() const { return colors_; }

 private:
  Rgb choose_color(const std::string& source);

  std::map<std::string, Rgb> wishes_;
  std::map<std::string, std::uint8_t> numbers_;
  std::set<std::string> names_ = {"background"};  ///< in lower case
  std::set<Rgb> taken_ = {{0, 0, 0}, {255, 255, 255}};
  std::vector<DatasetLabel> labels_;
  std::vector<Rgb> colors_ = {{255, 255, 255}};
};

/// Whether a label means no defect but what lies around: background, _background_ or __ignore__.
bool is_background_label(std::string_view label);

}  // namespace vedette
