#include "base/text.hpp"
#include "http/encoding.hpp"
#include "http/json_service.hpp"

namespace vedette {

using Json = nlohmann::json;
using namespace lookoutvision;  // NOLINT: all request types are in this namespace

JsonOperations lookoutvision_operations(LookoutVision& service) {
  return {
      {"CreateProject",
       [&](const Invocation& i) {
         return encoded(service.create_project(i.context, CreateProjectRequest(i.members)), [&](const Project& p) {
           return Json{{"ProjectMetadata", encode_project_metadata(i.context.scope, p)}};
         });
       }},
      {"DescribeProject",
       [&](const Invocation& i) {
         return encoded(service.describe_project(i.context, ProjectRequest(i.members)), [&](const auto& d) {
           return Json{{"ProjectDescription", encode_project_description(i.context.scope, d.project, d.datasets)}};
         });
       }},
      {"ListProjects",
       [&](const Invocation& i) {
         return encoded(service.list_projects(i.context, PageRequest(i.members)), [&](const auto& page) {
           return encode_page(page, "Projects",
                              [&](const Project& p) { return encode_project_metadata(i.context.scope, p); });
         });
       }},
      {"DeleteProject",
       [&](const Invocation& i) -> Result<Json> {
         const ProjectRequest request(i.members);
         if (auto ok = service.delete_project(i.context, request); !ok) return ok.error();
         return Json{{"ProjectArn", project_arn(i.context.scope, request.project_name)}};
       }},
      {"CreateDataset",
       [&](const Invocation& i) {
         return encoded(service.create_dataset(i.context, CreateDatasetRequest(i.members)), [](const Dataset& d) {
           return Json{{"DatasetMetadata", encode_dataset_metadata(d)}};
         });
       }},
      {"DescribeDataset",
       [&](const Invocation& i) {
         return encoded(service.describe_dataset(i.context, DatasetRequest(i.members)), [](const Dataset& d) {
           return Json{{"DatasetDescription", encode_dataset_description(d)}};
         });
       }},
      {"ListDatasetEntries",
       [&](const Invocation& i) {
         return encoded(
             service.list_dataset_entries(i.context, ListDatasetEntriesRequest(i.members)), [](const auto& page) {
               return encode_page(page, "DatasetEntries", [](const std::string& line) { return Json(line); });
             });
       }},
      {"DeleteDataset",
       [&](const Invocation& i) { return empty(service.delete_dataset(i.context, DatasetRequest(i.members))); }},
      {"CreateModel",
       [&](const Invocation& i) {
         return encoded(service.create_model(i.context, CreateModelRequest(i.members)), [&](const Model& m) {
           return Json{{"ModelMetadata", encode_model_metadata(i.context.scope, m)}};
         });
       }},
      {"DescribeModel",
       [&](const Invocation& i) {
         return encoded(service.describe_model(i.context, ModelRequest(i.members)), [&](const Model& m) {
           return Json{{"ModelDescription", encode_model_description(i.context.scope, m)}};
         });
       }},
      {"ListModels",
       [&](const Invocation& i) {
         return encoded(service.list_models(i.context, ListModelsRequest(i.members)), [&](const auto& page) {
           return encode_page(page, "Models",
                              [&](const Model& m) { return encode_model_metadata(i.context.scope, m); });
         });
       }},
      {"DeleteModel",
       [&](const Invocation& i) {
         const ModelRequest request(i.members);
         return encoded(service.delete_model(i.context, request), [&](std::int64_t version) {
           return Json{{"ModelArn", model_arn(i.context.scope, request.project_name, version)}};
         });
       }},
      {"StartModel",
       [&](const Invocation& i) {
         return encoded(service.start_model(i.context, StartModelRequest(i.members)), [](ModelStatus s) {
           return Json{{"Status", to_text(s)}};
         });
       }},
      {"StopModel",
       [&](const Invocation& i) {
         return encoded(service.stop_model(i.context, ModelRequest(i.members)), [](ModelStatus s) {
           return Json{{"Status", to_text(s)}};
         });
       }},
      {"DetectAnomalies",
       [&](const Invocation& i) {
         return encoded(
             service.detect_anomalies(i.context, ModelRequest(i.members),
                                      i.members.at("ContentType").get_ref<const std::string&>(), as_bytes(i.body)),
             [&](const DetectionResult& r) {
               i.stages = r.timing;
               if (!r.corrected_by.empty())
                 i.headers.emplace_back("x-vedette-corrected-by", uri_encode(r.corrected_by, true));
               return encode_detection(r);
             });
       }},
      {"UpdateDatasetEntries",
       [&](const Invocation& i) {
         return encoded(service.update_dataset_entries(i.context, UpdateDatasetEntriesRequest(i.members)),
                        [](DatasetStatus s) {
                          return Json{{"Status", to_text(s)}};
                        });
       }},
      {"TagResource",
       [&](const Invocation& i) { return empty(service.tag_resource(i.context, TagsRequest(i.members))); }},
      {"UntagResource",
       [&](const Invocation& i) { return empty(service.untag_resource(i.context, TagsRequest(i.members))); }},
      {"ListTagsForResource",
       [&](const Invocation& i) {
         return encoded(service.list_tags(i.context, TagsRequest(i.members)), [](const auto& tags) {
           return Json{{"Tags", encode_tags(tags)}};
         });
       }},
      {"StartModelPackagingJob",
       [&](const Invocation& i) {
         return encoded(service.start_packaging_job(i.context, StartModelPackagingJobRequest(i.members)),
                        [](const std::string& name) {
                          return Json{{"JobName", name}};
                        });
       }},
      {"DescribeModelPackagingJob",
       [&](const Invocation& i) {
         return encoded(
             service.describe_packaging_job(i.context, PackagingJobRequest(i.members)), [&](const auto& job) {
               return Json{{"ModelPackagingDescription", encode_packaging_job_description(i.context.scope, job)}};
             });
       }},
      {"ListModelPackagingJobs",
       [&](const Invocation& i) {
         return encoded(
             service.list_packaging_jobs(i.context, ListPackagingJobsRequest(i.members)),
             [](const auto& page) { return encode_page(page, "ModelPackagingJobs", encode_packaging_job_metadata); });
       }},
  };
}

}  // namespace vedette
