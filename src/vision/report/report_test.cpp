#include "vision/report/report.hpp"

#include <gtest/gtest.h>

#include "vision/report/charts.hpp"

namespace vedette {
namespace {

Prediction predicted(const std::string& name, bool is_anomalous, double score) {
  return {name, is_anomalous, score >= 1, 0.9, score, "/nowhere/" + name, 0, false};
}

Report some_report() {
  Report r;
  r.title = "<model>";
  r.manifest.threshold = 1;
  r.evaluation.predictions = {predicted("a\"><script>.jpg", true, 3), predicted("b.jpg", false, 0.2),
                              predicted("c.jpg", false, 2)};
  r.evaluation.image_auroc = 1;
  r.evaluation.decoder_loss = {{10, 2}, {20, 1}};
  r.contest = {{.name = "memory_bank", .auroc = 0.75, .score_weight = 1, .map_weight = 0}};
  for (const auto& p : r.evaluation.predictions)
    r.pictures.push_back({p,
                          RgbImage{8, 8, std::vector<std::uint8_t>(192, 100)},
                          RgbImage{8, 8, std::vector<std::uint8_t>(192, 50)},
                          {},
                          {}});
  return r;
}

TEST(Report, NamesFromOutsideAreEscaped) {
  const auto page = to_html(some_report());
  EXPECT_EQ(page.find("<script"), std::string::npos);
  EXPECT_EQ(page.find("<model>"), std::string::npos);
  EXPECT_NE(page.find("a&quot;&gt;&lt;script&gt;.jpg"), std::string::npos);
}

TEST(Report, LoadsNothingFromElsewhere) {
  const auto page = to_html(some_report());
  EXPECT_EQ(page.find("http"), std::string::npos);
  EXPECT_NE(page.find("data:image/jpeg;base64,"), std::string::npos);
  for (const auto* part :
       {"ROC", "Precision and recall", "Reliability", "Learning curve", "Contest", "Confusion", "1 of 1", "1 of 2"})
    EXPECT_NE(page.find(part), std::string::npos) << part;
}

TEST(Report, OneClassHasNoCurves) {
  auto r = some_report();
  r.evaluation.predictions.erase(r.evaluation.predictions.begin());
  const auto page = to_html(r);
  EXPECT_EQ(page.find("<b>ROC"), std::string::npos);
  EXPECT_EQ(page.find("nan"), std::string::npos);
}

TEST(Report, TellsKnownBatchesFromUnknownOnes) {
  auto r = some_report();
  EXPECT_EQ(to_html(r).find("The good pictures"), std::string::npos);
  r.evaluation.batches = BatchFinding{.are_clear = false, .share = 0.02, .known_auroc = {}, .known_f1 = {}};
  EXPECT_NE(to_html(r).find("show no batches"), std::string::npos);
  r.evaluation.batches = BatchFinding{.are_clear = true, .share = 0.24, .known_auroc = 0.906, .known_f1 = 0.83};
  const auto page = to_html(r);
  for (const auto* part : {"<b>0.906</b>AUROC on batches that the models know", "<b>0.830</b>F1 on", "24 % of what"})
    EXPECT_NE(page.find(part), std::string::npos) << part;
}

TEST(Report, AContestantsFigureThatIsNotDefinedIsADash) {
  auto r = some_report();
  r.contest = {{"memory_bank", 0.0, 1, 0}};
  EXPECT_NE(to_html(r).find("<td>memory_bank</td><td>0.000</td>"), std::string::npos);
  r.contest = {{"memory_bank", {}, 1, 0}};
  EXPECT_NE(to_html(r).find("<td>memory_bank</td><td>–</td>"), std::string::npos);
}

TEST(Report, HistogramsHoldEveryScore) {
  const std::vector<double> good = {0.1, 0.1, 0.1}, bad = {0, 1e6};
  const auto chart = charts::score_histogram(good, bad, 1);
  std::size_t bars = 0;
  for (auto at = chart.find("<rect"); at != std::string::npos; at = chart.find("<rect", at + 1)) ++bars;
  EXPECT_EQ(bars, 3U);
}

TEST(Report, AFolderWithoutAModelIsRefused) {
  EXPECT_FALSE(collect_report("/nowhere", {}, 1, 1));
}

}  // namespace
}  // namespace vedette
