#include "api/lookoutvision/messages.hpp"

#include <nlohmann/json.hpp>

#include "api/members.hpp"
#include "base/text.hpp"

namespace vedette::embedded {
extern const std::string_view lookoutvision_model;
}

namespace vedette::lookoutvision {
namespace {

/// A published client turns Confidence into a decimal of 38 digits, and only a double that is exactly a float32 fits
/// into it.
double as_float(double value) {
  return static_cast<double>(static_cast<float>(value));
}

Json encode_performance(const Performance& p) {
  return {{"F1Score", as_float(p.f1)}, {"Recall", as_float(p.recall)}, {"Precision", as_float(p.precision)}};
}

}  // namespace

const ApiModel& api_model() {
  static const ApiModel model = ApiModel::parse(embedded::lookoutvision_model);
  return model;
}

CreateProjectRequest::CreateProjectRequest(const Json& m) : project_name(m.at("ProjectName")) {}
ProjectRequest::ProjectRequest(const Json& m) : project_name(m.at("ProjectName")) {}
PageRequest::PageRequest(const Json& m)
    : next_token(m.value("NextToken", "")), max_results(m.value("MaxResults", std::int64_t{100})) {}
DatasetRequest::DatasetRequest(const Json& m)
    : project_name(m.at("ProjectName")),
      dataset_type(*parse_dataset_type(m.at("DatasetType").get_ref<const std::string&>())) {}

CreateDatasetRequest::CreateDatasetRequest(const Json& m)
    : project_name(m.at("ProjectName")),
      dataset_type(*parse_dataset_type(m.at("DatasetType").get_ref<const std::string&>())) {
  // An empty DatasetSource or GroundTruthManifest means that there is no source.
  const auto source = m.find("DatasetSource");
  if (source == m.end() || !source->contains("GroundTruthManifest")) return;
  const auto& ground_truth = source->at("GroundTruthManifest");
  if (!ground_truth.contains("S3Object")) return;
  const auto& object = ground_truth.at("S3Object");
  manifest = ManifestSource{object.at("Bucket"), object.at("Key"), optional_text(object, "VersionId")};
}

ListDatasetEntriesRequest::ListDatasetEntriesRequest(const Json& m)
    : dataset(m), page(m), source_ref_contains(optional_text(m, "SourceRefContains")) {
  if (m.contains("Labeled")) is_labeled = m["Labeled"].get<bool>();
  if (m.contains("AnomalyClass")) is_anomalous = m["AnomalyClass"] == "anomaly";
  const auto time = [&](const char* name) -> std::optional<Timestamp> {
    if (!m.contains(name)) return std::nullopt;
    return Timestamp{std::chrono::milliseconds{m[name].get<std::int64_t>()}};
  };
  created_before = time("BeforeCreationDate");
  created_after = time("AfterCreationDate");
}

UpdateDatasetEntriesRequest::UpdateDatasetEntriesRequest(const Json& m)
    : dataset(m), changes(m.at("Changes").get_ref<const std::string&>()) {}

CreateModelRequest::CreateModelRequest(const Json& m)
    : project_name(m.at("ProjectName")),
      description(optional_text(m, "Description")),
      kms_key_id(optional_text(m, "KmsKeyId")) {
  const auto& location = m.at("OutputConfig").at("S3Location");
  output = {location.at("Bucket"), location.value("Prefix", "")};
  tags = decode_tags(m);
}

ModelRequest::ModelRequest(const Json& m) : project_name(m.at("ProjectName")), model_version(m.at("ModelVersion")) {}
ListModelsRequest::ListModelsRequest(const Json& m) : project_name(m.at("ProjectName")), page(m) {}

StartModelRequest::StartModelRequest(const Json& m) : model(m), min_inference_units(m.at("MinInferenceUnits")) {
  if (m.contains("MaxInferenceUnits")) max_inference_units = m["MaxInferenceUnits"].get<std::int64_t>();
}

TagsRequest::TagsRequest(const Json& m) : resource_arn(m.at("ResourceArn")), tags(decode_tags(m)) {
  if (m.contains("TagKeys")) keys = m["TagKeys"].get<std::vector<std::string>>();
}

StartModelPackagingJobRequest::StartModelPackagingJobRequest(const Json& m)
    : model(m),
      job_name(optional_text(m, "JobName")),
      description(optional_text(m, "Description")),
      configuration(m.at("Configuration").dump()) {
  const auto& greengrass = m.at("Configuration").at("Greengrass");
  has_target_device = greengrass.contains("TargetDevice");
  has_target_platform = greengrass.contains("TargetPlatform");
  has_accelerator = has_target_platform && greengrass["TargetPlatform"].contains("Accelerator");
  compiler_options = optional_text(greengrass, "CompilerOptions");
  const auto& location = greengrass.at("S3OutputLocation");
  output = {location.at("Bucket"), location.value("Prefix", "")};
  component_name = greengrass.at("ComponentName");
  component_version = optional_text(greengrass, "ComponentVersion");
}

PackagingJobRequest::PackagingJobRequest(const Json& m)
    : project_name(m.at("ProjectName")), job_name(m.at("JobName")) {}
ListPackagingJobsRequest::ListPackagingJobsRequest(const Json& m) : project_name(m.at("ProjectName")), page(m) {}

Json encode_project_metadata(const Scope& scope, const Project& project) {
  return {{"ProjectArn", project_arn(scope, project.name)},
          {"ProjectName", project.name},
          {"CreationTimestamp", seconds(project.created)}};
}

Json encode_dataset_metadata(const Dataset& d) {
  return {{"DatasetType", to_text(d.type)},
          {"CreationTimestamp", seconds(d.created)},
          {"Status", to_text(d.status)},
          {"StatusMessage", d.status_message}};
}

Json encode_project_description(const Scope& scope, const Project& project, const std::vector<Dataset>& datasets) {
  Json out = encode_project_metadata(scope, project);
  out["Datasets"] = Json::array();
  for (const auto& d : datasets) out["Datasets"].push_back(encode_dataset_metadata(d));
  return out;
}

Json encode_dataset_description(const Dataset& d) {
  return {{"ProjectName", d.project},
          {"DatasetType", to_text(d.type)},
          {"CreationTimestamp", seconds(d.created)},
          {"LastUpdatedTimestamp", seconds(d.updated)},
          {"Status", to_text(d.status)},
          {"StatusMessage", d.status_message},
          {"ImageStats",
           {{"Total", d.stats.total},
            {"Labeled", d.stats.labeled},
            {"Normal", d.stats.normal},
            {"Anomaly", d.stats.anomaly}}}};
}

Json encode_model_metadata(const Scope& scope, const Model& m) {
  Json out = {{"CreationTimestamp", seconds(m.created)},
              {"ModelVersion", std::to_string(m.version)},
              {"ModelArn", model_arn(scope, m.project, m.version)},
              {"Status", to_text(m.status)},
              {"StatusMessage", m.status_message}};
  if (m.description) out["Description"] = *m.description;
  if (m.performance) out["Performance"] = encode_performance(*m.performance);
  return out;
}

Json encode_model_description(const Scope& scope, const Model& m) {
  Json out = encode_model_metadata(scope, m);
  out["OutputConfig"] = {{"S3Location", {{"Bucket", m.output.bucket}, {"Prefix", m.output.key}}}};
  if (m.evaluation_manifest)
    out["EvaluationManifest"] = {{"Bucket", m.evaluation_manifest->bucket}, {"Key", m.evaluation_manifest->key}};
  if (m.evaluation_result)
    out["EvaluationResult"] = {{"Bucket", m.evaluation_result->bucket}, {"Key", m.evaluation_result->key}};
  if (m.evaluation_end) out["EvaluationEndTimestamp"] = seconds(*m.evaluation_end);
  if (m.kms_key_id) out["KmsKeyId"] = *m.kms_key_id;
  if (m.min_inference_units) out["MinInferenceUnits"] = *m.min_inference_units;
  if (m.max_inference_units) out["MaxInferenceUnits"] = *m.max_inference_units;
  return out;
}

Json encode_detection(const DetectionResult& result) {
  Json out = {{"Source", {{"Type", "direct"}}},
              {"IsAnomalous", result.is_anomalous},
              {"Confidence", static_cast<double>(result.confidence)}};
  if (result.segmentation) {
    Json anomalies = Json::array();
    for (const auto& a : result.segmentation->anomalies)
      anomalies.push_back(
          {{"Name", a.name},
           {"PixelAnomaly", {{"TotalPercentageArea", static_cast<double>(a.area_fraction)}, {"Color", a.color}}}});
    out["Anomalies"] = std::move(anomalies);
    out["AnomalyMask"] = to_base64(as_bytes(result.segmentation->mask_png));
  }
  return {{"DetectAnomalyResult", std::move(out)}};
}

Json encode_tags(const std::vector<Tag>& tags) {
  Json out = Json::array();
  for (const auto& tag : tags) out.push_back({{"Key", tag.key}, {"Value", tag.value}});
  return out;
}

Json encode_packaging_job_metadata(const PackagingJob& j) {
  Json out = {{"JobName", j.name},
              {"ProjectName", j.project},
              {"ModelVersion", std::to_string(j.model_version)},
              {"ModelPackagingMethod", "Greengrass"},
              {"Status", to_text(j.status)},
              {"StatusMessage", j.status_message},
              {"CreationTimestamp", seconds(j.created)},
              {"LastUpdatedTimestamp", seconds(j.updated)}};
  if (j.description) out["ModelPackagingJobDescription"] = *j.description;
  return out;
}

Json encode_packaging_job_description(const Scope& scope, const PackagingJob& j) {
  Json out = encode_packaging_job_metadata(j);
  out["ModelPackagingConfiguration"] = Json::parse(j.configuration);
  if (j.status == PackagingJobStatus::succeeded)
    out["ModelPackagingOutputDetails"] = {
        {"Greengrass",
         {{"ComponentVersionArn", component_arn(scope, j.component_name, j.component_version)},
          {"ComponentName", j.component_name},
          {"ComponentVersion", j.component_version}}}};
  return out;
}

}  // namespace vedette::lookoutvision
