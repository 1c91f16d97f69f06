#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/model.hpp"
#include "domain/domain.hpp"

/// The service `lookoutvision` on the wire: typed requests from decoded members, response bodies from domain values.
/// Pure functions. ../model.hpp has checked the members already.
namespace vedette::lookoutvision {

/// The service's API model, parsed once; part of the program.
const ApiModel& api_model();

using Json = nlohmann::json;

struct CreateProjectRequest {
  explicit CreateProjectRequest(const Json& members);
  std::string project_name;
};
struct ProjectRequest {  ///< DescribeProject, DeleteProject
  explicit ProjectRequest(const Json& members);
  std::string project_name;
};
struct PageRequest {
  explicit PageRequest(const Json& members);
  std::string next_token;  ///< empty: from the start
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
struct DatasetRequest {  ///< DescribeDataset, DeleteDataset
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
struct ModelRequest {  ///< DescribeModel, DeleteModel, StopModel, DetectAnomalies
  explicit ModelRequest(const Json& members);
  std::string project_name;
  std::string model_version;  ///< a number or "latest"
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

struct TagsRequest {  ///< TagResource, UntagResource, ListTagsForResource
  explicit TagsRequest(const Json& members);
  std::string resource_arn;
  std::vector<Tag> tags;
  std::vector<std::string> keys;
};
struct StartModelPackagingJobRequest {
  explicit StartModelPackagingJobRequest(const Json& members);
  ModelRequest model;
  std::optional<std::string> job_name, description;
  std::string configuration;  ///< JSON: ModelPackagingConfiguration
  // Of it, what the service looks at:
  bool has_target_device, has_target_platform, has_accelerator;
  std::optional<std::string> compiler_options;
  ObjectLocation output;  ///< bucket and prefix
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

/// One label of a DetectAnomalies answer.
struct FoundAnomaly {
  std::string name;
  std::string color;
  float area_fraction;
};
struct DetectionResult {
  bool is_anomalous = false;
  float confidence = 0;
  struct Segmentation {
    std::vector<FoundAnomaly> anomalies;  ///< background first
    std::string mask_png;
  };
  std::optional<Segmentation> segmentation;
  std::vector<std::pair<std::string, double>> timing;  ///< stages and milliseconds
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
