#include "metrics/metrics.hpp"

#include <gtest/gtest.h>

#include "base/files.hpp"
#include "store/metadata/repeating_store.hpp"
#include "store/metadata/sqlite/sqlite_metadata.hpp"

namespace vedette {
namespace {

const Scope kScope{"123456789012", "us-east-1"};

class MetricsTest : public testing::Test {
 protected:
  std::vector<MetricPoint> query(std::int64_t period) {
    return metrics_.query({.scope = kScope,
                           .metric = "Time",
                           .project = "p",
                           .version = "1",
                           .start = 0,
                           .end = 1'000'000,
                           .period = period});
  }
  TemporaryFolder folder_;
  FakeClock clock_{Timestamp{std::chrono::seconds(6000)}};
  std::unique_ptr<MetadataStore> store_ =
      std::make_unique<RepeatingStore>(open_sqlite_metadata(folder_.path() / "m.sqlite", clock_));
  Metrics metrics_{*store_, clock_};
};

TEST_F(MetricsTest, AreCountedPerMinuteAndAnswerOverAnyPeriod) {
  metrics_.add(kScope, "p", "1", Metric::time, 10);
  metrics_.flush();
  metrics_.add(kScope, "p", "1", Metric::time, 20);  // This value belongs to the same minute and comes after a flush.
  clock_.advance(std::chrono::seconds(60));
  metrics_.add(kScope, "p", "1", Metric::time, 60);
  metrics_.add(kScope, "p", "2", Metric::time, 1000);
  const auto minutes = query(60);
  ASSERT_EQ(minutes.size(), 2U);
  EXPECT_EQ(minutes[0].start, 6000);
  EXPECT_EQ(minutes[0].sum, 30);
  EXPECT_EQ(minutes[0].count, 2);
  EXPECT_EQ(query(3600).at(0).maximum, 60);
  EXPECT_EQ(metrics_.list(kScope, {}, 10).size(), 2U);
}

TEST_F(MetricsTest, PrometheusSeesTheSameNames) {
  metrics_.add(kScope, "p", "1", Metric::detected_anomaly_count, 1);
  metrics_.add(kScope, "p", "1", Metric::detected_anomaly_count, 1);
  metrics_.add(kScope, "p\"", "", Metric::time, 12.5);
  for (const double brightness : {0.25, 0.5}) metrics_.add(kScope, "p", "1", Metric::brightness, brightness);
  const auto text = metrics_.to_prometheus();
  EXPECT_NE(text.find("# TYPE DetectedAnomalyCount counter\n"
                      "DetectedAnomalyCount{project=\"p\",version=\"1\",region=\"us-east-1\"} 2\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("Time_sum{project=\"p\\\"\",version=\"\",region=\"us-east-1\"} 12.5\n"), std::string::npos)
      << text;
  EXPECT_NE(text.find("# TYPE Brightness summary\n"
                      "Brightness_sum{project=\"p\",version=\"1\",region=\"us-east-1\"} 0.75\n"
                      "Brightness_count{project=\"p\",version=\"1\",region=\"us-east-1\"} 2\n"),
            std::string::npos)
      << text;
}

TEST_F(MetricsTest, UnitsOfHostedModelsAreSampledAndGoWhenTheyStop) {
  store_->write([&](UnitOfWork& work) {
    work.projects().insert(kScope, {"p", clock_.now()});
    Model model;
    model.project = "p";
    model.version = 1;
    model.uid = "u";
    model.status = ModelStatus::hosted;
    model.output = {"b", ""};
    work.models().insert(kScope, model);
    work.models().set_units("u", 2, 4);
  });
  metrics_.sample_hosting();
  EXPECT_NE(metrics_.to_prometheus().find("MaxInferenceUnits{project=\"p\",version=\"1\",region=\"us-east-1\"} 4"),
            std::string::npos);
  store_->write(
      [&](UnitOfWork& work) { work.models().move("u", ModelStatus::hosted, ModelStatus::stopping_hosting, ""); });
  metrics_.sample_hosting();
  EXPECT_EQ(metrics_.to_prometheus().find("InferenceUnits"), std::string::npos);
}

TEST_F(MetricsTest, AStreamThatLeftTheTrainingIsShownOnlyWhereThatCanBeTold) {
  store_->write([&](UnitOfWork& work) {
    work.projects().insert(kScope, {"p", clock_.now()});
    for (const auto* uid : {"a", "b", "c"}) {
      Model model;
      model.project = "p";
      model.version = uid[0] - 'a' + 1;
      model.uid = uid;
      model.status = ModelStatus::hosted;
      model.output = {"b", ""};
      work.models().insert(kScope, model);
    }
  });
  Metrics metrics(*store_, clock_, [](const std::string& uid) -> std::optional<Metrics::HostedState> {
    return Metrics::HostedState{1, 1, uid == "c" ? std::nullopt : std::optional(uid == "a")};
  });
  metrics.sample_hosting();
  const auto text = metrics.to_prometheus();
  EXPECT_NE(text.find("StreamUnlikeTraining{project=\"p\",version=\"1\",region=\"us-east-1\"} 1\n"), std::string::npos)
      << text;
  EXPECT_NE(text.find("StreamUnlikeTraining{project=\"p\",version=\"2\",region=\"us-east-1\"} 0\n"), std::string::npos);
  EXPECT_EQ(text.find("StreamUnlikeTraining{project=\"p\",version=\"3\""), std::string::npos);
}

}  // namespace
}  // namespace vedette
