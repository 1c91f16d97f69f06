// Implements the operations of the service `vedette` on trial detections.
#include "api/vedette/messages.hpp"
#include "base/digest.hpp"
#include "base/text.hpp"
#include "manifest/manifest.hpp"
#include "service/job_payloads.hpp"
#include "service/pagination.hpp"
#include "service/picture_search.hpp"
#include "service/quota_errors.hpp"
#include "service/service.hpp"

namespace vedette {
namespace {

constexpr std::size_t kUidLength = 20;
constexpr const char* kStart = "StartTrialDetection";

Error no_trial(const std::string& project, const std::string& name) {
  return not_found("TRIAL", name, "The project " + project + " has no trial detection named " + name + ".");
}

/// Fails with quota_exceeded if there is no place for another trial of this project.
Result<void> check_trial_quotas(UnitOfWork& work, const Scope& scope, const std::string& project,
                                const std::string& name) {
  auto& trials = work.trial_detections();
  if (trials.count_running(scope.account) >= kMostRunningTrials)
    return quota_exceeded(quotas::kRunningTrials, "TRIAL", name,
                          "At most " + std::to_string(kMostRunningTrials) + " trial detections may run at once.");
  if (trials.count(scope, project) >= kMostTrialsOfAProject)
    return quota_exceeded(
        quotas::kTrials, "TRIAL", name,
        "A project may have at most " + std::to_string(kMostTrialsOfAProject) + " trial detections; delete old ones.");
  return {};
}

}  // namespace

Result<TrialDetection> LookoutVision::find_trial(UnitOfWork& work, const Scope& scope,
                                                 const extension::TrialRequest& request) {
  if (!work.projects().find(scope, request.project_name)) return no_project(request.project_name);
  auto trial = work.trial_detections().find(scope, request.project_name, request.trial_name);
  if (!trial) return no_trial(request.project_name, request.trial_name);
  return *trial;
}

Result<std::optional<TrialDetection>> LookoutVision::replayed_trial(UnitOfWork& work, const CallContext& call,
                                                                    const extension::StartTrialRequest& request) {
  const auto again = replayed(work, call, kStart, "TRIAL", request.trial_name);
  if (!again) return again.error();
  if (!*again) return std::optional<TrialDetection>();
  return work.trial_detections().find(**again);
}

Result<TrialDetection> LookoutVision::start_trial(const CallContext& call,
                                                  const extension::StartTrialRequest& request) {
  const auto& project = request.model.project_name;
  auto reader = call.caller;
  reader.is_via_service = true;
  const PictureChoice choice{request.bucket, request.prefix, request.keys};
  if (auto ok = authorize_search(reader, choice); !ok) return ok.error();
  {
    auto work = metadata_.read();
    const auto again = replayed_trial(*work, call, request);
    if (!again) return again.error();
    if (*again) return **again;
    if (auto model = find_with_files(*work, call.scope, request.model); !model) return model.error();
  }
  // The bucket is looked at before the transaction begins, because the store may be reached over a network.
  const auto keys = find_pictures(objects_, reader, choice, kMostTrialImages, kTrialMasks);
  if (!keys) return keys.error();
  if (keys->empty()) return invalid_input("Images names no image.");
  if (keys->size() > kMostTrialImages)
    return invalid_input("A trial detection judges at most " + std::to_string(kMostTrialImages) +
                         " images, but Images names more.");

  auto outcome = metadata_.write([&](UnitOfWork& work) -> Result<TrialDetection> {
    // The same call may have come twice at once.
    const auto again = replayed_trial(work, call, request);
    if (!again) return again.error();
    if (*again) return **again;
    const auto model = find_with_files(work, call.scope, request.model);
    if (!model) return model.error();
    if (auto ok = check_trial_quotas(work, call.scope, project, request.trial_name); !ok) return ok.error();
    TrialDetection trial;
    trial.project = project;
    trial.name = request.trial_name;
    trial.uid = random_id(kUidLength);
    trial.model_version = model->version;
    trial.model_uid = model->uid;
    trial.bucket = request.bucket;
    if (const auto moved = work.models().threshold(model->uid)) trial.moved_threshold = moved->threshold;
    trial.status_message = "The images are waiting to be judged.";
    trial.created = trial.updated = work.now();
    if (!work.trial_detections().insert(call.scope, trial, *keys))
      return conflict("TRIAL", trial.name, "The project already has a trial detection named " + trial.name + ".");
    trial.counts.images = static_cast<std::int64_t>(keys->size());
    work.jobs().insert({kTrialJob,
                        to_payload(ModelJob{call.scope, call.caller.user, project, model->version, trial.uid}),
                        trial.created, call.request_id});
    remember(work, call, kStart, trial.uid);
    return trial;
  });
  if (outcome) wake_jobs_();
  return outcome;
}

Result<TrialDetection> LookoutVision::describe_trial(const CallContext& call, const extension::TrialRequest& request) {
  return find_trial(*metadata_.read(), call.scope, request);
}

Result<Page<TrialDetection>> LookoutVision::list_trials(const CallContext& call,
                                                        const lookoutvision::ListModelsRequest& request) {
  auto work = metadata_.read();
  if (!work->projects().find(call.scope, request.project_name)) return no_project(request.project_name);
  const std::string query =
      "ListTrialDetections/" + call.scope.account + "/" + call.scope.region + "/" + request.project_name;
  const auto after = read_page_token(query, request.page.next_token);
  if (!after) return after.error();
  TrialDetectionRepository::Place place;
  if (const auto slash = after->find('/'); slash != std::string::npos)
    place = {parse_integer(std::string_view(*after).substr(0, slash)).value_or(0), after->substr(slash + 1)};
  Page<TrialDetection> page{
      work->trial_detections().list(call.scope, request.project_name, place, request.page.max_results + 1), ""};
  if (static_cast<std::int64_t>(page.items.size()) > request.page.max_results) {
    page.items.pop_back();
    const auto& last = page.items.back();
    page.next_token = make_page_token(query, std::to_string(last.created.time_since_epoch().count()) + "/" + last.name);
  }
  return page;
}

Result<LookoutVision::TrialImages> LookoutVision::list_trial_images(const CallContext& call,
                                                                    const extension::ListTrialImagesRequest& request) {
  auto work = metadata_.read();
  const auto trial = find_trial(*work, call.scope, request.trial);
  if (!trial) return trial.error();
  return TrialImages{trial->bucket, trial->counts.images,
                     work->trial_detections().images_at(trial->uid, request.range.offset, request.range.max_results)};
}

Result<void> LookoutVision::verify_trial_images(const CallContext& call,
                                                const extension::VerifyTrialImagesRequest& request) {
  return metadata_.write([&](UnitOfWork& work) -> Result<void> {
    const auto trial = find_trial(work, call.scope, request.trial);
    if (!trial) return trial.error();
    for (const auto& [source_ref, is_correct] : request.verifications) {
      const auto name = parse_s3_uri(source_ref);
      if (!name || name->bucket != trial->bucket || !work.trial_detections().verify(trial->uid, name->key, is_correct))
        return invalid_input("The trial detection has no verdict on " + source_ref + "; nothing was changed.");
    }
    return {};
  });
}

Result<TrialDetection> LookoutVision::stop_trial(const CallContext& call, const extension::TrialRequest& request) {
  return metadata_.write([&](UnitOfWork& work) -> Result<TrialDetection> {
    const auto trial = find_trial(work, call.scope, request);
    if (!trial) return trial.error();
    // The job notices it before it stores the next verdicts.
    if (!work.trial_detections().move(trial->uid, TrialStatus::running, TrialStatus::stopped,
                                      "The trial detection was stopped.", work.now()))
      return conflict("TRIAL", trial->name,
                      "The trial detection is " + std::string(to_text(trial->status)) + "; it must be RUNNING.");
    return *work.trial_detections().find(trial->uid);
  });
}

Result<void> LookoutVision::delete_trial(const CallContext& call, const extension::TrialRequest& request) {
  return metadata_.write([&](UnitOfWork& work) -> Result<void> {
    const auto trial = find_trial(work, call.scope, request);
    if (!trial) return trial.error();
    work.trial_detections().remove(trial->uid);
    return {};
  });
}

}  // namespace vedette
