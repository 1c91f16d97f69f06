#include <fmt/format.h>

#include "auth/auth.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "manifest/manifest.hpp"
#include "service/job_handlers.hpp"
#include "service/job_payloads.hpp"
#include "service/manifest_check.hpp"

namespace vedette {
namespace {

constexpr std::uint64_t kManifestLimit = 1'000'000'000;
constexpr std::size_t kPieceBytes = 256 << 10;
constexpr std::int64_t kMostAttempts = 3;
constexpr std::chrono::seconds kRetryAfter{5};

Result<void> check_count(const ImageQuotas& quotas, DatasetType type, std::int64_t count) {
  const auto most = type == DatasetType::train ? quotas.train : quotas.test;
  if (count <= most) return {};
  return invalid_input("The dataset would have " + std::to_string(count) + " images; at most " + std::to_string(most) +
                       " are allowed.");
}

void log_outcome(const char* event, const DatasetJob& job, const std::string& outcome) {
  log::info(event, {{"project", job.project}, {"dataset", std::string(to_text(job.type))}, {"outcome", outcome}});
}

/// Returns whether the object store failed to answer and the job should therefore be tried once more later.
bool worth_another_try(const Error& error, const Job& row) {
  return error.kind == ErrorKind::unavailable && row.lease.attempts < kMostAttempts;
}

/// Holds what one import or update needs while it runs.
struct Work {
  MetadataStore& metadata;
  ObjectStore& objects;
  const Clock& clock;
  const DatasetJob& job;
  DatasetStatus status;  ///< the status of the dataset while the job runs
  const ImageQuotas& quotas;
  const std::atomic<bool>& cancel;

  void say(const std::string& message) const {
    metadata.write(
        [&](UnitOfWork& work) { work.datasets().move(job.dataset_uid, status, status, message, work.now()); });
  }

  Result<CheckedManifest> check(const Caller& caller, const std::string& bucket, const ManifestSource& read) const {
    return check_manifest(
        {objects, caller, clock.now(), bucket, job.type == DatasetType::train ? quotas.train : quotas.test, cancel,
         [this](std::size_t done, std::size_t all) {
           say(fmt::format("{} of {} images and masks are checked.", done, all));
           log::info("dataset progress", {{"project", job.project},
                                          {"dataset", std::string(to_text(job.type))},
                                          {"done", std::to_string(done)},
                                          {"all", std::to_string(all)}});
         }},
        read);
  }

  /// Has the job run again after a while. The dataset's status message says meanwhile why it waits.
  [[nodiscard]] JobOutcome later(const Error& error) const {
    if (cancel) return {std::chrono::milliseconds(0)};
    log::warning("a dataset waits for the object store", {{"project", job.project}, {"reason", error.message}});
    say(error.message + " It is tried again.");
    return {kRetryAfter};
  }
};

/// Reads the manifest that an import names, and checks it.
Result<CheckedManifest> import_entries(const Work& work, const ImageQuotas& quotas, const ImportJob& job) {
  const auto caller = caller_of_job(work.metadata, job.dataset.scope.account, job.dataset.user);
  if (!caller) return caller.error();
  const char* action = job.version_id ? "s3:GetObjectVersion" : "s3:GetObject";
  if (auto ok = authorize(*caller, action, object_arn(job.bucket, job.key)); !ok) return ok.error();
  const auto unreadable = [&](const Error& error) {
    if (error.kind == ErrorKind::unavailable) return error;
    return invalid_input("The manifest s3://" + job.bucket + "/" + job.key + " cannot be read: " + error.message);
  };
  const auto reader = work.objects.get(job.bucket, job.key, job.version_id);
  if (!reader) return unreadable(reader.error());
  const auto size = (*reader)->info().size_bytes;
  if (size > kManifestLimit)
    return unreadable(fail(ErrorKind::too_large, "The object has " + std::to_string(size) + " bytes; at most " +
                                                     std::to_string(kManifestLimit) + " are possible."));
  auto manifest = work.check(*caller, "", [&](const auto& add) -> Result<void> {
    Bytes piece(kPieceBytes);
    for (std::uint64_t at = 0; at < size;) {
      const auto length = (*reader)->read(at, piece);
      if (!length) return unreadable(length.error());
      if (*length == 0) return unreadable(internal_error("The object ends too early."));
      if (auto ok = add(as_text(std::span(piece).first(*length))); !ok) return ok;
      at += *length;
    }
    return {};
  });
  if (!manifest) return manifest;
  if (auto ok = check_count(quotas, job.dataset.type, static_cast<std::int64_t>(manifest->entries.size())); !ok)
    return ok.error();
  return manifest;
}

/// Checks the changes, and the dataset that they would make.
Result<CheckedManifest> update_entries(const Work& work, const std::string& changes) {
  const auto caller = caller_of_job(work.metadata, work.job.scope.account, work.job.user);
  if (!caller) return caller.error();
  std::string bucket;
  const auto first = work.metadata.read()->datasets().list_entries(work.job.dataset_uid, {}, 0, 1);
  if (!first.empty())
    if (const auto location = parse_s3_uri(first[0].entry.source_ref)) bucket = location->bucket;
  return work.check(*caller, bucket, [&](const auto& add) { return add(std::string_view(changes)); });
}

/// Ends an update as failed. None of its changes was applied, so that there is nothing to undo. The dataset still passes
/// through both states, because clients know them. If this is cut off between the two, the job runs again and sets the
/// second one.
void roll_back(MetadataStore& metadata, const std::string& uid, const std::string& message) {
  using enum DatasetStatus;
  for (const auto& [from, to] : {std::pair{update_in_progress, update_failed_rollback_in_progress},
                                 std::pair{update_failed_rollback_in_progress, update_failed_rollback_complete}})
    metadata.write(
        [&, from = from, to = to](UnitOfWork& work) { work.datasets().move(uid, from, to, message, work.now()); });
}

}  // namespace

JobHandler make_import_handler(ObjectStore& objects, const Clock& clock, const ImageQuotas& quotas) {
  JobHandler handler;
  handler.run = [&objects, &clock, quotas](const JobRun& run) -> JobOutcome {
    const auto job = parse_import_job(run.job.payload);
    if (!job) {
      log::error("import", {{"reason", job.error().message}});
      return {};
    }
    const Work importing{run.metadata, objects,   clock, job->dataset, DatasetStatus::create_in_progress,
                         quotas,       run.cancel};
    const auto manifest = import_entries(importing, quotas, *job);
    if (!manifest && (run.cancel || worth_another_try(manifest.error(), run.job)))
      return importing.later(manifest.error());
    const auto& uid = job->dataset.dataset_uid;
    run.metadata.write([&](UnitOfWork& work) {
      if (!manifest) {
        work.datasets().move(uid, DatasetStatus::create_in_progress, DatasetStatus::create_failed,
                             manifest.error().message, work.now());
      } else if (work.datasets().move(uid, DatasetStatus::create_in_progress, DatasetStatus::create_complete,
                                      "The dataset was created with " + std::to_string(manifest->entries.size()) +
                                          " images." + describe_troubles(*manifest),
                                      work.now())) {
        work.datasets().replace_entries(uid, manifest->entries);
      }
    });
    log_outcome("dataset imported", job->dataset,
                manifest ? std::to_string(manifest->entries.size()) + " images" : manifest.error().message);
    return {};
  };
  handler.give_up = [](const JobRun& run) {
    const auto job = parse_import_job(run.job.payload);
    if (!job) return;
    run.metadata.write([&](UnitOfWork& work) {
      work.datasets().move(job->dataset.dataset_uid, DatasetStatus::create_in_progress, DatasetStatus::create_failed,
                           cut_off_sentence("import", run.job), work.now());
    });
  };
  return handler;
}

JobHandler make_update_handler(ObjectStore& objects, const Clock& clock, const ImageQuotas& quotas) {
  JobHandler handler;
  handler.run = [&objects, &clock, quotas](const JobRun& run) -> JobOutcome {
    const auto job = parse_dataset_job(run.job.payload);
    if (!job) {
      log::error("update", {{"reason", job.error().message}});
      return {};
    }
    const auto& uid = job->dataset_uid;
    const Work updating{run.metadata, objects, clock, *job, DatasetStatus::update_in_progress, quotas, run.cancel};
    const auto manifest = update_entries(updating, run.job.attachment);
    if (!manifest && (run.cancel || worth_another_try(manifest.error(), run.job)))
      return updating.later(manifest.error());
    Result<void> outcome;
    if (!manifest) outcome = manifest.error();
    // Entries, counts and status change in one transaction. If it fails, none of them changes.
    if (outcome)
      outcome = run.metadata.write([&](UnitOfWork& work) -> Result<void> {
        const auto find = [&] { return work.datasets().find(job->scope, job->project, job->type); };
        if (const auto dataset = find(); !dataset || dataset->uid != uid)
          return fail(ErrorKind::not_found, "The dataset was deleted.");
        work.datasets().update_entries(uid, manifest->entries);
        if (auto ok = check_count(quotas, job->type, find()->stats.total); !ok) return ok;
        if (!work.datasets().move(uid, DatasetStatus::update_in_progress, DatasetStatus::update_complete,
                                  "The dataset was updated with " + std::to_string(manifest->entries.size()) +
                                      " images." + describe_troubles(*manifest),
                                  work.now()))
          return fail(ErrorKind::conflict, "The update had failed before.");
        return {};
      });
    if (!outcome) roll_back(run.metadata, uid, outcome.error().message);
    log_outcome("dataset updated", *job,
                outcome ? std::to_string(manifest->entries.size()) + " images" : outcome.error().message);
    return {};
  };
  handler.give_up = [](const JobRun& run) {
    if (const auto job = parse_dataset_job(run.job.payload))
      roll_back(run.metadata, job->dataset_uid, cut_off_sentence("update", run.job));
  };
  return handler;
}

}  // namespace vedette
