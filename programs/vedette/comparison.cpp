#include "comparison.hpp"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "manifest/manifest.hpp"

namespace vedette {
namespace {

using Json = nlohmann::json;

/// Returns a figure as JSON; it is null if it is not defined.
Json figure(const std::optional<double>& value) {
  return value ? Json(*value) : Json();
}
/// Returns a figure as text; it is a dash, as wide as %9.3f, if it is not defined.
std::string in_column(const std::optional<double>& value) {
  if (!value) return "        –";
  char text[32];
  std::snprintf(text, sizeof text, "%9.3f", *value);
  return text;
}

struct Scores {
  int true_positives = 0, false_positives = 0, false_negatives = 0, right = 0, total = 0;
  void add(const EvaluatedPicture& p) {
    true_positives += p.is_anomalous && p.called_anomalous;
    false_positives += !p.is_anomalous && p.called_anomalous;
    false_negatives += p.is_anomalous && !p.called_anomalous;
    right += p.is_anomalous == p.called_anomalous;
    ++total;
  }
  /// Precision, recall and F1 are empty if the pictures do not define them, as in vision/assess: all are if no picture
  /// is defective, and the precision also if no picture is called so.
  [[nodiscard]] std::optional<double> precision() const {
    return ratio(true_positives, true_positives + false_positives);
  }
  [[nodiscard]] std::optional<double> recall() const { return ratio(true_positives, true_positives + false_negatives); }
  [[nodiscard]] std::optional<double> f1() const {
    return ratio(2 * true_positives, 2 * true_positives + false_positives + false_negatives);
  }
  [[nodiscard]] Json json() const {
    return {{"precision", figure(precision())},
            {"recall", figure(recall())},
            {"f1", figure(f1())},
            {"right", right},
            {"images", total}};
  }

 private:
  [[nodiscard]] std::optional<double> ratio(int part, int whole) const {
    if (whole == 0 || true_positives + false_negatives == 0) return std::nullopt;
    return static_cast<double>(part) / whole;
  }
};

std::string verdict(const EvaluatedPicture* p) {
  if (p == nullptr) return "-";
  std::string name = p->called_anomalous ? "anomaly" : "normal ";
  if (!p->confidence) return name;
  char text[32];
  std::snprintf(text, sizeof text, " %.3f", *p->confidence);
  return name + text;
}

const char* change(const ComparedPicture& p) {
  if (p.before == nullptr || p.after == nullptr) return "";
  const bool was = p.before->is_anomalous == p.before->called_anomalous;
  const bool is = p.after->is_anomalous == p.after->called_anomalous;
  return was == is ? "" : is ? "better" : "worse";
}

int rank(const ComparedPicture& p) {
  const std::string c = change(p);
  return c == "worse" ? 0 : c == "better" ? 1 : 2;
}

}  // namespace

std::map<std::string, EvaluatedPicture> read_evaluation(const std::string& json_lines) {
  std::map<std::string, EvaluatedPicture> out;
  for (const auto line : manifest_lines(json_lines)) {
    const auto json = Json::parse(line.text, nullptr, false);
    if (!json.is_object() || !json.contains("source-ref") || !json["source-ref"].is_string()) continue;
    EvaluatedPicture picture;
    bool has_truth = false, has_verdict = false;
    for (const auto& [name, metadata] : json.items()) {
      if (!metadata.is_object() || !name.ends_with("-metadata") || !metadata.contains("class-name")) continue;
      const bool is_anomaly = metadata["class-name"] == "anomaly";
      if (name.ends_with("-detected-metadata")) {
        picture.called_anomalous = is_anomaly;
        if (const auto it = metadata.find("confidence"); it != metadata.end() && it->is_number())
          picture.confidence = it->get<double>();
        has_verdict = true;
      } else {
        picture.is_anomalous = is_anomaly;
        has_truth = true;
      }
    }
    if (has_truth && has_verdict) out[json["source-ref"]] = picture;
  }
  return out;
}

std::optional<ReportedFigures> read_evaluation_result(const std::string& text) {
  try {
    const Json json = Json::parse(text);
    const auto& metrics = json.at("AggregatedEvaluationResults").at("Metrics");
    return ReportedFigures{metrics.at("Precision"), metrics.at("Recall"), metrics.at("F1Score"),
                           json.at("EvaluationDetails").at("NumberOfTestingImages")};
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

void print_comparison(const std::vector<ComparedPicture>& pictures, const std::optional<ReportedFigures>& reported,
                      const TrainingNotes& notes, bool json) {
  auto sorted = pictures;
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return rank(a) < rank(b); });
  Scores before, after;
  int better = 0, worse = 0;
  if (!json) std::printf("%-8s  %-15s  %-15s  %-6s  %s\n", "truth", "old service", "Vedette", "", "picture");
  for (const auto& p : sorted) {
    const std::string changed = change(p);
    better += changed == "better";
    worse += changed == "worse";
    if (p.before && p.after) before.add(*p.before), after.add(*p.after);
    const bool truth = (p.after ? p.after : p.before)->is_anomalous;
    if (json) {
      const auto encode = [](const EvaluatedPicture* e) {
        return e ? Json{{"is_anomalous", e->called_anomalous}, {"confidence", figure(e->confidence)}} : Json();
      };
      std::printf("%s\n", Json{{"image", p.name},
                               {"class", truth ? "anomaly" : "normal"},
                               {"before", encode(p.before)},
                               {"after", encode(p.after)},
                               {"change", changed}}
                              .dump(-1, ' ', false, Json::error_handler_t::replace)
                              .c_str());
    } else {
      std::printf("%-8s  %-15s  %-15s  %-6s  %s\n", truth ? "anomaly" : "normal", verdict(p.before).c_str(),
                  verdict(p.after).c_str(), changed.c_str(), p.name.c_str());
    }
  }
  if (json) {
    Json summary = {{"before", before.json()}, {"after", after.json()},      {"better", better},
                    {"worse", worse},          {"warnings", notes.warnings}, {"suspects", notes.suspects},
                    {"skipped", notes.skipped}};
    if (reported)
      summary["reported_before"] = {{"precision", reported->precision},
                                    {"recall", reported->recall},
                                    {"f1", reported->f1},
                                    {"images", reported->test_images}};
    std::printf("%s\n", summary.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
    return;
  }
  std::printf("\non the %d pictures that both tested: %d better, %d worse\n", before.total, better, worse);
  std::printf("%-26s  %9s  %9s  %9s  %7s\n", "", "precision", "recall", "F1", "right");
  for (const auto& [name, s] : {std::pair{"old service", before}, std::pair{"Vedette", after}})
    std::printf("%-26s  %s  %s  %s  %3d/%3d\n", name, in_column(s.precision()).c_str(), in_column(s.recall()).c_str(),
                in_column(s.f1()).c_str(), s.right, s.total);
  if (reported)
    std::printf("%-26s  %9.3f  %9.3f  %9.3f  %3s/%3d\n", "old service, as reported", reported->precision,
                reported->recall, reported->f1, "", reported->test_images);
  for (const auto& text : notes.warnings) std::fprintf(stderr, "warning: %s\n", text.c_str());
  for (const auto& text : notes.skipped) std::fprintf(stderr, "skipped: %s\n", text.c_str());
  for (const auto& name : notes.suspects) std::fprintf(stderr, "suspect: the label of %s looks wrong\n", name.c_str());
}

}  // namespace vedette
