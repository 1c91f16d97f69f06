#include <fmt/format.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "auth/auth.hpp"
#include "base/files.hpp"
#include "base/listing.hpp"
#include "base/log.hpp"
#include "base/parallel.hpp"
#include "domain/limits.hpp"
#include "manifest/manifest.hpp"
#include "service/job_handlers.hpp"
#include "service/job_payloads.hpp"
#include "service/minimum_counts.hpp"
#include "store/model_files/model_files.hpp"
#include "training/training.hpp"
#include "vision/image/image.hpp"
#include "vision/infer/infer.hpp"

namespace vedette {
namespace fs = std::filesystem;
namespace {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

constexpr std::int64_t kMostAttempts = 3;
constexpr std::int64_t kPageSize = 1000;
constexpr int kCopiesAtOnce = 16;
constexpr std::chrono::milliseconds kImportPoll{300};
constexpr const char* kBase = "base";  ///< the folder of the model that is moved, in the job folder

double as_float(double value) {
  return static_cast<double>(static_cast<float>(value));
}

std::string in_words(const std::optional<double>& figure) {
  return figure ? fmt::format("{:.3f}", *figure) : "undefined";
}

/// Makes one model, from the pictures to the stored files: trains it, or moves an earlier one to another batch.
class Training {
 public:
  Training(const JobRun& run, ObjectStore& objects, const ImageQuotas& quotas, const TrainingPlan& plan,
           const fs::path& folder, const fs::path& trainer, const std::optional<TrainerSandbox>& sandbox,
           const ModelJob& job, const Model& model, const Caller& caller)
      : run_(run),
        metadata_(run.metadata),
        objects_(objects),
        quotas_(quotas),
        plan_(plan),
        folder_(folder),
        trainer_(trainer),
        sandbox_(sandbox),
        job_(job),
        model_(model),
        caller_(caller),
        cancel_(run.cancel) {}

  /// These functions fail with invalid_input if the user can mend the cause, with unavailable if the job is cancelled or
  /// a store does not answer, and with internal otherwise.
  Result<void> train(const Dataset& train, const std::optional<Dataset>& test) {
    begin();
    TrainingJob work;
    work.plan = plan_;
    work.minimum = minimum_counts(test.has_value());
    auto samples = freeze(train);
    if (!samples) return samples.error();
    work.train = std::move(*samples);
    if (test) {
      auto test_samples = freeze(*test);
      if (!test_samples) return test_samples.error();
      work.test = std::move(*test_samples);
    }
    if (auto ok = check_segmentation_counts(work); !ok) return ok;
    return learn(work);
  }

  Result<void> rebase(const Rebasing& rebasing) {
    begin();
    TrainingJob work;
    work.base = kBase;
    if (auto ok = fetch_base(rebasing); !ok) return ok;
    std::vector<Copy> copies;
    for (const auto& key : rebasing.keys) {
      TrainingPicture picture;
      picture.source_ref = "s3://" + rebasing.bucket + "/" + key;
      picture.is_anomalous = false;
      picture.image = fmt::format("images/good-{:06}", copies.size());
      copies.push_back({picture.source_ref, folder_ / picture.image, work.train.size(), false});
      work.train.push_back(std::move(picture));
    }
    if (auto ok = fetch_all(copies, work.train); !ok) return ok;
    return learn(work);
  }

  /// Goes on where an earlier run was cut off after it had made the model.
  Result<void> publish(const ChosenRun& chosen) {
    const auto text = ModelFiles(objects_).evaluation(ModelFiles::unfinished(model_.uid, chosen.name));
    if (!text) return text.error().kind == ErrorKind::unavailable ? text.error() : internal_error(text.error().message);
    const auto evaluation = parse_evaluation(*text);
    if (!evaluation) return internal_error(evaluation.error().message);
    return finish(*evaluation, chosen);
  }

 private:
  void begin() {
    say("Copying the images.");
    fs::create_directories(folder_ / "images");
  }

  /// Copies the model that is moved, and its evaluation, which not all models have, into the job folder.
  Result<void> fetch_base(const Rebasing& rebasing) {
    ModelFiles files(objects_);
    if (auto ok = files.fetch(rebasing.base_uid, folder_ / kBase); !ok)
      return ok.error().kind == ErrorKind::not_found
                 ? invalid_input(
                       fmt::format("The model version {} was deleted before it was moved.", rebasing.base_version))
                 : ok;
    const auto evaluation = files.evaluation(rebasing.base_uid);
    if (evaluation) return write_file_atomically(folder_ / kBase / "evaluation.json", *evaluation);
    return evaluation.error().kind == ErrorKind::not_found ? Result<void>() : evaluation.error();
  }

  /// Runs the trainer on the pictures that are in the job folder, and keeps what it makes.
  Result<void> learn(const TrainingJob& work) {
    if (auto ok = write_job(folder_, work); !ok) return ok;
    auto evaluation = run_trainer(
        trainer_, folder_, [this](const Progress& p) { report(p); }, &cancel_, sandbox_);
    if (!evaluation) return evaluation.error();
    if (auto ok = check_model(work); !ok) return ok;
    say("Storing the model.");
    if (auto ok = store_model(); !ok) return ok;
    // From here on this run is the one that made the model. If it is cut off, the next one goes on with publish().
    const auto chosen = metadata_.write([&](UnitOfWork& transaction) {
      const ChosenRun run{run_.name, transaction.now()};
      transaction.models().choose_run(model_.uid, run);
      return run;
    });
    return finish(*evaluation, chosen);
  }

  void say(const std::string& message) {
    metadata_.write([&](UnitOfWork& work) { work.models().set_message(model_.uid, ModelStatus::training, message); });
  }

  void report(const Progress& p) {
    // Reports come quickly, but clients that poll need no more than one new sentence per second.
    const auto now = std::chrono::steady_clock::now();
    if (now - last_report_ < std::chrono::seconds(1) && p.stage == last_stage_) return;
    last_report_ = now;
    last_stage_ = p.stage;
    std::string message = fmt::format("The model is being {}: {}, {:.0f} % done", job_.rebasing ? "moved" : "trained",
                                      p.stage, 100 * p.fraction);
    if (p.seconds_left) message += fmt::format(", about {:.0f} s left", std::ceil(*p.seconds_left));
    metadata_.write([&](UnitOfWork& work) {
      if (work.models().set_message(model_.uid, ModelStatus::training, message + "."))
        work.models().set_progress(model_.uid,
                                   {work.now(), work.now(), p.stage, std::clamp(p.fraction, 0.0, 1.0), p.seconds_left});
    });
    log::info("training", {{"model", arn()},
                           {"stage", p.stage},
                           {"fraction", fmt::format("{:.2f}", p.fraction)},
                           {"seconds_left", p.seconds_left ? fmt::format("{:.0f}", *p.seconds_left) : "unknown"}});
  }

  /// Checks the numbers of pictures for a segmentation model. A model is a segmentation model if any training picture
  /// has a mask; it has lower limits than others.
  Result<void> check_segmentation_counts(const TrainingJob& work) const {
    const bool is_segmentation =
        std::any_of(work.train.begin(), work.train.end(), [](const auto& sample) { return sample.mask.has_value(); });
    if (!is_segmentation) return {};
    for (const auto& [count, most, name] :
         {std::tuple{work.train.size(), quotas_.segmentation_train, "training"},
          std::tuple{work.test ? work.test->size() : 0, quotas_.segmentation_test, "test"}})
      if (static_cast<std::int64_t>(count) > most)
        return invalid_input(
            fmt::format("A segmentation model takes at most {} {} images; there are {}.", most, name, count));
    return {};
  }

  std::string arn() const { return model_arn(job_.scope, job_.project, job_.version); }

  /// Copies a dataset's pictures and masks into the job folder, so that later edits of the dataset do not change this
  /// training.
  Result<std::vector<TrainingPicture>> freeze(const Dataset& dataset) {
    std::vector<TrainingPicture> samples;
    std::int64_t position = 0;
    std::size_t copied = 0;
    while (true) {
      const auto entries = metadata_.read()->datasets().list_entries(dataset.uid, {}, position, kPageSize);
      if (entries.empty()) return samples;
      std::vector<Copy> copies;
      for (const auto& [number, entry] : entries) {
        position = number;
        if (!entry.is_anomalous) continue;
        if (cancel_) return fail(ErrorKind::unavailable, "The training was interrupted.");
        auto line = parse_manifest_line(entry.line);
        if (!line) return invalid_input(entry.source_ref + ": " + line.error().message);
        TrainingPicture sample;
        sample.source_ref = entry.source_ref;
        sample.is_anomalous = entry.is_anomalous;
        const auto stem = fmt::format("images/{}-{:06}", to_text(dataset.type), number);
        sample.image = stem;
        copies.push_back({entry.source_ref, folder_ / sample.image, samples.size(), false});
        if (line->mask_ref && *entry.is_anomalous) {
          sample.mask = stem + ".mask";
          copies.push_back({*line->mask_ref, folder_ / *sample.mask, samples.size(), true});
          for (const auto& c : line->mask_colors) sample.mask_colors.push_back({c.name, c.color});
        }
        samples.push_back(std::move(sample));
      }
      if (auto ok = fetch_all(copies, samples); !ok) return ok.error();
      copied += copies.size();
      say(fmt::format("Copying the images: {} are here.", copied));
    }
  }

  struct Copy {
    std::string uri;
    fs::path to;
    std::size_t sample;  ///< index of the entry to which the picture or mask belongs
    bool is_mask;
  };

  /// Copies objects to files, many at the same time, because the store may be reached over a network. The trainer skips
  /// and names a picture that cannot be used, and fails if too few are left. This function fails with the first error
  /// of the store, and if a mask cannot be used.
  Result<void> fetch_all(const std::vector<Copy>& copies, std::vector<TrainingPicture>& samples) {
    std::vector<Result<std::optional<std::string>>> outcomes(copies.size(), std::optional<std::string>());
    std::atomic<bool> failed = false;
    run_parallel(copies.size(), kCopiesAtOnce, [&](std::size_t i) {
      if (failed || cancel_) return;
      outcomes[i] = fetch(copies[i].uri, copies[i].to, copies[i].is_mask);
      if (!outcomes[i]) failed = true;
    });
    if (cancel_) return fail(ErrorKind::unavailable, "The training was interrupted.");
    for (std::size_t i = 0; i < copies.size(); ++i) {
      if (!outcomes[i]) return outcomes[i].error();
      const auto& fault = *outcomes[i];
      if (fault && copies[i].is_mask) return invalid_input("The mask " + copies[i].uri + " cannot be used: " + *fault);
      if (fault) samples[copies[i].sample].fault = fault;
    }
    return {};
  }

  /// Copies an object to a file. Returns a reason if the object cannot be used because it is gone or too large.
  Result<std::optional<std::string>> fetch(const std::string& uri, const fs::path& path, bool is_mask) {
    const auto location = parse_s3_uri(uri);
    if (!location) return invalid_input(uri + " is not of the form s3://bucket/key.");
    if (auto ok = authorize(caller_, "s3:GetObject", object_arn(location->bucket, location->key)); !ok)
      return invalid_input(ok.error().message);
    auto bytes = get_bytes(objects_, location->bucket, location->key, kLargestImage);
    if (!bytes) {
      const auto kind = bytes.error().kind;
      if (kind == ErrorKind::not_found) return std::optional<std::string>("the object does not exist any more");
      if (kind == ErrorKind::too_large) return std::optional(bytes.error().message);
      return kind == ErrorKind::access_denied ? invalid_input(bytes.error().message) : bytes.error();
    }
    if (const auto header = read_image_header(as_bytes(*bytes)); header && !is_mask && !decodable(*header))
      return std::optional(
          fmt::format("the image has {}x{} pixels; each side must be 64 to 4096", header->width, header->height));
    std::ofstream file(path, std::ios::binary);
    file.write(bytes->data(), static_cast<std::streamsize>(bytes->size()));
    file.close();
    if (!file) return internal_error("The disk is full.");
    return std::optional<std::string>();
  }

  static bool decodable(const ImageHeader& h) {
    const SizeLimits limits;
    return std::min(h.height, h.width) >= limits.minimum_side && std::max(h.height, h.width) <= limits.maximum_side;
  }

  /// Checks that this server, which will serve the artifact, can load it and judge a picture with it.
  Result<void> check_model(const TrainingJob& work) {
    // One picture needs no help, and threads that have helped would stay with this thread.
    const ThreadCount one(1);
    auto engine = Engine::load(folder_ / "model");
    if (!engine) return internal_error("The trained model cannot be used: " + engine.error().message);
    for (const auto& sample : work.train) {
      const auto bytes = read_file(folder_ / sample.image, kLargestImage);
      if (!bytes) continue;
      const auto image = (*engine)->decode(*bytes);
      if (!image) continue;
      auto detection = (*engine)->detect(*image);
      if (!detection) return internal_error("The trained model cannot be used: " + detection.error().message);
      return {};
    }
    return internal_error("The trained model cannot be tried: no picture can be read.");
  }

  Result<void> store_model() {
    // The object store keeps the whole evaluation beside the model.
    std::error_code code;
    if (!fs::is_directory(fs::symlink_status(folder_ / "model", code)))
      return internal_error("The trainer left no folder with a model.");
    fs::rename(folder_ / "evaluation.json", folder_ / "model" / "evaluation.json", code);
    if (code) return internal_error("The evaluation cannot be stored: " + code.message());
    return ModelFiles(objects_).put(ModelFiles::unfinished(model_.uid, run_.name), folder_ / "model");
  }

  Json manifest_line(const Prediction& p, const std::string& date) const {
    const auto name = [](bool anomalous) { return anomalous ? "anomaly" : "normal"; };
    return {{"source-ref", p.source_ref},
            {"source-ref-metadata", {{"creation-date", date}}},
            {"anomaly-label", p.is_anomalous ? 1 : 0},
            {"anomaly-label-metadata",
             {{"class-name", name(p.is_anomalous)},
              {"type", "groundtruth/image-classification"},
              {"human-annotated", "yes"},
              {"creation-date", date},
              {"job-name", "labeling-job/anomaly-label"}}},
            {"anomaly-label-detected", p.called_anomalous ? 1 : 0},
            {"anomaly-label-detected-metadata",
             {{"class-name", name(p.called_anomalous)},
              {"confidence", as_float(p.confidence)},
              {"type", "groundtruth/image-classification"},
              {"human-annotated", "no"},
              {"creation-date", date},
              {"job-name", "training-job/anomaly-detection"},
              {"model-arn", arn()},
              {"project-name", job_.project},
              {"model-version", std::to_string(job_.version)}}}};
  }

  /// Publishes what the chosen run left: the model, the two evaluation files and, in one transaction, the model's status
  /// and metrics. All that it writes follows from the evaluation and the time of the choice, so that two runs which do
  /// this at the same time write the same.
  Result<void> finish(const Evaluation& e, const ChosenRun& chosen) {
    if (auto ok = ModelFiles(objects_).publish(model_.uid, chosen.name); !ok)
      return ok.error().kind == ErrorKind::unavailable ? ok.error() : internal_error(ok.error().message);
    const auto now = chosen.time;
    auto date = to_extended_iso8601(now);
    date.pop_back();  // Ground Truth writes the time without a zone
    std::string manifest;
    for (const auto& p : e.predictions)
      manifest += manifest_line(p, date).dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
    // The API cannot leave out a figure, so that a figure that is not defined is 0, as in the original's files. The
    // members have the order of real files, because published code turns the object into a table.
    OrderedJson metrics = {{"ROCAUC", as_float(e.image_auroc.value_or(0))},
                           {"AveragePrecision", as_float(e.average_precision.value_or(0))},
                           {"Precision", as_float(e.precision.value_or(0))},
                           {"Recall", as_float(e.recall.value_or(0))},
                           {"F1Score", as_float(e.f1.value_or(0))}};
    for (const auto& l : e.labels)
      metrics["PixelAnomalyClassMetrics"].push_back({{"Precision", as_float(l.precision.value_or(0))},
                                                     {"Recall", as_float(l.recall.value_or(0))},
                                                     {"F1Score", as_float(l.f1.value_or(0))},
                                                     {"AIOU", as_float(l.aiou.value_or(0))},
                                                     {"ClassName", l.name}});
    const OrderedJson result = {{"Version", 1},
                                {"EvaluationDetails",
                                 {{"ModelArn", arn()},
                                  {"EvaluationEndTimestamp", date},
                                  {"NumberOfTrainingImages", e.training_images},
                                  {"NumberOfTestingImages", e.testing_images}}},
                                {"AggregatedEvaluationResults", {{"Metrics", metrics}}}};
    const auto suffix = fmt::format("-{}-{}.json", job_.project, job_.version);
    const ObjectLocation manifest_at{model_.output.bucket, model_.output.key + "EvaluationManifest" + suffix};
    const ObjectLocation result_at{model_.output.bucket, model_.output.key + "EvaluationResult" + suffix};
    for (const auto& [location, text] : {std::pair(manifest_at, manifest), std::pair(result_at, result.dump(1))}) {
      if (auto ok = authorize(caller_, "s3:PutObject", object_arn(location.bucket, location.key)); !ok)
        return invalid_input(ok.error().message);
      if (auto ok = put_bytes(objects_, location.bucket, location.key, text, "application/json"); !ok)
        return ok.error().kind == ErrorKind::not_found
                   ? invalid_input("The output bucket " + location.bucket + " does not exist.")
               : ok.error().kind == ErrorKind::access_denied ? invalid_input(ok.error().message)
                                                             : ok.error();
    }
    std::string message = "The model is trained.";
    if (const auto& r = job_.rebasing)
      message =
          fmt::format("Version {} was moved with {} good images. They do not tell how well the model finds defects.",
                      r->base_version, e.training_images);
    if (!e.skipped.empty()) {
      std::vector<std::string> skipped;
      for (const auto& picture : e.skipped) skipped.push_back(picture.text());
      message += fmt::format(" {} images could not be used: {}", skipped.size(), list_some(skipped));
      if (!message.ends_with('.')) message += '.';
    }
    for (const auto& warning : e.warnings) message += " Note: " + warning + (warning.ends_with('.') ? "" : ".");
    metadata_.write([&](UnitOfWork& work) {
      if (!work.models().move(model_.uid, ModelStatus::training, ModelStatus::trained, message)) return;
      // Good pictures alone tell nothing about how well defects are found.
      std::optional<Performance> performance;
      if (e.recall) performance = {e.f1.value_or(0), *e.recall, e.precision.value_or(0)};
      work.models().set_evaluation(model_.uid, performance, manifest_at, result_at, now);
    });
    if (auto ok = ModelFiles(objects_).remove_unfinished(model_.uid); !ok)
      log::warning("what the training left was not removed", {{"model", arn()}, {"reason", ok.error().message}});
    log::info("model trained", {{"model", arn()},
                                {"seconds", fmt::format("{:.1f}", e.seconds)},
                                {"auroc", in_words(e.image_auroc)},
                                {"f1", in_words(e.f1)}});
    return {};
  }

  const JobRun& run_;
  MetadataStore& metadata_;
  ObjectStore& objects_;
  const ImageQuotas& quotas_;
  const TrainingPlan& plan_;
  const fs::path& folder_;
  const fs::path& trainer_;
  const std::optional<TrainerSandbox>& sandbox_;
  const ModelJob& job_;
  const Model& model_;
  const Caller& caller_;
  const std::atomic<bool>& cancel_;
  std::chrono::steady_clock::time_point last_report_{};
  std::string last_stage_;
};

/// Ends a training as failed. What its runs left is removed; if that fails, it goes with the model.
void fail_training(const JobRun& run, ObjectStore& objects, const Model& model, const std::string& message) {
  const bool is_failed = run.metadata.write([&](UnitOfWork& work) {
    return work.models().move(model.uid, ModelStatus::training, ModelStatus::training_failed, message);
  });
  if (is_failed) (void)ModelFiles(objects).remove(model.uid).has_value();
}

}  // namespace

JobHandler make_training_handler(ObjectStore& objects, const ImageQuotas& quotas, fs::path jobs_folder,
                                 fs::path trainer, TrainingPlan plan, std::optional<TrainerSandbox> sandbox) {
  JobHandler handler;
  handler.run = [&objects, quotas, jobs_folder = std::move(jobs_folder), trainer = std::move(trainer),
                 plan = std::move(plan), sandbox = std::move(sandbox)](const JobRun& run) -> JobOutcome {
    auto& metadata = run.metadata;
    const auto job = parse_model_job(run.job.payload);
    if (!job) {
      log::error("training", {{"reason", job.error().message}});
      return {};
    }
    std::optional<Model> model;
    std::optional<Dataset> train, test;
    std::optional<ChosenRun> chosen;
    {
      auto work = metadata.read();
      model = work->models().find(job->scope, job->project, job->version);
      if (model) chosen = work->models().chosen_run(model->uid);
      if (!job->rebasing) {
        train = work->datasets().find(job->scope, job->project, DatasetType::train);
        test = work->datasets().find(job->scope, job->project, DatasetType::test);
      }
    }
    if (!model || model->status != ModelStatus::training)
      return {};  // an earlier run finished the training and was cut off after its commit
    if (!chosen)
      for (const auto* dataset : {&train, &test})
        if (*dataset && (*dataset)->status == DatasetStatus::create_in_progress)
          return {.retry_after = kImportPoll, .is_attempt = false};

    const auto folder = jobs_folder / (model->uid + "-" + run.name);
    Result<void> outcome;
    const auto caller = caller_of_job(metadata, job->scope.account, job->user);
    const auto training = [&] {
      return Training(run, objects, quotas, plan, folder, trainer, sandbox, *job, *model, *caller);
    };
    if (!caller) {
      outcome = caller.error();
    } else if (chosen) {
      outcome = training().publish(*chosen);
    } else if (job->rebasing) {
      outcome = training().rebase(*job->rebasing);
    } else if (!train || !is_settled(train->status)) {
      outcome = invalid_input(
          "The training dataset could not be used: " + (train ? train->status_message : "it was deleted") + ".");
    } else if (test && !is_settled(test->status)) {
      outcome = invalid_input("The test dataset could not be used: " + test->status_message + ".");
    } else {
      outcome = training().train(*train, test);
    }
    std::error_code ignored;
    fs::remove_all(folder, ignored);
    if (outcome) return {};
    const auto& error = outcome.error();
    log::error("training failed",
               {{"model", model_arn(job->scope, job->project, job->version)}, {"reason", error.message}});
    if (run.cancel) return {std::chrono::milliseconds(0)};
    // If the object store does not answer, the pictures' owner is not at fault but should know why the training waits.
    const bool is_told = error.kind == ErrorKind::invalid_input || error.kind == ErrorKind::unavailable;
    if (error.kind != ErrorKind::invalid_input && run.job.lease.attempts < kMostAttempts) {
      if (is_told)
        metadata.write([&](UnitOfWork& work) {
          work.models().set_message(model->uid, ModelStatus::training, error.message + " It is tried again.");
        });
      return {std::chrono::seconds(5)};
    }
    // The user is told only what the pictures' owner can mend; the log line above holds the server's own troubles.
    fail_training(
        run, objects, *model,
        is_told ? error.message : std::string("The training failed by a fault of the server; its log says more."));
    return {};
  };
  handler.give_up = [&objects](const JobRun& run) {
    const auto job = parse_model_job(run.job.payload);
    if (!job) return;
    if (const auto model = run.metadata.read()->models().find(job->scope, job->project, job->version))
      fail_training(run, objects, *model, cut_off_sentence("training", run.job));
  };
  return handler;
}

}  // namespace vedette
