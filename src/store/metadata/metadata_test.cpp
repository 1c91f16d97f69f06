// What the repositories do, whatever database is behind them.
#include "store/metadata/metadata.hpp"

#include <gtest/gtest.h>

#include "store/metadata/backends.hpp"
#include "store/sqlite/sqlite.hpp"

namespace vedette::embedded {
extern const std::string_view migration_0001;
}

namespace vedette {
namespace {

const Scope kScope{"123456789012", "us-east-1"};
Timestamp at(int second) {
  return Timestamp{std::chrono::seconds(second)};
}

using Metadata = MetadataSuite;

TEST_P(Metadata, ProjectsAreUniquePerAccountAndRegion) {
  store_->write([&](UnitOfWork& work) {
    EXPECT_FALSE(work.projects().insert(kScope, {"p", at(2)}));
    EXPECT_TRUE(work.projects().insert({kScope.account, "eu-west-1"}, {"p", at(2)}));
    EXPECT_TRUE(work.projects().insert(kScope, {"P", at(2)}));
  });
  const auto listed = store_->read()->projects().list(kScope, "", 10);
  ASSERT_EQ(listed.size(), 2U);
  EXPECT_EQ(listed[0].name, "P");
  EXPECT_EQ(store_->read()->projects().list(kScope, "P", 10).size(), 1U);
}

TEST_P(Metadata, ModelVersionsAreNeverUsedTwice) {
  store_->write([&](UnitOfWork& work) {
    EXPECT_EQ(work.projects().next_model_version(kScope, "p"), 1);
    EXPECT_EQ(work.projects().next_model_version(kScope, "p"), 2);
    Model m;
    m.project = "p";
    m.version = 2;
    m.uid = "u2";
    m.tags = {{"stage", "test"}};
    m.output = {"b", ""};
    work.models().insert(kScope, m);
    EXPECT_TRUE(work.models().remove("u2"));
    EXPECT_EQ(work.projects().next_model_version(kScope, "p"), 3);
  });
}

TEST_P(Metadata, StatusChangesAreCompareAndSet) {
  store_->write([&](UnitOfWork& work) {
    Model m;
    m.project = "p";
    m.version = 1;
    m.uid = "u1";
    m.output = {"b", "x/"};
    m.description = "d";
    work.models().insert(kScope, m);
    EXPECT_TRUE(work.models().move("u1", ModelStatus::training, ModelStatus::trained, "ok"));
    EXPECT_FALSE(work.models().move("u1", ModelStatus::training, ModelStatus::training_failed, "late"));
    EXPECT_FALSE(work.models().set_message("u1", ModelStatus::training, "late"));
    work.models().set_evaluation("u1", Performance{.f1 = 0.5, .recall = 0.25, .precision = 1}, {"b", "m"}, {"b", "r"},
                                 at(9));
    work.models().set_units("u1", 1, std::nullopt);
  });
  const auto found = store_->read()->models().find_latest(kScope, "p");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->status, ModelStatus::trained);
  EXPECT_EQ(found->status_message, "ok");
  EXPECT_EQ(found->performance->recall, 0.25);
  EXPECT_EQ(found->evaluation_result->key, "r");
  EXPECT_EQ(*found->min_inference_units, 1);
  EXPECT_FALSE(found->max_inference_units);
  EXPECT_EQ(store_->read()->models().list_in_states({ModelStatus::trained}).at(0).scope, kScope);

  store_->write([&](UnitOfWork& work) {
    work.models().set_evaluation("u1", std::nullopt, {"b", "m"}, {"b", "r"}, at(9));
  });
  EXPECT_FALSE(store_->read()->models().find_latest(kScope, "p")->performance);
}

TEST_P(Metadata, EntriesAreFilteredAndGoWithTheirDataset) {
  store_->write([&](UnitOfWork& work) {
    Dataset d;
    d.project = "p";
    d.uid = "d1";
    EXPECT_TRUE(work.datasets().insert(kScope, d));
    d.uid = "d2";
    EXPECT_FALSE(work.datasets().insert(kScope, d));
    work.datasets().replace_entries(
        "d1",
        {{"s3://b/1", false, at(1), "{}"}, {"s3://b/2", true, at(2), "{}"}, {"s3://b/3", std::nullopt, at(3), "{}"}});
    const auto count = [&](const EntryFilter& f) { return work.datasets().list_entries("d1", f, 0, 10).size(); };
    EXPECT_EQ(count({}), 3U);
    EXPECT_EQ(count({.is_labeled = true}), 2U);
    EXPECT_EQ(count({.is_labeled = false}), 1U);
    EXPECT_EQ(count({.is_anomalous = true}), 1U);
    EXPECT_EQ(count({.created_before = at(3), .created_after = at(1)}), 1U);
    EXPECT_EQ(count({.source_ref_contains = "b/3"}), 1U);
    const auto stats = work.datasets().find(kScope, "p", DatasetType::train)->stats;
    EXPECT_EQ(stats.total, 3);
    EXPECT_EQ(stats.labeled, 2);
    EXPECT_TRUE(work.datasets().remove("d1"));
    EXPECT_EQ(count({}), 0U);
  });
}

TEST_P(Metadata, UpdatedEntriesKeepTheirPlaceAndNewOnesFollow) {
  store_->write([&](UnitOfWork& work) {
    Dataset d;
    d.project = "p";
    d.uid = "d1";
    work.datasets().insert(kScope, d);
    work.datasets().replace_entries("d1", {{"a", false, at(1), "1"}, {"b", false, at(1), "2"}});
    work.datasets().update_entries("d1", {{"c", std::nullopt, at(2), "3"}, {"a", true, at(2), "4"}});
    std::string lines;
    for (const auto& e : work.datasets().list_entries("d1", {}, 0, 10)) lines += e.entry.line;
    EXPECT_EQ(lines, "423");
    // The positions of entries have gaps; places have none.
    work.datasets().update_entries("d1", {{"a", true, at(2), "4"}, {"d", true, at(2), "5"}});
    const auto at_places = [&](std::int64_t offset, std::int64_t limit) {
      std::string found;
      for (const auto& e : work.datasets().entries_at("d1", offset, limit)) found += e.line;
      return found;
    };
    EXPECT_EQ(at_places(0, 10), "4235");
    EXPECT_EQ(at_places(1, 2), "23");
    EXPECT_EQ(at_places(3, 2), "5");
    EXPECT_EQ(at_places(4, 2), "");
    const auto stats = work.datasets().find(kScope, "p", DatasetType::train)->stats;
    EXPECT_EQ(stats.total, 4);
    EXPECT_EQ(stats.normal, 1);
    EXPECT_EQ(stats.anomaly, 2);
  });
}

TEST_P(Metadata, AThresholdIsReplacedForgottenAndGoesWithItsModel) {
  store_->write([&](UnitOfWork& work) {
    work.projects().insert(kScope, {"p", at(0)});
    Model m;
    m.project = "p";
    m.version = 1;
    m.uid = "u";
    work.models().insert(kScope, m);
    EXPECT_FALSE(work.models().threshold("u"));
    work.models().set_threshold("u", MovedThreshold{0.5, "ann", at(1)});
    work.models().set_threshold("u", MovedThreshold{0.1, "bob", at(2)});
    const auto moved = work.models().threshold("u");
    ASSERT_TRUE(moved);
    EXPECT_EQ(moved->threshold, 0.1);
    EXPECT_EQ(moved->user, "bob");
    EXPECT_EQ(moved->time, at(2));
    work.models().set_threshold("u", {});
    EXPECT_FALSE(work.models().threshold("u"));
    work.models().set_threshold("u", MovedThreshold{0.5, "ann", at(1)});
    EXPECT_TRUE(work.models().remove("u"));
    EXPECT_FALSE(work.models().threshold("u"));
  });
}

TEST_P(Metadata, AModelKeepsTheVerifiedPicturesUntilItIsRemoved) {
  store_->write([&](UnitOfWork& work) {
    work.projects().insert(kScope, {"p", at(0)});
    Model m;
    m.project = "p";
    m.version = 1;
    m.uid = "u";
    work.models().insert(kScope, m);
    auto& pictures = work.verified_pictures();
    const auto none = pictures.revision("u");
    pictures.put("u", {"s3://b/1", "one", "ann", at(1)});
    const auto first = pictures.revision("u");
    EXPECT_NE(first, none);
    pictures.put("u", {"s3://b/2", "two", "ann", at(2)});
    pictures.put("u", {"s3://b/1", "other", "bob", at(3)});
    const auto all = pictures.list("u");
    ASSERT_EQ(all.size(), 2U);
    EXPECT_EQ(all[0].example, "two");
    EXPECT_EQ(all[1].source_ref, "s3://b/1");
    EXPECT_EQ(all[1].example, "other");
    EXPECT_EQ(all[1].user, "bob");
    EXPECT_EQ(all[1].time, at(3));
    const auto two = pictures.revision("u");
    EXPECT_TRUE(pictures.remove("u", "s3://b/1"));
    EXPECT_FALSE(pictures.remove("u", "s3://b/1"));
    const auto one = pictures.revision("u");
    pictures.put("u", {"s3://b/1", "other", "bob", at(3)});
    EXPECT_NE(one, two);
    EXPECT_NE(pictures.revision("u"), two);  // it was gone in between
    EXPECT_TRUE(work.models().remove("u"));
    EXPECT_TRUE(pictures.list("u").empty());
  });
}

TEST_P(Metadata, ATrialKeepsItsVerdictsAndWhatPeopleSayOfThem) {
  store_->write([&](UnitOfWork& work) {
    TrialDetection t;
    t.project = "p";
    t.name = "first";
    t.uid = "t1";
    t.model_version = 3;
    t.model_uid = "m";
    t.bucket = "b";
    t.moved_threshold = 0.25;
    t.created = t.updated = at(1);
    auto& trials = work.trial_detections();
    EXPECT_TRUE(trials.insert(kScope, t, {"a", "b", "c"}));
    auto other = t;
    other.uid = "t2";
    EXPECT_FALSE(trials.insert(kScope, other, {"a"}));
    other.name = "second";
    other.moved_threshold.reset();
    EXPECT_TRUE(trials.insert(kScope, other, {"a"}));
    EXPECT_EQ(trials.pending("t1", 2), (std::vector<std::pair<std::int64_t, std::string>>{{0, "a"}, {1, "b"}}));

    TrialImage judged, skipped;
    judged.verdict = TrialVerdict{true, 0.75, 1.5, {"crack", "dent"}, "masks/0.png"};
    skipped.skipped_reason = "broken";
    trials.set_result("t1", 0, judged);
    trials.set_result("t1", 2, skipped);
    EXPECT_EQ(trials.pending("t1", 10), (std::vector<std::pair<std::int64_t, std::string>>{{1, "b"}}));
    EXPECT_TRUE(trials.verify("t1", "a", false));
    EXPECT_FALSE(trials.verify("t1", "b", true));  // has no verdict yet
    EXPECT_FALSE(trials.verify("t1", "c", true));
    EXPECT_FALSE(trials.verify("t1", "none", true));
    const auto images = trials.images_at("t1", 0, 10);
    ASSERT_EQ(images.size(), 3U);
    ASSERT_TRUE(images[0].verdict);
    EXPECT_TRUE(images[0].verdict->is_anomalous);
    EXPECT_EQ(images[0].verdict->confidence, 0.75);
    EXPECT_EQ(images[0].verdict->anomaly_score, 1.5);
    EXPECT_EQ(images[0].verdict->anomaly_labels, (std::vector<std::string>{"crack", "dent"}));
    EXPECT_EQ(images[0].verdict->mask_key, "masks/0.png");
    EXPECT_EQ(images[0].is_correct, false);
    EXPECT_FALSE(images[1].verdict || images[1].skipped_reason || images[1].is_correct);
    EXPECT_EQ(images[2].skipped_reason, "broken");
    EXPECT_EQ(trials.images_at("t1", 1, 1).front().key, "b");

    const auto found = trials.find(kScope, "p", "first");
    ASSERT_TRUE(found);
    EXPECT_EQ(found->moved_threshold, 0.25);
    EXPECT_EQ(found->model_version, 3);
    const auto& n = found->counts;
    EXPECT_EQ((std::vector{n.images, n.judged, n.anomalous, n.skipped, n.correct, n.incorrect}),
              (std::vector<std::int64_t>{3, 1, 1, 1, 0, 1}));
    EXPECT_TRUE(trials.verify("t1", "a", std::nullopt));
    EXPECT_EQ(trials.find("t1")->counts.incorrect, 0);
    EXPECT_FALSE(trials.find("t2")->moved_threshold);

    EXPECT_TRUE(trials.move("t1", TrialStatus::running, TrialStatus::completed, "done", at(5)));
    EXPECT_FALSE(trials.move("t1", TrialStatus::running, TrialStatus::failed, "late", at(6)));
    EXPECT_EQ(trials.find("t1")->status_message, "done");
    EXPECT_EQ(trials.find("t1")->updated, at(5));
    EXPECT_EQ(trials.list(kScope, "p", {}, 10).size(), 2U);
    EXPECT_EQ(trials.count(kScope, "p"), 2);
    EXPECT_EQ(trials.count(kScope, "q"), 0);
    EXPECT_EQ(trials.count_running(kScope.account), 1);
    EXPECT_EQ(trials.count_running("210987654321"), 0);
    EXPECT_EQ(trials.list(kScope, "p", {1000, "first"}, 10).front().name, "second");
    EXPECT_TRUE(trials.remove("t1"));
    EXPECT_TRUE(trials.images_at("t1", 0, 10).empty());
    EXPECT_TRUE(work.projects().remove(kScope, "p"));
    EXPECT_FALSE(trials.find("t2"));
  });
}

TEST_P(Metadata, AProjectHasOneDatasetCheckWithItsFindings) {
  store_->write([&](UnitOfWork& work) {
    auto& checks = work.dataset_checks();
    DatasetCheck check;
    check.project = "p";
    check.uid = "c1";
    check.images = 9;
    check.dataset_state = "s";
    check.created = check.updated = at(1);
    checks.replace(kScope, check);
    check.uid = "c2";
    checks.replace(kScope, check);
    EXPECT_FALSE(checks.find("c1"));
    check.checked = 4;
    check.status_message = "looking";
    check.updated = at(2);
    EXPECT_TRUE(checks.update(check));
    const auto found = checks.find(kScope, "p");
    ASSERT_TRUE(found);
    EXPECT_EQ(found->uid, "c2");
    EXPECT_EQ(found->status, CheckStatus::running);
    EXPECT_EQ((std::vector{found->images, found->checked}), (std::vector<std::int64_t>{9, 4}));
    EXPECT_EQ(found->dataset_state, "s");
    EXPECT_EQ(found->created, at(1));
    EXPECT_EQ(found->updated, at(2));

    const DatasetFinding copy{"EXACT_DUPLICATE",  DatasetType::test, "s3://b/2",
                              DatasetType::train, "s3://b/1",        "a copy"};
    const DatasetFinding few{"TOO_FEW", DatasetType::train, {}, {}, {}, "few"};
    EXPECT_TRUE(checks.finish("c2", CheckStatus::completed, "done", {copy, copy, few}, at(3)));
    EXPECT_FALSE(checks.finish("c2", CheckStatus::failed, "late", {few}, at(4)));
    EXPECT_FALSE(checks.update(check));
    EXPECT_EQ(checks.find("c2")->status_message, "done");
    const auto counts = checks.count_findings("c2");
    ASSERT_EQ(counts.size(), 2U);
    EXPECT_EQ(counts[0].kind, "EXACT_DUPLICATE");
    EXPECT_EQ(counts[0].count, 2);
    ASSERT_EQ(checks.findings_at("c2", {}, 1, 10).size(), 2U);
    ASSERT_EQ(checks.findings_at("c2", "EXACT_DUPLICATE", 0, 1).size(), 1U);
    const auto first = checks.findings_at("c2", {}, 0, 1).front();
    EXPECT_EQ(first.dataset, DatasetType::test);
    EXPECT_EQ(first.source_ref, "s3://b/2");
    EXPECT_EQ(first.related_dataset, DatasetType::train);
    EXPECT_EQ(first.related_ref, "s3://b/1");
    EXPECT_EQ(first.detail, "a copy");
    const auto last = checks.findings_at("c2", "TOO_FEW", 0, 10);
    ASSERT_EQ(last.size(), 1U);
    EXPECT_FALSE(last[0].source_ref || last[0].related_dataset || last[0].related_ref);
    EXPECT_TRUE(work.projects().remove(kScope, "p"));
    EXPECT_FALSE(checks.find("c2"));
    EXPECT_TRUE(checks.findings_at("c2", {}, 0, 10).empty());
  });
}

TEST_P(Metadata, TagsAndProgressBelongToTheirModel) {
  store_->write([&](UnitOfWork& work) {
    Model m;
    m.project = "p";
    m.version = 1;
    m.uid = "u1";
    m.output = {"b", ""};
    m.tags = {{"stage", "test"}};
    work.models().insert(kScope, m);
    work.models().set_tag("u1", {"stage", "production"});
    work.models().set_tag("u1", {"line", ""});
    work.models().remove_tag("u1", "nothing");
    const auto tags = work.models().find(kScope, "p", 1)->tags;
    ASSERT_EQ(tags.size(), 2U);
    EXPECT_EQ(tags[1].value, "production");
    EXPECT_FALSE(work.models().progress("u1"));
    work.models().set_progress(
        "u1", {.started = at(5), .updated = at(5), .stage = "features", .fraction = 0.25, .seconds_left = 10.0});
    work.models().set_progress("u1", {at(6), at(6), "judging", 0.5, std::nullopt});
    const auto progress = work.models().progress("u1");
    EXPECT_EQ(progress->started, at(5));
    EXPECT_EQ(progress->stage, "judging");
    EXPECT_FALSE(progress->seconds_left);
    EXPECT_EQ(work.models().count(kScope, "p"), 1);
    EXPECT_TRUE(work.models().remove("u1"));
    EXPECT_FALSE(work.models().progress("u1"));
  });
}

TEST_P(Metadata, PackagingJobsAreListedByAgeAndGoWithTheirProject) {
  store_->write([&](UnitOfWork& work) {
    PackagingJob job{.project = "p",
                     .name = "b",
                     .model_version = 1,
                     .description = std::nullopt,
                     .configuration = "{}",
                     .component_name = "part",
                     .component_version = "1.0.0",
                     .status = PackagingJobStatus::created,
                     .status_message = "m",
                     .created = at(5),
                     .updated = at(5)};
    EXPECT_TRUE(work.packaging_jobs().insert(kScope, job));
    EXPECT_FALSE(work.packaging_jobs().insert(kScope, job));
    job.name = "a";
    EXPECT_TRUE(work.packaging_jobs().insert(kScope, job));
    const auto listed = work.packaging_jobs().list(kScope, "p", {}, 10);
    ASSERT_EQ(listed.size(), 2U);
    EXPECT_EQ(listed[0].name, "a");
    EXPECT_EQ(work.packaging_jobs().list(kScope, "p", {5000, "a"}, 10).size(), 1U);
    EXPECT_TRUE(work.packaging_jobs().has_component(kScope, "part", "1.0.0"));
    for (const char* name : {"a", "b"})
      EXPECT_TRUE(work.packaging_jobs().move(kScope, "p", name, PackagingJobStatus::created, PackagingJobStatus::failed,
                                             "no", at(6)));
    EXPECT_FALSE(work.packaging_jobs().has_component(kScope, "part", "1.0.0"));
    EXPECT_TRUE(work.projects().remove(kScope, "p"));
    EXPECT_FALSE(work.packaging_jobs().find(kScope, "p", "a"));
  });
}

TEST_P(Metadata, UsersHavePoliciesAndKeysAndGoWithThem) {
  store_->write([&](UnitOfWork& work) {
    EXPECT_TRUE(work.users().insert({"1", "ann", {"read"}, at(1)}));
    EXPECT_FALSE(work.users().insert({"1", "ann", {}, at(1)}));
    EXPECT_TRUE(work.users().attach("1", "ann", "detect"));
    EXPECT_FALSE(work.users().attach("1", "ann", "detect"));
    EXPECT_EQ(work.users().find("1", "ann")->policies, (std::vector<std::string>{"detect", "read"}));
    EXPECT_TRUE(work.users().detach("1", "ann", "read"));
    EXPECT_FALSE(work.users().is_attached("1", "read"));
    work.users().put_policy({.account = "1", .name = "mine", .document = "{}", .created = at(2)});
    work.users().put_policy({.account = "1", .name = "mine", .document = "{1}", .created = at(3)});
    EXPECT_EQ(work.users().find_policy("1", "mine")->document, "{1}");
    EXPECT_EQ(work.users().list_policies("1").size(), 1U);
    work.users().insert_key({.access_key_id = "AKIA1",
                             .account = "1",
                             .user = "ann",
                             .sealed_secret = "sealed",
                             .is_active = true,
                             .created = at(2)});
    EXPECT_EQ(work.users().list_keys("1", "ann").size(), 1U);
    EXPECT_EQ(work.users().list_keys("1", "bob").size(), 0U);
    EXPECT_EQ(work.users().list("1", "", 10).size(), 1U);
    EXPECT_TRUE(work.users().remove("1", "ann"));
    EXPECT_FALSE(work.users().find_key("AKIA1"));
  });
}

/// Returns the point of a minute in which one value was measured.
MetricPoint measured(std::int64_t start, const char* version, double value) {
  return {.scope = kScope,
          .metric = "Time",
          .project = "p",
          .version = version,
          .start = start,
          .period = 60,
          .sum = value,
          .count = 1,
          .minimum = value,
          .maximum = value};
}

TEST_P(Metadata, MetricsAddUpAndGrowCoarserWithAge) {
  store_->write([&](UnitOfWork& work) {
    const std::int64_t day = 86'400, start = 1'000 * day;
    const auto add = [&](std::int64_t minute, const char* version, double value) {
      work.metric_points().add(measured(start + minute * 60, version, value));
    };
    for (const std::int64_t minute : {0, 1, 7}) add(minute, "1", 10), add(minute, "1", 20), add(minute, "2", 1);
    const auto ask = [&](std::int64_t period, const std::optional<std::string>& version) {
      return work.metric_points().query({.scope = kScope,
                                         .metric = "Time",
                                         .project = "p",
                                         .version = version,
                                         .start = start,
                                         .end = start + day,
                                         .period = period});
    };
    EXPECT_EQ(ask(60, "1").size(), 3U);
    EXPECT_EQ(ask(60, "1")[0].sum, 30);
    EXPECT_EQ(ask(day, {})[0].sum, 93);
    EXPECT_EQ(ask(day, {})[0].minimum, 1);
    EXPECT_EQ(ask(day, {})[0].maximum, 20);
    for (const auto& [age, points] :
         {std::pair<std::int64_t, std::size_t>{14, 3}, {16, 2}, {64, 1}, {400, 1}, {500, 0}}) {
      while (work.metric_points().compact(Timestamp{std::chrono::seconds(start + age * day)})) {
      }
      EXPECT_EQ(ask(60, "1").size(), points) << age;
      double sum = 0;
      for (const auto& point : ask(day, {})) sum += point.sum;
      EXPECT_EQ(sum, points > 0 ? 93 : 0) << age;
    }
    const auto series = work.metric_points().list(kScope, {}, 10);
    ASSERT_EQ(series.size(), 2U);
    EXPECT_EQ(work.metric_points().list(kScope, series[0], 10).at(0).version, "2");
  });
}

TEST_P(Metadata, ManyOldMetricsGrowCoarserInSeveralGoes) {
  store_->write([&](UnitOfWork& work) {
    const std::int64_t start = 1'000 * 86'400;
    for (int i = 0; i < 12'000; ++i) work.metric_points().add(measured(start + i * 60, "1", 1));
    int goes = 1;
    while (work.metric_points().compact(Timestamp{std::chrono::seconds(start + 30 * 86'400)})) ++goes;
    EXPECT_GT(goes, 1);
    const auto points = work.metric_points().query({.scope = kScope,
                                                    .metric = "Time",
                                                    .project = "p",
                                                    .version = "1",
                                                    .start = start,
                                                    .end = start + 12'000 * 60,
                                                    .period = 60});
    EXPECT_EQ(points.size(), 2'400U);
    double sum = 0;
    for (const auto& point : points) sum += point.sum;
    EXPECT_EQ(sum, 12'000);
  });
}

TEST_P(Metadata, TokensAreForgottenInTime) {
  store_->write([&](UnitOfWork& work) {
    work.tokens().remember(kScope, "CreateProject", "t", {"hash", "p"}, at(100));
    EXPECT_EQ(work.tokens().find(kScope, "CreateProject", "t", at(100))->resource, "p");
    EXPECT_FALSE(work.tokens().find(kScope, "CreateProject", "t", at(101)));
    EXPECT_FALSE(work.tokens().find(kScope, "StartModel", "t", at(0)));
    work.tokens().forget_before(at(101));
    EXPECT_FALSE(work.tokens().find(kScope, "CreateProject", "t", at(0)));
  });
}

TEST_P(Metadata, LeasesAreFoundByTheirTimeAndByTheirWorker) {
  const auto id = store_->write([](UnitOfWork& work) { return work.jobs().insert({"k", "{}", at(10)}); });
  store_->write([&](UnitOfWork& work) {
    auto& jobs = work.jobs();
    EXPECT_FALSE(jobs.find_ready("k", at(9), at(100)));
    EXPECT_FALSE(jobs.find_ready("other", at(10), at(100)));
    EXPECT_EQ(jobs.find_ready("k", at(10), at(100))->id, id);
    EXPECT_EQ(jobs.find_ready("k", at(5), at(9))->id, id) << "it is ready later than it could be";
    EXPECT_EQ(jobs.lock(id)->worker, "");
    EXPECT_TRUE(jobs.held_by("").empty()) << "nobody holds it";
    jobs.set_lease(id, {"node_1/x", 7, at(30), 3, 2});
    const auto lease = jobs.lock(id);
    ASSERT_TRUE(lease);
    EXPECT_EQ(lease->worker, "node_1/x");
    EXPECT_EQ(lease->term, 7);
    EXPECT_EQ(lease->ready, at(30));
    EXPECT_EQ(lease->attempts, 3);
    EXPECT_EQ(lease->rescues, 2);
    EXPECT_TRUE(jobs.held_by("node11/").empty()) << "the prefix is no pattern";
    ASSERT_EQ(jobs.held_by("node_1/").size(), 1U);
    EXPECT_EQ(jobs.held_by("node_1/")[0].first, id);
    EXPECT_EQ(jobs.held_by("node_1/")[0].second.term, 7);
    jobs.remove(id);
    EXPECT_FALSE(jobs.lock(id));
  });
}

TEST_P(Metadata, ANodeHasOneRowThatIsForgottenInTime) {
  ServerNode node;
  node.id = "a";
  node.term = 1;
  node.address = "https://10.0.0.1:8420";
  node.version = "1.0";
  node.cores = 4;
  node.started = node.seen = at(5);
  auto other = node;
  other.id = "B";
  other.seen = at(6);
  store_->write([&](UnitOfWork& work) {
    EXPECT_FALSE(work.nodes().lock("a"));
    work.nodes().put(node);
    work.nodes().put(other);
    node.is_draining = node.has_left = true;
    node.term = 2;
    work.nodes().put(node);
  });
  const auto rows = store_->read()->nodes().list();
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].id, "B") << "in byte order";
  EXPECT_EQ(rows[1].term, 2);
  EXPECT_EQ(rows[1].address, node.address);
  EXPECT_EQ(rows[1].version, "1.0");
  EXPECT_EQ(rows[1].cores, 4);
  EXPECT_TRUE(rows[1].is_draining && rows[1].has_left);
  EXPECT_EQ(rows[1].started, at(5));
  store_->write([](UnitOfWork& work) {
    work.nodes().remove_seen_before(at(6));
    EXPECT_FALSE(work.nodes().lock("a"));
    EXPECT_TRUE(work.nodes().lock("B"));
  });
}

TEST_P(Metadata, WhatARunMadeIsChosenAndFoundAgain) {
  Model model;
  model.project = "p";
  model.uid = "u";
  model.version = 1;
  PackagingJob job;
  job.project = "p";
  job.name = "j";
  job.configuration = "{}";
  store_->write([&](UnitOfWork& work) {
    work.models().insert(kScope, model);
    ASSERT_TRUE(work.packaging_jobs().insert(kScope, job));
    EXPECT_FALSE(work.models().chosen_run("u"));
    EXPECT_FALSE(work.packaging_jobs().chosen_archive(kScope, "p", "j"));
    work.models().choose_run("u", {"7-2", at(9)});
    work.packaging_jobs().choose_archive(kScope, "p", "j", {"packages/8-1", std::string(64, 'a')});
  });
  auto work = store_->read();
  EXPECT_EQ(work->models().chosen_run("u")->name, "7-2");
  EXPECT_EQ(work->models().chosen_run("u")->time, at(9));
  EXPECT_EQ(work->packaging_jobs().chosen_archive(kScope, "p", "j")->uri, "packages/8-1");
  EXPECT_FALSE(work->packaging_jobs().archive(kScope, "p", "j")) << "the user has none yet";
}

TEST_P(Metadata, AJobRemembersWhoAskedForItAndWhatComesWithIt) {
  store_->write([&](UnitOfWork& work) {
    const auto id = work.jobs().insert({"k", "{}", at(1), "request-1", std::string("a\0b", 3)});
    const auto job = work.jobs().find_ready("k", at(2), at(100));
    ASSERT_TRUE(job);
    EXPECT_EQ(job->id, id);
    EXPECT_EQ(job->payload, "{}");
    EXPECT_EQ(job->request_id, "request-1");
    EXPECT_EQ(job->attachment, std::string("a\0b", 3));
  });
}

TEST_P(Metadata, ReopeningKeepsEverything) {
  store_.reset();
  store_ = GetParam().open(folder_.path());
  EXPECT_TRUE(store_->read()->projects().find(kScope, "p"));
}

// The database is as the first version wrote it: its users must keep their rights, and its projects their models.
TEST(SqliteMigrations, TheFirstVersionsDataIsTakenOver) {
  TemporaryFolder folder;
  {
    sqlite::Connection old(folder.path() / "m.sqlite");
    sqlite::migrate(old, {{1, embedded::migration_0001}});
    old.execute("INSERT INTO users VALUES ('1', 'admin', '{\"Statement\":[]}')");
    old.execute("INSERT INTO access_keys VALUES ('AKIA', '1', 'admin', x'00', 1, 5)");
    old.execute("INSERT INTO projects VALUES ('1', 'r', 'p', 5, 7)");
    old.execute("INSERT INTO jobs (kind, payload, ready) VALUES ('train_model', '{}', 5)");
  }
  const auto store = open_sqlite_metadata(folder.path() / "m.sqlite");
  store->write([&](UnitOfWork& work) {
    EXPECT_EQ(work.users().find("1", "admin")->policies, std::vector<std::string>{"AdministratorAccess"});
    EXPECT_TRUE(work.users().find_key("AKIA")->is_active);
    EXPECT_EQ(work.projects().next_model_version({"1", "r"}, "p"), 8);
    const auto job = work.jobs().find_ready("train_model", at(10), at(20));
    ASSERT_TRUE(job);
    EXPECT_EQ(job->attachment, "");
    EXPECT_EQ(job->request_id, "");
  });
}

TEST_P(Metadata, NodesReportTheModelsThatTheyHost) {
  const auto change = [&](const std::function<void(ModelHostRepository&)>& f) {
    store_->write([&](UnitOfWork& work) { f(work.model_hosts()); });
  };
  const auto described = [&] {
    std::string out;
    for (const auto& h : store_->read()->model_hosts().list())
      out += h.model + " " + h.node + " " + (h.is_loaded ? "loaded " : "failed ") + std::to_string(h.desired_units) +
             "/" + std::to_string(h.units_in_service) + " " + std::to_string(h.changed.time_since_epoch().count()) +
             "\n";
    return out;
  };
  store_->write([&](UnitOfWork& work) {
    Model model;
    model.project = "p";
    for (const auto* uid : {"u", "v"}) {
      model.uid = uid;
      ++model.version;
      model.status = ModelStatus::hosted;
      work.models().insert(kScope, model);
    }
    EXPECT_EQ(work.models().status("u"), ModelStatus::hosted);
    EXPECT_FALSE(work.models().status("w"));
  });
  change([](auto& hosts) {
    hosts.put({"v", "b", true, 2, 1, at(1)});
    hosts.put({"v", "a", false, 0, 0, at(2)});
    hosts.put({"u", "b", true, 1, 1, at(3)});
    hosts.put({"no such model", "b", true, 1, 1, at(3)});
  });
  EXPECT_EQ(described(), "u b loaded 1/1 3000\nv a failed 0/0 2000\nv b loaded 2/1 1000\n");
  change([](auto& hosts) {
    hosts.put({"v", "a", true, 3, 2, at(4)});
    hosts.remove("v", "b");
    hosts.remove("v", "c");
  });
  EXPECT_EQ(described(), "u b loaded 1/1 3000\nv a loaded 3/2 4000\n");
  EXPECT_EQ(store_->read()->model_hosts().list_of_model("v").size(), 1U);
  change([](auto& hosts) { hosts.remove_node("a"); });
  EXPECT_EQ(described(), "u b loaded 1/1 3000\n");
  change([](auto& hosts) { hosts.put({"v", "a", true, 3, 2, at(4)}); });
  change([](auto& hosts) { hosts.remove_model("u"); });
  EXPECT_EQ(described(), "v a loaded 3/2 4000\n");
  store_->write([](UnitOfWork& work) { work.models().remove("v"); });
  EXPECT_EQ(described(), "");
}

INSTANTIATE_TEST_SUITE_P(Backends, Metadata, testing::ValuesIn(backends()),
                         [](const auto& backend) { return backend.param.name; });

}  // namespace
}  // namespace vedette
