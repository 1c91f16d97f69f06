// Checks the datasets of a project: looks at every labelled picture, in the server and at low priority.
#include <fmt/format.h>

#include <chrono>

#include "auth/auth.hpp"
#include "base/log.hpp"
#include "base/parallel.hpp"
#include "base/priority.hpp"
#include "domain/limits.hpp"
#include "manifest/manifest.hpp"
#include "service/job_handlers.hpp"
#include "service/job_payloads.hpp"
#include "service/minimum_counts.hpp"
#include "service/read_picture.hpp"
#include "service/service.hpp"
#include "vision/dataset_check/dataset_check.hpp"

namespace vedette {
namespace {

constexpr std::int64_t kMostAttempts = 3;
constexpr std::int64_t kPageSize = 1000;
constexpr std::size_t kBatch = 64;  // After so many pictures the progress may be stored.
constexpr std::chrono::seconds kReportEvery{1};
constexpr std::chrono::seconds kPause{5};

/// A labelled picture of a dataset and its mask, if it has one.
struct Labelled {
  DatasetType dataset;
  bool is_anomalous;
  std::string source_ref;
  std::optional<std::string> mask_ref;
  std::vector<MaskLabel> mask_colors;
};

/// Runs one check. The functions fail with unavailable if the object store does not answer or the job is cancelled, and
/// with internal if the machine fails.
class Check {
 public:
  Check(MetadataStore& metadata, ObjectStore& objects, const ModelJob& job, DatasetCheck check, int threads,
        const std::atomic<bool>& cancel)
      : metadata_(metadata),
        objects_(objects),
        job_(job),
        check_(std::move(check)),
        threads_(threads),
        cancel_(cancel) {}

  /// Ends the check with its findings. Returns early, without an error, if the check was replaced or deleted.
  Result<void> run() {
    const auto caller = caller_of_job(metadata_, job_.scope.account, job_.user);
    if (!caller) return caller.error();
    const bool has_test = read_datasets();
    std::vector<dataset_check::CheckedPicture> pictures(labelled_.size());
    const dataset_check::Describer describer;
    for (std::size_t first = 0; first < pictures.size(); first += kBatch) {
      if (!report(first)) return {};
      const auto count = std::min(kBatch, pictures.size() - first);
      std::vector<Result<void>> outcomes(count);
      run_parallel(count, threads_, [&](std::size_t i) {
        if (cancel_) return;
        lower_thread_priority();
        outcomes[i] = look_at(*caller, describer, labelled_[first + i], pictures[first + i]);
      });
      if (cancel_) return fail(ErrorKind::unavailable, "The check was interrupted.");
      for (const auto& outcome : outcomes)
        if (!outcome) return outcome;
    }
    if (!report(pictures.size())) return {};
    const auto least = minimum_counts(has_test);
    const auto findings = dataset_check::find_all(pictures,
                                                  {.train_normal = least.train_normal,
                                                   .train_anomaly = least.train_anomaly,
                                                   .test_normal = least.test_normal,
                                                   .test_anomaly = least.test_anomaly,
                                                   .train_per_label = least.train_per_label},
                                                  threads_, cancel_);
    if (!findings) return findings.error();
    std::vector<DatasetFinding> stored;
    stored.reserve(findings->size());
    for (const auto& finding : *findings) stored.push_back(to_stored(finding));
    metadata_.write([&](UnitOfWork& work) {
      work.dataset_checks().finish(check_.uid, CheckStatus::completed, summary(stored.size()), stored, work.now());
    });
    return {};
  }

 private:
  /// Reads which labelled pictures there are, the training dataset first. Returns whether there is a test dataset.
  bool read_datasets() {
    auto work = metadata_.read();
    const auto datasets = work->datasets().list(job_.scope, job_.project);
    check_.dataset_state = dataset_state(datasets);
    bool has_test = false;
    for (const auto type : {DatasetType::train, DatasetType::test})
      for (const auto& dataset : datasets) {
        if (dataset.type != type) continue;
        has_test = has_test || type == DatasetType::test;
        unlabelled_ += dataset.stats.total - dataset.stats.labeled;
        read_entries(*work, dataset);
      }
    check_.images = static_cast<std::int64_t>(labelled_.size());
    return has_test;
  }

  void read_entries(UnitOfWork& work, const Dataset& dataset) {
    std::int64_t position = 0;
    while (true) {
      const auto entries = work.datasets().list_entries(dataset.uid, {.is_labeled = true}, position, kPageSize);
      if (entries.empty()) return;
      for (const auto& [number, entry] : entries) {
        position = number;
        Labelled picture{dataset.type, *entry.is_anomalous, entry.source_ref, {}, {}};
        const auto line = parse_manifest_line(entry.line);
        if (line && line->mask_ref && picture.is_anomalous) {
          picture.mask_ref = line->mask_ref;
          for (const auto& color : line->mask_colors)
            if (const auto rgb = parse_color(color.color)) picture.mask_colors.push_back({color.name, *rgb});
        }
        labelled_.push_back(std::move(picture));
      }
    }
  }

  /// Stores how far the check is, about once a second. Returns false if the check was replaced or deleted.
  bool report(std::size_t checked) {
    const auto now = std::chrono::steady_clock::now();
    const bool is_last = checked == labelled_.size();
    if (checked > 0 && !is_last && now - last_report_ < kReportEvery) return true;
    last_report_ = now;
    check_.checked = static_cast<std::int64_t>(checked);
    check_.status_message = is_last ? "The images are being compared." : "The images are being looked at.";
    return metadata_.write([&](UnitOfWork& work) {
      check_.updated = work.now();
      return work.dataset_checks().update(check_);
    });
  }

  /// Returns the bytes of an object. If the object is at fault, the error is a sentence of invalid_input, or of too_large.
  Result<std::string> read(const Caller& caller, const std::string& uri, const char* what) {
    const auto name = parse_s3_uri(uri);
    if (!name) return invalid_input(uri + " is not of the form s3://bucket/key.");
    return read_one_of_many(objects_, caller, {name->bucket, name->key}, what);
  }

  Result<void> look_at(const Caller& caller, const dataset_check::Describer& describer, const Labelled& labelled,
                       dataset_check::CheckedPicture& out) {
    out.is_test = labelled.dataset == DatasetType::test;
    out.is_anomalous = labelled.is_anomalous;
    const auto bytes = read(caller, labelled.source_ref, "image");
    out.is_missing = !bytes && bytes.error().kind == ErrorKind::invalid_input;
    out.look = bytes ? describer.look_at(as_bytes(*bytes)) : bytes.error();
    if (!out.look) return is_fault_of_picture(out.look.error()) ? Result<void>() : out.look.error();
    if (!labelled.mask_ref) return {};
    const auto mask = read(caller, *labelled.mask_ref, "mask");
    if (!mask && !is_fault_of_picture(mask.error())) return mask.error();
    out.mask =
        mask ? dataset_check::look_at_mask(as_bytes(*mask), labelled.mask_colors, out.look->height, out.look->width)
             : dataset_check::MaskLook{
                   dataset_check::MaskTrouble{dataset_check::FindingKind::unreadable_mask, mask.error().message}, {}};
    return {};
  }

  DatasetFinding to_stored(const dataset_check::Finding& finding) const {
    DatasetFinding out;
    out.kind = to_text(finding.kind);
    out.dataset = finding.is_test ? DatasetType::test : DatasetType::train;
    if (finding.picture) out.source_ref = labelled_[*finding.picture].source_ref;
    if (finding.related) {
      out.related_dataset = labelled_[*finding.related].dataset;
      out.related_ref = labelled_[*finding.related].source_ref;
    }
    out.detail = finding.detail;
    return out;
  }

  [[nodiscard]] std::string summary(std::size_t findings) const {
    auto text = fmt::format("{} labelled images were checked; there {} {} finding{}.", labelled_.size(),
                            findings == 1 ? "is" : "are", findings, findings == 1 ? "" : "s");
    if (unlabelled_ > 0)
      text += fmt::format(" {} unlabelled images, which no training uses, were left out.", unlabelled_);
    return text;
  }

  MetadataStore& metadata_;
  ObjectStore& objects_;
  const ModelJob& job_;
  DatasetCheck check_;
  const int threads_;
  const std::atomic<bool>& cancel_;
  std::vector<Labelled> labelled_;
  std::int64_t unlabelled_ = 0;
  std::chrono::steady_clock::time_point last_report_;
};

}  // namespace

JobHandler make_dataset_check_handler(ObjectStore& objects, int threads) {
  JobHandler handler;
  const auto fail_check = [](const JobRun& run, const std::string& uid, const std::string& message) {
    run.metadata.write(
        [&](UnitOfWork& work) { work.dataset_checks().finish(uid, CheckStatus::failed, message, {}, work.now()); });
  };
  handler.run = [&objects, threads, fail_check](const JobRun& run) -> JobOutcome {
    const auto job = parse_model_job(run.job.payload);
    if (!job) {
      log::error("dataset check", {{"reason", job.error().message}});
      return {};
    }
    const auto check = run.metadata.read()->dataset_checks().find(job->name);
    // The check was replaced or deleted, or an earlier run finished it and was cut off after its commit.
    if (!check || check->status != CheckStatus::running) return {};
    const auto outcome = Check(run.metadata, objects, *job, *check, threads, run.cancel).run();
    if (run.cancel) return {std::chrono::milliseconds(0)};
    if (outcome) return {};
    const auto& error = outcome.error();
    if (error.kind != ErrorKind::invalid_input && run.job.lease.attempts < kMostAttempts) {
      log::warning("dataset check", {{"project", job->project}, {"reason", error.message}});
      return {kPause};
    }
    log::error("dataset check failed", {{"project", job->project}, {"reason", error.message}});
    fail_check(run, check->uid,
               error.kind == ErrorKind::invalid_input || error.kind == ErrorKind::unavailable
                   ? error.message
                   : "The check failed by a fault of the server; its log says more.");
    return {};
  };
  handler.give_up = [fail_check](const JobRun& run) {
    if (const auto job = parse_model_job(run.job.payload))
      fail_check(run, job->name, cut_off_sentence("check", run.job));
  };
  return handler;
}

}  // namespace vedette
