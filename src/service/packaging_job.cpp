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

/// The archives of a job that are not yet where the user wants one have keys of the system's bucket with this prefix.
std::string unfinished_prefix(const Job& job) {
  return "packages/" + std::to_string(job.id) + "-";
}

/// Makes the archive and puts it into the system's bucket under a key of this run.
Result<PackagedArchive> make_archive(const JobRun& run, ObjectStore& objects, const Model& model,
                                     const fs::path& folder) {
  if (auto ok = ModelFiles(objects).fetch(model.uid, folder / "model"); !ok)
    return ok.error().kind == ErrorKind::not_found ? invalid_input("The model was deleted before it was packaged.")
                                                   : ok.error();
  // Whoever packages a model wants the one that the server offers, with the threshold that is in force now.
  if (const auto moved = run.metadata.read()->models().threshold(model.uid))
    if (auto ok = move_threshold(folder / "model", moved->threshold); !ok) return internal_error(ok.error().message);
  if (auto ok = add_corrections(run.metadata, objects, model, folder / "model"); !ok) return ok.error();
  if (auto ok = add_device_facts(folder / "model"); !ok) return internal_error(ok.error().message);
  if (auto ok = write_archive(folder / "model", folder / "model.zip"); !ok) return ok.error();
  auto staged = stage_file(objects, folder / "model.zip");
  if (!staged) return staged.error();
  auto hash = (*staged)->finish();
  if (!hash) return hash.error();
  PackagedArchive made{"packages/" + run.name, *hash};
  if (auto ok = objects.put(kSystemBucket, made.uri, std::move(*staged), {}, {}); !ok) return ok.error();
  return made;
}

/// Copies an object of the system's bucket to where the user wants it.
Result<void> deliver(ObjectStore& objects, const PackagedArchive& chosen, const std::string& bucket,
                     const std::string& key) {
  const auto reader = objects.get(kSystemBucket, chosen.uri, std::nullopt);
  if (!reader)
    return reader.error().kind == ErrorKind::not_found ? internal_error("The archive was removed.") : reader.error();
  auto staged = objects.stage();
  if (!staged) return staged.error();
  if (auto ok = append(**staged, **reader, 0, (*reader)->info().size_bytes); !ok) return ok;
  const auto hash = (*staged)->finish();
  if (!hash) return hash.error();
  if (*hash != chosen.sha256) return internal_error("The archive is damaged in the object store.");
  const auto put = objects.put(bucket, key, std::move(*staged), {.content_type = "application/zip"}, {});
  return put ? Result<void>() : put.error();
}

/// Where a packaging job writes to.
struct Output {
  std::string bucket;
  ComponentKeys keys;
  [[nodiscard]] std::string archive_uri() const { return "s3://" + bucket + "/" + keys.archive; }
};

Output output_of(const PackagingJob& packaging) {
  const auto location = nlohmann::json::parse(packaging.configuration).at("Greengrass").at("S3OutputLocation");
  return {location.at("Bucket").get<std::string>(),
          component_keys(location.value("Prefix", ""), packaging.component_name, packaging.component_version)};
}

Result<void> package(const JobRun& run, ObjectStore& objects, const ModelJob& job, const PackagingJob& packaging,
                     const std::optional<Model>& model, const fs::path& folder) {
  const auto caller = caller_of_job(run.metadata, job.scope.account, job.user);
  if (!caller) return caller.error();
  const auto output = output_of(packaging);
  for (const auto& key : {output.keys.archive, output.keys.recipe})
    if (auto ok = authorize(*caller, "s3:PutObject", object_arn(output.bucket, key)); !ok)
      return invalid_input(ok.error().message);
  auto chosen = run.metadata.read()->packaging_jobs().chosen_archive(job.scope, job.project, job.name);
  if (!chosen) {
    if (!model) return invalid_input("The model was deleted before it was packaged.");
    auto made = make_archive(run, objects, *model, folder);
    if (!made) return made.error();
    run.metadata.write(
        [&](UnitOfWork& work) { work.packaging_jobs().choose_archive(job.scope, job.project, job.name, *made); });
    chosen = std::move(*made);
  }
  auto delivered = deliver(objects, *chosen, output.bucket, output.keys.archive);
  // The recipe comes last: where it is, the component is whole.
  if (delivered)
    if (auto put = put_bytes(objects, output.bucket, output.keys.recipe,
                             component_recipe(packaging, output.archive_uri()), "application/json");
        !put)
      delivered = put.error();
  if (!delivered && delivered.error().kind == ErrorKind::not_found)
    return invalid_input("The output bucket " + output.bucket + " does not exist.");
  return delivered;
}

}  // namespace

JobHandler make_packaging_handler(ObjectStore& objects, fs::path jobs_folder) {
  using enum PackagingJobStatus;
  JobHandler handler;
  handler.run = [&objects, jobs_folder = std::move(jobs_folder)](const JobRun& run) -> JobOutcome {
    const auto job = parse_model_job(run.job.payload);
    if (!job) {
      log::error("packaging", {{"reason", job.error().message}});
      return {};
    }
    const auto move = [&](PackagingJobStatus from, PackagingJobStatus to, const std::string& message) {
      run.metadata.write([&](UnitOfWork& work) {
        work.packaging_jobs().move(job->scope, job->project, job->name, from, to, message, work.now());
      });
    };
    // What earlier runs left is of no use once the job has ended. It is no harm if it stays.
    const auto clean = [&] { (void)remove_prefix(objects, kSystemBucket, unfinished_prefix(run.job)).has_value(); };
    std::optional<PackagingJob> packaging;
    std::optional<Model> model;
    {
      auto work = run.metadata.read();
      packaging = work->packaging_jobs().find(job->scope, job->project, job->name);
      model = work->models().find(job->scope, job->project, job->version);
    }
    // The packaging job was deleted with its project, or an earlier run finished it and was cut off after its commit.
    if (!packaging || packaging->status == succeeded || packaging->status == failed) {
      clean();
      return {};
    }
    if (packaging->status == created) move(created, running, "The model is being packaged.");
    const auto folder = jobs_folder / ("package-" + run.name);
    std::error_code ignored;
    fs::create_directories(folder);
    const auto outcome = package(run, objects, *job, *packaging, model, folder);
    fs::remove_all(folder, ignored);
    if (!outcome && run.cancel) return {std::chrono::milliseconds(0)};
    if (outcome) {
      const auto uri = output_of(*packaging).archive_uri();
      run.metadata.write([&](UnitOfWork& work) {
        if (work.packaging_jobs().move(job->scope, job->project, job->name, running, succeeded,
                                       "The model was packaged to " + uri + ".", work.now()))
          work.packaging_jobs().set_archive(job->scope, job->project, job->name, uri);
      });
    } else if (outcome.error().kind != ErrorKind::invalid_input && run.job.lease.attempts < kMostAttempts) {
      log::error("packaging", {{"packaging_job", job->name}, {"reason", outcome.error().message}});
      return {std::chrono::seconds(5)};
    } else {
      log::error("packaging failed", {{"packaging_job", job->name}, {"reason", outcome.error().message}});
      move(running, failed,
           outcome.error().kind == ErrorKind::invalid_input || outcome.error().kind == ErrorKind::unavailable
               ? outcome.error().message
               : "The packaging failed by a fault of the server; its log says more.");
    }
    clean();
    return {};
  };
  handler.give_up = [&objects](const JobRun& run) {
    const auto job = parse_model_job(run.job.payload);
    if (!job) return;
    run.metadata.write([&](UnitOfWork& work) {
      for (const auto from : {created, running})
        work.packaging_jobs().move(job->scope, job->project, job->name, from, failed,
                                   cut_off_sentence("packaging", run.job), work.now());
    });
    (void)remove_prefix(objects, kSystemBucket, unfinished_prefix(run.job)).has_value();
  };
  return handler;
}

}  // namespace vedette
