#include "vision/report/charts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/xml.hpp"

namespace vedette::charts {
namespace {

constexpr double kWidth = 360, kHeight = 240, kLeft = 46, kRight = 12, kTop = 12, kBottom = 40;
constexpr int kBins = 30;

/// Maps values to the pixels of a chart and draws its frame.
class Frame {
 public:
  explicit Frame(const Axes& axes) : axes_(axes) {}
  [[nodiscard]] double x(double v) const {
    return kLeft + (v - axes_.x_low) / (axes_.x_high - axes_.x_low) * (kWidth - kLeft - kRight);
  }
  [[nodiscard]] double y(double v) const {
    return kHeight - kBottom - (v - axes_.y_low) / (axes_.y_high - axes_.y_low) * (kHeight - kTop - kBottom);
  }
  [[nodiscard]] std::string open(bool with_x_ticks) const {
    std::string out = fmt::format(R"(<svg viewBox="0 0 {} {}" role="img">)", kWidth, kHeight);
    for (int tick = 0; tick <= 4; ++tick) {
      const double share = tick / 4.0, vy = axes_.y_low + share * (axes_.y_high - axes_.y_low),
                   vx = axes_.x_low + share * (axes_.x_high - axes_.x_low);
      out += fmt::format(R"(<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>)", kLeft, kWidth - kRight,
                         y(vy), y(vy));
      out += fmt::format(R"(<text class="tick" x="{}" y="{:.1f}" text-anchor="end">{:.3g}</text>)", kLeft - 6,
                         y(vy) + 4, vy);
      if (with_x_ticks)
        out += fmt::format(R"(<text class="tick" x="{:.1f}" y="{}" text-anchor="middle">{:.4g}</text>)", x(vx),
                           kHeight - kBottom + 15, vx);
    }
    out += fmt::format(R"(<text class="axis" x="{}" y="{}" text-anchor="middle">{}</text>)",
                       0.5 * (kLeft + kWidth - kRight), kHeight - 6, xml_escape(axes_.x));
    out +=
        fmt::format(R"~(<text class="axis" transform="translate(11,{}) rotate(-90)" text-anchor="middle">{}</text>)~",
                    0.5 * (kTop + kHeight - kBottom), xml_escape(axes_.y));
    return out;
  }

 private:
  const Axes& axes_;
};

}  // namespace

std::string plot(const Axes& axes, std::span<const Line> lines) {
  const Frame frame(axes);
  std::string out = frame.open(true);
  for (const auto& line : lines) {
    out += fmt::format(R"(<polyline class="{}" points=")", line.style);
    for (const auto& [x, y] : line.points) out += fmt::format("{:.1f},{:.1f} ", frame.x(x), frame.y(y));
    out += R"("/>)";
  }
  return out + "</svg>";
}

std::string score_histogram(std::span<const double> good, std::span<const double> anomalous, double threshold) {
  const auto axis = [](double score) { return std::log10(std::max(score, 1e-3)); };
  double low = axis(threshold), high = low;
  for (const auto scores : {good, anomalous})
    for (double s : scores) low = std::min(low, axis(s)), high = std::max(high, axis(s));
  high = std::max(high, low + 0.1);
  std::vector<int> counts[2] = {std::vector<int>(kBins), std::vector<int>(kBins)};
  int most = 1;
  for (int kind = 0; kind < 2; ++kind)
    for (double s : kind == 0 ? good : anomalous) {
      const auto bin =
          std::min<std::size_t>(kBins - 1, static_cast<std::size_t>((axis(s) - low) / (high - low) * kBins));
      most = std::max(most, ++counts[kind][bin]);
    }
  const Axes axes{"anomaly score (logarithmic)", "pictures", low, high, 0, static_cast<double>(most)};
  const Frame frame(axes);
  std::string out = frame.open(false);
  const double width = (frame.x(high) - frame.x(low)) / kBins;
  for (int kind = 0; kind < 2; ++kind)
    for (int bin = 0; bin < kBins; ++bin) {
      const int count = counts[kind][static_cast<std::size_t>(bin)];
      if (count == 0) continue;
      out += fmt::format(R"(<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>)",
                         kind == 0 ? "good" : "bad", frame.x(low) + width * (bin + 0.48 * kind), frame.y(count),
                         0.46 * width, frame.y(0) - frame.y(count));
    }
  for (int tick = 0; tick <= 4; ++tick) {
    const double v = low + tick * (high - low) / 4;
    out += fmt::format(R"(<text class="tick" x="{:.1f}" y="{}" text-anchor="middle">{:.2g}</text>)", frame.x(v),
                       kHeight - kBottom + 15, std::pow(10.0, v));
  }
  out += fmt::format(R"(<line class="threshold" x1="{0:.1f}" x2="{0:.1f}" y1="{1}" y2="{2}"/>)",
                     frame.x(axis(threshold)), kTop, kHeight - kBottom);
  return out + "</svg>";
}

}  // namespace vedette::charts
