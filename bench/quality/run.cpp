#include "run.hpp"

#include <algorithm>
#include <chrono>
#include <fstream>

#include "base/files.hpp"
#include "contest.hpp"
#include "figure.hpp"
#include "plant.hpp"
#include "teach.hpp"
#include "vision/assess/assess.hpp"
#include "vision/evaluate/evaluate.hpp"
#include "vision/verdict/verdict.hpp"

namespace vedette::bench {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// A figure that is not defined is null.
json figure(const std::optional<double>& value) {
  return value ? json(*value) : json();
}

/// Counts, of the defective pictures that were called so, in which share something is marked, and in which share the
/// largest labelled area has the right class.
class ClassTally {
 public:
  explicit ClassTally(const Manifest& manifest) : manifest_(manifest) {}
  void add(const TrainingPicture& sample, const Detection& detection) {
    const auto named = std::find_if(sample.mask_colors.begin(), sample.mask_colors.end(),
                                    [](const auto& c) { return c.name != "BACKGROUND"; });
    if (!manifest_.segmentation || !*sample.is_anomalous || named == sample.mask_colors.end() ||
        !detection.is_anomalous)
      return;
    auto areas = measure_areas(manifest_.segmentation->labels, *detection.label_map);
    areas.erase(areas.begin());  // the background
    const auto largest = std::max_element(areas.begin(), areas.end(),
                                          [](const auto& x, const auto& y) { return x.fraction < y.fraction; });
    found_ += 1;
    marked_ += areas.empty() ? 0 : 1;
    right_ += !areas.empty() && largest->name == named->name ? 1 : 0;
  }
  void report(json& out) const {
    if (found_ > 0) out["right_class"] = right_ / found_, out["marked"] = marked_ / found_;
  }

 private:
  const Manifest& manifest_;
  double found_ = 0, right_ = 0, marked_ = 0;
};

/// The control of pictures that were made of each other: how well the maps tell them apart where they should be alike.
/// Anything but 0.5 is due to how they were made.
class Control {
 public:
  void add(const TrainingPicture& sample, const Manifest& manifest, const Detection& detection) {
    const auto known = known_places(sample, manifest.image_height, manifest.image_width);
    if (!known) return;
    const auto& map = detection.anomaly_map;
    std::vector<float> outside;
    for (int y = 0; y < map.height; ++y)
      for (int x = 0; x < map.width; ++x)
        if (known->at(y * known->height / map.height, x * known->width / map.width) == 0)
          outside.push_back(map.at(y, x));
    if (outside.empty()) return;
    scores_.push_back(pool_largest(outside, kShare));
    labels_.push_back(*sample.is_anomalous ? 1 : 0);
  }
  void report(json& out) const {
    if (!scores_.empty()) out["auroc_elsewhere"] = auroc(scores_, labels_);
  }

 private:
  static constexpr double kShare = 0.01;
  std::vector<double> scores_;
  std::vector<std::uint8_t> labels_;
};

/// Returns the largest F1 that any threshold on the scores reaches.
std::optional<double> best_f1(const Evaluation& e) {
  std::vector<double> scores;
  std::vector<std::uint8_t> labels;
  for (const auto& p : e.predictions) {
    scores.push_back(p.anomaly_score);
    labels.push_back(p.is_anomalous ? 1 : 0);
  }
  if (std::count(labels.begin(), labels.end(), 1) == 0) return {};
  double best = 0;
  for (const double threshold : scores)
    best = std::max(best, classification_metrics(count_confusion(scores, labels, threshold)).f1);
  return best;
}

void report_pixels(json& out, const std::string& prefix, const Evaluation& e) {
  if (e.pixel_auroc) out[prefix + "pixel_auroc"] = *e.pixel_auroc;
  if (e.pixel_average_precision) out[prefix + "pixel_ap"] = *e.pixel_average_precision;
  if (e.labels.empty()) return;
  double mean = 0, pooled = 0;
  int held = 0;  // labels that the test pictures hold
  for (const auto& l : e.labels) {
    if (!l.f1 || !l.aiou) continue;
    ++held;
    mean += *l.aiou;
    const double iou = *l.f1 / (2 - *l.f1);  // from F1, over all pixels
    out[prefix + "label_iou"][l.name] = iou;
    pooled += iou;
  }
  out[prefix + "iou"] = held > 0 ? json(pooled / held) : json();
  out[prefix + "mean_iou"] = held > 0 ? json(mean / held) : json();
}

struct Trained {
  Evaluation out_of_fold;
  double seconds = 0;
};
/// Trains in the folder or, if there is a `base`, moves that model.
Trained train_in(const fs::path& folder, const Samples& train, std::uint64_t seed, const TrainingPlan& plan,
                 const std::optional<fs::path>& base = {}) {
  TrainingJob job;
  job.train = train;
  job.base = base;
  job.seed = seed;
  job.plan = plan;
  required(write_job(folder, job));
  const fs::path trainer = fs::read_symlink("/proc/self/exe").parent_path().parent_path() / "vedette-trainer";
  const auto start = std::chrono::steady_clock::now();
  auto out_of_fold = required(run_trainer(trainer, folder, {}, nullptr));
  return {std::move(out_of_fold), seconds_since(start)};
}

/// Judges the test pictures, and returns what both figures say.
json examine(const Engine& engine, const Samples& test, const Evaluation& out_of_fold) {
  ClassTally classes(engine.manifest());
  Control control;
  std::vector<double> milliseconds;
  auto start = std::chrono::steady_clock::now();
  const auto judged =
      required(evaluate_model(engine, test, false, kServedFormats, [&](std::size_t, const auto& s, const auto& d) {
        milliseconds.push_back(1000 * seconds_since(start));
        classes.add(s, d);
        control.add(s, engine.manifest(), d);
        start = std::chrono::steady_clock::now();
      }));
  std::sort(milliseconds.begin(), milliseconds.end());
  json out = {{"auroc", figure(judged.image_auroc)},
              {"oof_auroc", figure(out_of_fold.image_auroc)},
              {"best_f1", figure(best_f1(judged))},
              {"f1", figure(judged.f1)},
              {"oof_f1", figure(out_of_fold.f1)},
              {"precision", figure(judged.precision)},
              {"recall", figure(judged.recall)},
              {"false_alarms", figure(judged.false_alarm_rate)},
              {"average_precision", figure(judged.average_precision)},
              {"ece", judged.ece},
              {"oof_ece", out_of_fold.ece},
              {"detect_ms", milliseconds[milliseconds.size() / 2]}};
  report_pixels(out, "", judged);
  report_pixels(out, "oof_", out_of_fold);
  classes.report(out);
  control.report(out);
  return out;
}

/// Trains once more with wrong labels, and returns what they cost.
json mislabelled(const Engine& engine, const Lesson& lesson, std::uint64_t seed, const TrainingPlan& plan) {
  Samples train = lesson.train, test = lesson.exams.front().test;
  mislabel_some(train, test);
  const TemporaryFolder work;
  const auto trained = train_in(work.path(), train, seed, plan);
  const auto misled = required(Engine::load(work.path() / "model"));
  std::int64_t named = 0, suspects = 0;
  for (const auto& p : trained.out_of_fold.predictions) {
    suspects += p.is_suspect ? 1 : 0;
    named += p.is_suspect && std::none_of(lesson.train.begin(), lesson.train.end(),
                                          [&](const auto& s) { return s.source_ref == p.source_ref; })
                 ? 1
                 : 0;
  }
  const auto auroc_of = [&](const Engine& e) {
    return figure(required(evaluate_model(e, test, false, kServedFormats, {})).image_auroc);
  };
  return {{"pictures", train.size() - lesson.train.size()},
          {"auroc_without", auroc_of(engine)},
          {"auroc_with", auroc_of(*misled)},
          {"suspects", suspects},
          {"suspects_mislabelled", named}};
}

/// Writes the pooled scores of the training pictures, with their folds, and of those of all exams.
void dump(const fs::path& file, const Engine& engine, const Lesson& lesson, const Evaluation& out_of_fold) {
  json out = {{"train", pooled_scores(engine, lesson.train)}};
  for (auto& picture : out["train"]["pictures"])
    for (const auto& p : out_of_fold.predictions)
      if (p.fold && p.source_ref == picture["source_ref"]) picture["fold"] = *p.fold;
  for (const auto& exam : lesson.exams) out[exam.kind] = pooled_scores(engine, exam.test);
  required(write_file_atomically(file, out.dump()));
}

}  // namespace

std::vector<json> run(const std::string& product, const Lesson& lesson, std::uint64_t seed, const RunOptions& options) {
  const TemporaryFolder work;
  const auto trained = train_in(work.path(), lesson.train, seed, options.plan);
  const auto model = work.path() / "model";
  const auto name = product + "-" + lesson.exams.front().kind + "-" + std::to_string(seed);
  if (!options.keep.empty()) {
    fs::copy(model, options.keep / name, fs::copy_options::recursive);
    required(write_evaluation(options.keep / name, trained.out_of_fold));
  }
  const auto start = std::chrono::steady_clock::now();
  const auto engine = required(Engine::load(model));
  const double load_seconds = seconds_since(start);
  if (!options.dump.empty()) dump(options.dump / (name + ".json"), *engine, lesson, trained.out_of_fold);
  if (!options.figures.empty()) draw_figure(options.figures / (name + ".jpg"), *engine, lesson.exams.front().test);
  std::vector<json> out;
  for (const auto& exam : lesson.exams) {
    json result = {{"product", product}, {"kind", exam.kind}, {"seed", seed}};
    auto judge = engine;
    result["train_seconds"] = trained.seconds;
    if (!exam.rebasing.empty()) {
      const TemporaryFolder moving;
      result["train_seconds"] = train_in(moving.path(), exam.rebasing, seed, options.plan, model).seconds;
      judge = required(Engine::load(moving.path() / "model"));
    }
    result.update(examine(*judge, exam.test, trained.out_of_fold));
    result["load_seconds"] = load_seconds;
    for (const auto& c : engine->manifest().contestants)
      if (c.score_weight() > 0 || c.map_weight > 0) result["choice"][c.name] = {c.score_weight(), c.map_weight};
    if (options.with_contest) result["contest"] = contest(pooled_scores(*judge, exam.test));
    if (options.with_teaching && exam.rebasing.empty()) result["teaching"] = teach(model, *engine, exam.test);
    if (options.with_robustness) {
      result["robustness"] = robustness(*judge, exam.test);
      if (&exam == &lesson.exams.front()) result["mislabelled"] = mislabelled(*engine, lesson, seed, options.plan);
    }
    out.push_back(std::move(result));
  }
  return out;
}

}  // namespace vedette::bench
