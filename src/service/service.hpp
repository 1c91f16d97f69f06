#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "api/lookoutvision/messages.hpp"
#include "auth/auth.hpp"
#include "domain/domain.hpp"
#include "hosting/hosting.hpp"
#include "metrics/metrics.hpp"
#include "service/image_quotas.hpp"
#include "store/metadata/metadata.hpp"
#include "store/objects/objects.hpp"

/// One function per operation of the service `lookoutvision`: typed request in, Result out. Knows no socket and no JSON
/// of the wire. Thread-safe; everything blocks on database and disk.
namespace vedette {

/// Who calls, where, and under which client token. Authorised already, but for rights on buckets.
struct CallContext {
  Caller caller;
  Scope scope;
  std::string client_token;        ///< empty: none
  std::string parameters_hash;     ///< of all members but the token
  std::stop_token abandoned = {};  ///< requested when the caller hangs up
  std::string request_id = {};     ///< for the jobs that the call asks for
};

/// What an account may use in all regions together, since callers may sign for any region; 0 means unlimited where it makes sense.
/// Defaults are the original's, where they are known.
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
  std::string next_token;  ///< empty: the last page
};

/// Job kinds, for the workers that run them.
inline constexpr const char* kImportJob = "import_dataset";
inline constexpr const char* kUpdateJob = "update_dataset";
inline constexpr const char* kTrainingJob = "train_model";
inline constexpr const char* kPackagingJob = "package_model";

class LookoutVision {
 public:
  /// `wake_jobs` is called after a transaction that inserted a job.
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
  /// Whether the account has any project in the region.
  [[nodiscard]] bool has_projects(const Scope& scope);
  Result<void> delete_project(const CallContext& call, const lookoutvision::ProjectRequest& request);

  Result<Dataset> create_dataset(const CallContext& call, const lookoutvision::CreateDatasetRequest& request);
  Result<Dataset> describe_dataset(const CallContext& call, const lookoutvision::DatasetRequest& request);
  Result<Page<std::string>> list_dataset_entries(const CallContext& call,
                                                 const lookoutvision::ListDatasetEntriesRequest& request);
  Result<DatasetStatus> update_dataset_entries(const CallContext& call,
                                               const lookoutvision::UpdateDatasetEntriesRequest& request);
  Result<void> delete_dataset(const CallContext& call, const lookoutvision::DatasetRequest& request);

  Result<Model> create_model(const CallContext& call, const lookoutvision::CreateModelRequest& request);
  Result<Model> describe_model(const CallContext& call, const lookoutvision::ModelRequest& request);
  Result<Page<Model>> list_models(const CallContext& call, const lookoutvision::ListModelsRequest& request);
  Result<std::int64_t> delete_model(const CallContext& call,
                                    const lookoutvision::ModelRequest& request);  ///< the version
  Result<ModelStatus> start_model(const CallContext& call, const lookoutvision::StartModelRequest& request);
  /// Of a model in service, which goes on answering. The same again changes nothing.
  Result<void> update_units(const CallContext& call, const lookoutvision::StartModelRequest& request);
  Result<ModelStatus> stop_model(const CallContext& call, const lookoutvision::ModelRequest& request);
  Result<lookoutvision::DetectionResult> detect_anomalies(const CallContext& call,
                                                          const lookoutvision::ModelRequest& request,
                                                          std::string_view content_type,
                                                          std::span<const std::uint8_t> image);

  Result<void> tag_resource(const CallContext& call, const lookoutvision::TagsRequest& request);
  Result<void> untag_resource(const CallContext& call, const lookoutvision::TagsRequest& request);
  Result<std::vector<Tag>> list_tags(const CallContext& call, const lookoutvision::TagsRequest& request);

  Result<std::string> start_packaging_job(const CallContext& call,
                                          const lookoutvision::StartModelPackagingJobRequest& request);  ///< its name
  Result<PackagingJob> describe_packaging_job(const CallContext& call,
                                              const lookoutvision::PackagingJobRequest& request);
  Result<Page<PackagingJob>> list_packaging_jobs(const CallContext& call,
                                                 const lookoutvision::ListPackagingJobsRequest& request);

  /// The version that "latest" or a number names; for authorisation before the operation runs. Fails with not_found.
  Result<std::int64_t> resolve_version(const Scope& scope, const std::string& project, const std::string& version);
  /// A model's tags, for policies with conditions on them; none if there is no such model.
  std::vector<Tag> tags_of(const Scope& scope, const std::string& project, std::int64_t version);

  /// Deletes what a killed DeleteModel left half done; at start.
  void finish_deletions();

 private:
  /// Whether so many units may be asked for.
  [[nodiscard]] Result<void> check_quota(const lookoutvision::StartModelRequest& request,
                                         const std::string& version) const;
  /// The remembered resource if this call repeats an earlier one; fails with conflict if its parameters differ.
  Result<std::optional<std::string>> replayed(UnitOfWork& work, const CallContext& call, const char* operation,
                                              const char* type, const std::string& id);
  void remember(UnitOfWork& work, const CallContext& call, const char* operation, const std::string& resource);
  static Error no_project(const std::string& name);
  static Result<Model> find_tagged(UnitOfWork& work, const Scope& scope, const std::string& arn);
  Result<Model> find_model(UnitOfWork& work, const Scope& scope, const lookoutvision::ModelRequest& request);
  void remove_model(const Model& model);

  MetadataStore& metadata_;
  ObjectStore& objects_;
  Hosting& hosting_;
  Metrics& metrics_;
  const Clock& clock_;
  const Quotas quotas_;
  const std::function<void()> wake_jobs_;
};

}  // namespace vedette
