#include "base/digest.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "service/job_payloads.hpp"
#include "service/pagination.hpp"
#include "service/quota_errors.hpp"
#include "service/service.hpp"
#include "service/tags.hpp"
#include "store/model_files/model_files.hpp"

namespace vedette {
namespace {

constexpr std::size_t kUidLength = 20;

Error no_model(const std::string& project, const std::string& version) {
  return not_found("MODEL", version, "The project " + project + " has no model version " + version + ".");
}

Result<void> check_range(const lookoutvision::StartModelRequest& request) {
  if (request.max_inference_units.value_or(request.min_inference_units) < request.min_inference_units)
    return invalid_input("MaxInferenceUnits must not be less than MinInferenceUnits.");
  return {};
}

Error wrong_state(const Model& model, const std::string& wanted) {
  return conflict("MODEL", std::to_string(model.version),
                  "The model is " + std::string(to_text(model.status)) + "; it must be " + wanted + ".");
}

}  // namespace

Result<Model> LookoutVision::find_model(UnitOfWork& work, const Scope& scope,
                                        const lookoutvision::ModelRequest& request) {
  const auto number = parse_integer(request.model_version);
  auto model = number ? work.models().find(scope, request.project_name, *number)
                      : work.models().find_latest(scope, request.project_name);
  if (model) return *std::move(model);
  if (!work.projects().find(scope, request.project_name)) return no_project(request.project_name);
  return no_model(request.project_name, request.model_version);
}

Result<std::int64_t> LookoutVision::resolve_version(const Scope& scope, const std::string& project,
                                                    const std::string& version) {
  if (const auto number = parse_integer(version)) return *number;
  auto latest = metadata_.read()->models().find_latest(scope, project);
  if (!latest) return no_model(project, version);
  return latest->version;
}

bool LookoutVision::has_files(ModelStatus status) {
  return status != ModelStatus::training && status != ModelStatus::training_failed && status != ModelStatus::deleting;
}

Result<std::optional<Model>> LookoutVision::replayed_model(UnitOfWork& work, const CallContext& call,
                                                           const char* operation, const std::string& project) {
  const auto again = replayed(work, call, operation, "PROJECT", project);
  if (!again) return again.error();
  if (!work.projects().find(call.scope, project)) return no_project(project);
  if (!*again) return std::optional<Model>();
  return work.models().find(call.scope, project, parse_integer(**again).value_or(0));
}

Result<void> LookoutVision::check_new_model(const CallContext& call, const std::string& project,
                                            const ObjectLocation& output, const std::vector<Tag>& tags) {
  // The caller's rights decide where the evaluation files may be written. If the caller may not write them, the call
  // fails now, and not after the training.
  auto writer = call.caller;
  writer.is_via_service = true;
  if (auto ok = authorize(writer, "s3:GetBucketLocation", bucket_arn(output.bucket)); !ok) return ok;
  if (auto ok =
          authorize(writer, "s3:PutObject", object_arn(output.bucket, output.key + "EvaluationResult-" + project));
      !ok)
    return ok;
  if (tags.empty()) return {};
  const auto any_version =
      "arn:aws:lookoutvision:" + call.scope.region + ":" + call.scope.account + ":model/" + project + "/*";
  if (auto ok = authorize(call.caller, "lookoutvision:TagResource", any_version, {tags}); !ok) return ok;
  return check_tags(tags);
}

Result<Model> LookoutVision::insert_model(UnitOfWork& work, const CallContext& call, const char* operation, Model model,
                                          const std::optional<Rebasing>& rebasing) {
  if (work.models().count_in_state(call.scope.account, ModelStatus::training) >= quotas_.trainings_at_once)
    return quota_exceeded(
        quotas::kTrainings, "PROJECT", model.project,
        "At most " + std::to_string(quotas_.trainings_at_once) + " models may train at the same time.");
  if (quotas_.models_per_project > 0 && work.models().count(call.scope, model.project) >= quotas_.models_per_project)
    return quota_exceeded(quotas::kModels, "PROJECT", model.project,
                          "A project may have at most " + std::to_string(quotas_.models_per_project) + " models.");
  if (model.tags.size() > kMostTags)
    return quota_exceeded(quotas::kTags, "MODEL", model.project,
                          "A model may have at most " + std::to_string(kMostTags) + " tags.");
  model.version = work.projects().next_model_version(call.scope, model.project);
  model.uid = random_id(kUidLength);
  model.status = ModelStatus::training;
  model.status_message = rebasing ? "The model is waiting to be moved." : "The model is waiting to be trained.";
  model.created = work.now();
  work.models().insert(call.scope, model);
  work.jobs().insert({rebasing ? kRebasingJob : kTrainingJob,
                      to_payload(ModelJob{call.scope, call.caller.user, model.project, model.version, "", rebasing}),
                      model.created, call.request_id});
  remember(work, call, operation, std::to_string(model.version));
  return model;
}

Result<Model> LookoutVision::create_model(const CallContext& call, const lookoutvision::CreateModelRequest& request) {
  if (auto ok = check_new_model(call, request.project_name, request.output, request.tags); !ok) return ok.error();
  // The bucket is looked up before the transaction begins, because the store may be reached over a network.
  const auto has_bucket = objects_.has_bucket(request.output.bucket);
  auto outcome = metadata_.write([&](UnitOfWork& work) -> Result<Model> {
    const auto again = replayed_model(work, call, "CreateModel", request.project_name);
    if (!again) return again.error();
    if (*again) return **again;
    if (!has_bucket) return has_bucket.error();
    if (!*has_bucket) return invalid_input("The output bucket " + request.output.bucket + " does not exist.");

    for (const auto type : {DatasetType::train, DatasetType::test}) {
      const auto dataset = work.datasets().find(call.scope, request.project_name, type);
      const auto id = request.project_name + "/" + std::string(to_text(type));
      if (!dataset && type == DatasetType::train)
        return not_found("DATASET", id, "The project has no training dataset.");
      // A call is not refused because an import still runs: published clients create the dataset and the model without
      // waiting. The training job waits for the import.
      if (dataset && !is_settled(dataset->status) && dataset->status != DatasetStatus::create_in_progress)
        return conflict("DATASET", id, "The dataset is " + std::string(to_text(dataset->status)) + ".");
    }
    Model model;
    model.project = request.project_name;
    model.description = request.description;
    model.kms_key_id = request.kms_key_id;
    model.output = request.output;
    model.tags = request.tags;
    return insert_model(work, call, "CreateModel", std::move(model), std::nullopt);
  });
  if (outcome) wake_jobs_();
  return outcome;
}

Result<Model> LookoutVision::describe_model(const CallContext& call, const lookoutvision::ModelRequest& request) {
  return find_model(*metadata_.look(), call.scope, request);
}

Result<Page<Model>> LookoutVision::list_models(const CallContext& call,
                                               const lookoutvision::ListModelsRequest& request) {
  auto work = metadata_.read();
  if (!work->projects().find(call.scope, request.project_name)) return no_project(request.project_name);
  const std::string query = "ListModels/" + call.scope.account + "/" + call.scope.region + "/" + request.project_name;
  auto after = read_page_token(query, request.page.next_token);
  if (!after) return after.error();
  Page<Model> page{
      work->models().list(call.scope, request.project_name, after->empty() ? 0 : parse_integer(*after).value_or(0),
                          request.page.max_results + 1),
      ""};
  if (static_cast<std::int64_t>(page.items.size()) > request.page.max_results) {
    page.items.pop_back();
    page.next_token = make_page_token(query, std::to_string(page.items.back().version));
  }
  return page;
}

Result<std::int64_t> LookoutVision::delete_model(const CallContext& call, const lookoutvision::ModelRequest& request) {
  // Nothing is returned if an earlier call with this token deletes the model.
  const auto model = metadata_.write([&](UnitOfWork& work) -> Result<std::optional<Model>> {
    const auto again = replayed(work, call, "DeleteModel", "MODEL", request.model_version);
    if (!again) return again.error();
    auto found = find_model(work, call.scope, request);
    if (*again && (!found || found->status == ModelStatus::deleting)) return std::optional<Model>();
    if (!found) return found.error();
    if (!can_move(found->status, ModelStatus::deleting))
      return wrong_state(*found, "TRAINED, TRAINING_FAILED or HOSTING_FAILED");
    work.models().move(found->uid, found->status, ModelStatus::deleting, "The model is being deleted.");
    remember(work, call, "DeleteModel", found->uid);
    return std::optional(std::move(*found));
  });
  if (!model) return model.error();
  if (!*model) return parse_integer(request.model_version).value_or(0);
  remove_model(**model);
  return (*model)->version;
}

void LookoutVision::remove_model(const Model& model) {
  hosting_.forget(model.uid);
  // The model's row is removed last. If the process is killed before that, finish_deletions() finds the row and goes
  // on.
  if (auto ok = ModelFiles(objects_).remove(model.uid); !ok) {
    log::error("model files not deleted", {{"model", model.uid}, {"reason", ok.error().message}});
    return;
  }
  metadata_.write([&](UnitOfWork& work) { work.models().remove(model.uid); });
}

void LookoutVision::finish_deletions() {
  for (const auto& [scope, model] : metadata_.read()->models().list_in_states({ModelStatus::deleting}))
    remove_model(model);
}

Result<void> LookoutVision::check_quota(const lookoutvision::StartModelRequest& request,
                                        const std::string& version) const {
  const auto units = request.max_inference_units.value_or(request.min_inference_units);
  if (units > quotas_.inference_units)
    return quota_exceeded(quotas::kInferenceUnits, "MODEL", version,
                          "A model may have at most " + std::to_string(quotas_.inference_units) + " inference units.");
  return {};
}

Result<void> LookoutVision::update_units(const CallContext& call, const lookoutvision::StartModelRequest& request) {
  if (auto ok = check_range(request); !ok) return ok;
  const auto done = metadata_.write([&](UnitOfWork& work) -> Result<void> {
    auto model = find_model(work, call.scope, request.model);
    if (!model) return model.error();
    if (auto ok = check_quota(request, std::to_string(model->version)); !ok) return ok;
    if (model->status != ModelStatus::hosted && model->status != ModelStatus::starting_hosting)
      return wrong_state(*model, "HOSTED");
    work.models().set_units(model->uid, request.min_inference_units, request.max_inference_units);
    return {};
  });
  if (!done) return done;
  hosting_.wake();
  return {};
}

Result<ModelStatus> LookoutVision::start_model(const CallContext& call,
                                               const lookoutvision::StartModelRequest& request) {
  if (auto ok = check_range(request); !ok) return ok.error();
  const auto status = metadata_.write([&](UnitOfWork& work) -> Result<ModelStatus> {
    const auto again = replayed(work, call, "StartModel", "MODEL", request.model.model_version);
    if (!again) return again.error();
    auto model = find_model(work, call.scope, request.model);
    if (!model) return model.error();
    // A published client uses one token for many hours. So a call counts as a repetition only while the effect of the
    // first call lasts.
    if (*again && **again == model->uid &&
        (model->status == ModelStatus::starting_hosting || model->status == ModelStatus::hosted))
      return ModelStatus::starting_hosting;
    const auto id = std::to_string(model->version);
    if (auto ok = check_quota(request, id); !ok) return ok.error();
    if (!can_move(model->status, ModelStatus::starting_hosting)) return wrong_state(*model, "TRAINED");
    if (quotas_.hosted_models > 0 &&
        work.models().count_in_state(call.scope.account, ModelStatus::hosted) +
                work.models().count_in_state(call.scope.account, ModelStatus::starting_hosting) >=
            quotas_.hosted_models)
      return quota_exceeded(quotas::kHostedModels, "MODEL", id,
                            "At most " + std::to_string(quotas_.hosted_models) + " models may be hosted.");
    work.models().move(model->uid, model->status, ModelStatus::starting_hosting, "The model is being started.");
    work.models().set_units(model->uid, request.min_inference_units, request.max_inference_units);
    work.model_hosts().remove_model(model->uid);  // nodes that could not load it before try again
    remember(work, call, "StartModel", model->uid);
    return ModelStatus::starting_hosting;
  });
  if (status) hosting_.wake();
  return status;
}

Result<ModelStatus> LookoutVision::stop_model(const CallContext& call, const lookoutvision::ModelRequest& request) {
  const auto status = metadata_.write([&](UnitOfWork& work) -> Result<ModelStatus> {
    const auto again = replayed(work, call, "StopModel", "MODEL", request.model_version);
    if (!again) return again.error();
    auto model = find_model(work, call.scope, request);
    if (!model) return model.error();
    if (*again && **again == model->uid &&
        (model->status == ModelStatus::stopping_hosting || model->status == ModelStatus::trained))
      return ModelStatus::stopping_hosting;
    if (!can_move(model->status, ModelStatus::stopping_hosting)) return wrong_state(*model, "HOSTED");
    work.models().move(model->uid, model->status, ModelStatus::stopping_hosting, "The model is being stopped.");
    remember(work, call, "StopModel", model->uid);
    return ModelStatus::stopping_hosting;
  });
  if (status) hosting_.wake();
  return status;
}

}  // namespace vedette
