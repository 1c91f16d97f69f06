#include <set>
#include <unordered_map>

#include "auth/auth.hpp"
#include "base/log.hpp"
#include "manifest/manifest.hpp"
#include "service/job_handlers.hpp"
#include "service/job_payloads.hpp"

namespace vedette {
namespace {

constexpr std::uint64_t kManifestLimit = 1'000'000'000;

Error at_line(std::size_t number, const std::string& reason) {
  return invalid_input("Line " + std::to_string(number) + " of the manifest: " + reason + ".");
}

/// Turns the lines of a manifest into entries, checking what they name.
class ManifestReader {
 public:
  /// `bucket`: where the images must be; empty if the first one decides.
  ManifestReader(ObjectStore& objects, const Caller& caller, Timestamp now, std::string bucket)
      : objects_(objects), caller_(caller), now_(now), bucket_(std::move(bucket)) {}

  Result<std::vector<DatasetEntry>> read(std::string_view text) {
    const auto lines = manifest_lines(text);
    std::unordered_map<std::string, std::size_t> position;  // of a source-ref: a later line replaces an earlier one
    std::vector<DatasetEntry> entries;
    for (std::size_t i = 0; i < lines.size(); ++i) {
      auto line = parse_manifest_line(lines[i]);
      if (!line) return at_line(i + 1, line.error().message);
      if (line->source_ref.ends_with('/')) continue;  // a folder marker, as published helpers write them
      if (auto ok = check_object(line->source_ref, "the image"); !ok) return at_line(i + 1, ok.error().message);
      if (line->mask_ref && line->is_anomalous.value_or(false))
        if (auto ok = check_object(*line->mask_ref, "the mask"); !ok) return at_line(i + 1, ok.error().message);
      DatasetEntry entry{line->source_ref, line->is_anomalous, line->creation_date.value_or(now_),
                         std::move(line->text)};
      const auto [it, is_new] = position.emplace(entry.source_ref, entries.size());
      if (is_new) {
        entries.push_back(std::move(entry));
      } else {
        entries[it->second] = std::move(entry);
      }
    }
    return entries;
  }

 private:
  Result<void> check_object(const std::string& uri, const char* what) {
    const auto location = parse_s3_uri(uri);
    if (!location)
      return invalid_input(std::string(what) + " \"" + uri.substr(0, 200) + "\" is not of the form s3://bucket/key");
    if (bucket_.empty()) bucket_ = location->bucket;
    if (location->bucket != bucket_)
      return invalid_input("all images must be in one bucket, but " + uri + " is not in " + bucket_);
    if (auto ok = authorize(caller_, "s3:GetObject", object_arn(location->bucket, location->key)); !ok) return ok;
    if (!known_.insert(location->key).second) return {};
    if (auto info = objects_.head(location->bucket, location->key, std::nullopt); !info)
      return invalid_input(std::string(what) + " " + uri + " does not exist");
    return {};
  }

  ObjectStore& objects_;
  const Caller& caller_;
  const Timestamp now_;
  std::string bucket_;
  std::set<std::string> known_;
};

Result<void> check_count(const ImageQuotas& quotas, DatasetType type, std::int64_t count) {
  const auto most = type == DatasetType::train ? quotas.train : quotas.test;
  if (count <= most) return {};
  return invalid_input("The dataset would have " + std::to_string(count) + " images; at most " + std::to_string(most) +
                       " are allowed.");
}

void log_outcome(const char* event, const DatasetJob& job, const std::string& outcome) {
  log::info(event, {{"project", job.project}, {"dataset", std::string(to_text(job.type))}, {"outcome", outcome}});
}

/// Reads the manifest that an import names.
Result<std::vector<DatasetEntry>> import_entries(MetadataStore& metadata, ObjectStore& objects,
                                                 const ImageQuotas& quotas, const ImportJob& job, Timestamp now) {
  const auto caller = caller_of_job(metadata, job.dataset.scope.account, job.dataset.user);
  if (!caller) return caller.error();
  const char* action = job.version_id ? "s3:GetObjectVersion" : "s3:GetObject";
  if (auto ok = authorize(*caller, action, object_arn(job.bucket, job.key)); !ok) return ok.error();
  const auto text = get_bytes(objects, job.bucket, job.key, kManifestLimit, job.version_id);
  if (!text)
    return invalid_input("The manifest s3://" + job.bucket + "/" + job.key +
                         " cannot be read: " + text.error().message);
  auto entries = ManifestReader(objects, *caller, now, "").read(*text);
  if (!entries) return entries;
  if (auto ok = check_count(quotas, job.dataset.type, static_cast<std::int64_t>(entries->size())); !ok)
    return ok.error();
  return entries;
}

/// Checks the changes and what they would make of the dataset.
Result<std::vector<DatasetEntry>> update_entries(MetadataStore& metadata, ObjectStore& objects, const DatasetJob& job,
                                                 const std::string& changes, Timestamp now) {
  const auto caller = caller_of_job(metadata, job.scope.account, job.user);
  if (!caller) return caller.error();
  std::string bucket;
  const auto first = metadata.read()->datasets().list_entries(job.dataset_uid, {}, 0, 1);
  if (!first.empty())
    if (const auto location = parse_s3_uri(first[0].entry.source_ref)) bucket = location->bucket;
  return ManifestReader(objects, *caller, now, bucket).read(changes);
}

}  // namespace

JobWorker::Handler make_import_handler(MetadataStore& metadata, ObjectStore& objects, const Clock& clock,
                                       const ImageQuotas& quotas) {
  return [&metadata, &objects, &clock, quotas](const Job& row, const std::atomic<bool>&) -> JobOutcome {
    const auto job = parse_import_job(row.payload);
    if (!job) {
      log::error("import", {{"reason", job.error().message}});
      return {};
    }
    const auto entries = import_entries(metadata, objects, quotas, *job, clock.now());
    const auto& uid = job->dataset.dataset_uid;
    auto work = metadata.write();
    if (entries) {
      if (work->datasets().move(uid, DatasetStatus::create_in_progress, DatasetStatus::create_complete,
                                "The dataset was created with " + std::to_string(entries->size()) + " images.",
                                clock.now()))
        work->datasets().replace_entries(uid, *entries);
    } else {
      work->datasets().move(uid, DatasetStatus::create_in_progress, DatasetStatus::create_failed,
                            entries.error().message, clock.now());
    }
    work->commit();
    log_outcome("dataset imported", job->dataset,
                entries ? std::to_string(entries->size()) + " images" : entries.error().message);
    return {};
  };
}

JobWorker::Handler make_update_handler(MetadataStore& metadata, ObjectStore& objects, const Clock& clock,
                                       const ImageQuotas& quotas) {
  return [&metadata, &objects, &clock, quotas](const Job& row, const std::atomic<bool>&) -> JobOutcome {
    const auto job = parse_dataset_job(row.payload);
    if (!job) {
      log::error("update", {{"reason", job.error().message}});
      return {};
    }
    const auto& uid = job->dataset_uid;
    const auto entries = update_entries(metadata, objects, *job, row.attachment, clock.now());
    Result<void> outcome;
    if (!entries) outcome = entries.error();
    if (outcome) {
      // Entries, counts and status change together or, dropped without a commit, not at all.
      auto work = metadata.write();
      work->datasets().update_entries(uid, *entries);
      const auto dataset = work->datasets().find(job->scope, job->project, job->type);
      if (!dataset || dataset->uid != uid) return {};  // deleted meanwhile
      outcome = check_count(quotas, job->type, dataset->stats.total);
      if (outcome && work->datasets().move(
                         uid, DatasetStatus::update_in_progress, DatasetStatus::update_complete,
                         "The dataset was updated with " + std::to_string(entries->size()) + " images.", clock.now()))
        work->commit();
    }
    if (!outcome) {
      // Nothing was applied, so there is nothing to undo; both states are passed because clients know them. A run that
      // is cut off between the two ends the second one when the job comes back.
      const auto& message = outcome.error().message;
      for (const auto& [from, to] :
           {std::pair{DatasetStatus::update_in_progress, DatasetStatus::update_failed_rollback_in_progress},
            std::pair{DatasetStatus::update_failed_rollback_in_progress,
                      DatasetStatus::update_failed_rollback_complete}}) {
        auto work = metadata.write();
        work->datasets().move(uid, from, to, message, clock.now());
        work->commit();
      }
    }
    log_outcome("dataset updated", *job,
                outcome ? std::to_string(entries->size()) + " images" : outcome.error().message);
    return {};
  };
}

}  // namespace vedette
