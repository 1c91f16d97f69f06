#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "api/lookoutvision/messages.hpp"
#include "api/vedette/messages.hpp"
#include "auth/auth.hpp"
#include "domain/domain.hpp"
#include "hosting/hosting.hpp"
#include "metrics/metrics.hpp"
#include "service/image_quotas.hpp"
#include "service/model_corrections.hpp"
#include "store/metadata/metadata.hpp"
#include "store/objects/objects.hpp"

/// Has one function per operation of the service `lookoutvision`. Each takes a typed request and returns a Result. This
/// module knows neither sockets nor the JSON that clients send. All functions are thread-safe and block on database and
/// disk.
namespace vedette {
struct Rebasing;

/// Other nodes that should answer a call in the place of this one.
struct PassOn {
  std::vector<std::string> nodes;  ///< their ids, the best one first
};

/// Says who calls, in which account and region, and with which client token. The call is already authorised, except for
/// rights on buckets.
struct CallContext {
  Caller caller;
  Scope scope;
  std::string client_token;        ///< empty if the client sent none
  std::string parameters_hash;     ///< the hash of all members except the token
  std::stop_token abandoned = {};  ///< requested when the caller hangs up
  std::string request_id = {};     ///< is stored with the jobs that the call inserts
  /// An operation that fails may name other nodes here, which can answer the call. If it is null, this node must answer.
  PassOn* pass_on = nullptr;
};

/// Limits what an account may use in all regions together, since callers may sign for any region.
/// For projects, models_per_project and hosted_models 0 means unlimited. The defaults are the original's, where these
/// are known.
struct Quotas {
  std::int64_t trainings_at_once = 2;
  std::int64_t inference_units = 100;  ///< per model
  std::int64_t projects = 0;
  std::int64_t models_per_project = 0;
  std::int64_t hosted_models = 0;
  ImageQuotas images;
};

template <typename T>
struct Page {
  std::vector<T> items;
  std::string next_token;  ///< empty on the last page
};

/// The kinds of jobs, for the workers that run them.
inline constexpr const char* kImportJob = "import_dataset";
inline constexpr const char* kUpdateJob = "update_dataset";
inline constexpr const char* kTrainingJob = "train_model";
/// Has the handler of kTrainingJob. It is a kind of its own so that no model waits for the training of another one.
inline constexpr const char* kRebasingJob = "rebase_model";
inline constexpr const char* kPackagingJob = "package_model";
inline constexpr const char* kTrialJob = "trial_detection";
inline constexpr const char* kDatasetCheckJob = "dataset_check";

/// The keys of the masks that trial detections store begin with this. They lie in the bucket of the pictures, and no
/// trial takes them for pictures.
inline constexpr const char* kTrialMasks = "trial-detection-masks/";

class LookoutVision {
 public:
  /// `wake_jobs` is called after every transaction that inserted a job.
  LookoutVision(MetadataStore& metadata, ObjectStore& objects, Hosting& hosting, Metrics& metrics, const Clock& clock,
                Quotas quotas, std::function<void()> wake_jobs)
      : metadata_(metadata),
        objects_(objects),
        hosting_(hosting),
        metrics_(metrics),
        clock_(clock),
        quotas_(quotas),
        wake_jobs_(std::move(wake_jobs)) {}

  Result<Project> create_project(const CallContext& call, const lookoutvision::CreateProjectRequest& request);
  struct ProjectDetails {
    Project project;
    std::vector<Dataset> datasets;
  };
  Result<ProjectDetails> describe_project(const CallContext& call, const lookoutvision::ProjectRequest& request);
  Result<Page<Project>> list_projects(const CallContext& call, const lookoutvision::PageRequest& request);
  /// Returns whether the account has any project in the region.
  [[nodiscard]] bool has_projects(const Scope& scope);
  Result<void> delete_project(const CallContext& call, const lookoutvision::ProjectRequest& request);

  Result<Dataset> create_dataset(const CallContext& call, const lookoutvision::CreateDatasetRequest& request);
  Result<Dataset> describe_dataset(const CallContext& call, const lookoutvision::DatasetRequest& request);
  Result<Page<std::string>> list_dataset_entries(const CallContext& call,
                                                 const lookoutvision::ListDatasetEntriesRequest& request);
  /// The pictures at some places of a dataset, in the order of list_dataset_entries().
  struct DatasetImages {
    std::int64_t total = 0;  ///< of the dataset
    std::vector<extension::DatasetImage> images;
  };
  /// An offset beyond the end gives no pictures.
  Result<DatasetImages> list_dataset_images(const CallContext& call,
                                            const extension::ListDatasetImagesRequest& request);
  Result<DatasetStatus> update_dataset_entries(const CallContext& call,
                                               const lookoutvision::UpdateDatasetEntriesRequest& request);
  Result<void> delete_dataset(const CallContext& call, const lookoutvision::DatasetRequest& request);

  Result<Model> create_model(const CallContext& call, const lookoutvision::CreateModelRequest& request);
  Result<Model> describe_model(const CallContext& call, const lookoutvision::ModelRequest& request);
  /// Returns whether the pictures that this node judged of late look like the model's training, or nothing if this node
  /// does not host the model.
  std::optional<StreamState> stream(const Model& model) { return hosting_.stream(model.uid); }
  Result<Page<Model>> list_models(const CallContext& call, const lookoutvision::ListModelsRequest& request);
  Result<std::int64_t> delete_model(const CallContext& call,
                                    const lookoutvision::ModelRequest& request);  ///< returns the version
  Result<ModelStatus> start_model(const CallContext& call, const lookoutvision::StartModelRequest& request);
  /// Changes the units of a model in service, which goes on answering. If the request names the same units as before,
  /// nothing changes.
  Result<void> update_units(const CallContext& call, const lookoutvision::StartModelRequest& request);
  /// Has a job make the next version of the project: the named model, moved to another batch with good pictures, which
  /// the job reads with the rights of the caller. The evaluation files go where those of the named model went. Fails
  /// with invalid_input unless there are 5 to 60 pictures and all of them exist, and with conflict if the named model
  /// has no files, because it is not trained.
  Result<Model> rebase_model(const CallContext& call, const extension::RebaseModelRequest& request);
  struct ModelThreshold {
    double trained = 0;                   ///< the one that the training chose
    std::optional<MovedThreshold> moved;  ///< the one in force, if a user moved it
  };
  /// Fails with conflict if the model has no threshold, because it is not trained.
  Result<ModelThreshold> describe_threshold(const CallContext& call, const lookoutvision::ModelRequest& request);
  /// Moves the threshold of a model, which works at once in all calls that begin afterwards; without a threshold in the
  /// request the trained one is in force again. Fails with invalid_input unless the threshold is a possible score.
  Result<ModelThreshold> update_threshold(const CallContext& call, const extension::UpdateThresholdRequest& request);
  Result<ModelStatus> stop_model(const CallContext& call, const lookoutvision::ModelRequest& request);
  Result<lookoutvision::DetectionResult> detect_anomalies(const CallContext& call,
                                                          const lookoutvision::ModelRequest& request,
                                                          std::string_view content_type,
                                                          std::span<const std::uint8_t> image);

  struct ModelCorrectionList {
    std::vector<extension::ModelCorrection> list;
    extension::CorrectionEffect effect;
  };
  /// Keeps what a person says of a picture in a bucket, and returns this one correction. It speaks in all calls that
  /// begin afterwards, on every node (vision/verdict/corrections.hpp). Fails with invalid_input if there is no such
  /// picture or the model cannot judge it, and with conflict if the model is not hosted, keeps no examples of its
  /// training, or has 100 corrections.
  Result<ModelCorrectionList> correct_model(const CallContext& call, const extension::CorrectModelRequest& request);
  Result<ModelCorrectionList> list_corrections(const CallContext& call, const lookoutvision::ModelRequest& request);
  /// Fails with not_found if the picture corrects nothing.
  Result<void> delete_correction(const CallContext& call, const extension::DeleteCorrectionRequest& request);

  /// Judges a picture in a bucket as detect_anomalies() does, and returns the anomaly map. The call counts neither in
  /// the metrics nor in the model's stream. Fails with invalid_input if there is no such picture or the model cannot
  /// take it, and with conflict if the model is not trained. It need not be hosted.
  Result<extension::AnomalyMap> compute_anomaly_map(const CallContext& call, const extension::LookRequest& request);

  /// Finds the place in the good training pictures that the model's memory bank has nearest to a place of a picture in
  /// a bucket, or says why it cannot. What the bank has of this picture itself does not count. Fails as
  /// compute_anomaly_map() does, and with invalid_input if the place lies outside of the picture.
  Result<extension::NearestPatch> find_nearest_patch(const CallContext& call,
                                                     const extension::NearestPatchRequest& request);

  /// Has a job judge up to 2,000 pictures of a bucket with a trained model, which need not be hosted. The job reads them
  /// with the rights of the caller.
  Result<TrialDetection> start_trial(const CallContext& call, const extension::StartTrialRequest& request);
  Result<TrialDetection> describe_trial(const CallContext& call, const extension::TrialRequest& request);
  Result<Page<TrialDetection>> list_trials(const CallContext& call, const lookoutvision::ListModelsRequest& request);
  struct TrialImages {
    std::string bucket;      ///< of the pictures
    std::int64_t total = 0;  ///< of the trial
    std::vector<TrialImage> images;
  };
  Result<TrialImages> list_trial_images(const CallContext& call, const extension::ListTrialImagesRequest& request);
  /// Keeps what a person says of verdicts: of all that the request names or, if one of them does not exist, of none.
  Result<void> verify_trial_images(const CallContext& call, const extension::VerifyTrialImagesRequest& request);
  /// Ends a running trial; the verdicts that it has stay.
  Result<TrialDetection> stop_trial(const CallContext& call, const extension::TrialRequest& request);
  /// Forgets a trial and its verdicts. Masks that it stored stay, since datasets may use them.
  Result<void> delete_trial(const CallContext& call, const extension::TrialRequest& request);

  struct DatasetCheckState {
    DatasetCheck check;
    bool is_outdated = false;  ///< A dataset of the project has been made, changed or deleted since.
    std::vector<FindingCount> counts;
  };
  /// Has a job look through the labelled pictures of the project for what may spoil a training; it reads them with the
  /// rights of the caller. Replaces the earlier check, also one that is running. Fails with not_found if the project has
  /// no dataset, and with conflict while a dataset is being imported or updated.
  Result<DatasetCheckState> start_dataset_check(const CallContext& call, const lookoutvision::ProjectRequest& request);
  /// Fails with not_found if the project has not been checked yet, as list_dataset_findings() does.
  Result<DatasetCheckState> describe_dataset_check(const CallContext& call,
                                                   const lookoutvision::ProjectRequest& request);
  struct DatasetFindings {
    std::int64_t total = 0;  ///< of all kinds, or of the one that the request names
    std::vector<DatasetFinding> findings;
  };
  /// An offset beyond the end gives no findings.
  Result<DatasetFindings> list_dataset_findings(const CallContext& call,
                                                const extension::ListDatasetFindingsRequest& request);

  Result<void> tag_resource(const CallContext& call, const lookoutvision::TagsRequest& request);
  Result<void> untag_resource(const CallContext& call, const lookoutvision::TagsRequest& request);
  Result<std::vector<Tag>> list_tags(const CallContext& call, const lookoutvision::TagsRequest& request);

  Result<std::string> start_packaging_job(
      const CallContext& call,
      const lookoutvision::StartModelPackagingJobRequest& request);  ///< returns the job's name
  Result<PackagingJob> describe_packaging_job(const CallContext& call,
                                              const lookoutvision::PackagingJobRequest& request);
  Result<Page<PackagingJob>> list_packaging_jobs(const CallContext& call,
                                                 const lookoutvision::ListPackagingJobsRequest& request);

  /// Returns the version that a number or "latest" names, for the authorisation before the operation runs. Fails with
  /// not_found.
  Result<std::int64_t> resolve_version(const Scope& scope, const std::string& project, const std::string& version);
  /// Returns a model's tags, for policies that have conditions on tags. The list is empty if there is no such model.
  std::vector<Tag> tags_of(const Scope& scope, const std::string& project, std::int64_t version);

  /// Completes at the start of the server the deletions of models that a killed process left half done.
  void finish_deletions();

 private:
  /// Fails if the request asks for more units than the quota allows.
  [[nodiscard]] Result<void> check_quota(const lookoutvision::StartModelRequest& request,
                                         const std::string& version) const;
  /// Returns the resource that the token remembers if this call repeats an earlier one. Fails with conflict if the
  /// parameters of the two calls differ.
  Result<std::optional<std::string>> replayed(UnitOfWork& work, const CallContext& call, const char* operation,
                                              const char* type, const std::string& id);
  void remember(UnitOfWork& work, const CallContext& call, const char* operation, const std::string& resource);
  /// Whether a model in this state has files that can be packaged or moved.
  [[nodiscard]] static bool has_files(ModelStatus status);
  /// Returns the model that the first call made if this call repeats it. Fails with not_found if there is no such
  /// project.
  Result<std::optional<Model>> replayed_model(UnitOfWork& work, const CallContext& call, const char* operation,
                                              const std::string& project);
  /// Fails unless the caller may have evaluation files of the project written to `output` and may give the tags.
  static Result<void> check_new_model(const CallContext& call, const std::string& project, const ObjectLocation& output,
                                      const std::vector<Tag>& tags);
  /// Gives a new model its version, uid and state, inserts it with the job that trains or moves it, and commits. Fails
  /// with quota_exceeded.
  Result<Model> insert_model(UnitOfWork& work, const CallContext& call, const char* operation, Model model,
                             const std::optional<Rebasing>& rebasing);
  static Error no_project(const std::string& name);
  static Result<Model> find_tagged(UnitOfWork& work, const Scope& scope, const std::string& arn);
  Result<Model> find_model(UnitOfWork& work, const Scope& scope, const lookoutvision::ModelRequest& request);
  /// Fails with conflict if the model is not trained.
  Result<Model> find_with_files(UnitOfWork& work, const Scope& scope, const lookoutvision::ModelRequest& request);
  static Result<TrialDetection> find_trial(UnitOfWork& work, const Scope& scope,
                                           const extension::TrialRequest& request);
  /// Returns the trial that the first call started if this call repeats it.
  Result<std::optional<TrialDetection>> replayed_trial(UnitOfWork& work, const CallContext& call,
                                                       const extension::StartTrialRequest& request);
  Result<Manifest> trained_manifest(const Model& model);
  Result<ModelCorrectionList> corrections_with_effect(const Model& model);
  /// Returns a lease of the model as Hosting::lease_to_look does. Fails with unavailable if other nodes should answer the
  /// call, which are named in `call.pass_on` then.
  Result<ModelLease> lease_or_pass_on(const CallContext& call, const Model& model);
  /// Changes a verdict by what people decided about the model since its training: the threshold and the corrections in
  /// force. Fails only if the corrections cannot be loaded.
  Result<void> decide_now(Verdict& verdict, const Model& model, const Manifest& manifest,
                          const std::optional<MovedThreshold>& moved,
                          const VerifiedPictureRepository::Revision& verified);
  static Error not_hosted(const Model& model);
  void remove_model(const Model& model);

  MetadataStore& metadata_;
  ObjectStore& objects_;
  Hosting& hosting_;
  Metrics& metrics_;
  const Clock& clock_;
  const Quotas quotas_;
  const std::function<void()> wake_jobs_;
  ModelCorrections corrections_{metadata_, objects_};
};

}  // namespace vedette
