#include "vision/learn/batches.hpp"

#include <gtest/gtest.h>

namespace vedette {
namespace {

TEST(Batches, RunsFollowTheNumbersInNames) {
  std::vector<std::string> names;
  for (const int number : {9, 10, 100, 11, 8, 12, 7, 101}) names.push_back("good/" + std::to_string(number) + ".png");
  EXPECT_EQ(cut_into_runs(names, 4), (std::vector<std::int64_t>{1, 1, 3, 2, 0, 2, 0, 3}));
  EXPECT_EQ(cut_into_runs(std::vector<std::string>{"b", "a", "a1", "a01"}, 4), (std::vector<std::int64_t>{3, 0, 2, 1}));
}

TEST(Batches, ARunBeginsWhereAFolderBegins) {
  std::vector<std::string> names;
  std::vector<std::int64_t> expected;
  for (const auto& [folder, pictures] : {std::pair("monday", 11), {"noon", 9}, {"thursday", 13}, {"zero", 7}})
    for (int i = 0; i < pictures; ++i) {
      names.push_back(std::string(folder) + "/" + std::to_string(i));
      expected.push_back(*folder == 'm' ? 0 : *folder == 'n' ? 1 : *folder == 't' ? 2 : 3);
    }
  EXPECT_EQ(cut_into_runs(names, 4), expected);
  // One folder has nearly all pictures: no run may be empty.
  names.assign(20, "a/1");
  names.insert(names.begin(), "0/1");
  const auto runs = cut_into_runs(names, 4);
  for (std::int64_t run = 0; run < 4; ++run) EXPECT_GE(std::count(runs.begin(), runs.end(), run), 4) << run;
}

/// Pictures of which each fifth belongs to the next batch; batches differ by `shift` in some of the columns.
BatchEvidence evidence(std::size_t pictures, double shift, std::uint64_t seed) {
  constexpr std::size_t width = 40;
  Random random(seed);
  std::vector<float> rows;
  std::vector<std::int64_t> run;
  for (std::size_t i = 0; i < pictures; ++i) {
    Random batch(100 + i * 5 / pictures);
    for (std::size_t c = 0; c < width; ++c)
      rows.push_back(static_cast<float>(random.normal() + (c % 2 == 0 ? shift * batch.normal() : 0)));
    run.push_back(static_cast<std::int64_t>(i * 4 / pictures));
  }
  return evidence_of_batches(rows, run, Random(seed));
}

TEST(Batches, AreFoundWhereTheyDifferAndNowhereElse) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    EXPECT_TRUE(evidence(40, 2, seed).is_clear()) << seed;
    EXPECT_FALSE(evidence(40, 0, seed).is_clear()) << seed;
    EXPECT_FALSE(evidence(300, 0.2, seed).is_clear()) << seed;  // It is certain, but too small to matter.
  }
  EXPECT_LT(evidence(300, 0.2, 1).chance, 0.01);
  EXPECT_FALSE(evidence(kLeastForBatches - 1, 5, 1).is_clear());
}

TEST(Batches, CellsAreSummarisedByMeanAndDeviation) {
  const std::vector<float> rows = {1, 10, 3, 10};  // two cells of two numbers
  EXPECT_EQ(summarize_cells(rows, 2), (std::vector<float>{2, 10, 1, 0}));
}

}  // namespace
}  // namespace vedette
