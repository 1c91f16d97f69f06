#include <map>
#include <set>

#include "auth/auth.hpp"
#include "base/log.hpp"
#include "manifest/manifest.hpp"
#include "service/job_handlers.hpp"
#include "service/job_payloads.hpp"

namespace vedette {
namespace {

constexpr std::uint64_t kManifestLimit = 1'000'000'000;
constexpr std::size_t kMostTrainImages = 16'000, kMostTestImages = 4'000;

Error at_line(std::size_t number, const std::string& reason) {
  return invalid_input("Line " + std::to_string(number) + " of the manifest: " + reason + ".");
}

class Import {
 public:
  Import(ObjectStore& objects, const Caller& caller, const ImportJob& job, Timestamp now)
      : objects_(objects), caller_(caller), job_(job), now_(now) {}

  Result<std::vector<DatasetEntry>> run() {
    if (auto ok = authorize(caller_, "s3:GetObject", object_arn(job_.bucket, job_.key)); !ok) return ok.error();
    auto text = get_bytes(objects_, job_.bucket, job_.key, kManifestLimit, job_.version_id);
    if (!text)
      return invalid_input("The manifest s3://" + job_.bucket + "/" + job_.key +
                           " cannot be read: " + text.error().message);
    const auto lines = manifest_lines(*text);
    std::map<std::string, std::size_t>
        position;  // of a source-ref among the entries: a later line replaces an earlier one
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
    const auto most = job_.type == DatasetType::train ? kMostTrainImages : kMostTestImages;
    if (entries.size() > most)
      return invalid_input("The manifest names " + std::to_string(entries.size()) +
                           " images; a dataset may have at most " + std::to_string(most) + ".");
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
  const ImportJob& job_;
  const Timestamp now_;
  std::string bucket_;
  std::set<std::string> known_;
};

}  // namespace

JobWorker::Handler make_import_handler(MetadataStore& metadata, ObjectStore& objects, const Clock& clock) {
  return [&metadata, &objects, &clock](const Job& row, const std::atomic<bool>&) -> JobOutcome {
    const auto job = parse_import_job(row.payload);
    if (!job) {
      log::error("import", {{"reason", job.error().message}});
      return {};
    }
    Result<std::vector<DatasetEntry>> entries = invalid_input("The user who asked for the import no longer exists.");
    if (const auto user = metadata.read()->users().find(job->scope.account, job->user)) {
      const auto policy = Policy::parse(user->policy);
      const Caller caller{user->account, user->name, "", policy ? std::make_shared<const Policy>(*policy) : nullptr};
      entries = Import(objects, caller, *job, clock.now()).run();
    }
    auto work = metadata.write();
    if (entries) {
      if (work->datasets().move(job->dataset_uid, DatasetStatus::create_in_progress, DatasetStatus::create_complete,
                                "The dataset was created with " + std::to_string(entries->size()) + " images.",
                                clock.now()))
        work->datasets().replace_entries(job->dataset_uid, *entries);
    } else {
      work->datasets().move(job->dataset_uid, DatasetStatus::create_in_progress, DatasetStatus::create_failed,
                            entries.error().message, clock.now());
    }
    work->commit();
    log::info("dataset imported",
              {{"project", job->project},
               {"dataset", std::string(to_text(job->type))},
               {"outcome", entries ? std::to_string(entries->size()) + " images" : entries.error().message}});
    return {};
  };
}

}  // namespace vedette
