#include <nlohmann/json.hpp>

#include "auth/auth.hpp"
#include "base/files.hpp"
#include "base/log.hpp"
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

/// Returns the key of the archive: below the prefix, by component and version, with the file name that devices look
/// for.
std::string archive_key(const PackagingJob& job) {
  const auto location = nlohmann::json::parse(job.configuration).at("Greengrass").at("S3OutputLocation");
  return location.value("Prefix", "") + job.component_name + "/" + job.component_version + "/" + job.component_name +
         "-" + job.component_version + "-greengrass_model_component.zip";
}

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

Result<std::string> package(MetadataStore& metadata, ObjectStore& objects, const ModelJob& job,
                            const PackagingJob& packaging, const Model& model, const fs::path& folder) {
  const auto caller = caller_of_job(metadata, job.scope.account, job.user);
  if (!caller) return caller.error();
  const auto bucket = nlohmann::json::parse(packaging.configuration)
                          .at("Greengrass")
                          .at("S3OutputLocation")
                          .at("Bucket")
                          .get<std::string>();
  const auto key = archive_key(packaging);
  if (auto ok = authorize(*caller, "s3:PutObject", object_arn(bucket, key)); !ok)
    return invalid_input(ok.error().message);
  if (auto ok = ModelFiles(objects).fetch(model.uid, folder / "model"); !ok)
    return ok.error().kind == ErrorKind::not_found ? invalid_input("The model was deleted before it was packaged.")
                                                   : ok.error();
  // Whoever packages a model wants the one that the server offers, with the threshold that is in force now.
  if (const auto moved = metadata.read()->models().threshold(model.uid))
    if (auto ok = move_threshold(folder / "model", moved->threshold); !ok) return internal_error(ok.error().message);
  if (auto ok = add_corrections(metadata, objects, model, folder / "model"); !ok) return ok.error();
  if (auto ok = write_archive(folder / "model", folder / "model.zip"); !ok) return ok.error();
  if (auto ok = put_file(objects, bucket, key, folder / "model.zip"); !ok)
    return ok.error().kind == ErrorKind::not_found ? invalid_input("The output bucket " + bucket + " does not exist.")
                                                   : ok.error();
  return "s3://" + bucket + "/" + key;
}

}  // namespace

JobWorker::Handler make_packaging_handler(MetadataStore& metadata, ObjectStore& objects, const Clock& clock,
                                          fs::path jobs_folder) {
  return [&metadata, &objects, &clock, jobs_folder = std::move(jobs_folder)](
             const Job& row, const std::atomic<bool>& cancel) -> JobOutcome {
    const auto job = parse_model_job(row.payload);
    if (!job) {
      log::error("packaging", {{"reason", job.error().message}});
      return {};
    }
    using enum PackagingJobStatus;
    const auto move = [&](PackagingJobStatus from, PackagingJobStatus to, const std::string& message) {
      auto work = metadata.write();
      work->packaging_jobs().move(job->scope, job->project, job->name, from, to, message, clock.now());
      work->commit();
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
                         : Result<std::string>(invalid_input("The model was deleted before it was packaged."));
    fs::remove_all(folder, ignored);
    if (!outcome && cancel) return {std::chrono::milliseconds(0)};
    if (outcome) {
      move(running, succeeded, "The model was packaged to " + *outcome + ".");
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
