// Runs trial detections: a model judges the pictures of a bucket, in the server and at low priority.
#include <algorithm>
#include <map>

#include "auth/auth.hpp"
#include "base/digest.hpp"
#include "base/log.hpp"
#include "base/parallel.hpp"
#include "base/priority.hpp"
#include "base/text.hpp"
#include "domain/limits.hpp"
#include "service/job_handlers.hpp"
#include "service/job_payloads.hpp"
#include "service/model_corrections.hpp"
#include "service/read_picture.hpp"
#include "service/service.hpp"
#include "store/model_files/model_files.hpp"
#include "vision/infer/infer.hpp"
#include "vision/verdict/verdict.hpp"

namespace vedette {
namespace fs = std::filesystem;
namespace {

constexpr std::int64_t kMostAttempts = 3;
constexpr std::chrono::minutes kLongestWait{10};  // for an object store that does not answer
constexpr std::int64_t kBatch = 16;               // After so many pictures the verdicts are stored, and outlive a kill.

/// Loads the model on a thread of low priority. The folder takes its files for the time being.
Result<std::shared_ptr<const Engine>> load_model(ObjectStore& objects, const std::string& uid, const fs::path& folder) {
  std::error_code ignored;
  fs::remove_all(folder, ignored);
  Result<std::shared_ptr<const Engine>> engine = internal_error("the model was not loaded");
  run_parallel(1, 1, [&](std::size_t) {
    lower_thread_priority();
    if (auto ok = ModelFiles(objects).fetch(uid, folder); !ok) {
      engine = ok.error().kind == ErrorKind::not_found
                   ? invalid_input("The model was deleted before the images were judged.")
                   : ok.error();
      return;
    }
    engine = Engine::load(folder);
    // The fault is not the user's, whose model was fine when it was trained.
    if (!engine) engine = internal_error(engine.error().message);
  });
  fs::remove_all(folder, ignored);
  return engine;
}

/// What judging a picture needs.
struct Bench {
  ObjectStore& objects;
  const Caller& caller;
  const Engine& engine;
  const TrialDetection& trial;
  std::shared_ptr<const Corrections> corrections;  ///< null if the model has none
};

TrialImage skipped(std::string reason) {
  TrialImage image;
  image.skipped_reason = std::move(reason);
  return image;
}

/// Stores the mask in the bucket of the pictures if the user may write there. Fails if the object store does.
Result<std::optional<std::string>> store_mask(const Bench& bench, std::int64_t place, const Verdict& verdict) {
  const auto& trial = bench.trial;
  // The uid keeps the masks of a later trial of the same name apart: a dataset may name these masks for good. The digest
  // keeps a run that was thought dead from replacing what a later one stored, should the picture have changed.
  const auto digest = sha256_hex(as_text(verdict.mask_png)).substr(0, 16);
  const auto key = kTrialMasks + trial.project + "/" + trial.name + "-" + trial.uid + "/" + std::to_string(place) +
                   "-" + digest + ".png";
  if (!authorize(bench.caller, "s3:PutObject", object_arn(trial.bucket, key))) return std::optional<std::string>();
  if (auto put = put_bytes(bench.objects, trial.bucket, key, as_text(verdict.mask_png), "image/png"); !put)
    return put.error();
  return std::optional(key);
}

/// Returns the verdict on a picture or why there is none. Fails only if the object store does not answer or the machine
/// fails.
Result<TrialImage> judge_one(const Bench& bench, std::int64_t place, const std::string& key) {
  const auto bytes = read_one_of_many(bench.objects, bench.caller, {bench.trial.bucket, key}, "image");
  if (!bytes && is_fault_of_picture(bytes.error())) return skipped(bytes.error().message);
  if (!bytes) return bytes.error();
  auto verdict = judge(bench.engine, as_bytes(*bytes), {.with_places = bench.corrections != nullptr, .threads = 1});
  if (!verdict && verdict.error().kind == ErrorKind::invalid_input) return skipped(verdict.error().message);
  if (!verdict) return verdict.error();
  const auto& manifest = bench.engine.manifest();
  const double threshold = bench.trial.moved_threshold.value_or(manifest.threshold);
  if (bench.trial.moved_threshold) move_threshold(*verdict, manifest, threshold);
  if (bench.corrections) correct(*verdict, manifest, threshold, *bench.corrections);
  TrialImage image;
  auto& out = image.verdict.emplace();
  out.is_anomalous = verdict->is_anomalous;
  out.confidence = verdict->confidence;
  out.anomaly_score = verdict->anomaly_score;
  if (!out.is_anomalous) return image;
  for (const auto& area : verdict->areas)
    if (area.name != "background") out.anomaly_labels.push_back(area.name);
  if (out.anomaly_labels.empty()) return image;
  auto mask = store_mask(bench, place, *verdict);
  if (!mask) return mask.error();
  out.mask_key = std::move(*mask);
  return image;
}

/// Judges the pictures that have no verdict yet. Returns when all have one, or when the trial was stopped or deleted.
Result<void> judge_all(MetadataStore& metadata, const Bench& bench, int threads, const std::atomic<bool>& cancel) {
  const auto& uid = bench.trial.uid;
  while (!cancel) {
    const auto pending = metadata.read()->trial_detections().pending(uid, kBatch);
    if (pending.empty()) return {};
    std::vector<std::optional<Result<TrialImage>>> results(pending.size());
    run_parallel(pending.size(), threads, [&](std::size_t i) {
      if (cancel) return;
      lower_thread_priority();
      results[i] = judge_one(bench, pending[i].first, pending[i].second);
    });
    const bool goes_on = metadata.write([&](UnitOfWork& work) {
      const auto trial = work.trial_detections().find(uid);
      if (!trial || trial->status != TrialStatus::running) return false;
      for (std::size_t i = 0; i < pending.size(); ++i)
        if (results[i] && *results[i]) work.trial_detections().set_result(uid, pending[i].first, **results[i]);
      return true;
    });
    if (!goes_on) return {};
    for (const auto& result : results)
      if (result && !*result) return result->error();
  }
  return {};
}

std::string summary_of(const TrialCounts& counts) {
  auto text = std::to_string(counts.judged) + " images were judged.";
  if (counts.skipped > 0) text += " " + std::to_string(counts.skipped) + " images could not be used.";
  return text;
}

Result<void> judge_trial(MetadataStore& metadata, ObjectStore& objects, const ModelJob& job,
                         const TrialDetection& trial, const fs::path& folder, int threads,
                         const std::atomic<bool>& cancel) {
  const auto caller = caller_of_job(metadata, job.scope.account, job.user);
  if (!caller) return caller.error();
  const auto model = metadata.read()->models().find(job.scope, job.project, job.version);
  if (!model || model->uid != trial.model_uid)
    return invalid_input("The model was deleted before the images were judged.");
  const auto engine = load_model(objects, model->uid, folder);
  if (!engine) return engine.error();
  std::shared_ptr<const Corrections> corrections;
  const auto verified = metadata.read()->verified_pictures().list(model->uid);
  if (!verified.empty()) {
    auto loaded = load_corrections(objects, model->uid, verified,
                                   trial.moved_threshold.value_or((*engine)->manifest().threshold));
    if (!loaded) return loaded.error();
    corrections = std::move(*loaded);
  }
  return judge_all(metadata, {objects, *caller, **engine, trial, std::move(corrections)}, threads, cancel);
}

}  // namespace

JobHandler make_trial_handler(ObjectStore& objects, const Clock& clock, fs::path jobs_folder, int threads) {
  JobHandler handler;
  const auto move = [](const JobRun& run, const std::string& uid, TrialStatus status, const std::string& message) {
    run.metadata.write([&](UnitOfWork& work) {
      work.trial_detections().move(uid, TrialStatus::running, status, message, work.now());
    });
  };
  // The times since which jobs wait for the object store, by their ids. They end with the process.
  handler.run = [&objects, &clock, jobs_folder = std::move(jobs_folder), threads, move,
                 waiting = std::map<std::int64_t, Timestamp>()](const JobRun& run) mutable -> JobOutcome {
    const auto& row = run.job;
    const auto waits = waiting.extract(row.id);
    const auto job = parse_model_job(row.payload);
    if (!job) {
      log::error("trial detection", {{"reason", job.error().message}});
      return {};
    }
    const auto trial = run.metadata.read()->trial_detections().find(job->name);
    // The trial was deleted or stopped, or an earlier run finished it and was cut off after its commit.
    if (!trial || trial->status != TrialStatus::running) return {};
    move(run, trial->uid, TrialStatus::running, "The images are being judged.");
    const auto folder = jobs_folder / ("trial-" + run.name);
    const auto outcome = judge_trial(run.metadata, objects, *job, *trial, folder, threads, run.cancel);
    if (run.cancel) return {std::chrono::milliseconds(0)};
    const auto since = waits ? waits.mapped() : clock.now();
    if (outcome) {
      const auto judged = run.metadata.read()->trial_detections().find(trial->uid);
      if (judged) move(run, trial->uid, TrialStatus::completed, summary_of(judged->counts));
    } else if (outcome.error().kind == ErrorKind::unavailable && clock.now() - since < kLongestWait) {
      log::warning("trial detection", {{"trial", trial->name}, {"reason", outcome.error().message}});
      move(run, trial->uid, TrialStatus::running, outcome.error().message + " It is tried again.");
      waiting.emplace(row.id, since);
      return {.retry_after = std::chrono::seconds(5), .is_attempt = false};
    } else if (outcome.error().kind != ErrorKind::invalid_input && outcome.error().kind != ErrorKind::unavailable &&
               row.lease.attempts < kMostAttempts) {
      log::error("trial detection", {{"trial", trial->name}, {"reason", outcome.error().message}});
      return {std::chrono::seconds(5)};
    } else {
      log::error("trial detection failed", {{"trial", trial->name}, {"reason", outcome.error().message}});
      move(run, trial->uid, TrialStatus::failed,
           outcome.error().kind == ErrorKind::invalid_input || outcome.error().kind == ErrorKind::unavailable
               ? outcome.error().message
               : "The trial detection failed by a fault of the server; its log says more.");
    }
    return {};
  };
  handler.give_up = [move](const JobRun& run) {
    if (const auto job = parse_model_job(run.job.payload))
      move(run, job->name, TrialStatus::failed, cut_off_sentence("trial detection", run.job));
  };
  return handler;
}

}  // namespace vedette
