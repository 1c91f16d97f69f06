#include "edge/frames/demosaic.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "base/target_clones.hpp"

namespace vedette {
namespace {

constexpr int kReach = 2;  // of the filters
using Sample = std::int16_t;

/// One row of each estimate that the paper's figure 2 has, times 16, without its own colour.
struct Estimates {
  std::vector<Sample> green;     ///< green at a red or blue sample
  std::vector<Sample> sideways;  ///< at a green sample: the colour that lies to the left and right
  std::vector<Sample> upright;   ///< at a green sample: the colour that lies above and below
  std::vector<Sample> diagonal;  ///< at a red or blue sample: the other of the two
};

/// `r` holds five rows around this one, each from column −2.
VEDETTE_TARGET_CLONES void estimate(const Sample* far_above, const Sample* above, const Sample* here,
                                    const Sample* below, const Sample* far_below, int width, Sample* __restrict green,
                                    Sample* __restrict sideways, Sample* __restrict upright,
                                    Sample* __restrict diagonal) {
  for (int x = 0; x < width; ++x) {
    const int c = here[x + 2];
    const int beside = here[x + 1] + here[x + 3], far_beside = here[x] + here[x + 4];
    const int over = above[x + 2] + below[x + 2], far_over = far_above[x + 2] + far_below[x + 2];
    const int corners = above[x + 1] + above[x + 3] + below[x + 1] + below[x + 3];
    green[x] = static_cast<Sample>(8 * c + 4 * (beside + over) - 2 * (far_beside + far_over));
    sideways[x] = static_cast<Sample>(10 * c + 8 * beside - 2 * (far_beside + corners) + far_over);
    upright[x] = static_cast<Sample>(10 * c + 8 * over - 2 * (far_over + corners) + far_beside);
    diagonal[x] = static_cast<Sample>(12 * c + 4 * corners - 3 * (far_beside + far_over));
  }
}

VEDETTE_TARGET_CLONES void round_off(Sample* values, int width) {
  for (int x = 0; x < width; ++x) {
    const int rounded = (values[x] + 8) >> 4;
    values[x] = static_cast<Sample>(rounded < 0 ? 0 : rounded > 255 ? 255 : rounded);
  }
}

int mirrored(int at, int length) {
  if (at < 0) return -at;
  return at < length ? at : 2 * (length - 1) - at;
}

}  // namespace

void demosaic(const std::uint8_t* samples, std::size_t stride, int height, int width, int red_row, int red_column,
              std::uint8_t* rgb) {
  const auto length = static_cast<std::size_t>(width);
  Estimates e{std::vector<Sample>(length), std::vector<Sample>(length), std::vector<Sample>(length),
              std::vector<Sample>(length)};
  std::array<std::vector<Sample>, 2 * kReach + 1> rows;  // row y is rows[(y + kReach) % 5]
  for (auto& row : rows) row.resize(length + 2 * kReach);
  const auto slot = [&](int y) -> std::vector<Sample>& {
    return rows[static_cast<std::size_t>(y + kReach) % rows.size()];
  };
  const auto load = [&](int y) {
    const std::uint8_t* const from = samples + stride * static_cast<std::size_t>(mirrored(y, height));
    auto& row = slot(y);
    std::copy(from, from + width, row.begin() + kReach);
    for (int i = 1; i <= kReach; ++i) {
      row[static_cast<std::size_t>(kReach - i)] = from[mirrored(-i, width)];
      row[static_cast<std::size_t>(kReach + width - 1 + i)] = from[mirrored(width - 1 + i, width)];
    }
  };
  for (int y = -kReach; y < kReach; ++y) load(y);
  for (int y = 0; y < height; ++y) {
    load(y + kReach);
    const Sample* const here = slot(y).data();
    estimate(slot(y - 2).data(), slot(y - 1).data(), here, slot(y + 1).data(), slot(y + 2).data(), width,
             e.green.data(), e.sideways.data(), e.upright.data(), e.diagonal.data());
    for (auto* values : {&e.green, &e.sideways, &e.upright, &e.diagonal}) round_off(values->data(), width);
    const bool is_red_row = y % 2 == red_row;
    // In a row of red, red and green take turns; the colour of the row lies beside its green samples.
    const int first_colored = is_red_row ? red_column : 1 - red_column;
    const int own = is_red_row ? 0 : 2, other = 2 - own;
    for (int x = 0; x < width; ++x, rgb += 3) {
      const auto i = static_cast<std::size_t>(x);
      if (x % 2 == first_colored) {
        rgb[own] = static_cast<std::uint8_t>(here[x + kReach]);
        rgb[1] = static_cast<std::uint8_t>(e.green[i]);
        rgb[other] = static_cast<std::uint8_t>(e.diagonal[i]);
      } else {
        rgb[own] = static_cast<std::uint8_t>(e.sideways[i]);
        rgb[1] = static_cast<std::uint8_t>(here[x + kReach]);
        rgb[other] = static_cast<std::uint8_t>(e.upright[i]);
      }
    }
  }
}

}  // namespace vedette
