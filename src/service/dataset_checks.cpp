// Implements the operations of the service `vedette` on checks of datasets.
#include "api/vedette/messages.hpp"
#include "base/digest.hpp"
#include "service/job_payloads.hpp"
#include "service/service.hpp"

namespace vedette {
namespace {

constexpr std::size_t kUidLength = 20;

Error no_check(const std::string& project) {
  return not_found("DATASET_CHECK", project, "The datasets of the project " + project + " have not been checked yet.");
}

}  // namespace

Result<LookoutVision::DatasetCheckState> LookoutVision::start_dataset_check(
    const CallContext& call, const lookoutvision::ProjectRequest& request) {
  auto outcome = metadata_.write([&](UnitOfWork& work) -> Result<DatasetCheckState> {
    if (!work.projects().find(call.scope, request.project_name)) return no_project(request.project_name);
    const auto datasets = work.datasets().list(call.scope, request.project_name);
    if (datasets.empty())
      return not_found("DATASET", request.project_name, "The project " + request.project_name + " has no dataset.");
    for (const auto& dataset : datasets)
      if (!is_settled(dataset.status))
        return conflict("DATASET", request.project_name + "/" + std::string(to_text(dataset.type)),
                        "The dataset is " + std::string(to_text(dataset.status)) + "; wait until that has ended.");
    DatasetCheck check;
    check.project = request.project_name;
    check.uid = random_id(kUidLength);
    check.status_message = "The check is waiting to begin.";
    check.dataset_state = dataset_state(datasets);
    for (const auto& dataset : datasets) check.images += dataset.stats.labeled;
    check.created = check.updated = work.now();
    work.dataset_checks().replace(call.scope, check);
    work.jobs().insert({kDatasetCheckJob,
                        to_payload(ModelJob{call.scope, call.caller.user, check.project, 0, check.uid}), check.created,
                        call.request_id});
    return DatasetCheckState{std::move(check), false, {}};
  });
  if (outcome) wake_jobs_();
  return outcome;
}

Result<LookoutVision::DatasetCheckState> LookoutVision::describe_dataset_check(
    const CallContext& call, const lookoutvision::ProjectRequest& request) {
  auto work = metadata_.read();
  if (!work->projects().find(call.scope, request.project_name)) return no_project(request.project_name);
  auto check = work->dataset_checks().find(call.scope, request.project_name);
  if (!check) return no_check(request.project_name);
  const bool is_outdated = check->dataset_state != dataset_state(work->datasets().list(call.scope, check->project));
  auto counts = work->dataset_checks().count_findings(check->uid);
  return DatasetCheckState{std::move(*check), is_outdated, std::move(counts)};
}

Result<LookoutVision::DatasetFindings> LookoutVision::list_dataset_findings(
    const CallContext& call, const extension::ListDatasetFindingsRequest& request) {
  auto work = metadata_.read();
  const auto& project = request.project.project_name;
  if (!work->projects().find(call.scope, project)) return no_project(project);
  const auto check = work->dataset_checks().find(call.scope, project);
  if (!check) return no_check(project);
  DatasetFindings out;
  for (const auto& [kind, count] : work->dataset_checks().count_findings(check->uid))
    if (!request.kind || *request.kind == kind) out.total += count;
  out.findings =
      work->dataset_checks().findings_at(check->uid, request.kind, request.range.offset, request.range.max_results);
  return out;
}

}  // namespace vedette
