#include <fmt/format.h>

#include "vision/image/image.hpp"

namespace vedette {

Result<Rgb> parse_color(std::string_view text) {
  const auto bytes = text.starts_with('#') && text.size() == 7 ? from_hex(text.substr(1)) : std::nullopt;
  if (!bytes) return invalid_input(fmt::format("\"{}\" is not a colour of the form #rrggbb.", text.substr(0, 20)));
  return Rgb{(*bytes)[0], (*bytes)[1], (*bytes)[2]};
}

std::string to_text(const Rgb& color) {
  return fmt::format("#{:02X}{:02X}{:02X}", color[0], color[1], color[2]);
}

Result<Grid<std::uint8_t>> split_mask(const RgbImage& mask, std::span<const MaskLabel> labels) {
  if (labels.size() > 254) return invalid_input("A mask has more than 254 labels.");
  Grid<std::uint8_t> out(mask.height, mask.width);
  const auto index_of = [&](const Rgb& color) -> int {
    for (std::size_t i = 0; i < labels.size(); ++i)
      if (labels[i].color == color)
        return equals_ignore_case(labels[i].name, "background") ? 0 : static_cast<int>(i) + 1;
    if (color == Rgb{0, 0, 0} || color == Rgb{255, 255, 255}) return 0;
    return -1;
  };
  Rgb last{0, 0, 0};
  int last_index = index_of(last);
  for (std::size_t i = 0; i < out.values.size(); ++i) {
    const Rgb color{mask.pixels[3 * i], mask.pixels[3 * i + 1], mask.pixels[3 * i + 2]};
    if (color != last) {
      last = color;
      last_index = index_of(color);
    }
    if (last_index < 0)
      return invalid_input("the mask holds the colour " + to_text(color) +
                           ", which its internal-color-map does not name");
    out.values[i] = static_cast<std::uint8_t>(last_index);
  }
  return out;
}

}  // namespace vedette
