#include "vision/learn/batches.hpp"

#include <Eigen/Dense>
#include <algorithm>
#include <cctype>
#include <cmath>
#include <numeric>

namespace vedette {
namespace {

constexpr int kOrders = 999;  // random ones
constexpr std::size_t kMostMeasured = 400;
constexpr double kLeastSpread = 0.1;  // A share of the median spread; numbers that hardly vary are not blown up.

/// Compares texts as people sort file names: a number counts by its value.
bool comes_before(const std::string& a, const std::string& b) {
  const auto is_digit = [](char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; };
  std::size_t i = 0, j = 0;
  while (i < a.size() && j < b.size()) {
    if (!is_digit(a[i]) || !is_digit(b[j])) {
      if (a[i] != b[j]) return a[i] < b[j];
      ++i, ++j;
      continue;
    }
    const auto number = [&](const std::string& text, std::size_t& at) {
      while (at < text.size() && text[at] == '0') ++at;
      const auto begin = at;
      while (at < text.size() && is_digit(text[at])) ++at;
      return text.substr(begin, at - begin);
    };
    const auto x = number(a, i), y = number(b, j);
    if (x != y) return x.size() != y.size() ? x.size() < y.size() : x < y;
  }
  if (a.size() - i != b.size() - j) return a.size() - i < b.size() - j;
  return a < b;
}

std::string folder_of(const std::string& name) {
  const auto slash = name.rfind('/');
  return slash == std::string::npos ? std::string() : name.substr(0, slash);
}

}  // namespace

std::vector<std::int64_t> cut_into_runs(std::span<const std::string> names, std::int64_t runs) {
  std::vector<std::size_t> order(names.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return comes_before(names[a], names[b]); });
  const auto count = std::ssize(order);
  const auto begins_folder = [&](std::int64_t place) {
    return folder_of(names[order[static_cast<std::size_t>(place)]]) !=
           folder_of(names[order[static_cast<std::size_t>(place - 1)]]);
  };
  std::vector<std::int64_t> out(names.size());
  std::int64_t begin = 0;
  for (std::int64_t run = 0; run < runs; ++run) {
    const std::int64_t middle = (run + 1) * count / runs;
    // Every later run needs a picture, too.
    const auto is_possible = [&](std::int64_t end) { return end > begin && end <= count - (runs - 1 - run); };
    std::int64_t end = middle;
    for (std::int64_t step = 0; run + 1 < runs && step <= count / (2 * runs); ++step) {
      const auto nearest = [&](std::int64_t place) { return is_possible(place) && begins_folder(place); };
      if (nearest(middle - step) || nearest(middle + step)) {
        end = nearest(middle - step) ? middle - step : middle + step;
        break;
      }
    }
    if (!is_possible(end)) end = begin + 1;
    for (; begin < end; ++begin) out[order[static_cast<std::size_t>(begin)]] = run;
  }
  return out;
}

std::vector<float> summarize_cells(std::span<const float> rows, std::int64_t cells) {
  const auto channels = static_cast<std::size_t>(static_cast<std::int64_t>(rows.size()) / cells);
  std::vector<double> sum(channels), squares(channels);
  for (std::size_t i = 0; i < rows.size(); i += channels)
    for (std::size_t c = 0; c < channels; ++c) {
      const double v = rows[i + c];
      sum[c] += v, squares[c] += v * v;
    }
  std::vector<float> out(2 * channels);
  for (std::size_t c = 0; c < channels; ++c) {
    const double mean = sum[c] / static_cast<double>(cells);
    out[c] = static_cast<float>(mean);
    out[channels + c] =
        static_cast<float>(std::sqrt(std::max(0.0, squares[c] / static_cast<double>(cells) - mean * mean)));
  }
  return out;
}

BatchEvidence evidence_of_batches(std::span<const float> descriptions, std::span<const std::int64_t> run,
                                  Random random) {
  if (run.size() < kLeastForBatches) return {};
  const auto width = static_cast<Eigen::Index>(descriptions.size() / run.size());
  const std::size_t every = (run.size() + kMostMeasured - 1) / kMostMeasured;
  std::vector<std::size_t> group;
  for (std::size_t i = 0; i < run.size(); i += every) group.push_back(static_cast<std::size_t>(run[i]));
  const auto n = static_cast<Eigen::Index>(group.size());
  Eigen::MatrixXd x(n, width);
  for (Eigen::Index i = 0; i < n; ++i)
    for (Eigen::Index c = 0; c < width; ++c)
      x(i, c) = descriptions[static_cast<std::size_t>(i) * every * static_cast<std::size_t>(width) +
                             static_cast<std::size_t>(c)];
  x.rowwise() -= x.colwise().mean().eval();
  Eigen::RowVectorXd spread = (x.colwise().squaredNorm() / static_cast<double>(n)).cwiseSqrt();
  std::vector<double> sorted(spread.begin(), spread.end());
  std::nth_element(sorted.begin(), sorted.begin() + width / 2, sorted.end());
  spread = spread.cwiseMax(kLeastSpread * sorted[static_cast<std::size_t>(width / 2)] + 1e-9);
  x.array().rowwise() /= spread.array();
  const Eigen::MatrixXd products = x * x.transpose();
  const double all = products.trace();
  if (!(all > 0)) return {};
  const auto groups = *std::max_element(group.begin(), group.end()) + 1;
  // The variance between runs is the sum over runs of the squared length of their sum over their number of pictures.
  const auto share_between = [&] {
    std::vector<double> squares(groups), count(groups);
    for (Eigen::Index i = 0; i < n; ++i) {
      const auto g = group[static_cast<std::size_t>(i)];
      count[g] += 1;
      squares[g] += products(i, i);
      for (Eigen::Index k = 0; k < i; ++k)
        if (group[static_cast<std::size_t>(k)] == g) squares[g] += 2 * products(i, k);
    }
    double between = 0;
    for (std::size_t g = 0; g < groups; ++g)
      if (count[g] > 0) between += squares[g] / count[g];
    return between / all;
  };
  const double seen = share_between();
  double mean = 0, reached = 1;
  for (int order = 0; order < kOrders; ++order) {
    for (std::size_t i = group.size(); i > 1; --i) std::swap(group[i - 1], group[random.below(i)]);
    const double drawn = share_between();
    mean += drawn / kOrders;
    reached += drawn >= seen ? 1 : 0;
  }
  return {(seen - mean) / (1 - mean), reached / (kOrders + 1)};
}

}  // namespace vedette
