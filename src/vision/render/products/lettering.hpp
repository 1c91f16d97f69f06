#pragma once

#include <string>

#include "vision/render/products/canvas.hpp"

/// One line of letters made of strokes, as they are engraved or moulded.
namespace vedette::products {

class Lettering {
 public:
  /// The characters are digits, A E K L N O P R S T V Y, '-', '.' and ' '. The first one's upper left corner is at
  /// `from`, and each is 6 × scale pixels high.
  Lettering(std::string text, Point from, double scale) : text_(std::move(text)), from_(from), scale_(scale) {}

  /// Returns the distance to the middle of the nearest stroke of the character there, in pixels; far from all
  /// characters it is large.
  [[nodiscard]] double distance(double x, double y) const;
  [[nodiscard]] std::size_t size() const { return text_.size(); }
  [[nodiscard]] char& operator[](std::size_t i) { return text_[i]; }
  /// Returns the middle of a character.
  [[nodiscard]] Point middle(std::size_t i) const {
    return {from_.x + (kAdvance * static_cast<double>(i) + 2) * scale_, from_.y + 3 * scale_};
  }

 private:
  static constexpr double kAdvance = 6;
  std::string text_;
  Point from_;
  double scale_;
};

}  // namespace vedette::products
