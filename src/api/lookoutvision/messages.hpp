#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/model.hpp"
#include "domain/domain.hpp"

/// The service `lookoutvision` on the wire: typed requests are made from decoded members, and response bodies from
/// domain values. The functions are pure. ../model.hpp has checked the members already.
namespace vedette::lookoutvision {

/// Returns the service's API model, which is part of the program and is parsed once.
const ApiModel& api_model();

using Json = nlohmann::json;

struct CreateProjectRequest {
  explicit CreateProjectRequest(const Json& members);
  std::string project_name;
};
struct ProjectRequest {  ///< Used by DescribeProject and DeleteProject.
  explicit ProjectRequest(const Json& members);
  std::string project_name;
};
struct PageRequest {
  explicit PageRequest(const Json& members);
  std::string next_token;  ///< If empty, the list begins at its start.
  std::int64_t max_results = 100;
};
struct ManifestSource {
  std::string bucket, key;
  std::optional<std::string> version_id;
};
struct CreateDatasetRequest {
  explicit CreateDatasetRequest(const Json& members);
  std::string project_name;
  DatasetType dataset_type;
  std::optional<ManifestSource> manifest;
};
struct DatasetRequest {  ///< Used by DescribeDataset and DeleteDataset.
  explicit DatasetRequest(const Json& members);
  std::string project_name;
  DatasetType dataset_type;
};
struct ListDatasetEntriesRequest {
  explicit ListDatasetEntriesRequest(const Json& members);
  DatasetRequest dataset;
  PageRequest page;
  std::optional<bool> is_labeled, is_anomalous;
  std::optional<Timestamp> created_before, created_after;
  std::optional<std::string> source_ref_contains;
};
struct UpdateDatasetEntriesRequest {
  explicit UpdateDatasetEntriesRequest(const Json& members);
  DatasetRequest dataset;
  std::string changes;  ///< JSON Lines
};
struct CreateModelRequest {
  explicit CreateModelRequest(const Json& members);
  std::string project_name;
  std::optional<std::string> description, kms_key_id;
  ObjectLocation output;
  std::vector<Tag> tags;
};
struct ModelRequest {  ///< Used by DescribeModel, DeleteModel, StopModel and DetectAnomalies.
  explicit ModelRequest(const Json& members);
  std::string project_name;
  std::string model_version;  ///< A number or "latest".
};
struct ListModelsRequest {
  explicit ListModelsRequest(const Json& members);
  std::string project_name;
  PageRequest page;
};
struct StartModelRequest {
  explicit StartModelRequest(const Json& members);
  ModelRequest model;
  std::int64_t min_inference_units;
  std::optional<std::int64_t> max_inference_units;
};

struct TagsRequest {  ///< Used by TagResource, UntagResource and ListTagsForResource.
  explicit TagsRequest(const Json& members);
  std::string resource_arn;
  std::vector<Tag> tags;
  std::vector<std::string> keys;
};
struct StartModelPackagingJobRequest {
  explicit StartModelPackagingJobRequest(const Json& members);
  ModelRequest model;
  std::optional<std::string> job_name, description;
  std::string configuration;  ///< The JSON of ModelPackagingConfiguration.
  // The service looks at these parts of the configuration:
  bool has_target_device, has_target_platform, has_accelerator;
  std::optional<std::string> compiler_options;
  ObjectLocation output;  ///< The bucket and the prefix.
  std::string component_name;
  std::optional<std::string> component_version;
};
struct PackagingJobRequest {
  explicit PackagingJobRequest(const Json& members);
  std::string project_name, job_name;
};
struct ListPackagingJobsRequest {
  explicit ListPackagingJobsRequest(const Json& members);
  std::string project_name;
  PageRequest page;
};

/// One label of an answer to DetectAnomalies.
struct FoundAnomaly {
  std::string name;
  std::string color;
  float area_fraction;
};
struct DetectionResult {
  bool is_anomalous = false;
  float confidence = 0;
  struct Segmentation {
    std::vector<FoundAnomaly> anomalies;  ///< The background comes first.
    std::string mask_png;
  };
  std::optional<Segmentation> segmentation;
  /// The stages and their milliseconds, for the header Server-Timing.
  std::vector<std::pair<std::string, double>> timing;
  /// The verified picture that corrected the verdict, for the header x-vedette-corrected-by; empty if none did.
  std::string corrected_by;
};

Json encode_project_metadata(const Scope& scope, const Project& project);
Json encode_project_description(const Scope& scope, const Project& project, const std::vector<Dataset>& datasets);
Json encode_dataset_metadata(const Dataset& dataset);
Json encode_dataset_description(const Dataset& dataset);
Json encode_model_metadata(const Scope& scope, const Model& model);
Json encode_model_description(const Scope& scope, const Model& model);
Json encode_detection(const DetectionResult& result);
Json encode_tags(const std::vector<Tag>& tags);
Json encode_packaging_job_metadata(const PackagingJob& job);
Json encode_packaging_job_description(const Scope& scope, const PackagingJob& job);

}  // namespace vedette::lookoutvision
