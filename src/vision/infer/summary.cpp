// The operations that describe a picture as a whole: `summarize_rows` and `probe`.

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "vision/infer/planner.hpp"

namespace vedette {
namespace {

constexpr double kMostLogit = 27;  // Its inverse exponential is the least height of a map (infer.cpp).

}  // namespace

void Planner::summarize_rows(const Node& node) {
  const auto& in = input(node, 2);
  const auto rows = in.shape[0], channels = in.shape[1];
  const double share = number(node, "share", 0, 1);
  const auto kept = std::clamp<std::int64_t>(std::llround(share * static_cast<double>(rows)), 1, rows);
  auto& out = make_output(node, {3 * channels});
  add_step([&in, &out, rows, channels, kept] {
    constexpr std::int64_t kBlock = 16;  // So many channels are read together, since they lie side by side.
#pragma omp parallel for
    for (std::int64_t first = 0; first < channels; first += kBlock) {
      const auto width = std::min(kBlock, channels - first);
      std::vector<float> columns(static_cast<std::size_t>(width * rows)), top(static_cast<std::size_t>(kept));
      for (std::int64_t r = 0; r < rows; ++r)
        for (std::int64_t c = 0; c < width; ++c)
          columns[static_cast<std::size_t>(c * rows + r)] = in.data[static_cast<std::size_t>(r * channels + first + c)];
      for (std::int64_t c = 0; c < width; ++c) {
        const auto begin = columns.begin() + c * rows, end = begin + rows;
        double sum = 0, squares = 0, largest = 0;
        for (auto v = begin; v != end; ++v) sum += *v;
        const double mean = sum / static_cast<double>(rows);
        for (auto v = begin; v != end; ++v) squares += (*v - mean) * (*v - mean);
        // Few values are kept, so most are looked at once. They come out in descending order, and so their sum does not
        // depend on the order of the rows.
        std::partial_sort_copy(begin, end, top.begin(), top.end(), std::greater<>());
        for (float v : top) largest += v;
        const auto at = static_cast<std::size_t>(first + c), step = static_cast<std::size_t>(channels);
        out.data[at] = static_cast<float>(mean);
        out.data[at + step] = static_cast<float>(std::sqrt(squares / static_cast<double>(rows)));
        out.data[at + 2 * step] = static_cast<float>(largest / static_cast<double>(kept));
      }
    }
  });
}

void Planner::probe(const Node& node) {
  const auto& in = input(node, 1);
  const auto& center = tensor(node, "center", in.shape);
  const auto& scale = tensor(node, "scale", in.shape);
  const auto& weights = tensor(node, "weights", in.shape);
  const auto bias = static_cast<double>(tensor(node, "bias", {1}).data()[0]);
  const auto limit = static_cast<float>(number(node, "limit", 0, 1e6));
  auto& out = make_output(node, {1, 1});
  add_step([&in, &out, center, scale, weights, bias, limit] {
    double sum = bias;
    for (std::size_t i = 0; i < in.data.size(); ++i)
      sum += weights.data()[i] * std::clamp((in.data[i] - center.data()[i]) * scale.data()[i], -limit, limit);
    out.data[0] = static_cast<float>(std::exp(std::clamp(sum, -kMostLogit, kMostLogit)));
  });
}

}  // namespace vedette
