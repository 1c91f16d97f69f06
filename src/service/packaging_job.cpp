#include <nlohmann/json.hpp>

#include "auth/auth.hpp"
#include "base/files.hpp"
#include "base/log.hpp"
#include "service/greengrass.hpp"
#include "service/job_handlers.hpp"
#include "service/job_payloads.hpp"
#include "service/model_corrections.hpp"
#include "store/model_files/model_files.hpp"
#include "vision/artifact/archive.hpp"
#include "vision/artifact/artifact.hpp"

namespace vedette {
namespace fs = std::filesystem;
namespace {

constexpr std::int64_t kMostAttempts = 3;

/// Puts what corrects the model beside its files, if anything does.
Result<void> add_corrections(MetadataStore& metadata, ObjectStore& objects, const Model& model,
                             const fs::path& folder) {
  const auto pictures = metadata.read()->verified_pictures().list(model.uid);
  if (pictures.empty()) return {};
  const auto known = ModelFiles(objects).examples(model.uid);
  if (!known) return known.error();
  const auto verified = parse_verified(pictures);
  if (!verified) return verified.error();
  if (auto ok = write_file_atomically(folder / kExamplesFile, *known); !ok) return ok;
  return write_file_atomically(folder / kVerifiedFile, to_text(*verified));
}

/// Puts the archive into the bucket and returns its SHA-256.
Result<std::string> put_archive(ObjectStore& objects, const std::string& bucket, const std::string& key,
                                const fs::path& file) {
  auto staged = stage_file(objects, file);
  if (!staged) return staged.error();
  auto hash = (*staged)->finish();
  if (!hash) return hash.error();
  if (auto ok = objects.put(bucket, key, std::move(*staged), {.content_type = "application/zip"}, {}); !ok)
    return ok.error();
  return *hash;
}

Result<PackagedArchive> package(MetadataStore& metadata, ObjectStore& objects, const ModelJob& job,
                                const PackagingJob& packaging, const Model& model, const fs::path& folder) {
  const auto caller = caller_of_job(metadata, job.scope.account, job.user);
  if (!caller) return caller.error();
  const auto location = nlohmann::json::parse(packaging.configuration).at("Greengrass").at("S3OutputLocation");
  const auto bucket = location.at("Bucket").get<std::string>();
  const auto keys = component_keys(location.value("Prefix", ""), packaging.component_name, packaging.component_version);
  for (const auto& key : {keys.archive, keys.recipe})
    if (auto ok = authorize(*caller, "s3:PutObject", object_arn(bucket, key)); !ok)
      return invalid_input(ok.error().message);
  if (auto ok = ModelFiles(objects).fetch(model.uid, folder / "model"); !ok)
    return ok.error().kind == ErrorKind::not_found ? invalid_input("The model was deleted before it was packaged.")
                                                   : ok.error();
  // Whoever packages a model wants the one that the server offers, with the threshold that is in force now.
  if (const auto moved = metadata.read()->models().threshold(model.uid))
    if (auto ok = move_threshold(folder / "model", moved->threshold); !ok) return internal_error(ok.error().message);
  if (auto ok = add_corrections(metadata, objects, model, folder / "model"); !ok) return ok.error();
  if (auto ok = add_device_facts(folder / "model"); !ok) return internal_error(ok.error().message);
  if (auto ok = write_archive(folder / "model", folder / "model.zip"); !ok) return ok.error();
  PackagedArchive archive{"s3://" + bucket + "/" + keys.archive, ""};
  auto put = put_archive(objects, bucket, keys.archive, folder / "model.zip");
  if (put) archive.sha256 = *put;
  // The recipe comes last: where it is, the component is whole.
  const auto described =
      put ? put_bytes(objects, bucket, keys.recipe, component_recipe(packaging, archive.uri), "application/json")
          : Result<ObjectInfo>(put.error());
  if (!described)
    return described.error().kind == ErrorKind::not_found
               ? invalid_input("The output bucket " + bucket + " does not exist.")
               : described.error();
  return archive;
}

}  // namespace

JobWorker::Handler make_packaging_handler(MetadataStore& metadata, ObjectStore& objects, fs::path jobs_folder) {
  return [&metadata, &objects, jobs_folder = std::move(jobs_folder)](const Job& row,
                                                                     const std::atomic<bool>& cancel) -> JobOutcome {
    const auto job = parse_model_job(row.payload);
    if (!job) {
      log::error("packaging", {{"reason", job.error().message}});
      return {};
    }
    using enum PackagingJobStatus;
    const auto move = [&](PackagingJobStatus from, PackagingJobStatus to, const std::string& message,
                          const PackagedArchive& archive = {}) {
      metadata.write([&](UnitOfWork& work) {
        if (to == succeeded) work.packaging_jobs().set_archive(job->scope, job->project, job->name, archive);
        work.packaging_jobs().move(job->scope, job->project, job->name, from, to, message, work.now());
      });
    };
    std::optional<PackagingJob> packaging;
    std::optional<Model> model;
    {
      auto work = metadata.read();
      packaging = work->packaging_jobs().find(job->scope, job->project, job->name);
      model = work->models().find(job->scope, job->project, job->version);
    }
    // The packaging job was deleted with its project, or an earlier run finished it and was cut off after its commit.
    if (!packaging || packaging->status == succeeded || packaging->status == failed) return {};
    if (packaging->status == created) move(created, running, "The model is being packaged.");
    const auto folder = jobs_folder / ("package-" + std::to_string(row.id));
    std::error_code ignored;
    fs::remove_all(folder, ignored);
    fs::create_directories(folder);
    auto outcome = model ? package(metadata, objects, *job, *packaging, *model, folder)
                         : Result<PackagedArchive>(invalid_input("The model was deleted before it was packaged."));
    fs::remove_all(folder, ignored);
    if (!outcome && cancel) return {std::chrono::milliseconds(0)};
    if (outcome) {
      move(running, succeeded, "The model was packaged to " + outcome->uri + ".", *outcome);
    } else if (outcome.error().kind != ErrorKind::invalid_input && row.attempts < kMostAttempts) {
      log::error("packaging", {{"packaging_job", job->name}, {"reason", outcome.error().message}});
      return {std::chrono::seconds(5)};
    } else {
      log::error("packaging failed", {{"packaging_job", job->name}, {"reason", outcome.error().message}});
      move(running, failed,
           outcome.error().kind == ErrorKind::invalid_input || outcome.error().kind == ErrorKind::unavailable
               ? outcome.error().message
               : "The packaging failed by a fault of the server; its log says more.");
    }
    return {};
  };
}

}  // namespace vedette
