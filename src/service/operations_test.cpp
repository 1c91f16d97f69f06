// Tests operations with a real database and a clock that the tests move: client tokens, pages while data change, quotas
// and jobs.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "audit/audit_files.hpp"
#include "auth/identities.hpp"
#include "base/files.hpp"
#include "service/extension.hpp"
#include "service/job_handlers.hpp"
#include "service/job_payloads.hpp"
#include "service/service.hpp"
#include "store/metadata/repeating_store.hpp"
#include "store/metadata/sqlite/sqlite_metadata.hpp"
#include "store/objects/filesystem/filesystem_objects.hpp"
#include "vision/artifact/artifact.hpp"
#include "vision/image/image.hpp"

namespace vedette {
namespace {

using namespace lookoutvision;  // NOLINT: the request types' own namespace

class Operations : public testing::Test {
 protected:
  void SetUp() override {
    metadata_->write([&](UnitOfWork& work) {
      work.users().insert({kScope.account, "admin", {kAdministratorAccess}, clock_.now()});
    });
    call_.caller = *caller_of_job(*metadata_, kScope.account, "admin");
    call_.scope = kScope;
    ASSERT_TRUE(objects_->create_bucket("bucket"));
  }

  CallContext with_token(std::string token, std::string hash = "h") {
    auto call = call_;
    call.client_token = std::move(token);
    call.parameters_hash = std::move(hash);
    return call;
  }
  Result<Project> create(const CallContext& call, const std::string& name) {
    return service_.create_project(call, CreateProjectRequest(Json{{"ProjectName", name}}));
  }
  std::string line(const std::string& key, const char* label) {
    EXPECT_TRUE(put_bytes(*objects_, "bucket", key, "x", "image/png"));
    return Json{{"source-ref", "s3://bucket/" + key},
                {"l", 0},
                {"l-metadata", {{"class-name", label}, {"type", "groundtruth/image-classification"}}}}
               .dump() +
           "\n";
  }
  Result<DatasetStatus> update(const CallContext& call, const std::string& changes) {
    return service_.update_dataset_entries(
        call, UpdateDatasetEntriesRequest(Json{{"ProjectName", "p"}, {"DatasetType", "train"}, {"Changes", changes}}));
  }
  Dataset dataset() {
    return *service_.describe_dataset(call_, DatasetRequest(Json{{"ProjectName", "p"}, {"DatasetType", "train"}}));
  }
  void make_dataset() {
    ASSERT_TRUE(create(call_, "p"));
    ASSERT_TRUE(
        service_.create_dataset(call_, CreateDatasetRequest(Json{{"ProjectName", "p"}, {"DatasetType", "train"}})));
  }
  /// Runs the updates that wait in the queue.
  void run_updates(ImageQuotas quotas = {}) {
    JobWorker worker(*metadata_, monotonic_, {.kind = kUpdateJob, .worker = "w"},
                     make_update_handler(*objects_, clock_, quotas));
    while (worker.run_one()) {
    }
  }

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

TEST_F(Operations, AClientTokenIsRememberedForEightHours) {
  ASSERT_TRUE(create(with_token("t"), "p"));
  clock_.advance(std::chrono::hours(8));
  EXPECT_TRUE(create(with_token("t"), "p"));
  EXPECT_EQ(create(with_token("t", "other"), "q").error().kind, ErrorKind::conflict);
  clock_.advance(std::chrono::seconds(1));
  // This is a new call, and its name is taken.
  EXPECT_EQ(create(with_token("t"), "p").error().resource_type, "PROJECT");
  EXPECT_TRUE(create(with_token("t", "other"), "q"));
}

TEST_F(Operations, AFailedCallIsNotRememberedAndTokensBelongToTheirOperation) {
  ASSERT_TRUE(create(call_, "p"));
  EXPECT_FALSE(create(with_token("t"), "p"));
  EXPECT_TRUE(create(with_token("t", "other"), "q"));
  EXPECT_TRUE(service_.delete_project(with_token("t"), ProjectRequest(Json{{"ProjectName", "p"}})));
  EXPECT_TRUE(service_.delete_project(with_token("t"), ProjectRequest(Json{{"ProjectName", "p"}})));
}

TEST_F(Operations, PagesStayWholeWhileProjectsComeAndGo) {
  for (const char* name : {"b", "d", "f", "h"}) ASSERT_TRUE(create(call_, name));
  const auto first = service_.list_projects(call_, PageRequest(Json{{"MaxResults", 2}}));
  ASSERT_TRUE(create(call_, "a"));
  ASSERT_TRUE(create(call_, "e"));
  ASSERT_TRUE(service_.delete_project(call_, ProjectRequest(Json{{"ProjectName", "d"}})));
  const auto second =
      service_.list_projects(call_, PageRequest(Json{{"MaxResults", 10}, {"NextToken", first->next_token}}));
  std::string names;
  for (const auto& project : second->items) names += project.name;
  EXPECT_EQ(names, "efh");
  EXPECT_EQ(service_.list_models(call_, ListModelsRequest(Json{{"ProjectName", "b"}, {"NextToken", first->next_token}}))
                .error()
                .kind,
            ErrorKind::invalid_input);
}

TEST_F(Operations, EntryPagesStayWholeWhileTheDatasetIsUpdatedAndEndWithIt) {
  make_dataset();
  ASSERT_TRUE(update(call_, line("1", "normal") + line("2", "normal") + line("3", "normal")));
  run_updates();
  const Json members = {{"ProjectName", "p"}, {"DatasetType", "train"}};
  auto page_of = [&](const std::string& token) {
    Json m = members;
    m["MaxResults"] = 2;
    if (!token.empty()) m["NextToken"] = token;
    return service_.list_dataset_entries(call_, ListDatasetEntriesRequest(m));
  };
  const auto first = page_of("");
  ASSERT_TRUE(update(call_, line("4", "normal") + line("1", "anomaly")));
  run_updates();
  const auto second = page_of(first->next_token);
  ASSERT_EQ(second->items.size(), 2U);
  EXPECT_NE(second->items[0].find("bucket/3"), std::string::npos);
  ASSERT_TRUE(service_.delete_dataset(call_, DatasetRequest(members)));
  ASSERT_TRUE(service_.create_dataset(call_, CreateDatasetRequest(members)));
  // The token belongs to a list of another dataset.
  EXPECT_EQ(page_of(first->next_token).error().kind, ErrorKind::invalid_input);
}

TEST_F(Operations, PicturesOfADatasetAreListedByTheirPlaceAndDescribedByTheirLines) {
  make_dataset();
  ASSERT_TRUE(put_bytes(*objects_, "bucket", "bad", "x", "image/png"));
  ASSERT_TRUE(put_bytes(*objects_, "bucket", "mask", "x", "image/png"));
  const Json bad = {{"source-ref", "s3://bucket/bad"},
                    {"l", 1},
                    {"l-metadata",
                     {{"class-name", "anomaly"},
                      {"type", "groundtruth/image-classification"},
                      {"creation-date", "2022-03-01T10:00:00.500"}}},
                    {"m-ref", "s3://bucket/mask"},
                    {"m-ref-metadata",
                     {{"type", "groundtruth/semantic-segmentation"},
                      {"internal-color-map",
                       {{"0", {{"class-name", "BACKGROUND"}, {"hex-color", "#ffffff"}}},
                        {"1", {{"class-name", "scratch"}, {"hex-color", "#23A436"}}},
                        {"2", {{"class-name", "dent"}, {"hex-color", "#2ca02c"}}}}}}}};
  ASSERT_TRUE(put_bytes(*objects_, "bucket", "plain", "x", "image/png"));
  ASSERT_TRUE(update(call_, line("1", "normal") + bad.dump() + "\n" + R"({"source-ref":"s3://bucket/plain"})" + "\n"));
  run_updates();
  const auto list = [&](Json members) {
    members.update({{"ProjectName", "p"}, {"DatasetType", "train"}});
    return service_.list_dataset_images(call_, extension::ListDatasetImagesRequest(members));
  };
  const auto all = list({});
  ASSERT_TRUE(all);
  EXPECT_EQ(all->total, 3);
  const auto json = extension::encode_dataset_images(all->total, all->images);
  EXPECT_EQ(json["Images"], Json::parse(R"([
    {"SourceRef": "s3://bucket/1", "Label": "NORMAL"},
    {"SourceRef": "s3://bucket/bad", "Label": "ANOMALY", "MaskRef": "s3://bucket/mask", "AnomalyLabels": ["scratch", "dent"],
     "CreationDate": 1646128800.5},
    {"SourceRef": "s3://bucket/plain"}])"));
  const auto part = list({{"Offset", 1}, {"MaxResults", 1}});
  ASSERT_EQ(part->images.size(), 1U);
  EXPECT_EQ(part->images[0].source_ref, "s3://bucket/bad");
  EXPECT_EQ(part->total, 3);
  EXPECT_TRUE(list({{"Offset", 3}})->images.empty());
  const Json other = {{"ProjectName", "p"}, {"DatasetType", "test"}};
  EXPECT_EQ(service_.list_dataset_images(call_, extension::ListDatasetImagesRequest(other)).error().resource_type,
            "DATASET");
}

TEST_F(Operations, QuotasCountInAllRegionsTogether) {
  Quotas quotas;
  quotas.projects = 2;
  quotas.trainings_at_once = quotas.hosted_models = 1;
  LookoutVision service(*metadata_, *objects_, hosting_, metrics_, clock_, quotas, [] {});
  auto elsewhere = call_;
  elsewhere.scope.region = "invented-1";
  const auto create = [&](const CallContext& call, const char* name) {
    return service.create_project(call, CreateProjectRequest(Json{{"ProjectName", name}}));
  };
  ASSERT_TRUE(create(call_, "p"));
  ASSERT_TRUE(create(elsewhere, "p"));
  EXPECT_EQ(create(elsewhere, "q").error().kind, ErrorKind::quota_exceeded);
  elsewhere.scope.region = "invented-2";
  EXPECT_EQ(create(elsewhere, "p").error().kind, ErrorKind::quota_exceeded);

  elsewhere.scope.region = "invented-1";
  ASSERT_TRUE(
      service.create_dataset(elsewhere, CreateDatasetRequest(Json{{"ProjectName", "p"}, {"DatasetType", "train"}})));
  metadata_->write([&](UnitOfWork& work) {
    Model model;
    model.project = "p";
    model.output = {"bucket", ""};
    for (const auto& [uid, status] : {std::pair{"a", ModelStatus::training}, {"b", ModelStatus::hosted}}) {
      model.uid = uid;
      model.status = status;
      ++model.version;
      work.models().insert(kScope, model);
    }
    model.uid = "c";
    model.version = 1;
    model.status = ModelStatus::trained;
    work.models().insert(elsewhere.scope, model);
  });
  const auto trained = service.create_model(
      elsewhere, CreateModelRequest(Json{{"ProjectName", "p"},
                                         {"OutputConfig", {{"S3Location", {{"Bucket", "bucket"}, {"Prefix", ""}}}}}}));
  EXPECT_EQ(trained.error().kind, ErrorKind::quota_exceeded) << trained.error().message;
  const auto started = service.start_model(
      elsewhere, StartModelRequest(Json{{"ProjectName", "p"}, {"ModelVersion", "1"}, {"MinInferenceUnits", 1}}));
  EXPECT_EQ(started.error().kind, ErrorKind::quota_exceeded) << started.error().message;
}

TEST_F(Operations, AnUpdateIsAppliedWholeOrNotAtAll) {
  make_dataset();
  EXPECT_EQ(*update(with_token("t"), line("1", "normal") + line("2", "anomaly")), DatasetStatus::update_in_progress);
  EXPECT_EQ(dataset().status, DatasetStatus::update_in_progress);
  EXPECT_EQ(*update(with_token("t"), "the same"), DatasetStatus::update_in_progress);  // a repeated call adds no job
  EXPECT_EQ(update(call_, "{}").error().kind, ErrorKind::conflict);                    // the dataset is being updated
  run_updates();
  EXPECT_EQ(dataset().status, DatasetStatus::update_complete);
  EXPECT_EQ(dataset().stats.total, 2);
  EXPECT_EQ(dataset().status_message,
            "The dataset was updated with 2 images. 2 cannot be used for a training: s3://bucket/1 is no JPEG or PNG; "
            "s3://bucket/2 is no JPEG or PNG.");

  struct Case {
    std::string changes, reason;
  };
  for (const auto& [changes, reason] : {Case{line("3", "normal") + "nonsense", "Line 2"},
                                        Case{"{\"source-ref\":\"s3://bucket/none\"}\n" + line("1", "normal") +
                                                 R"({"source-ref":"s3://bucket/nor-this"})",
                                             "Line 1 of the manifest: the image s3://bucket/none does not exist; "
                                             "line 3: the image s3://bucket/nor-this does not exist."},
                                        Case{R"({"source-ref":"s3://other/1"})", "one bucket"}}) {
    ASSERT_TRUE(update(call_, changes));
    run_updates();
    EXPECT_EQ(dataset().status, DatasetStatus::update_failed_rollback_complete);
    EXPECT_NE(dataset().status_message.find(reason), std::string::npos) << dataset().status_message;
    EXPECT_EQ(dataset().stats.total, 2);
  }
  ImageQuotas quotas;
  quotas.train = 3;
  ASSERT_TRUE(update(call_, line("3", "normal") + line("4", "normal")));
  run_updates(quotas);
  EXPECT_EQ(dataset().status, DatasetStatus::update_failed_rollback_complete);
  EXPECT_EQ(dataset().stats.total, 2);
  ASSERT_TRUE(update(call_, line("3", "normal") + line("1", "anomaly")));
  run_updates(quotas);
  EXPECT_EQ(dataset().status, DatasetStatus::update_complete);
  EXPECT_EQ(dataset().stats.anomaly, 2);
  EXPECT_EQ(dataset().stats.normal, 1);
}

TEST_F(Operations, AnUpdateThatWasCutOffInItsRollbackEndsIt) {
  make_dataset();
  ASSERT_TRUE(update(call_, "nonsense"));
  metadata_->write([&](UnitOfWork& work) {
    work.datasets().move(dataset().uid, DatasetStatus::update_in_progress,
                         DatasetStatus::update_failed_rollback_in_progress, "cut off", clock_.now());
  });
  run_updates();
  EXPECT_EQ(dataset().status, DatasetStatus::update_failed_rollback_complete);
}

TEST_F(Operations, AnUpdateOfADatasetThatIsGoneChangesNothing) {
  make_dataset();
  ASSERT_TRUE(update(call_, line("1", "normal")));
  metadata_->write([&](UnitOfWork& work) { work.datasets().remove(dataset().uid); });
  run_updates();
  EXPECT_FALSE(service_.describe_dataset(call_, DatasetRequest(Json{{"ProjectName", "p"}, {"DatasetType", "train"}})));
}

TEST_F(Operations, JobsEndForUsersWhoAreGone) {
  make_dataset();
  ASSERT_TRUE(update(call_, line("1", "normal")));
  metadata_->write([&](UnitOfWork& work) { work.users().remove(kScope.account, "admin"); });
  run_updates();
  EXPECT_EQ(dataset().status, DatasetStatus::update_failed_rollback_complete);
  EXPECT_NE(dataset().status_message.find("no longer exists"), std::string::npos);
}

TEST_F(Operations, PackagingTargetsFollowTheirRules) {
  make_dataset();
  const auto start = [&](const Json& greengrass) {
    Json configuration = {{"Greengrass", {{"ComponentName", "c"}, {"S3OutputLocation", {{"Bucket", "bucket"}}}}}};
    configuration["Greengrass"].update(greengrass);
    return service_
        .start_packaging_job(call_, StartModelPackagingJobRequest(Json{
                                        {"ProjectName", "p"}, {"ModelVersion", "1"}, {"Configuration", configuration}}))
        .error()
        .kind;
  };
  const Json x86 = {{"Os", "LINUX"}, {"Arch", "X86_64"}};
  const Json nvidia = {{"Os", "LINUX"}, {"Arch", "ARM64"}, {"Accelerator", "NVIDIA"}};
  // The text as the original's documents print it.
  const char* compiler = "{'gpu-code': 'sm_72', 'trt-ver': '7.1.3', 'cuda-ver': '10.2'}";
  // A request that passes these rules fails later, because there is no such model.
  for (const auto& good : {Json{{"TargetDevice", "jetson_xavier"}}, Json{{"TargetPlatform", x86}},
                           Json{{"TargetPlatform", x86}, {"CompilerOptions", R"({"mcpu": "core-avx2"})"}},
                           Json{{"TargetPlatform", nvidia}, {"CompilerOptions", compiler}}})
    EXPECT_EQ(start(good), ErrorKind::not_found) << good;
  for (const auto& bad :
       {Json::object(), Json{{"TargetDevice", "jetson_xavier"}, {"TargetPlatform", x86}},
        Json{{"TargetDevice", "jetson_xavier"}, {"CompilerOptions", compiler}}, Json{{"TargetPlatform", nvidia}},
        Json{{"TargetPlatform", nvidia}, {"CompilerOptions", R"({"gpu-code":"sm_72"})"}},
        Json{{"TargetPlatform", x86}, {"CompilerOptions", "nonsense"}},
        Json{{"TargetPlatform", x86}, {"CompilerOptions", "[1]"}}})
    EXPECT_EQ(start(bad), ErrorKind::invalid_input) << bad;
}

/// A fixture with a trained model and its evaluation.
class Evaluations : public Operations {
 protected:
  void SetUp() override {
    Operations::SetUp();
    ASSERT_TRUE(create(call_, "p"));
    metadata_->write([&](UnitOfWork& work) {
      Model model;
      model.project = "p";
      model.uid = "uid";
      model.version = work.projects().next_model_version(kScope, "p");
      model.status = ModelStatus::training;
      model.output = {"bucket", ""};
      work.models().insert(kScope, model);
    });
  }
  void end_training() {
    metadata_->write([&](UnitOfWork& work) {
      ASSERT_TRUE(work.models().move("uid", ModelStatus::training, ModelStatus::trained, ""));
      work.models().set_evaluation("uid", {}, {"bucket", "m"}, {"bucket", "r"}, clock_.now());
    });
  }
  void store(const Evaluation& evaluation) {
    const auto folder = folder_.path() / "model";
    std::filesystem::create_directories(folder);
    ASSERT_TRUE(write_file_atomically(folder / "manifest.json", "{}"));
    ASSERT_TRUE(write_evaluation(folder, evaluation));
    ASSERT_TRUE(ModelFiles(*objects_).put("uid", folder));
  }
  Result<EvaluationPage> page(const std::string& token = "", int most = 2) {
    return describe_evaluation(services_, call_,
                               lookoutvision::ModelRequest(Json{{"ProjectName", "p"}, {"ModelVersion", "1"}}),
                               PageRequest(Json{{"NextToken", token}, {"MaxResults", most}}));
  }
  Identities identities_{*metadata_};
  KeyRing keys_{*metadata_, clock_, folder_.path() / "master-key"};
  Thumbnails thumbnails_{*objects_, {.cache_folder = folder_.path() / "thumbnails"}};
  AnnotationTransfer annotations_{*metadata_, *objects_, clock_};
  Stations stations_{*metadata_, clock_, {}};
  NodeRegistry nodes_{
      *metadata_, clock_, monotonic_, {.id = "node", .address = "", .version = ""}, NodeRegistry::Company::none};
  AuditFiles audit_{folder_.path()};
  ExtensionServices services_{service_,    *metadata_,   metrics_,  identities_, keys_, ModelFiles(*objects_),
                              thumbnails_, annotations_, stations_, nodes_,      audit_};
};

TEST_F(Evaluations, AThumbnailOfAPictureThatMayNotBeReadDoesNotTellWhetherThereIsOne) {
  const RgbImage picture{64, 96, std::vector<std::uint8_t>(64UL * 96 * 3, 90)};
  for (const char* key : {"mine/a", "theirs/a"})
    ASSERT_TRUE(put_bytes(*objects_, "bucket", key, as_text(*encode_png(picture)), "image/png"));
  auto call = call_;
  const auto policy = Policy::parse(
      R"({"Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::bucket/mine/*"}})");
  ASSERT_TRUE(policy);
  call.caller.policies = std::make_shared<const std::vector<Policy>>(std::vector{*policy});
  const Json members = {{"SourceRefs",
                         {"s3://bucket/theirs/a", "s3://bucket/theirs/none", "s3://bucket/mine/a",
                          "s3://bucket/mine/none", "mine/a", "s3://.vedette/models/x/manifest.json"}}};
  const auto made = get_thumbnails(services_, call, extension::GetThumbnailsRequest(members));
  ASSERT_TRUE(made);
  ASSERT_EQ(made->size(), 6U);
  const auto without_key = [](std::string text) { return text.substr(0, text.rfind('/')); };
  EXPECT_NE((*made)[0].reason.find("is not authorized to perform: s3:GetObject"), std::string::npos);
  EXPECT_EQ(without_key((*made)[0].reason), without_key((*made)[1].reason));
  EXPECT_EQ((*made)[2].reason, "");
  EXPECT_EQ((*made)[2].width, 96);
  EXPECT_EQ((*made)[3].reason, "The image s3://bucket/mine/none does not exist.");
  EXPECT_EQ((*made)[4].reason, "The name is not of the form s3://bucket/key.");
  EXPECT_NE((*made)[5].reason.find("is not authorized"), std::string::npos);
  const auto json = extension::encode_thumbnails(*made)["Thumbnails"];
  EXPECT_FALSE(json[0].contains("Jpeg"));
  EXPECT_EQ(from_base64(json[2]["Jpeg"].get<std::string>())->at(1), 0xD8);
}

TEST_F(Evaluations, AThresholdIsMovedByAUserAndGivenBack) {
  const auto request = [](Json members) {
    members.update({{"ProjectName", "p"}, {"ModelVersion", "1"}});
    return extension::UpdateThresholdRequest(members);
  };
  const ModelRequest model(Json{{"ProjectName", "p"}, {"ModelVersion", "latest"}});
  EXPECT_EQ(service_.describe_threshold(call_, model).error().kind, ErrorKind::conflict);
  EXPECT_EQ(service_.update_threshold(call_, request({{"Threshold", 0.5}})).error().kind, ErrorKind::conflict);
  const auto folder = folder_.path() / "model";
  Manifest manifest;
  manifest.threshold = 0.7;
  ASSERT_TRUE(write_artifact(folder, manifest, {}, {}));
  ASSERT_TRUE(ModelFiles(*objects_).put("uid", folder));
  end_training();
  const auto told = [&](const Result<LookoutVision::ModelThreshold>& t) {
    EXPECT_TRUE(t);
    std::optional<extension::ThresholdMove> moved;
    if (t->moved) moved = {t->moved->threshold, t->moved->user, t->moved->time};
    return extension::encode_threshold(t->trained, moved);
  };
  const Json trained = {{"Threshold", 0.7}, {"TrainedThreshold", 0.7}};
  EXPECT_EQ(told(service_.describe_threshold(call_, model)), trained);
  const Json moved = {
      {"Threshold", 0.25}, {"TrainedThreshold", 0.7}, {"ChangedBy", "admin"}, {"ChangedAt", 1'800'000'000.0}};
  EXPECT_EQ(told(service_.update_threshold(call_, request({{"Threshold", 0.25}}))), moved);
  clock_.advance(std::chrono::hours(1));
  EXPECT_EQ(told(service_.describe_threshold(call_, model)), moved);
  for (const double wrong : {0.0, -1.0, 2e6, std::numeric_limits<double>::infinity()})
    EXPECT_EQ(service_.update_threshold(call_, request({{"Threshold", wrong}})).error().kind, ErrorKind::invalid_input);
  EXPECT_EQ(told(service_.describe_threshold(call_, model)), moved);
  EXPECT_EQ(told(service_.update_threshold(call_, request({}))), trained);
  EXPECT_EQ(told(service_.describe_threshold(call_, model)), trained);
  // The trained threshold is nobody's choice, also if somebody names it.
  EXPECT_EQ(told(service_.update_threshold(call_, request({{"Threshold", 0.7}}))), trained);
}

TEST_F(Evaluations, ATrialTakesThePicturesThatExistWhenItBegins) {
  const auto start = [&](const std::string& name, const Json& images, const CallContext& call) {
    return service_.start_trial(
        call, extension::StartTrialRequest(
                  Json{{"ProjectName", "p"}, {"TrialName", name}, {"ModelVersion", "1"}, {"Images", images}}));
  };
  const Json all = {{"Bucket", "bucket"}};
  EXPECT_EQ(start("t", all, call_).error().kind, ErrorKind::conflict);  // The model is not trained.
  end_training();
  EXPECT_EQ(start("t", all, call_).error().message, "Images names no image.");
  for (const char* key : {"b", "a", "folder/", "trial-detection-masks/p/t/0.png"})
    ASSERT_TRUE(put_bytes(*objects_, "bucket", key, "x", "image/png"));
  const auto begun = start("t", all, with_token("once"));
  ASSERT_TRUE(begun) << begun.error().message;
  ASSERT_TRUE(put_bytes(*objects_, "bucket", "c", "x", "image/png"));
  const auto again = start("t", all, with_token("once"));
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->uid, begun->uid);
  EXPECT_EQ(start("t", all, call_).error().resource_type, "TRIAL");
  EXPECT_EQ(start("u", {{"Bucket", "bucket"}, {"Prefix", "a"}, {"Keys", {"a"}}}, call_).error().kind,
            ErrorKind::invalid_input);
  EXPECT_EQ(start("u", {{"Bucket", "none"}}, call_).error().message, "The bucket none does not exist.");
  const Json named = {{"ProjectName", "p"}, {"TrialName", "t"}};
  const auto images = service_.list_trial_images(call_, extension::ListTrialImagesRequest(named));
  ASSERT_TRUE(images);
  EXPECT_EQ(
      extension::encode_trial_images(images->bucket, images->total, images->images),
      (Json{{"TotalCount", 2}, {"Images", {{{"SourceRef", "s3://bucket/a"}}, {{"SourceRef", "s3://bucket/b"}}}}}));
  const extension::TrialRequest request(named);
  EXPECT_EQ(service_.stop_trial(call_, request)->status, TrialStatus::stopped);
  EXPECT_EQ(service_.stop_trial(call_, request).error().kind, ErrorKind::conflict);
  // The job of a trial that was stopped has nothing to do.
  JobWorker worker(*metadata_, monotonic_, {.kind = kTrialJob, .worker = "w"},
                   make_trial_handler(*objects_, clock_, folder_.path() / "jobs", 1));
  EXPECT_TRUE(worker.run_one());
  EXPECT_FALSE(worker.run_one());
  EXPECT_EQ(service_.describe_trial(call_, request)->status, TrialStatus::stopped);
  EXPECT_TRUE(service_.delete_trial(call_, request));
  EXPECT_EQ(service_.describe_trial(call_, request).error().resource_type, "TRIAL");
}

TEST_F(Evaluations, ATrialWhoseModelWasDeletedFailsAndSaysWhy) {
  end_training();
  ASSERT_TRUE(put_bytes(*objects_, "bucket", "a", "x", "image/png"));
  ASSERT_TRUE(service_.start_trial(
      call_, extension::StartTrialRequest(Json{{"ProjectName", "p"},
                                               {"TrialName", "t"},
                                               {"ModelVersion", "1"},
                                               {"Images", {{"Bucket", "bucket"}, {"Keys", {"a"}}}}})));
  JobWorker worker(*metadata_, monotonic_, {.kind = kTrialJob, .worker = "w"},
                   make_trial_handler(*objects_, clock_, folder_.path() / "jobs", 1));
  EXPECT_TRUE(worker.run_one());  // The model has no files in the object store.
  const auto ended =
      service_.describe_trial(call_, extension::TrialRequest(Json{{"ProjectName", "p"}, {"TrialName", "t"}}));
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->status, TrialStatus::failed);
  EXPECT_EQ(ended->status_message, "The model was deleted before the images were judged.");
  EXPECT_EQ(ended->counts.judged, 0);
}

TEST_F(Evaluations, TellWhatGoodTrainingPicturesLookedLikeIfTheModelKnows) {
  const auto folder = folder_.path() / "model";
  Manifest manifest;
  std::vector<double> scores;  // quantiles at 21 steps: 0 %, 5 %, … 100 %
  for (int i = 0; i <= 20; ++i) scores.push_back(i);
  manifest.looks = TrainingLooks{60, scores, {0.5, 1.5}, {0.2, 0.3, 0.4}, {1, 1}};
  ASSERT_TRUE(write_artifact(folder, manifest, {}, {}));
  ASSERT_TRUE(write_evaluation(folder, Evaluation{}));
  ASSERT_TRUE(ModelFiles(*objects_).put("uid", folder));
  end_training();
  const auto known = page();
  ASSERT_TRUE(known) << known.error().message;
  const auto looks =
      extension::encode_evaluation(kScope, known->model, known->evaluation, "")["ModelEvaluation"]["TrainingLooks"];
  EXPECT_EQ(looks["ImageCount"], 60);
  ASSERT_EQ(looks["Statistics"].size(), 4U);
  EXPECT_EQ(looks["Statistics"][0],
            (Json{{"MetricName", "AnomalyScore"}, {"Low", 1.0}, {"Median", 10.0}, {"High", 19.0}}));
  EXPECT_EQ(looks["Statistics"][1], (Json{{"MetricName", "Level"}, {"Low", 0.55}, {"Median", 1.0}, {"High", 1.45}}));
  EXPECT_DOUBLE_EQ(looks["Statistics"][2]["High"], 0.39);
  EXPECT_EQ(looks["Statistics"][3]["MetricName"], "Sharpness");
  // Models of earlier versions lack them.
  manifest.looks.reset();
  ASSERT_TRUE(write_artifact(folder, manifest, {}, {}));
  ASSERT_TRUE(ModelFiles(*objects_).put("uid", folder));
  const auto unknown = page();
  ASSERT_TRUE(unknown);
  EXPECT_FALSE(unknown->evaluation.looks);
}

TEST_F(Evaluations, ComeInPagesOfJudgedAndThenSkippedPictures) {
  Evaluation e;
  e.predictions = {{"s3://b/1", true, false, 0.75, 1.5, "images/1", 2, true, "", {"crack", "dent"}},
                   {"s3://b/2", false, true, 0.5, 0.5, "images/2", {}, false, "It is too dark."}};
  e.skipped = {{"s3://b/3", "the file is empty"}};
  e.warnings = {"few pictures"};
  e.image_auroc = 0.5;
  e.intervals = {{"image_auroc", {0.25, 0.75}}, {"of a later version", {0, 1}}};
  e.labels = {{"crack", {}, 0.5, 0.25, 0.125}};
  e.batches = BatchFinding{.are_clear = true, .share = 0.5, .known_auroc = 0.75, .known_f1 = {}};
  e.contest = {{"bank", 0.5, 3, 1}, {"decoder", {}, 1, 0}};
  store(e);
  end_training();
  const auto first = page();
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_EQ(first->evaluation.suspects, 1);
  EXPECT_EQ(first->evaluation.skipped, 1);
  EXPECT_EQ(first->evaluation.warnings, e.warnings);
  ASSERT_TRUE(first->evaluation.batches);
  EXPECT_TRUE(first->evaluation.batches->are_clear);
  EXPECT_EQ(first->evaluation.batches->known_auroc, 0.75);
  EXPECT_FALSE(first->evaluation.batches->known_f1);
  EXPECT_FALSE(first->evaluation.stream);  // The model is not in service.
  ASSERT_EQ(first->evaluation.pictures.size(), 2U);
  const auto json = extension::encode_evaluation(kScope, first->model, first->evaluation, first->next_token);
  EXPECT_EQ(json["Pictures"][0], (Json{{"SourceRef", "s3://b/1"},
                                       {"Label", "anomaly"},
                                       {"Verdict", "normal"},
                                       {"Confidence", 0.75},
                                       {"AnomalyScore", 1.5},
                                       {"Fold", 2},
                                       {"IsSuspect", true},
                                       {"AnomalyLabels", {"crack", "dent"}}}));
  EXPECT_EQ(json["Pictures"][1]["VerdictReason"], "It is too dark.");
  EXPECT_FALSE(json["Pictures"][1].contains("AnomalyLabels"));
  EXPECT_FALSE(json["Pictures"][1].contains("Fold"));
  // The answer leaves out figures that are not defined. The shares of the contest add up to 1.
  const auto& told = json["ModelEvaluation"];
  EXPECT_EQ(told["Metrics"]["ROCAUC"], 0.5);
  EXPECT_FALSE(told["Metrics"].contains("Recall"));
  EXPECT_EQ(told["Intervals"], (Json::array({{{"MetricName", "ROCAUC"}, {"Low", 0.25}, {"High", 0.75}}})));
  EXPECT_EQ(told["PixelAnomalyClassMetrics"],
            (Json::array({{{"ClassName", "crack"}, {"Recall", 0.5}, {"F1Score", 0.25}, {"AIOU", 0.125}}})));
  EXPECT_EQ(told["Contest"][0]["VerdictWeight"], 0.75);
  EXPECT_FALSE(told["Contest"][1].contains("ROCAUC"));

  const auto last = page(first->next_token);
  ASSERT_TRUE(last) << last.error().message;
  EXPECT_EQ(last->next_token, "");
  EXPECT_EQ(extension::encode_evaluation(kScope, last->model, last->evaluation, "")["Pictures"],
            (Json::array({{{"SourceRef", "s3://b/3"}, {"SkippedReason", "the file is empty"}}})));
  EXPECT_EQ(page("bm9uZQ==").error().kind, ErrorKind::invalid_input);
}

TEST_F(Evaluations, OfModelsThatHaveNoneAreNotFoundWithTheReason) {
  auto none = page();
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().kind, ErrorKind::not_found);
  EXPECT_EQ(none.error().resource_type, "MODEL");
  EXPECT_EQ(none.error().message, "The model version 1 of the project p is TRAINING: it has no evaluation.");
  end_training();
  none = page();
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().kind, ErrorKind::not_found);
  EXPECT_NE(none.error().message.find("was trained before evaluations were kept"), std::string::npos);
}

/// A fixture with a trained model of version 1, and with six good pictures of another batch below "new/".
class Rebasings : public Evaluations {
 protected:
  void SetUp() override {
    Evaluations::SetUp();
    store({});
    end_training();
    for (const char* key : {"new/", "new/b", "new/a", "new/c", "new/d", "new/deeper/e", "new/f", "elsewhere/g"})
      ASSERT_TRUE(put_bytes(*objects_, "bucket", key, key, "image/png"));
  }
  static Json below(const std::string& prefix) { return {{"Bucket", "bucket"}, {"Prefix", prefix}}; }
  static Json named(std::vector<std::string> keys) { return {{"Bucket", "bucket"}, {"Keys", std::move(keys)}}; }
  Result<Model> rebase(const CallContext& call, const Json& images, const std::string& version = "1") {
    return service_.rebase_model(
        call, extension::RebaseModelRequest(Json{{"ProjectName", "p"}, {"ModelVersion", version}, {"Images", images}}));
  }
  /// Returns what the job that was inserted last is to do, and leaves it in the queue.
  Rebasing order() {
    std::optional<Job> job;
    metadata_->write([&](UnitOfWork& work) {
      job = lease::claim(work.jobs(), kRebasingJob, "w", work.now());
      work.roll_back_at_end();
    });
    EXPECT_TRUE(job);
    return *parse_model_job(job->payload)->rebasing;
  }
  /// Runs the job with a trainer that always fails and gives the names of the files in its folder as the reason.
  Model run_job() {
    const auto trainer = folder_.path() / "trainer";
    EXPECT_TRUE(write_file_atomically(
        trainer,
        "#!/bin/sh\ncd \"$2\" && printf '{\"fault\": \"input\", \"message\": \"%s\"}' \"$(echo base/* images/*)\" "
        "> failure.json\nexit 1\n"));
    std::filesystem::permissions(trainer, std::filesystem::perms::owner_all);
    JobWorker worker(*metadata_, monotonic_, {.kind = kRebasingJob, .worker = "w"},
                     make_training_handler(*objects_, {}, jobs_, trainer, {}, std::nullopt));
    EXPECT_TRUE(worker.run_one());
    EXPECT_FALSE(std::filesystem::exists(jobs_) && !std::filesystem::is_empty(jobs_));
    return *metadata_->read()->models().find(kScope, "p", 2);
  }
  const std::filesystem::path jobs_ = folder_.path() / "jobs";
};

TEST_F(Rebasings, MakeANewVersionFromTheObjectsBelowAPrefix) {
  const auto model = rebase(call_, below("new/"), "latest");
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ(model->version, 2);
  EXPECT_EQ(model->status, ModelStatus::training);
  EXPECT_EQ(model->output.bucket, "bucket");
  EXPECT_EQ(metadata_->read()->models().find(kScope, "p", 1)->status, ModelStatus::trained);
  const auto asked = order();
  EXPECT_EQ(asked.base_uid, "uid");
  EXPECT_EQ(asked.base_version, 1);
  EXPECT_EQ(asked.keys, (std::vector<std::string>{"new/a", "new/b", "new/c", "new/d", "new/deeper/e", "new/f"}));
}

TEST_F(Rebasings, TakeEachNamedObjectOnceInByteOrder) {
  ASSERT_TRUE(rebase(call_, named({"new/f", "new/b", "new/a", "new/c", "new/f", "elsewhere/g"})));
  EXPECT_EQ(order().keys, (std::vector<std::string>{"elsewhere/g", "new/a", "new/b", "new/c", "new/f"}));
}

TEST_F(Rebasings, AreRefusedForWhatTheCallerCanMend) {
  const auto reason = [&](const Json& images) {
    const auto model = rebase(call_, images);
    if (model) return std::string("it was accepted");
    EXPECT_EQ(model.error().kind, ErrorKind::invalid_input);
    return model.error().message;
  };
  EXPECT_EQ(reason(below("elsewhere/")), "A model is moved with 5 to 60 good images, but Images names 1.");
  EXPECT_EQ(reason(named({"new/a", "new/a", "new/a", "new/b", "new/c", "new/d"})),
            "A model is moved with 5 to 60 good images, but Images names 4.");
  EXPECT_EQ(reason(named({"new/a", "new/b", "new/c", "new/d", "new/none"})),
            "The image s3://bucket/new/none does not exist.");
  EXPECT_EQ(reason(Json{{"Bucket", "none"}}), "The bucket none does not exist.");
  EXPECT_EQ(reason(Json{{"Bucket", "bucket"}, {"Prefix", "new/"}, {"Keys", {"new/a"}}}),
            "Images may have a Prefix or Keys, but not both.");
  ASSERT_TRUE(put_bytes(*objects_, "bucket", "new/\xff", "x", "image/png"));
  EXPECT_NE(reason(below("new/")).find("not UTF-8"), std::string::npos);
  for (int i = 0; i < 61; ++i)
    ASSERT_TRUE(put_bytes(*objects_, "bucket", "many/" + std::to_string(i), "x", "image/png"));
  EXPECT_EQ(reason(below("many/")), "A model is moved with 5 to 60 good images, but Images names 61.");
  EXPECT_FALSE(metadata_->read()->models().find(kScope, "p", 2));
}

TEST_F(Rebasings, NeedAModelThatHasFilesAndAFreePlace) {
  EXPECT_EQ(rebase(call_, below("new/"), "7").error().kind, ErrorKind::not_found);
  ASSERT_TRUE(rebase(call_, below("new/")));
  const auto unready = rebase(call_, below("new/"), "2");
  ASSERT_FALSE(unready);
  EXPECT_EQ(unready.error().kind, ErrorKind::conflict);
  EXPECT_EQ(unready.error().message, "The model is TRAINING; only a trained model can be moved.");
  ASSERT_TRUE(rebase(call_, below("new/")));
  EXPECT_EQ(rebase(call_, below("new/")).error().kind, ErrorKind::quota_exceeded);  // two of them train
}

TEST_F(Rebasings, ThatAreAskedForAgainAreFoundAlsoWhenThePicturesAreGone) {
  ASSERT_TRUE(rebase(with_token("t"), below("new/")));
  ASSERT_TRUE(remove_prefix(*objects_, "bucket", "new/"));
  const auto again = rebase(with_token("t"), below("new/"));
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->version, 2);
  EXPECT_EQ(rebase(with_token("t", "other"), below("new/")).error().kind, ErrorKind::conflict);
  EXPECT_FALSE(metadata_->read()->models().find(kScope, "p", 3));
}

TEST_F(Rebasings, NeedTheRightsOfTheirCallerOnBuckets) {
  const auto allowed = [&](const Json& actions, const Json& resource) {
    metadata_->write([&](UnitOfWork& work) {
      work.users().put_policy(
          {kScope.account, "mine",
           Json{{"Statement", {{"Effect", "Allow"}, {"Action", actions}, {"Resource", resource}}}}.dump(),
           clock_.now()});
      if (!work.users().find(kScope.account, "ann"))
        work.users().insert({kScope.account, "ann", {"mine"}, clock_.now()});
    });
    auto call = call_;
    call.caller = *caller_of_job(*metadata_, kScope.account, "ann");
    const auto model = rebase(call, below("new/"));
    return model ? std::string("yes") : std::string(model.error().message);
  };
  const auto missing = [&](const Json& actions, const Json& resource, const char* action) {
    const auto answer = allowed(actions, resource);
    EXPECT_NE(answer.find(std::string("is not authorized to perform: ") + action), std::string::npos) << answer;
  };
  missing("s3:ListBucket", "*", "s3:GetBucketLocation");
  missing({"s3:GetBucketLocation", "s3:GetObject", "s3:PutObject"}, "*", "s3:ListBucket");
  missing({"s3:GetBucketLocation", "s3:ListBucket", "s3:GetObject"}, "*", "s3:PutObject");
  missing({"s3:GetBucketLocation", "s3:ListBucket", "s3:PutObject", "s3:GetObject"},
          {"arn:aws:s3:::bucket", "arn:aws:s3:::bucket/Ev*", "arn:aws:s3:::bucket/new/a"}, "s3:GetObject");
  EXPECT_EQ(allowed({"s3:GetBucketLocation", "s3:ListBucket", "s3:PutObject", "s3:GetObject"}, "*"), "yes");
}

TEST_F(Rebasings, HandTheTrainerTheModelWithItsEvaluationAndThePictures) {
  ASSERT_TRUE(rebase(call_, below("new/")));
  const auto model = run_job();
  EXPECT_EQ(model.status, ModelStatus::training_failed);
  EXPECT_EQ(model.status_message,
            "base/blobs base/evaluation.json base/manifest.json images/good-000000 images/good-000001 "
            "images/good-000002 images/good-000003 images/good-000004 images/good-000005");
}

// The run before was cut off after the transaction that chose it. This trainer, which always fails, is not asked again.
TEST_F(Rebasings, GoOnWithWhatTheRunLeftThatWasChosen) {
  const auto asked = rebase(call_, below("new/"));
  ASSERT_TRUE(asked);
  const auto left = folder_.path() / "left";
  std::filesystem::create_directories(left);
  ASSERT_TRUE(write_file_atomically(left / "manifest.json", "{\"made\": \"by the run before\"}"));
  ASSERT_TRUE(write_evaluation(left, {}));
  ASSERT_TRUE(ModelFiles(*objects_).put(ModelFiles::unfinished(asked->uid, "9-1"), left));
  const auto chosen = clock_.now();
  metadata_->write([&](UnitOfWork& work) { work.models().choose_run(asked->uid, {"9-1", chosen}); });
  clock_.advance(std::chrono::minutes(5));
  const auto model = run_job();
  EXPECT_EQ(model.status, ModelStatus::trained) << model.status_message;
  EXPECT_EQ(model.evaluation_end, chosen) << "whoever publishes it writes the same files";
  EXPECT_EQ(*ModelFiles(*objects_).manifest(asked->uid), "{\"made\": \"by the run before\"}");
  EXPECT_TRUE(get_bytes(*objects_, "bucket", "EvaluationResult-p-2.json", 1 << 20));
  EXPECT_TRUE(objects_->list(kSystemBucket, {"models/" + asked->uid + "/unfinished/", "", 10})->empty());
}

TEST_F(Rebasings, ThatAreLostThreeTimesFailWithTheReason) {
  ASSERT_TRUE(rebase(call_, below("new/")));
  for (int i = 0; i < 3; ++i) {
    metadata_->write(
        [&](UnitOfWork& work) { EXPECT_TRUE(lease::claim(work.jobs(), kRebasingJob, "killed", work.now())); });
    clock_.advance(std::chrono::seconds(31));
  }
  const auto model = run_job();
  EXPECT_EQ(model.status, ModelStatus::training_failed);
  EXPECT_EQ(model.status_message.find("The training was cut off 3 times"), 0U) << model.status_message;
}

TEST_F(Rebasings, OfAModelThatWasDeletedMeanwhileFailWithTheReason) {
  ASSERT_TRUE(rebase(call_, below("new/")));
  ASSERT_TRUE(service_.delete_model(call_, ModelRequest(Json{{"ProjectName", "p"}, {"ModelVersion", "1"}})));
  const auto model = run_job();
  EXPECT_EQ(model.status, ModelStatus::training_failed);
  EXPECT_EQ(model.status_message, "The model version 1 was deleted before it was moved.");
}

}  // namespace
}  // namespace vedette
