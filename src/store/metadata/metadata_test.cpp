// One suite over every backend: a second backend adds itself to the list at the end.
#include "store/metadata/metadata.hpp"

#include <gtest/gtest.h>

#include "base/files.hpp"
#include "store/metadata/sqlite/sqlite_metadata.hpp"

namespace vedette {
namespace {

const Scope kScope{"123456789012", "us-east-1"};
Timestamp at(int second) {
  return Timestamp{std::chrono::seconds(second)};
}

struct Backend {
  const char* name;
  std::unique_ptr<MetadataStore> (*open)(const std::filesystem::path&);
};

class Metadata : public testing::TestWithParam<Backend> {
 protected:
  void SetUp() override {
    store_ = GetParam().open(folder_.path() / "metadata");
    auto work = store_->write();
    work->projects().insert(kScope, {"p", at(1)});
    work->commit();
  }
  TemporaryFolder folder_;
  std::unique_ptr<MetadataStore> store_;
};

TEST_P(Metadata, WhatIsNotCommittedDidNotHappen) {
  {
    auto work = store_->write();
    EXPECT_TRUE(work->projects().insert(kScope, {"q", at(2)}));
    EXPECT_TRUE(work->projects().find(kScope, "q"));
  }
  EXPECT_FALSE(store_->read()->projects().find(kScope, "q"));
}

TEST_P(Metadata, ProjectsAreUniquePerAccountAndRegion) {
  auto work = store_->write();
  EXPECT_FALSE(work->projects().insert(kScope, {"p", at(2)}));
  EXPECT_TRUE(work->projects().insert({kScope.account, "eu-west-1"}, {"p", at(2)}));
  EXPECT_TRUE(work->projects().insert(kScope, {"P", at(2)}));
  work->commit();
  const auto listed = store_->read()->projects().list(kScope, "", 10);
  ASSERT_EQ(listed.size(), 2U);
  EXPECT_EQ(listed[0].name, "P");
  EXPECT_EQ(store_->read()->projects().list(kScope, "P", 10).size(), 1U);
}

TEST_P(Metadata, ModelVersionsAreNeverUsedTwice) {
  auto work = store_->write();
  EXPECT_EQ(work->projects().next_model_version(kScope, "p"), 1);
  EXPECT_EQ(work->projects().next_model_version(kScope, "p"), 2);
  Model m;
  m.project = "p";
  m.version = 2;
  m.uid = "u2";
  m.tags = {{"stage", "test"}};
  m.output = {"b", ""};
  work->models().insert(kScope, m);
  EXPECT_TRUE(work->models().remove("u2"));
  EXPECT_EQ(work->projects().next_model_version(kScope, "p"), 3);
}

TEST_P(Metadata, StatusChangesAreCompareAndSet) {
  auto work = store_->write();
  Model m;
  m.project = "p";
  m.version = 1;
  m.uid = "u1";
  m.output = {"b", "x/"};
  m.description = "d";
  work->models().insert(kScope, m);
  EXPECT_TRUE(work->models().move("u1", ModelStatus::training, ModelStatus::trained, "ok"));
  EXPECT_FALSE(work->models().move("u1", ModelStatus::training, ModelStatus::training_failed, "late"));
  EXPECT_FALSE(work->models().set_message("u1", ModelStatus::training, "late"));
  work->models().set_evaluation("u1", {0.5, 0.25, 1}, {"b", "m"}, {"b", "r"}, at(9));
  work->models().set_units("u1", 1, std::nullopt);
  work->commit();
  const auto found = store_->read()->models().find_latest(kScope, "p");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->status, ModelStatus::trained);
  EXPECT_EQ(found->status_message, "ok");
  EXPECT_EQ(found->performance->recall, 0.25);
  EXPECT_EQ(found->evaluation_result->key, "r");
  EXPECT_EQ(*found->min_inference_units, 1);
  EXPECT_FALSE(found->max_inference_units);
  EXPECT_EQ(store_->read()->models().list_in_states({ModelStatus::trained}).at(0).scope, kScope);
}

TEST_P(Metadata, EntriesAreFilteredAndGoWithTheirDataset) {
  auto work = store_->write();
  Dataset d;
  d.project = "p";
  d.uid = "d1";
  EXPECT_TRUE(work->datasets().insert(kScope, d));
  d.uid = "d2";
  EXPECT_FALSE(work->datasets().insert(kScope, d));
  work->datasets().replace_entries(
      "d1",
      {{"s3://b/1", false, at(1), "{}"}, {"s3://b/2", true, at(2), "{}"}, {"s3://b/3", std::nullopt, at(3), "{}"}});
  const auto count = [&](const EntryFilter& f) { return work->datasets().list_entries("d1", f, 0, 10).size(); };
  EXPECT_EQ(count({}), 3U);
  EXPECT_EQ(count({true, {}, {}, {}, {}}), 2U);
  EXPECT_EQ(count({false, {}, {}, {}, {}}), 1U);
  EXPECT_EQ(count({{}, true, {}, {}, {}}), 1U);
  EXPECT_EQ(count({{}, {}, at(3), at(1), {}}), 1U);
  EXPECT_EQ(count({{}, {}, {}, {}, "b/3"}), 1U);
  const auto stats = work->datasets().find(kScope, "p", DatasetType::train)->stats;
  EXPECT_EQ(stats.total, 3);
  EXPECT_EQ(stats.labeled, 2);
  EXPECT_TRUE(work->datasets().remove("d1"));
  EXPECT_EQ(count({}), 0U);
}

TEST_P(Metadata, TokensAreForgottenInTime) {
  auto work = store_->write();
  work->tokens().remember(kScope, "CreateProject", "t", {"hash", "p"}, at(100));
  EXPECT_EQ(work->tokens().find(kScope, "CreateProject", "t", at(100))->resource, "p");
  EXPECT_FALSE(work->tokens().find(kScope, "CreateProject", "t", at(101)));
  EXPECT_FALSE(work->tokens().find(kScope, "StartModel", "t", at(0)));
  work->tokens().forget_before(at(101));
  EXPECT_FALSE(work->tokens().find(kScope, "CreateProject", "t", at(0)));
}

TEST_P(Metadata, ReopeningKeepsEverything) {
  store_.reset();
  store_ = GetParam().open(folder_.path() / "metadata");
  EXPECT_TRUE(store_->read()->projects().find(kScope, "p"));
}

INSTANTIATE_TEST_SUITE_P(Backends, Metadata, testing::Values(Backend{"Sqlite", open_sqlite_metadata}),
                         [](const auto& backend) { return backend.param.name; });

}  // namespace
}  // namespace vedette
