#include "api/vedette/messages.hpp"
#include "base/digest.hpp"
#include "base/text.hpp"
#include "manifest/manifest.hpp"
#include "service/job_payloads.hpp"
#include "service/pagination.hpp"
#include "service/service.hpp"

namespace vedette {
namespace {

constexpr std::size_t kUidLength = 20;

std::string dataset_id(const std::string& project, DatasetType type) {
  return project + "/" + std::string(to_text(type));
}

Error no_dataset(const std::string& project, DatasetType type) {
  return not_found("DATASET", dataset_id(project, type),
                   "The project " + project + " has no " + std::string(to_text(type)) + " dataset.");
}

/// Describes an entry by its manifest line, which was checked when it was stored.
extension::DatasetImage describe_image(const DatasetEntry& entry) {
  extension::DatasetImage image;
  image.source_ref = entry.source_ref;
  image.is_anomalous = entry.is_anomalous;
  auto line = parse_manifest_line(entry.line);
  if (!line) return image;
  image.mask_ref = std::move(line->mask_ref);
  image.creation_date = line->creation_date;
  for (auto& color : line->mask_colors)
    if (!equals_ignore_case(color.name, "background")) image.anomaly_labels.push_back(std::move(color.name));
  return image;
}

}  // namespace

Result<Dataset> LookoutVision::create_dataset(const CallContext& call,
                                              const lookoutvision::CreateDatasetRequest& request) {
  if (request.manifest) {
    const auto& source = *request.manifest;
    auto reader = call.caller;
    reader.is_via_service = true;
    const char* read = source.version_id ? "s3:GetObjectVersion" : "s3:GetObject";
    if (auto ok = authorize(reader, "s3:GetBucketLocation", bucket_arn(source.bucket)); !ok) return ok.error();
    if (auto ok = authorize(reader, read, object_arn(source.bucket, source.key)); !ok) return ok.error();
    // If the caller names a version in a bucket that keeps no versions, the call fails now, and not a job that the
    // caller would have to look for.
    if (source.version_id)
      if (auto info = objects_.head(source.bucket, source.key, source.version_id); !info)
        return invalid_input("The manifest cannot be read: " + info.error().message);
  }
  auto outcome = metadata_.write([&](UnitOfWork& work) -> Result<Dataset> {
    const auto id = dataset_id(request.project_name, request.dataset_type);
    const auto again = replayed(work, call, "CreateDataset", "DATASET", id);
    if (!again) return again.error();
    if (!work.projects().find(call.scope, request.project_name)) return no_project(request.project_name);
    if (*again)
      if (auto dataset = work.datasets().find(call.scope, request.project_name, request.dataset_type)) return *dataset;

    Dataset dataset;
    dataset.project = request.project_name;
    dataset.type = request.dataset_type;
    dataset.created = dataset.updated = work.now();
    dataset.uid = random_id(kUidLength);
    dataset.status = request.manifest ? DatasetStatus::create_in_progress : DatasetStatus::create_complete;
    dataset.status_message = request.manifest ? "The dataset is being created." : "The dataset was created.";
    if (!work.datasets().insert(call.scope, dataset))
      return conflict("DATASET", id,
                      "The project already has a " + std::string(to_text(request.dataset_type)) + " dataset.");
    if (request.manifest)
      work.jobs().insert(
          {kImportJob,
           to_payload(ImportJob{{call.scope, call.caller.user, dataset.project, dataset.type, dataset.uid},
                                request.manifest->bucket,
                                request.manifest->key,
                                request.manifest->version_id}),
           work.now(), call.request_id});
    remember(work, call, "CreateDataset", dataset.uid);
    return dataset;
  });
  if (outcome && request.manifest) wake_jobs_();
  return outcome;
}

Result<Dataset> LookoutVision::describe_dataset(const CallContext& call, const lookoutvision::DatasetRequest& request) {
  const auto work = metadata_.look();
  if (const auto dataset = work->datasets().find(call.scope, request.project_name, request.dataset_type))
    return *dataset;
  if (!work->projects().find(call.scope, request.project_name)) return no_project(request.project_name);
  return no_dataset(request.project_name, request.dataset_type);
}

Result<Page<std::string>> LookoutVision::list_dataset_entries(const CallContext& call,
                                                              const lookoutvision::ListDatasetEntriesRequest& request) {
  auto work = metadata_.read();
  const auto& d = request.dataset;
  if (!work->projects().find(call.scope, d.project_name)) return no_project(d.project_name);
  const auto dataset = work->datasets().find(call.scope, d.project_name, d.dataset_type);
  if (!dataset) return no_dataset(d.project_name, d.dataset_type);
  const EntryFilter filter{request.is_labeled, request.is_anomalous, request.created_before, request.created_after,
                           request.source_ref_contains};
  const auto shown = [](const auto& value) { return value ? std::to_string(*value) : std::string("-"); };
  const auto time = [](const auto& value) {
    return value ? std::to_string(value->time_since_epoch().count()) : std::string("-");
  };
  const std::string query = "ListDatasetEntries/" + dataset->uid + "/" + shown(filter.is_labeled) +
                            shown(filter.is_anomalous) + "/" + time(filter.created_before) + "/" +
                            time(filter.created_after) + "/" + filter.source_ref_contains.value_or("");
  auto after = read_page_token(query, request.page.next_token);
  if (!after) return after.error();
  const auto position = after->empty() ? 0 : parse_integer(*after).value_or(0);
  const auto entries = work->datasets().list_entries(dataset->uid, filter, position, request.page.max_results + 1);
  Page<std::string> page;
  for (const auto& e : entries) {
    if (static_cast<std::int64_t>(page.items.size()) == request.page.max_results) {
      page.next_token = make_page_token(query, std::to_string(entries[page.items.size() - 1].position));
      break;
    }
    page.items.push_back(e.entry.line);
  }
  return page;
}

Result<LookoutVision::DatasetImages> LookoutVision::list_dataset_images(
    const CallContext& call, const extension::ListDatasetImagesRequest& request) {
  const auto& d = request.dataset;
  std::vector<DatasetEntry> entries;
  DatasetImages out;
  {
    auto work = metadata_.read();
    if (!work->projects().find(call.scope, d.project_name)) return no_project(d.project_name);
    const auto dataset = work->datasets().find(call.scope, d.project_name, d.dataset_type);
    if (!dataset) return no_dataset(d.project_name, d.dataset_type);
    out.total = dataset->stats.total;
    entries = work->datasets().entries_at(dataset->uid, request.range.offset, request.range.max_results);
  }
  out.images.reserve(entries.size());
  for (const auto& entry : entries) out.images.push_back(describe_image(entry));
  return out;
}

Result<DatasetStatus> LookoutVision::update_dataset_entries(const CallContext& call,
                                                            const lookoutvision::UpdateDatasetEntriesRequest& request) {
  const auto& d = request.dataset;
  auto outcome = metadata_.write([&](UnitOfWork& work) -> Result<DatasetStatus> {
    const auto id = dataset_id(d.project_name, d.dataset_type);
    const auto again = replayed(work, call, "UpdateDatasetEntries", "DATASET", id);
    if (!again) return again.error();
    if (!work.projects().find(call.scope, d.project_name)) return no_project(d.project_name);
    const auto dataset = work.datasets().find(call.scope, d.project_name, d.dataset_type);
    if (!dataset) return no_dataset(d.project_name, d.dataset_type);
    if (*again && **again == dataset->uid) return DatasetStatus::update_in_progress;
    if (!can_move(dataset->status, DatasetStatus::update_in_progress))
      return conflict("DATASET", id,
                      "The dataset is " + std::string(to_text(dataset->status)) + "; it cannot be updated now.");
    work.datasets().move(dataset->uid, dataset->status, DatasetStatus::update_in_progress,
                         "The dataset is being updated.", work.now());
    // The job holds the changes, so that acknowledged changes survive whatever happens before the job runs.
    work.jobs().insert(
        {kUpdateJob, to_payload(DatasetJob{call.scope, call.caller.user, d.project_name, d.dataset_type, dataset->uid}),
         work.now(), call.request_id, request.changes});
    remember(work, call, "UpdateDatasetEntries", dataset->uid);
    return DatasetStatus::update_in_progress;
  });
  if (outcome) wake_jobs_();
  return outcome;
}

Result<void> LookoutVision::delete_dataset(const CallContext& call, const lookoutvision::DatasetRequest& request) {
  return metadata_.write([&](UnitOfWork& work) -> Result<void> {
    const auto id = dataset_id(request.project_name, request.dataset_type);
    const auto again = replayed(work, call, "DeleteDataset", "DATASET", id);
    if (!again) return again.error();
    if (!work.projects().find(call.scope, request.project_name)) return no_project(request.project_name);
    const auto dataset = work.datasets().find(call.scope, request.project_name, request.dataset_type);
    // A repeated call must not delete a dataset that was made after the first call, so the token remembers which dataset
    // that call deleted.
    if (*again && (!dataset || dataset->uid != **again)) return {};
    if (!dataset) return no_dataset(request.project_name, request.dataset_type);
    if (!can_move(dataset->status, DatasetStatus::delete_in_progress))
      return conflict("DATASET", id,
                      "The dataset is " + std::string(to_text(dataset->status)) + "; wait until that has ended.");
    // The dataset is removed at once, because clients create the next dataset, or delete the project, without waiting.
    // Trainings work on a copy of it.
    work.datasets().remove(dataset->uid);
    remember(work, call, "DeleteDataset", dataset->uid);
    return {};
  });
}

}  // namespace vedette
