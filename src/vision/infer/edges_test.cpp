#include <gtest/gtest.h>

#include <cmath>

#include "base/parallel.hpp"
#include "vision/infer/graph.hpp"

namespace vedette {
namespace {

constexpr int kSide = 64, kCell = 16, kCells = kSide / kCell;
constexpr std::size_t kNumbers = 44, kAcross = 0, kDown = 1, kRising = 2, kFalling = 3;  // of the first octave

Graph make_graph() {
  auto graph = Graph::plan({{"edge_energies", "edges", {"image"}, {}, {{"cell", kCell}}}}, {}, {"edges"}, kSide, kSide);
  EXPECT_TRUE(graph) << graph.error().message;
  return std::move(*graph);
}

template <typename F>
Planes picture_of(F function) {
  Planes out{3, kSide, kSide, {}};
  for (int c = 0; c < 3; ++c)
    for (int y = 0; y < kSide; ++y)
      for (int x = 0; x < kSide; ++x) out.values.push_back(static_cast<float>(function(c, y, x)));
  return out;
}

float number_of(const Graph& graph, int row, int column, std::size_t number) {
  return graph.output("edges").data[static_cast<std::size_t>(row * kCells + column) * kNumbers + number];
}

TEST(EdgeEnergies, ToWhereAnEdgeIsAndWhichWayItRuns) {
  auto graph = make_graph();
  // One upright edge, in the middle of the cells of column 2.
  graph.run(picture_of([](int, int, int x) { return x < 40 ? 0.2 : 0.8; }));
  EXPECT_GT(number_of(graph, 1, 2, kAcross), 10 * number_of(graph, 1, 0, kAcross));
  EXPECT_NEAR(number_of(graph, 1, 2, kDown), 0, 1e-4);
  EXPECT_NEAR(number_of(graph, 1, 2, kRising), number_of(graph, 1, 2, kFalling), 1e-4);
  // Half of the numbers are those of the neighbourhood, where the edge is seen from the cell beside it.
  EXPECT_GT(number_of(graph, 1, 1, kNumbers / 2 + kAcross), 10 * number_of(graph, 1, 1, kAcross));
  graph.run(picture_of([](int, int y, int x) { return std::sin(0.5 * (x + y)); }));
  EXPECT_GT(number_of(graph, 1, 1, kRising), 10 * number_of(graph, 1, 1, kFalling));
}

TEST(EdgeEnergies, AreRelativeToThePictureAndKeepColoursApart) {
  auto graph = make_graph();
  const auto texture = [](int y, int x) { return std::sin(0.7 * x) * std::cos(0.3 * y) * (x < 32 ? 1 : 0.2); };
  graph.run(picture_of([&](int, int y, int x) { return 0.5 + 0.2 * texture(y, x); }));
  const auto weak = graph.output("edges").copy();
  graph.run(picture_of([&](int c, int y, int x) { return 0.5 + 0.4 * texture(y, x) + (c == 0 ? 0.1 : 0); }));
  const auto& strong = graph.output("edges").data;
  for (std::size_t i = 0; i < weak.size(); ++i) {
    const bool is_color = i % (kNumbers / 2) >= 20;
    ASSERT_NEAR(strong[i], is_color ? (i % 2 == 0 ? 0.1F : 0) : weak[i], 0.06F) << i;
  }
}

TEST(EdgeEnergies, DoNotDependOnTheNumberOfThreads) {
  const auto picture = picture_of([](int c, int y, int x) { return 0.5 + 0.3 * std::sin(x * y * 0.01 + c); });
  std::vector<std::vector<float>> results;
  for (const int threads : {1, 3}) {
    const ThreadCount count(threads);
    auto graph = make_graph();
    graph.run(picture);
    results.push_back(graph.output("edges").copy());
  }
  EXPECT_EQ(results[0], results[1]);
}

TEST(EdgeEnergies, CellsThatDoNotFitAreRefused) {
  for (const double cell : {0.0, 4.0, 12.0, 24.0, 128.0})
    EXPECT_FALSE(
        Graph::plan({{"edge_energies", "edges", {"image"}, {}, {{"cell", cell}}}}, {}, {"edges"}, kSide, kSide))
        << cell;
  EXPECT_FALSE(Graph::plan(
      {{"slice", "one", {"image"}, {}, {{"channel", 0}}}, {"edge_energies", "edges", {"one"}, {}, {{"cell", 16}}}}, {},
      {"edges"}, kSide, kSide));
}

}  // namespace
}  // namespace vedette
