#include "domain/domain.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>

namespace vedette {
namespace {

TEST(Domain, StatusTextsRoundTrip) {
  for (auto s : {ModelStatus::training, ModelStatus::trained, ModelStatus::training_failed,
                 ModelStatus::starting_hosting, ModelStatus::hosted, ModelStatus::hosting_failed,
                 ModelStatus::stopping_hosting, ModelStatus::system_updating, ModelStatus::deleting})
    EXPECT_EQ(parse_model_status(to_text(s)), s);
  EXPECT_THROW(parse_model_status("BROKEN"), std::invalid_argument);
}

TEST(Domain, ModelsMoveOnlyAlongTheTable) {
  EXPECT_TRUE(can_move(ModelStatus::trained, ModelStatus::starting_hosting));
  EXPECT_TRUE(can_move(ModelStatus::starting_hosting, ModelStatus::stopping_hosting));
  EXPECT_FALSE(can_move(ModelStatus::training, ModelStatus::deleting));
  EXPECT_FALSE(can_move(ModelStatus::hosted, ModelStatus::deleting));
  EXPECT_FALSE(can_move(ModelStatus::trained, ModelStatus::hosted));
}

TEST(Domain, DatasetsMoveOnlyAlongTheTable) {
  using enum DatasetStatus;
  const std::vector<DatasetStatus> all = {create_in_progress,
                                          create_complete,
                                          create_failed,
                                          update_in_progress,
                                          update_complete,
                                          update_failed_rollback_in_progress,
                                          update_failed_rollback_complete,
                                          delete_in_progress,
                                          delete_complete,
                                          delete_failed};
  const std::map<DatasetStatus, std::set<DatasetStatus>> allowed = {
      {create_in_progress, {create_complete, create_failed}},
      {create_complete, {update_in_progress, delete_in_progress}},
      {create_failed, {delete_in_progress}},
      {update_in_progress, {update_complete, update_failed_rollback_in_progress}},
      {update_complete, {update_in_progress, delete_in_progress}},
      {update_failed_rollback_in_progress, {update_failed_rollback_complete}},
      {update_failed_rollback_complete, {update_in_progress, delete_in_progress}},
      {delete_in_progress, {delete_complete, delete_failed}},
      {delete_complete, {}},
      {delete_failed, {delete_in_progress}}};
  for (auto from : all)
    for (auto to : all)
      EXPECT_EQ(can_move(from, to), allowed.at(from).contains(to)) << to_text(from) << " to " << to_text(to);
}

TEST(Domain, PackagingJobsEndOnce) {
  using enum PackagingJobStatus;
  for (auto status : {created, running, succeeded, failed}) {
    EXPECT_EQ(parse_packaging_job_status(to_text(status)), status);
    EXPECT_FALSE(can_move(succeeded, status));
    EXPECT_FALSE(can_move(failed, status));
  }
  EXPECT_TRUE(can_move(created, running));
  EXPECT_TRUE(can_move(running, succeeded));
}

TEST(Domain, OnlyArnsOfModelsAreReadAsSuch) {
  const auto arn = parse_model_arn("arn:aws:lookoutvision:us-east-1:123456789012:model/p/12");
  ASSERT_TRUE(arn);
  EXPECT_EQ(arn->scope.region, "us-east-1");
  EXPECT_EQ(arn->project, "p");
  EXPECT_EQ(arn->version, 12);
  for (const char* text :
       {"", "arn", "arn:aws:lookoutvision:us-east-1:123456789012:project/p",
        "arn:aws:lookoutvision:us-east-1:123456789012:model/p", "arn:aws:s3:::model/p/1",
        "arn:aws:lookoutvision:us-east-1:123456789012:model/p/01",
        "arn:aws:lookoutvision:us-east-1:123456789012:model/p/-1",
        "arn:aws:lookoutvision:us-east-1:123456789012:model/p/1/2",
        "arn:aws:lookoutvision:us-east-1:123456789012:model//1", "arn:aws:lookoutvision::123456789012:model/p/1"})
    EXPECT_FALSE(parse_model_arn(text)) << text;
}

TEST(Domain, AModelHasOneArnHoweverItWasSpelt) {
  const std::string right = "arn:aws:lookoutvision:us-east-1:123456789012:model/p/12";
  for (const char* partition : {"aws", "aws-cn", "x", ""}) {
    const auto arn = parse_model_arn("arn:" + std::string(partition) + right.substr(7));
    ASSERT_TRUE(arn) << partition;
    EXPECT_EQ(to_text(*arn), right);
  }
}

TEST(Domain, ArnsCarryScopeAndName) {
  const Scope scope{"123456789012", "us-east-1"};
  EXPECT_EQ(project_arn(scope, "p"), "arn:aws:lookoutvision:us-east-1:123456789012:project/p");
  EXPECT_EQ(model_arn(scope, "p", 3), "arn:aws:lookoutvision:us-east-1:123456789012:model/p/3");
}

}  // namespace
}  // namespace vedette
