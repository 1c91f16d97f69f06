// Tests trial detections and checks of datasets whose server is killed or whose object store does not answer, and the
// quotas of trials.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "api/vedette/messages.hpp"
#include "auth/identities.hpp"
#include "base/files.hpp"
#include "service/job_handlers.hpp"
#include "service/job_payloads.hpp"
#include "service/picture_search.hpp"
#include "service/quota_errors.hpp"
#include "service/service.hpp"
#include "store/metadata/repeating_store.hpp"
#include "store/metadata/sqlite/sqlite_metadata.hpp"
#include "store/objects/filesystem/filesystem_objects.hpp"

namespace vedette {
namespace {

using Json = nlohmann::json;

/// A store that does not answer.
class AwayObjects : public ObjectStore {
 public:
  Result<bool> has_bucket(const std::string&) override { return away(); }
  Result<std::unique_ptr<StagedObject>> stage() override { return away(); }
  Result<ObjectInfo> put(const std::string&, const std::string&, std::unique_ptr<StagedObject>, const ObjectAttributes&,
                         const PutCondition&) override {
    return away();
  }
  Result<ObjectInfo> head(const std::string&, const std::string&, const std::optional<std::string>&) override {
    return away();
  }
  Result<std::unique_ptr<ObjectReader>> get(const std::string&, const std::string&,
                                            const std::optional<std::string>&) override {
    return away();
  }
  Result<ObjectStart> get_start(const std::string&, const std::string&, std::size_t) override { return away(); }
  Result<std::vector<ObjectInfo>> list(const std::string&, const ListRequest&) override { return away(); }
  Result<Removed> remove(const std::string&, const std::string&, const std::optional<std::string>&) override {
    return away();
  }

 private:
  static Error away() { return fail(ErrorKind::unavailable, "The object store is away."); }
};

/// A store whose buckets hold folders without end.
class EndlessFolders : public AwayObjects {
 public:
  Result<bool> has_bucket(const std::string&) override { return true; }
  Result<std::vector<ObjectInfo>> list(const std::string&, const ListRequest& request) override {
    std::vector<ObjectInfo> out(static_cast<std::size_t>(request.limit));
    for (auto& info : out) info.key = std::to_string(1'000'000 + ++listed_) + "/";
    return out;
  }
  [[nodiscard]] std::int64_t listed() const { return listed_; }

 private:
  std::int64_t listed_ = 0;
};

class Trials : public testing::Test {
 protected:
  void SetUp() override {
    metadata_->write([&](UnitOfWork& work) {
      work.users().insert({kScope.account, "admin", {kAdministratorAccess}, clock_.now()});
      work.projects().insert(kScope, {"p", clock_.now()});
      Model model;
      model.project = "p";
      model.uid = "uid";
      model.version = 1;
      model.status = ModelStatus::training;
      model.output = {"bucket", ""};
      work.models().insert(kScope, model);
      work.models().move("uid", ModelStatus::training, ModelStatus::trained, "");
      work.models().set_evaluation("uid", {}, {"bucket", "m"}, {"bucket", "r"}, clock_.now());
    });
    call_.caller = *caller_of_job(*metadata_, kScope.account, "admin");
    call_.scope = kScope;
    ASSERT_TRUE(objects_->create_bucket("bucket"));
    ASSERT_TRUE(put_bytes(*objects_, "bucket", "a", "x", "image/png"));
  }
  Result<TrialDetection> start(const std::string& name) {
    return service_.start_trial(
        call_,
        extension::StartTrialRequest(Json{
            {"ProjectName", "p"}, {"TrialName", name}, {"ModelVersion", "1"}, {"Images", {{"Bucket", "bucket"}}}}));
  }
  void insert(const Scope& scope, const std::string& name, TrialStatus status) {
    metadata_->write([&](UnitOfWork& work) {
      work.projects().insert(scope, {"p", clock_.now()});
      TrialDetection trial;
      trial.project = "p";
      trial.name = name;
      trial.uid = scope.region + name;
      trial.status = status;
      ASSERT_TRUE(work.trial_detections().insert(scope, trial, {}));
    });
  }
  TrialDetection trial() { return *metadata_->read()->trial_detections().find(kScope, "p", "t"); }
  JobHandler handler(ObjectStore& objects) { return make_trial_handler(objects, clock_, folder_.path() / "jobs", 1); }

  inline static const Scope kScope{"123456789012", "us-east-1"};
  TemporaryFolder folder_;
  FakeClock clock_{Timestamp{std::chrono::hours(500'000)}};
  FakeMonotonicClock monotonic_;
  std::unique_ptr<MetadataStore> metadata_ =
      std::make_unique<RepeatingStore>(open_sqlite_metadata(folder_.path() / "m.sqlite", clock_));
  std::unique_ptr<BucketStore> objects_ = open_filesystem_objects(folder_.path() / "objects", clock_);
  Hosting hosting_{*metadata_, *objects_, {folder_.path() / "cache", {}, 0}};
  Metrics metrics_{*metadata_, clock_};
  LookoutVision service_{*metadata_, *objects_, hosting_, metrics_, clock_, Quotas{}, [] {}};
  CallContext call_;
};

TEST_F(Trials, ThatKillTheServerThreeTimesAreNotTriedAgain) {
  ASSERT_TRUE(start("t"));
  for (int i = 0; i < 3; ++i) {
    metadata_->write(
        [&](UnitOfWork& work) { ASSERT_TRUE(lease::claim(work.jobs(), kTrialJob, "killed", work.now())); });
    clock_.advance(std::chrono::seconds(31));
  }
  AwayObjects untouched;
  JobWorker worker(*metadata_, monotonic_, {.kind = kTrialJob, .worker = "w"}, handler(untouched));
  EXPECT_TRUE(worker.run_one());
  EXPECT_EQ(trial().status, TrialStatus::failed);
  EXPECT_EQ(trial().status_message,
            "The trial detection was cut off 3 times, each time with the server that ran it; it may be what stops the "
            "servers.");
  clock_.advance(std::chrono::hours(1));
  EXPECT_FALSE(worker.run_one());
}

TEST_F(Trials, WaitTenMinutesForTheObjectStore) {
  ASSERT_TRUE(start("t"));
  AwayObjects away;
  JobWorker worker(*metadata_, monotonic_, {.kind = kTrialJob, .worker = "w"}, handler(away));
  for (int minute = 0; minute < 10; ++minute) {
    EXPECT_TRUE(worker.run_one());
    EXPECT_EQ(trial().status, TrialStatus::running);
    EXPECT_EQ(trial().status_message, "The object store is away. It is tried again.");
    clock_.advance(std::chrono::minutes(1));
  }
  EXPECT_TRUE(worker.run_one());
  EXPECT_EQ(trial().status, TrialStatus::failed);
  EXPECT_EQ(trial().status_message, "The object store is away.");
  clock_.advance(std::chrono::hours(1));
  EXPECT_FALSE(worker.run_one());
}

class DatasetChecks : public Trials {
 protected:
  void SetUp() override {
    Trials::SetUp();
    metadata_->write([&](UnitOfWork& work) {
      Dataset dataset;
      dataset.project = "p";
      dataset.uid = "d";
      work.datasets().insert(kScope, dataset);
      work.datasets().replace_entries("d",
                                      {{"s3://bucket/a", false, clock_.now(), R"({"source-ref":"s3://bucket/a"})"}});
    });
    ASSERT_TRUE(service_.start_dataset_check(call_, request_));
  }
  LookoutVision::DatasetCheckState check() { return *service_.describe_dataset_check(call_, request_); }
  const lookoutvision::ProjectRequest request_{Json{{"ProjectName", "p"}}};
};

TEST_F(DatasetChecks, ThatKillTheServerThreeTimesAreNotTriedAgain) {
  for (int i = 0; i < 3; ++i) {
    metadata_->write(
        [&](UnitOfWork& work) { ASSERT_TRUE(lease::claim(work.jobs(), kDatasetCheckJob, "killed", work.now())); });
    clock_.advance(std::chrono::seconds(31));
  }
  JobWorker worker(*metadata_, monotonic_, {.kind = kDatasetCheckJob, .worker = "w"},
                   make_dataset_check_handler(*objects_, 1));
  EXPECT_TRUE(worker.run_one());
  EXPECT_EQ(check().check.status, CheckStatus::failed);
  EXPECT_EQ(check().check.status_message,
            "The check was cut off 3 times, each time with the server that ran it; it may be what stops the servers.");
}

TEST_F(DatasetChecks, TryThreeTimesToReachTheObjectStore) {
  AwayObjects away;
  JobWorker worker(*metadata_, monotonic_, {.kind = kDatasetCheckJob, .worker = "w"},
                   make_dataset_check_handler(away, 1));
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(check().check.status, CheckStatus::running);
    EXPECT_TRUE(worker.run_one());
    clock_.advance(std::chrono::minutes(1));
  }
  EXPECT_EQ(check().check.status, CheckStatus::failed);
  EXPECT_EQ(check().check.status_message, "The object store is away.");
  EXPECT_FALSE(worker.run_one());
}

TEST_F(DatasetChecks, OnlyTheLatestOneIsRun) {
  ASSERT_TRUE(service_.start_dataset_check(call_, request_));
  JobWorker worker(*metadata_, monotonic_, {.kind = kDatasetCheckJob, .worker = "w"},
                   make_dataset_check_handler(*objects_, 1));
  EXPECT_TRUE(worker.run_one());
  EXPECT_EQ(check().check.status, CheckStatus::running) << "the job of the replaced check";
  EXPECT_TRUE(worker.run_one());
  EXPECT_EQ(check().check.status, CheckStatus::completed);
  ASSERT_FALSE(check().counts.empty());
  EXPECT_EQ(check().counts[0].kind, "UNREADABLE");
  EXPECT_FALSE(worker.run_one());
}

TEST_F(Trials, AtMostFiveOfAnAccountRunInAllRegionsTogether) {
  const Scope elsewhere{kScope.account, "invented-1"}, others{"210987654321", "us-east-1"};
  for (const char* name : {"1", "2", "3", "4"}) insert(elsewhere, name, TrialStatus::running);
  insert(elsewhere, "ended", TrialStatus::completed);
  insert(others, "1", TrialStatus::running);
  ASSERT_TRUE(start("t"));
  const auto refused = start("u");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::quota_exceeded);
  EXPECT_EQ(refused.error().code, quotas::kRunningTrials);
  ASSERT_TRUE(service_.stop_trial(call_, extension::TrialRequest(Json{{"ProjectName", "p"}, {"TrialName", "t"}})));
  EXPECT_TRUE(start("u"));
}

TEST_F(Trials, AProjectHasAtMostAThousand) {
  for (int i = 1; i < kMostTrialsOfAProject; ++i) insert(kScope, std::to_string(i), TrialStatus::completed);
  ASSERT_TRUE(start("t"));
  const auto refused = start("u");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, quotas::kTrials);
  ASSERT_TRUE(service_.delete_trial(call_, extension::TrialRequest(Json{{"ProjectName", "p"}, {"TrialName", "1"}})));
  EXPECT_TRUE(start("u"));
}

TEST_F(Trials, TheSearchForPicturesEnds) {
  EndlessFolders folders;
  const auto found = find_pictures(folders, call_.caller, {"bucket", "", {}}, kMostTrialImages);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().kind, ErrorKind::invalid_input);
  EXPECT_NE(found.error().message.find("name a narrower Prefix"), std::string::npos);
  EXPECT_EQ(folders.listed(), 20'000);
}

}  // namespace
}  // namespace vedette
