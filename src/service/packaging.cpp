#include "base/digest.hpp"
#include "base/text.hpp"
#include "service/greengrass.hpp"
#include "service/job_payloads.hpp"
#include "service/pagination.hpp"
#include "service/service.hpp"

namespace vedette {
namespace {

Error no_job(const std::string& project, const std::string& name) {
  return not_found("MODEL_PACKAGE_JOB", name, "The project " + project + " has no model packaging job " + name + ".");
}

/// Checks the rules between members, which the API model cannot express.
Result<void> check_target(const lookoutvision::StartModelPackagingJobRequest& request) {
  if (request.has_target_device == request.has_target_platform)
    return invalid_input("Exactly one of TargetDevice and TargetPlatform must be given.");
  if (request.has_target_device && request.compiler_options)
    return invalid_input("CompilerOptions cannot be given with TargetDevice.");
  if (request.has_accelerator && !request.compiler_options)
    return invalid_input("With the accelerator NVIDIA, CompilerOptions must name gpu-code, trt-ver and cuda-ver.");
  if (!request.compiler_options) return {};
  return check_compiler_options(*request.compiler_options, request.has_accelerator);
}

std::string component_version(const lookoutvision::StartModelPackagingJobRequest& request, std::int64_t model_version) {
  return request.component_version.value_or(std::to_string(model_version) + ".0.0");
}

/// Whether the place where the job would write has a component already, which another server or a project that was
/// deleted may have made. Its recipe is written last, so a packaging that failed does not count.
Result<bool> has_recipe(ObjectStore& objects, const lookoutvision::StartModelPackagingJobRequest& request,
                        const std::string& version) {
  const auto keys = component_keys(request.output.key, request.component_name, version);
  const auto found = objects.head(request.output.bucket, keys.recipe, std::nullopt);
  if (found) return true;
  if (found.error().kind == ErrorKind::not_found) return false;
  return found.error();
}

}  // namespace

Result<std::string> LookoutVision::start_packaging_job(const CallContext& call,
                                                       const lookoutvision::StartModelPackagingJobRequest& request) {
  if (auto ok = check_target(request); !ok) return ok.error();
  auto writer = call.caller;
  writer.is_via_service = true;
  if (auto ok = authorize(writer, "s3:GetBucketLocation", bucket_arn(request.output.bucket)); !ok) return ok.error();
  if (auto ok = authorize(writer, "s3:PutObject",
                          object_arn(request.output.bucket, request.output.key + request.component_name));
      !ok)
    return ok.error();
  const auto& project = request.model.project_name;
  // The bucket is looked up before the transaction begins, because the store may be reached over a network.
  const auto has_bucket = objects_.has_bucket(request.output.bucket);
  const auto version = resolve_version(call.scope, project, request.model.model_version);
  const auto is_taken = version && has_bucket && *has_bucket
                            ? has_recipe(objects_, request, component_version(request, *version))
                            : Result<bool>(false);
  auto outcome = metadata_.write([&](UnitOfWork& work) -> Result<std::string> {
    const auto again =
        replayed(work, call, "StartModelPackagingJob", "MODEL_PACKAGE_JOB", request.job_name.value_or(project));
    if (!again) return again.error();
    auto model = find_model(work, call.scope, request.model);
    if (!model) return model.error();
    if (*again && work.packaging_jobs().find(call.scope, project, **again)) return **again;
    if (!has_files(model->status))
      return conflict(
          "MODEL", std::to_string(model->version),
          "The model is " + std::string(to_text(model->status)) + "; only a trained model can be packaged.");
    if (!has_bucket) return has_bucket.error();
    if (!*has_bucket) return invalid_input("The output bucket " + request.output.bucket + " does not exist.");
    if (!is_taken) return is_taken.error();
    PackagingJob job;
    job.project = project;
    job.name = request.job_name.value_or(random_uuid());
    job.model_version = model->version;
    job.description = request.description;
    job.configuration = request.configuration;
    job.component_name = request.component_name;
    job.component_version = component_version(request, model->version);
    job.status_message = "The job is waiting to run.";
    job.created = job.updated = work.now();
    if (*is_taken || work.packaging_jobs().has_component(call.scope, job.component_name, job.component_version))
      return conflict("MODEL_PACKAGE_JOB", job.name,
                      "The component " + job.component_name + " " + job.component_version + " exists already.");
    if (!work.packaging_jobs().insert(call.scope, job))
      return conflict("MODEL_PACKAGE_JOB", job.name, "The project already has a job named " + job.name + ".");
    work.jobs().insert({kPackagingJob,
                        to_payload(ModelJob{call.scope, call.caller.user, project, model->version, job.name}),
                        work.now(), call.request_id});
    remember(work, call, "StartModelPackagingJob", job.name);
    return job.name;
  });
  if (outcome) wake_jobs_();
  return outcome;
}

Result<PackagingJob> LookoutVision::describe_packaging_job(const CallContext& call,
                                                           const lookoutvision::PackagingJobRequest& request) {
  auto work = metadata_.read();
  if (!work->projects().find(call.scope, request.project_name)) return no_project(request.project_name);
  auto job = work->packaging_jobs().find(call.scope, request.project_name, request.job_name);
  if (!job) return no_job(request.project_name, request.job_name);
  return *job;
}

Result<Page<PackagingJob>> LookoutVision::list_packaging_jobs(const CallContext& call,
                                                              const lookoutvision::ListPackagingJobsRequest& request) {
  auto work = metadata_.read();
  if (!work->projects().find(call.scope, request.project_name)) return no_project(request.project_name);
  const std::string query =
      "ListModelPackagingJobs/" + call.scope.account + "/" + call.scope.region + "/" + request.project_name;
  const auto after = read_page_token(query, request.page.next_token);
  if (!after) return after.error();
  PackagingJobRepository::Place place;
  if (const auto slash = after->find('/'); slash != std::string::npos)
    place = {parse_integer(std::string_view(*after).substr(0, slash)).value_or(0), after->substr(slash + 1)};
  Page<PackagingJob> page{
      work->packaging_jobs().list(call.scope, request.project_name, place, request.page.max_results + 1), ""};
  if (static_cast<std::int64_t>(page.items.size()) > request.page.max_results) {
    page.items.pop_back();
    const auto& last = page.items.back();
    page.next_token = make_page_token(query, std::to_string(last.created.time_since_epoch().count()) + "/" + last.name);
  }
  return page;
}

}  // namespace vedette
