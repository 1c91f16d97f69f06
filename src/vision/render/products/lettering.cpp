#include "vision/render/products/lettering.hpp"

#include <algorithm>
#include <string_view>

namespace vedette::products {
namespace {

/// Returns the strokes of a character on a grid of 5 × 7 points: pairs of column and row, with a space where the pen is
/// lifted.
std::string_view strokes(char c) {
  switch (c) {
    case '0':
      return "103041453616050110";
    case '1':
      return "112026 0646";
    case '2':
      return "01103041420646";
    case '3':
      return "0110304142334445361605 2333";
    case '4':
      return "36300444";
    case '5':
      return "4000033344453606";
    case '6':
      return "3010010516364544330313";
    case '7':
      return "004016";
    case '8':
      return "1302011030414233130405163645443313";
    case '9':
      return "1636454130100102133343";
    case 'A':
      return "062046 1434";
    case 'E':
      return "40000646 0333";
    case 'K':
      return "0006 400346";
    case 'L':
      return "000646";
    case 'N':
      return "06004640";
    case 'O':
      return "103041453616050110";
    case 'P':
      return "06003041423303";
    case 'R':
      return "06003041423303 1346";
    case 'S':
      return "413010010213334445361605";
    case 'T':
      return "0040 2026";
    case 'V':
      return "002640";
    case 'Y':
      return "002340 2326";
    case '-':
      return "0343";
    case '.':
      return "2626";
    default:
      return "";
  }
}

}  // namespace

double Lettering::distance(double x, double y) const {
  const double u = (x - from_.x) / scale_, v = (y - from_.y) / scale_;
  const double column = std::floor((u + 1) / kAdvance);
  if (v < -1 || v > 7 || column < 0 || column >= static_cast<double>(text_.size())) return 1e9;
  const auto path = strokes(text_[static_cast<std::size_t>(column)]);
  const Point p{u - column * kAdvance, v};
  double nearest = 1e9;
  Point last{};
  bool is_drawing = false;
  for (std::size_t i = 0; i + 1 < path.size();) {
    if (path[i] == ' ') {
      is_drawing = false;
      ++i;
      continue;
    }
    const Point next{static_cast<double>(path[i] - '0'), static_cast<double>(path[i + 1] - '0')};
    if (is_drawing) nearest = std::min(nearest, segment_distance(p, last, next));
    last = next;
    is_drawing = true;
    i += 2;
  }
  return nearest * scale_;
}

}  // namespace vedette::products
