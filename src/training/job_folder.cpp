#include <algorithm>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "base/file_tree.hpp"
#include "base/files.hpp"
#include "training/training.hpp"

namespace vedette {
namespace fs = std::filesystem;
using Json = nlohmann::json;

namespace {

constexpr std::uint64_t kJobLimit = 2ULL << 30;
constexpr std::uint64_t kEvaluationLimit = 64ULL << 20;

/// Returns the figure, or null if it is not defined.
Json figure(const std::optional<double>& value) {
  return value ? Json(*value) : Json();
}
std::optional<double> figure_from(const Json& json, const char* name) {
  const auto found = json.find(name);
  return found == json.end() || found->is_null() ? std::nullopt : std::optional(found->get<double>());
}

Json to_json(const std::vector<TrainingPicture>& samples) {
  Json out = Json::array();
  for (const auto& s : samples) {
    Json entry = {{"source_ref", s.source_ref}, {"image", to_name(s.image)}};
    if (s.fault) entry["fault"] = *s.fault;
    if (s.is_anomalous) entry["class"] = *s.is_anomalous ? "anomaly" : "normal";
    if (s.mask) {
      entry["mask"] = to_name(*s.mask);
      Json colors = Json::array();
      for (const auto& c : s.mask_colors) colors.push_back({{"name", c.name}, {"color", c.color}});
      entry["mask_colors"] = colors;
      if (s.is_binary_mask) entry["binary_mask"] = true;
      if (s.mask_background) entry["mask_background"] = *s.mask_background;
    }
    out.push_back(std::move(entry));
  }
  return out;
}

std::vector<TrainingPicture> pictures_from_json(const Json& json, const fs::path& folder) {
  std::vector<TrainingPicture> out;
  for (const auto& entry : json) {
    TrainingPicture s;
    s.source_ref = entry.at("source_ref");
    s.image = folder / path_from_name(entry.at("image"));
    if (entry.contains("fault")) s.fault = entry["fault"].get<std::string>();
    if (entry.contains("class")) s.is_anomalous = entry["class"] == "anomaly";
    if (entry.contains("mask")) {
      s.mask = folder / path_from_name(entry["mask"]);
      for (const auto& c : entry.at("mask_colors")) s.mask_colors.push_back({c.at("name"), c.at("color")});
      s.is_binary_mask = entry.value("binary_mask", false);
      if (entry.contains("mask_background")) s.mask_background = entry["mask_background"].get<std::string>();
    }
    out.push_back(std::move(s));
  }
  return out;
}

Json to_json(const Evaluation& e, bool with_predictions) {
  Json out = {{"evaluated", e.is_out_of_fold ? "out_of_fold" : "test"},
              {"training_images", e.training_images},
              {"testing_images", e.testing_images},
              {"image_auroc", figure(e.image_auroc)},
              {"average_precision", figure(e.average_precision)},
              {"precision", figure(e.precision)},
              {"recall", figure(e.recall)},
              {"f1", figure(e.f1)},
              {"false_alarm_rate", figure(e.false_alarm_rate)},
              {"ece", e.ece},
              {"brier", e.brier},
              {"unreadable", e.skipped.size()},
              {"suspects",
               std::count_if(e.predictions.begin(), e.predictions.end(), [](const auto& p) { return p.is_suspect; })},
              {"intervals", e.intervals},
              {"seconds", e.seconds}};
  if (e.pixel_auroc) out["pixel_auroc"] = *e.pixel_auroc;
  if (e.pixel_average_precision) out["pixel_average_precision"] = *e.pixel_average_precision;
  if (e.batches)
    out["batches"] = {{"clear", e.batches->are_clear},
                      {"share", e.batches->share},
                      {"known_auroc", figure(e.batches->known_auroc)},
                      {"known_f1", figure(e.batches->known_f1)}};
  if (!e.labels.empty()) {
    Json labels = Json::array();
    for (const auto& l : e.labels)
      labels.push_back({{"name", l.name},
                        {"precision", figure(l.precision)},
                        {"recall", figure(l.recall)},
                        {"f1", figure(l.f1)},
                        {"aiou", figure(l.aiou)}});
    out["labels"] = labels;
  }
  if (!e.warnings.empty()) out["warnings"] = e.warnings;
  if (!with_predictions) return out;
  Json contest = Json::array();
  for (const auto& c : e.contest)
    contest.push_back(
        {{"name", c.name}, {"auroc", figure(c.auroc)}, {"score_weight", c.score_weight}, {"map_weight", c.map_weight}});
  out["contest"] = contest;
  Json skipped = Json::array();
  for (const auto& s : e.skipped) skipped.push_back({{"source_ref", s.source_ref}, {"reason", s.reason}});
  out["skipped"] = skipped;
  Json predictions = Json::array();
  for (const auto& p : e.predictions) {
    Json entry = {{"source_ref", p.source_ref},
                  {"image", to_name(p.image)},
                  {"class", p.is_anomalous ? "anomaly" : "normal"},
                  {"called", p.called_anomalous ? "anomaly" : "normal"},
                  {"confidence", p.confidence},
                  {"anomaly_score", p.anomaly_score}};
    if (p.fold) entry["fold"] = *p.fold;
    if (p.is_suspect) entry["suspect"] = true;
    if (!p.reason.empty()) entry["reason"] = p.reason;
    if (!p.labels.empty()) entry["labels"] = p.labels;
    predictions.push_back(std::move(entry));
  }
  out["predictions"] = predictions;
  out["stage_seconds"] = e.stage_seconds;
  out["decoder_loss"] = e.decoder_loss;
  Json bank = Json::array();
  for (const auto& b : e.bank_sources) bank.push_back({to_name(b.image), b.row, b.column, b.source_ref});
  out["bank_sources"] = bank;
  return out;
}

/// Writes JSON as text. It replaces bytes in file names that are not UTF-8, because they would make the dump throw.
std::string dump(const Json& json, int indent = -1) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

Result<void> write_job(const fs::path& folder, const TrainingJob& job) {
  Json out = {{"seed", job.seed},
              {"letterbox_mixed_sizes", job.letterbox_mixed_sizes},
              {"takes_all_formats", job.takes_all_formats},
              {"minimum",
               {{"train_normal", job.minimum.train_normal},
                {"train_anomaly", job.minimum.train_anomaly},
                {"train_per_label", job.minimum.train_per_label},
                {"test_normal", job.minimum.test_normal},
                {"test_anomaly", job.minimum.test_anomaly}}},
              {"train", to_json(job.train)}};
  if (job.base) out["base"] = to_name(*job.base);
  if (job.test) out["test"] = to_json(*job.test);
  if (job.plan.steps) out["steps"] = *job.plan.steps;
  if (job.plan.budget_seconds) out["budget_seconds"] = *job.plan.budget_seconds;
  if (job.plan.false_alarm_budget) out["false_alarm_budget"] = *job.plan.false_alarm_budget;
  if (job.plan.backbone) out["backbone"] = to_name(*job.plan.backbone);
  return write_file_atomically(folder / "job.json", dump(out));
}

Result<TrainingJob> read_job(const fs::path& folder) {
  auto text = read_file(folder / "job.json", kJobLimit);
  if (!text) return text.error();
  const Json json = Json::parse(as_text(*text), nullptr, false);
  TrainingJob job;
  try {
    job.seed = json.at("seed");
    job.letterbox_mixed_sizes = json.at("letterbox_mixed_sizes");
    job.takes_all_formats = json.value("takes_all_formats", false);
    const auto& m = json.at("minimum");
    job.minimum = {m.at("train_normal"), m.at("train_anomaly"), m.at("train_per_label"), m.at("test_normal"),
                   m.at("test_anomaly")};
    job.train = pictures_from_json(json.at("train"), folder);
    if (json.contains("base")) job.base = folder / path_from_name(json["base"]);
    if (json.contains("test")) job.test = pictures_from_json(json["test"], folder);
    if (json.contains("steps")) job.plan.steps = json["steps"].get<int>();
    if (json.contains("false_alarm_budget")) job.plan.false_alarm_budget = json["false_alarm_budget"].get<double>();
    if (json.contains("backbone")) job.plan.backbone = folder / path_from_name(json["backbone"]);
    if (json.contains("budget_seconds")) job.plan.budget_seconds = json["budget_seconds"].get<double>();
  } catch (const Json::exception& e) {
    return invalid_input("job.json is not a training job: " + std::string(e.what()));
  }
  return job;
}

Result<void> append_progress(const fs::path& folder, const Progress& progress) {
  Json line = {{"stage", progress.stage}, {"fraction", progress.fraction}};
  if (progress.seconds_left) line["seconds_left"] = *progress.seconds_left;
  std::ofstream file(folder / "progress.jsonl", std::ios::app);
  file << dump(line) + "\n";
  file.flush();
  if (!file) return internal_error("cannot write progress.jsonl in " + folder.string());
  return {};
}

Result<void> write_evaluation(const fs::path& folder, const Evaluation& evaluation) {
  return write_file_atomically(folder / "evaluation.json", dump(to_json(evaluation, true), 1) + "\n");
}

std::string summary_json(const Evaluation& evaluation) {
  return dump(to_json(evaluation, false));
}

Result<Evaluation> read_evaluation(const fs::path& folder) {
  const auto text = read_file(folder / "evaluation.json", kEvaluationLimit);
  if (!text) return text.error();
  return parse_evaluation(as_text(*text));
}

Result<Evaluation> parse_evaluation(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  Evaluation e;
  try {
    e.is_out_of_fold = json.at("evaluated") == "out_of_fold";
    e.training_images = json.at("training_images");
    e.testing_images = json.at("testing_images");
    e.image_auroc = figure_from(json, "image_auroc");
    e.average_precision = figure_from(json, "average_precision");
    e.precision = figure_from(json, "precision");
    e.recall = figure_from(json, "recall");
    e.f1 = figure_from(json, "f1");
    e.false_alarm_rate = figure_from(json, "false_alarm_rate");
    e.ece = json.at("ece");
    e.brier = json.at("brier");
    e.seconds = json.at("seconds");
    e.intervals = json.at("intervals").get<decltype(e.intervals)>();
    if (json.contains("pixel_auroc")) e.pixel_auroc = json["pixel_auroc"].get<double>();
    if (json.contains("pixel_average_precision"))
      e.pixel_average_precision = json["pixel_average_precision"].get<double>();
    if (json.contains("batches")) {
      const auto& b = json["batches"];
      e.batches = {b.at("clear"), b.at("share"), figure_from(b, "known_auroc"), figure_from(b, "known_f1")};
    }
    for (const auto& l : json.value("labels", Json::array()))
      e.labels.push_back({l.at("name"), figure_from(l, "precision"), figure_from(l, "recall"), figure_from(l, "f1"),
                          figure_from(l, "aiou")});
    for (const auto& c : json.value("contest", Json::array()))
      e.contest.push_back({c.at("name"), figure_from(c, "auroc"), c.at("score_weight"), c.at("map_weight")});
    for (const auto& s : json.at("skipped")) {
      // Versions before 0.5 wrote a skipped picture as one sentence.
      if (s.is_string())
        e.skipped.push_back({"", s});
      else
        e.skipped.push_back({s.at("source_ref"), s.at("reason")});
    }
    e.warnings = json.value("warnings", std::vector<std::string>{});
    for (const auto& p : json.at("predictions")) {
      e.predictions.push_back({p.at("source_ref"),
                               p.at("class") == "anomaly",
                               p.at("called") == "anomaly",
                               p.at("confidence"),
                               p.at("anomaly_score"),
                               path_from_name(p.at("image")).string(),
                               {},
                               p.value("suspect", false),
                               p.value("reason", std::string()),
                               p.value("labels", std::vector<std::string>{})});
      if (p.contains("fold")) e.predictions.back().fold = p["fold"].get<std::int64_t>();
    }
    e.stage_seconds = json.at("stage_seconds").get<decltype(e.stage_seconds)>();
    e.decoder_loss = json.at("decoder_loss").get<decltype(e.decoder_loss)>();
    // Earlier versions named only the file. If the training pictures were judged, too, they tell which picture it is.
    std::map<std::string, std::string> source_of;
    for (const auto& p : e.predictions) source_of.emplace(p.image, p.source_ref);
    for (const auto& b : json.at("bank_sources")) {
      BankSource source{path_from_name(b.at(0)).string(), b.at(1), b.at(2)};
      if (b.size() > 3)
        source.source_ref = b.at(3);
      else if (const auto found = source_of.find(source.image); found != source_of.end())
        source.source_ref = found->second;
      e.bank_sources.push_back(std::move(source));
    }
  } catch (const Json::exception& error) {
    return internal_error("evaluation.json is damaged: " + std::string(error.what()));
  }
  return e;
}

Result<void> write_failure(const fs::path& folder, const Error& error) {
  const bool is_users = error.kind == ErrorKind::invalid_input;
  return write_file_atomically(
      folder / "failure.json",
      dump(Json{{"message", error.message}, {"fault", is_users ? "input" : "internal"}}) + "\n");
}

}  // namespace vedette
