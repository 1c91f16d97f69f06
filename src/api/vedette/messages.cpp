#include "api/vedette/messages.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "api/members.hpp"
#include "base/text.hpp"

namespace vedette::embedded {
extern const std::string_view vedette_model;
}

namespace vedette::extension {

const ApiModel& api_model() {
  static const ApiModel model = ApiModel::parse(embedded::vedette_model);
  return model;
}

MetricStatisticsRequest::MetricStatisticsRequest(const Json& m)
    : metric(m.at("MetricName")),
      project(optional_text(m, "ProjectName")),
      version(optional_text(m, "ModelVersion")),
      start(std::chrono::milliseconds(m.at("StartTime").get<std::int64_t>())),
      end(std::chrono::milliseconds(m.at("EndTime").get<std::int64_t>())),
      period_seconds(m.value("Period", std::int64_t{60})) {}

ListAuditEventsRequest::ListAuditEventsRequest(const Json& m)
    : user(m.value("UserName", "")),
      event(m.value("EventName", "")),
      source(m.value("EventSource", "")),
      error_code(m.value("ErrorCode", "")),
      access_key_id(m.value("AccessKeyId", "")),
      resource(m.value("ResourceName", "")),
      page(m) {
  const auto time = [&](const char* name) -> std::optional<Timestamp> {
    if (!m.contains(name)) return std::nullopt;
    return Timestamp{std::chrono::milliseconds(m[name].get<std::int64_t>())};
  };
  start = time("StartTime");
  end = time("EndTime");
  if (m.contains("ReadOnly")) is_read_only = m["ReadOnly"].get<bool>();
  if (m.contains("Outcome")) has_failed = m["Outcome"] == "FAILED";
}

Json encode_node(const ServerNode& node, NodeState state) {
  const auto name = [&] {
    switch (state) {
      case NodeState::live:
        return "LIVE";
      case NodeState::draining:
        return "DRAINING";
      case NodeState::dead:
        return "DEAD";
      case NodeState::left:
        break;
    }
    return "LEFT";
  };
  return {{"NodeId", node.id},
          {"Address", node.address},
          {"Version", node.version},
          {"Cores", node.cores},
          {"State", name()},
          {"StartTimestamp", seconds(node.started)},
          {"LastSeenTimestamp", seconds(node.seen)}};
}

Json encode_audit_events(const AuditEvents& page) {
  Json list = Json::array();
  for (const auto& e : page.events) {
    Json entry = {{"EventId", e.id},
                  {"EventTime", seconds(e.time)},
                  {"EventName", e.name},
                  {"EventSource", e.source},
                  {"UserName", e.user},
                  {"AccessKeyId", e.access_key_id},
                  {"SourceIPAddress", e.source_ip},
                  {"ReadOnly", e.is_read_only},
                  {"Record", e.record}};
    if (!e.error_code.empty()) entry["ErrorCode"] = e.error_code;
    list.push_back(std::move(entry));
  }
  Json out = {{"Events", std::move(list)}};
  if (!page.next_token.empty()) out["NextToken"] = page.next_token;
  if (page.searched_until) out["SearchedUntil"] = seconds(*page.searched_until);
  return out;
}

RebaseModelRequest::RebaseModelRequest(const Json& m)
    : model(m), description(optional_text(m, "Description")), tags(decode_tags(m)) {
  const auto& images = m.at("Images");
  bucket = images.at("Bucket");
  prefix = images.value("Prefix", "");
  keys = images.value("Keys", std::vector<std::string>());
}

RangeRequest::RangeRequest(const Json& m)
    : offset(m.value("Offset", std::int64_t{0})), max_results(m.value("MaxResults", std::int64_t{1000})) {}

ListDatasetImagesRequest::ListDatasetImagesRequest(const Json& m) : dataset(m), range(m) {}

Json encode_dataset_images(std::int64_t total, const std::vector<DatasetImage>& images) {
  Json list = Json::array();
  for (const auto& image : images) {
    Json entry = {{"SourceRef", image.source_ref}};
    if (image.is_anomalous) entry["Label"] = *image.is_anomalous ? "ANOMALY" : "NORMAL";
    if (!image.anomaly_labels.empty()) entry["AnomalyLabels"] = image.anomaly_labels;
    if (image.mask_ref) entry["MaskRef"] = *image.mask_ref;
    if (image.creation_date) entry["CreationDate"] = seconds(*image.creation_date);
    list.push_back(std::move(entry));
  }
  return {{"TotalCount", total}, {"Images", std::move(list)}};
}

GetThumbnailsRequest::GetThumbnailsRequest(const Json& m)
    : source_refs(m.at("SourceRefs").get<std::vector<std::string>>()) {}

Json encode_thumbnails(const std::vector<Thumbnail>& thumbnails) {
  Json list = Json::array();
  for (const auto& t : thumbnails) {
    Json entry = {{"SourceRef", t.source_ref}};
    if (t.reason.empty())
      entry.update({{"Jpeg", to_base64(as_bytes(t.jpeg))}, {"Width", t.width}, {"Height", t.height}});
    else
      entry["Reason"] = t.reason;
    list.push_back(std::move(entry));
  }
  return {{"Thumbnails", std::move(list)}};
}

UpdateThresholdRequest::UpdateThresholdRequest(const Json& m) : model(m) {
  if (m.contains("Threshold")) threshold = m["Threshold"].get<double>();
}

Json encode_threshold(double trained, const std::optional<ThresholdMove>& moved) {
  Json out = {{"Threshold", moved ? moved->threshold : trained}, {"TrainedThreshold", trained}};
  if (moved) out.update({{"ChangedBy", moved->user}, {"ChangedAt", seconds(moved->time)}});
  return out;
}

CorrectModelRequest::CorrectModelRequest(const Json& m)
    : model(m), source_ref(m.at("SourceRef")), is_anomalous(m.at("IsAnomalous").get<bool>()) {
  if (const auto it = m.find("Place"); it != m.end()) place = {it->at("Y").get<int>(), it->at("X").get<int>()};
}
DeleteCorrectionRequest::DeleteCorrectionRequest(const Json& m) : model(m), source_ref(m.at("SourceRef")) {}

namespace {
Json encode(const ModelCorrection& c) {
  Json out = {{"SourceRef", c.source_ref}, {"IsAnomalous", c.is_anomalous}, {"IsNeeded", c.is_needed},
              {"Score", c.anomaly_score},  {"CorrectedBy", c.user},         {"CorrectedAt", seconds(c.time)}};
  if (c.place) out["Place"] = {{"X", c.place->second}, {"Y", c.place->first}};
  return out;
}
Json encode(const CorrectionEffect& e) {
  return {{"ImageCount", e.images},        {"CorrectBefore", e.correct_before}, {"CorrectAfter", e.correct_after},
          {"MadeCorrect", e.made_correct}, {"MadeIncorrect", e.made_incorrect}, {"MissedCount", e.missed},
          {"LearnedCount", e.learned}};
}
}  // namespace
Json encode_correction(const ModelCorrection& correction, const CorrectionEffect& effect) {
  return {{"Correction", encode(correction)}, {"Effect", encode(effect)}};
}
Json encode_corrections(const std::vector<ModelCorrection>& corrections, const CorrectionEffect& effect) {
  auto list = Json::array();
  for (const auto& correction : corrections) list.push_back(encode(correction));
  return {{"Corrections", std::move(list)}, {"Effect", encode(effect)}};
}

LookRequest::LookRequest(const Json& m) : model(m) {
  if (m.contains("SourceRef")) source_ref = m["SourceRef"].get<std::string>();
  if (m.contains("Image")) image = m["Image"].get<std::string>();
}

Json encode_anomaly_map(const AnomalyMap& m) {
  Json out = {{"Width", m.width},
              {"Height", m.height},
              {"MapWidth", m.map_width},
              {"MapHeight", m.map_height},
              {"Map", to_base64(as_bytes(m.png))},
              {"MapThreshold", m.map_threshold},
              {"IsAnomalous", m.is_anomalous},
              {"Confidence", m.confidence},
              {"Score", m.anomaly_score},
              {"Threshold", m.threshold}};
  if (!m.corrected_by.empty()) out["CorrectedBy"] = m.corrected_by;
  if (!m.mask_png.empty()) out["AnomalyMask"] = to_base64(as_bytes(m.mask_png));
  return out;
}

NearestPatchRequest::NearestPatchRequest(const Json& m) : look(m) {
  if (m.contains("Place")) place = {m["Place"].at("Y").get<int>(), m["Place"].at("X").get<int>()};
}

Json encode_nearest_patch(const NearestPatch& patch) {
  const auto area = [](const PictureArea& a) {
    return Json{{"Left", a.left}, {"Top", a.top}, {"Width", a.width}, {"Height", a.height}};
  };
  Json out = Json::object();
  if (patch.area) out["Area"] = area(*patch.area);
  if (patch.nearest)
    out.update({{"NearestSourceRef", patch.nearest->source_ref}, {"NearestArea", area(patch.nearest->area)}});
  else
    out["Reason"] = patch.reason;
  return out;
}

namespace {

/// "LABEL_STUDIO" for "label-studio", and the other way round.
std::string api_name(std::string name) {
  for (auto& c : name) c = c == '-' ? '_' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  return name;
}
std::string command_line_name(const std::string& name) {
  auto out = to_lower(name);
  std::replace(out.begin(), out.end(), '_', '-');
  return out;
}

}  // namespace

ConvertAnnotationsRequest::ConvertAnnotationsRequest(const Json& m)
    : project_name(m.at("ProjectName")),
      bucket(m.at("Bucket")),
      prefix(m.at("Prefix")),
      output_prefix(m.at("OutputPrefix")),
      unannotated(to_lower(m.value("Unannotated", std::string("UNLABELLED")))),
      boxes(to_lower(m.value("Boxes", std::string("MASK")))),
      normal_labels(m.value("NormalLabels", std::vector<std::string>())) {
  if (m.contains("Format")) format = command_line_name(m["Format"].get<std::string>());
  if (!prefix.empty() && !prefix.ends_with('/')) prefix += '/';
  if (!output_prefix.ends_with('/')) output_prefix += '/';
}

Json encode_conversion(const Conversion& conversion) {
  const auto encode = [](const ConvertedDataset& d) {
    return Json{{"ManifestKey", d.manifest_key},
                {"NormalCount", d.normal},
                {"AnomalyCount", d.anomaly},
                {"UnlabelledCount", d.unlabelled},
                {"MaskCount", d.masks}};
  };
  Json labels = Json::array();
  for (const auto& label : conversion.labels)
    labels.push_back({{"Name", label.name}, {"SourceName", label.source}, {"HexColor", label.color}});
  Json out = {{"Format", api_name(conversion.format)}, {"Train", encode(conversion.train)},
              {"Labels", std::move(labels)},           {"ProblemCount", conversion.problem_count},
              {"Problems", conversion.problems},       {"Notes", conversion.notes}};
  if (conversion.test) out["Test"] = encode(*conversion.test);
  return out;
}

ExportCocoRequest::ExportCocoRequest(const Json& m)
    : dataset(m),
      bucket(m.at("Bucket")),
      key(m.at("Key")),
      as_runs(m.value("Shapes", std::string("POLYGONS")) == "RUNS") {}

Json encode_coco_export(const CocoExport& done) {
  return {{"ImageCount", done.images},
          {"UnlabelledCount", done.unlabelled},
          {"ProblemCount", done.problem_count},
          {"Problems", done.problems}};
}

StartTrialRequest::StartTrialRequest(const Json& m) : model(m), trial_name(m.at("TrialName")) {
  const auto& images = m.at("Images");
  bucket = images.at("Bucket");
  prefix = images.value("Prefix", "");
  keys = images.value("Keys", std::vector<std::string>());
}
TrialRequest::TrialRequest(const Json& m) : project_name(m.at("ProjectName")), trial_name(m.at("TrialName")) {}
ListTrialImagesRequest::ListTrialImagesRequest(const Json& m) : trial(m), range(m) {}
VerifyTrialImagesRequest::VerifyTrialImagesRequest(const Json& m) : trial(m) {
  for (const auto& entry : m.at("Verifications")) {
    std::optional<bool> is_correct;
    if (entry.contains("Verification")) is_correct = entry["Verification"] == "CORRECT";
    verifications.emplace_back(entry.at("SourceRef"), is_correct);
  }
}

Json encode_trial(const TrialDetection& trial) {
  return {{"TrialName", trial.name},
          {"ModelVersion", std::to_string(trial.model_version)},
          {"Status", to_text(trial.status)},
          {"StatusMessage", trial.status_message},
          {"ImageCount", trial.counts.images},
          {"JudgedCount", trial.counts.judged},
          {"AnomalyCount", trial.counts.anomalous},
          {"SkippedCount", trial.counts.skipped},
          {"CorrectCount", trial.counts.correct},
          {"IncorrectCount", trial.counts.incorrect},
          {"CreationTimestamp", seconds(trial.created)},
          {"LastUpdatedTimestamp", seconds(trial.updated)}};
}

Json encode_trial_images(const std::string& bucket, std::int64_t total, const std::vector<TrialImage>& images) {
  const auto uri = [&](const std::string& key) { return "s3://" + bucket + "/" + key; };
  Json list = Json::array();
  for (const auto& image : images) {
    Json entry = {{"SourceRef", uri(image.key)}};
    if (const auto& v = image.verdict) {
      entry.update({{"IsAnomalous", v->is_anomalous}, {"Confidence", v->confidence}, {"Score", v->anomaly_score}});
      if (!v->anomaly_labels.empty()) entry["AnomalyLabels"] = v->anomaly_labels;
      if (v->mask_key) entry["MaskRef"] = uri(*v->mask_key);
    }
    if (image.skipped_reason) entry["SkippedReason"] = *image.skipped_reason;
    if (image.is_correct) entry["Verification"] = *image.is_correct ? "CORRECT" : "INCORRECT";
    list.push_back(std::move(entry));
  }
  return {{"TotalCount", total}, {"Images", std::move(list)}};
}

ListDatasetFindingsRequest::ListDatasetFindingsRequest(const Json& m)
    : project(m), kind(optional_text(m, "Kind")), range(m) {}

Json encode_dataset_check(const DatasetCheck& check, bool is_outdated, const std::vector<FindingCount>& counts) {
  Json list = Json::array();
  for (const auto& count : counts) list.push_back({{"Kind", count.kind}, {"Count", count.count}});
  return {{"Status", to_text(check.status)},
          {"StatusMessage", check.status_message},
          {"ImageCount", check.images},
          {"CheckedCount", check.checked},
          {"IsOutdated", is_outdated},
          {"FindingCounts", std::move(list)},
          {"CreationTimestamp", seconds(check.created)},
          {"LastUpdatedTimestamp", seconds(check.updated)}};
}

Json encode_dataset_findings(std::int64_t total, const std::vector<DatasetFinding>& findings) {
  Json list = Json::array();
  for (const auto& f : findings) {
    Json entry = {{"Kind", f.kind}, {"DatasetType", to_text(f.dataset)}, {"Detail", f.detail}};
    if (f.source_ref) entry["SourceRef"] = *f.source_ref;
    if (f.related_dataset) entry["RelatedDatasetType"] = to_text(*f.related_dataset);
    if (f.related_ref) entry["RelatedSourceRef"] = *f.related_ref;
    list.push_back(std::move(entry));
  }
  return {{"TotalCount", total}, {"Findings", std::move(list)}};
}

Json encode_datapoints(const std::string& metric, const std::vector<Datapoint>& points) {
  Json list = Json::array();
  for (const auto& p : points)
    list.push_back({{"Timestamp", seconds(p.time)},
                    {"Sum", p.sum},
                    {"Average", p.count > 0 ? p.sum / static_cast<double>(p.count) : 0.0},
                    {"Minimum", p.minimum},
                    {"Maximum", p.maximum},
                    {"SampleCount", p.count}});
  const bool is_plain =
      metric == "AnomalyScore" || metric == "Level" || metric == "Brightness" || metric == "Sharpness";
  const char* unit = metric == "Time" ? "Milliseconds" : is_plain ? "None" : "Count";
  return {{"MetricName", metric}, {"Unit", unit}, {"Datapoints", std::move(list)}};
}

Json encode_progress(const Scope& scope, const Model& model, const std::optional<Progress>& progress) {
  Json out = {{"ModelArn", model_arn(scope, model.project, model.version)},
              {"Status", to_text(model.status)},
              {"StatusMessage", model.status_message}};
  if (progress) {
    out["Stage"] = progress->stage;
    out["FractionDone"] = progress->fraction;
    if (progress->seconds_left) out["SecondsLeft"] = *progress->seconds_left;
    out["StartTimestamp"] = seconds(progress->started);
    out["LastUpdatedTimestamp"] = seconds(progress->updated);
  }
  return {{"TrainingProgress", std::move(out)}};
}

Json encode_evaluation(const Scope& scope, const Model& model, const Evaluation& e, const std::string& next_token) {
  const auto set = [](Json& out, const std::string& name, const std::optional<double>& figure) {
    if (figure) out[name] = *figure;
  };
  const auto class_name = [](bool is_anomalous) { return is_anomalous ? "anomaly" : "normal"; };
  Json metrics = Json::object(), intervals = Json::array(), contest = Json::array(), pictures = Json::array();
  for (const auto& [name, figure] : e.metrics) set(metrics, name, figure);
  for (const auto& i : e.intervals) intervals.push_back({{"MetricName", i.metric}, {"Low", i.low}, {"High", i.high}});
  for (const auto& c : e.contest) {
    Json entry = {{"Method", c.method}, {"VerdictWeight", c.verdict_weight}, {"MapWeight", c.map_weight}};
    set(entry, "ROCAUC", c.auroc);
    contest.push_back(std::move(entry));
  }
  for (const auto& p : e.pictures) {
    Json entry = {{"SourceRef", p.source_ref}};
    if (p.skipped_reason) {
      entry["SkippedReason"] = *p.skipped_reason;
    } else {
      entry["Label"] = class_name(p.is_anomalous);
      entry["Verdict"] = class_name(p.called_anomalous);
      entry["Confidence"] = p.confidence;
      entry["AnomalyScore"] = p.anomaly_score;
      entry["IsSuspect"] = p.is_suspect;
      if (p.fold) entry["Fold"] = *p.fold;
      if (!p.anomaly_labels.empty()) entry["AnomalyLabels"] = p.anomaly_labels;
      if (!p.verdict_reason.empty()) entry["VerdictReason"] = p.verdict_reason;
    }
    pictures.push_back(std::move(entry));
  }
  Json evaluation = {{"ModelArn", model_arn(scope, model.project, model.version)},
                     {"EvaluatedOn", e.is_out_of_fold ? "OUT_OF_FOLD" : "TEST_DATASET"},
                     {"TrainingImageCount", e.training_images},
                     {"TestingImageCount", e.testing_images},
                     {"SuspectCount", e.suspects},
                     {"SkippedCount", e.skipped},
                     {"TrainingSeconds", e.seconds},
                     {"Metrics", std::move(metrics)},
                     {"Intervals", std::move(intervals)},
                     {"Contest", std::move(contest)},
                     {"Warnings", e.warnings}};
  if (e.batches) {
    evaluation["Batches"] = {{"AreClear", e.batches->are_clear}, {"Share", e.batches->share}};
    set(evaluation["Batches"], "KnownROCAUC", e.batches->known_auroc);
    set(evaluation["Batches"], "KnownF1Score", e.batches->known_f1);
  }
  if (e.looks) {
    Json statistics = Json::array();
    for (const auto& s : e.looks->statistics)
      statistics.push_back({{"MetricName", s.metric}, {"Low", s.low}, {"Median", s.median}, {"High", s.high}});
    evaluation["TrainingLooks"] = {{"ImageCount", e.looks->images}, {"Statistics", std::move(statistics)}};
  }
  if (e.stream)
    evaluation["Stream"] = {
        {"State", e.stream->state}, {"ImageCount", e.stream->images}, {"Differences", e.stream->differences}};
  if (!e.classes.empty()) {
    Json classes = Json::array();
    for (const auto& c : e.classes) {
      Json entry = {{"ClassName", c.name}};
      set(entry, "Precision", c.precision);
      set(entry, "Recall", c.recall);
      set(entry, "F1Score", c.f1);
      set(entry, "AIOU", c.aiou);
      classes.push_back(std::move(entry));
    }
    evaluation["PixelAnomalyClassMetrics"] = std::move(classes);
  }
  Json out = {{"ModelEvaluation", std::move(evaluation)}, {"Pictures", std::move(pictures)}};
  if (!next_token.empty()) out["NextToken"] = next_token;
  return out;
}

Json encode_user(const std::string& account, const std::string& name, const std::vector<std::string>& policies,
                 Timestamp created) {
  return {{"UserName", name},
          {"UserArn", user_arn(account, name)},
          {"CreationTimestamp", seconds(created)},
          {"AttachedPolicies", policies}};
}

Json encode_access_key(const std::string& id, const std::string& user, bool is_active, Timestamp created) {
  return {{"AccessKeyId", id},
          {"UserName", user},
          {"Status", is_active ? "ACTIVE" : "REVOKED"},
          {"CreationTimestamp", seconds(created)}};
}

Json encode_policy(const std::string& name, const std::string& document, bool is_managed) {
  return {{"PolicyName", name}, {"PolicyDocument", document}, {"IsManaged", is_managed}};
}

}  // namespace vedette::extension
