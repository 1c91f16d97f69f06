#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "base/text.hpp"
#include "base/xml.hpp"
#include "vision/assess/assess.hpp"
#include "vision/report/charts.hpp"
#include "vision/report/report.hpp"

namespace vedette {
namespace {

constexpr int kJpegQuality = 85;
constexpr std::size_t kMostCurvePoints = 400;

constexpr const char* kStyle = R"(
:root{--ink:#1c2430;--soft:#5d6878;--line:#dfe4ea;--paper:#fff;--ground:#f4f6f8;--good:#2b7a9b;--bad:#d1495b;--mark:#edae49}
*{box-sizing:border-box}body{margin:0;background:var(--ground);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:1180px;margin:0 auto;padding:24px}h1{margin:0 0 4px;font-size:26px}h2{margin:32px 0 10px;font-size:18px}
p{margin:6px 0;max-width:75ch}.soft{color:var(--soft)}.cards{display:flex;flex-wrap:wrap;gap:12px;margin:16px 0}
.card{background:var(--paper);border:1px solid var(--line);border-radius:8px;padding:12px 16px}
.card b{display:block;font-size:22px}.grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(340px,1fr));gap:14px}
figure{margin:0;background:var(--paper);border:1px solid var(--line);border-radius:8px;padding:10px}
figcaption{font-size:13px;color:var(--soft)}figcaption b{color:var(--ink);overflow-wrap:anywhere}svg{width:100%;height:auto;display:block}
svg .grid{stroke:var(--line)}svg .tick{font-size:10px;fill:var(--soft)}svg .axis{font-size:11px;fill:var(--ink)}
svg polyline{fill:none;stroke-width:2}svg .curve{stroke:var(--good)}svg .ideal{stroke:var(--line);stroke-dasharray:4 4}
svg .good{fill:var(--good)}svg .bad{fill:var(--bad)}svg .threshold{stroke:var(--ink);stroke-dasharray:3 3}
table{border-collapse:collapse;background:var(--paper);border:1px solid var(--line)}th,td{padding:5px 12px;text-align:right;border-bottom:1px solid var(--line)}
th:first-child,td:first-child{text-align:left}.pair{display:flex;gap:6px}.pair img{width:calc(50% - 3px);border-radius:4px;image-rendering:auto}
.patches{display:flex;gap:8px;align-items:center;margin-top:6px;font-size:12px;color:var(--soft)}.patches img{width:72px;height:72px;border-radius:4px}
.tag{display:inline-block;border-radius:4px;padding:0 6px;font-size:12px;color:#fff}.tag.good{background:var(--good)}.tag.bad{background:var(--bad)}
.tag.wrong{background:var(--ink)}.tag.suspect{background:var(--mark);color:var(--ink)}.legend .good{background:var(--good)}.legend .bad{background:var(--bad)}
.legend i{display:inline-block;width:10px;height:10px;margin-right:5px;border-radius:2px}
)";

std::string image_tag(const RgbImage& image, const std::string& description) {
  const auto jpeg = encode_jpeg(image, kJpegQuality);
  if (!jpeg) return {};
  return fmt::format(R"(<img alt="{}" src="data:image/jpeg;base64,{}">)", xml_escape(description), to_base64(*jpeg));
}

std::string figure(const std::string& content, const std::string& title, const std::string& explanation) {
  return fmt::format("<figure>{}<figcaption><b>{}</b> {}</figcaption></figure>", content, xml_escape(title),
                     explanation);
}

/// The points of the ROC (false alarms, found) and of the precision-recall curve (found, precision), one per distinct
/// score.
struct Curves {
  std::vector<std::pair<double, double>> roc{{0, 0}}, precision;
};
Curves curves_of(const Evaluation& e) {
  std::vector<std::pair<double, bool>> scored;
  double anomalous = 0;
  for (const auto& p : e.predictions) scored.emplace_back(p.anomaly_score, p.is_anomalous), anomalous += p.is_anomalous;
  const double good = static_cast<double>(scored.size()) - anomalous;
  std::sort(scored.begin(), scored.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  Curves out;
  double found = 0, alarms = 0;
  for (std::size_t i = 0; i < scored.size(); ++i) {
    (scored[i].second ? found : alarms) += 1;
    if (i + 1 < scored.size() && scored[i + 1].first == scored[i].first) continue;
    out.roc.emplace_back(alarms / good, found / anomalous);
    out.precision.emplace_back(found / anomalous, found / (found + alarms));
  }
  return out;
}

void thin(std::vector<std::pair<double, double>>& points) {
  if (points.size() <= kMostCurvePoints) return;
  std::vector<std::pair<double, double>> out;
  for (std::size_t i = 0; i < kMostCurvePoints; ++i)
    out.push_back(points[i * (points.size() - 1) / (kMostCurvePoints - 1)]);
  points = std::move(out);
}

/// Returns the mean probability of a defect and the share of defects in each of ten bins; empty bins are left out.
std::vector<std::pair<double, double>> reliability(const Evaluation& e) {
  std::array<std::array<double, 3>, 10> bins{};
  for (const auto& p : e.predictions) {
    const double probability = p.called_anomalous ? p.confidence : 1 - p.confidence;
    auto& bin = bins[std::min<std::size_t>(9, static_cast<std::size_t>(10 * probability))];
    bin[0] += 1, bin[1] += probability, bin[2] += p.is_anomalous ? 1 : 0;
  }
  std::vector<std::pair<double, double>> out;
  for (const auto& b : bins)
    if (b[0] > 0) out.emplace_back(b[1] / b[0], b[2] / b[0]);
  return out;
}

std::string figure_of(const std::optional<double>& value) {
  return value ? fmt::format("{:.3f}", *value) : "–";
}

std::string cards(const Report& report) {
  const auto& e = report.evaluation;
  std::string out = R"(<div class="cards">)";
  const auto card = [&](const std::string& value, const std::string& name) {
    out += fmt::format(R"(<div class="card"><b>{}</b>{}</div>)", value, name);
  };
  const auto interval = [&e](const char* name) {
    const auto found = e.intervals.find(name);
    if (found == e.intervals.end()) return std::string();
    return fmt::format(" <span class=\"soft\">({:.2f} to {:.2f})</span>", found->second.first, found->second.second);
  };
  const auto counts = count_confusion(e);
  const auto anomalous = counts.true_positive + counts.false_negative,
             good = counts.true_negative + counts.false_positive;
  if (anomalous > 0 && good > 0) {
    card(figure_of(e.image_auroc), "AUROC" + interval("image_auroc"));
    card(figure_of(e.f1), "F1 at the model’s threshold");
  }
  if (e.batches && e.batches->known_auroc) {
    card(figure_of(e.batches->known_auroc), "AUROC on batches that the models know");
    card(figure_of(e.batches->known_f1), "F1 on batches that the models know");
  }
  if (anomalous > 0)
    card(fmt::format("{} of {}", counts.true_positive, anomalous), "defects found" + interval("recall"));
  if (good > 0)
    card(fmt::format("{} of {}", counts.false_positive, good), "false alarms" + interval("false_alarm_rate"));
  if (anomalous > 0 && good > 0) card(fmt::format("{:.3f}", e.ece), "calibration error (ECE)");
  if (e.pixel_average_precision) card(fmt::format("{:.3f}", *e.pixel_average_precision), "pixel average precision");
  return out + "</div>";
}

/// Says of which pictures the figures are.
std::string scope(const Evaluation& e) {
  if (!e.batches) return {};
  if (!e.batches->are_clear)
    return "<p>The good pictures show no batches: the figures hold for more pictures like these. Another batch may be "
           "judged worse.</p>";
  if (!e.batches->known_auroc) return "<p>The good pictures come in batches by the order of their names.</p>";
  return fmt::format(
      "<p>The good pictures come in batches by the order of their names, which goes with {:.0f} % of what they differ "
      "by. So each quarter of that order was judged by models that had not seen it, as the next batch will be. The "
      "figures on batches that the models know are of methods without masks.</p>",
      100 * e.batches->share);
}

std::string confusion(const Evaluation& e) {
  const auto c = count_confusion(e);
  std::string out = "<h2>Confusion</h2><table><tr><th></th><th>called good</th><th>called anomalous</th></tr>";
  out += fmt::format(
      "<tr><td>good</td><td>{}</td><td>{}</td></tr><tr><td>anomalous</td><td>{}</td><td>{}</td></tr></table>",
      c.true_negative, c.false_positive, c.false_negative, c.true_positive);
  if (e.labels.empty()) return out;
  out +=
      "<p class=\"soft\">By pixels, for each "
      "label:</p><table><tr><th>label</th><th>precision</th><th>recall</th><th>F1</th>"
      "<th>mean IoU</th></tr>";
  for (const auto& l : e.labels)
    out += fmt::format("<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>", xml_escape(l.name),
                       figure_of(l.precision), figure_of(l.recall), figure_of(l.f1), figure_of(l.aiou));
  return out + "</table>";
}

std::string charts_of(const Report& report) {
  const auto& e = report.evaluation;
  std::vector<double> good, anomalous;
  for (const auto& p : e.predictions) (p.is_anomalous ? anomalous : good).push_back(p.anomaly_score);
  std::string out = R"(<h2>Curves</h2><div class="grid">)";
  out += figure(
      charts::score_histogram(good, anomalous, report.manifest.threshold), "Scores.",
      "<span class=\"legend\"><i class=\"good\"></i>good <i class=\"bad\"></i>anomalous.</span> The dashed line is the "
      "threshold of the model. Out of fold, each picture was compared with the threshold of its fold, which may lie a "
      "little "
      "elsewhere.");
  const std::vector<std::pair<double, double>> diagonal = {{0, 0}, {1, 1}};
  if (!good.empty() && !anomalous.empty()) {
    auto curves = curves_of(e);
    thin(curves.roc);
    thin(curves.precision);
    const std::vector<charts::Line> roc = {{diagonal, "ideal"}, {curves.roc, "curve"}};
    out +=
        figure(charts::plot({"share of good pictures called anomalous", "share of defects found"}, roc), "ROC.",
               "Each point is a threshold: it shows how many false alarms it costs to find more defects. All pictures "
               "are drawn together; unless the folds are batches, the AUROC compares only those of the same fold.");
    const std::vector<charts::Line> precision = {{curves.precision, "curve"}};
    out += figure(charts::plot({"recall", "precision"}, precision), "Precision and recall.",
                  "The precision is the share of the pictures called anomalous that are anomalous.");
    const std::vector<charts::Line> reliable = {{diagonal, "ideal"}, {reliability(e), "curve"}};
    out += figure(charts::plot({"predicted probability of a defect", "share of defects"}, reliable), "Reliability.",
                  "On the dashed line the predicted probability equals the share of defects.");
  }
  if (e.decoder_loss.size() > 1) {
    std::vector<std::pair<double, double>> loss;
    double highest = 0;
    for (const auto& [step, value] : e.decoder_loss) loss.emplace_back(step, value), highest = std::max(highest, value);
    const std::vector<charts::Line> lines = {{loss, "curve"}};
    out += figure(charts::plot({.x = "step", .y = "loss", .x_high = loss.back().first, .y_high = highest}, lines),
                  "Learning curve.",
                  "This is the loss of the networks that draw defects. If it still falls at the end, a larger "
                  "<code>--budget</code> may help.");
  }
  return out + "</div>";
}

std::string tables(const Report& report) {
  std::string out =
      "<h2>Contest</h2><p class=\"soft\">Each row shows what a contestant reaches alone, and its weight in verdict and "
      "map.</p>"
      "<table><tr><th>contestant</th><th>AUROC</th><th>verdict</th><th>map</th></tr>";
  double scores = 0, maps = 0;
  for (const auto& row : report.contest) scores += row.score_weight, maps += row.map_weight;
  for (const auto& row : report.contest)
    out += fmt::format("<tr><td>{}</td><td>{}</td><td>{:.0f} %</td><td>{:.0f} %</td></tr>", xml_escape(row.name),
                       figure_of(row.auroc), 100 * row.score_weight / std::max(scores, 1e-12),
                       100 * row.map_weight / std::max(maps, 1e-12));
  out += "</table><h2>Time</h2><table><tr><th>per picture, on this machine</th><th>ms</th></tr>";
  for (const auto& [stage, ms] : report.milliseconds)
    out += fmt::format("<tr><td>{}</td><td>{:.1f}</td></tr>", stage, ms);
  out += "</table>";
  if (!report.evaluation.stage_seconds.empty()) {
    out += "<p></p><table><tr><th>training</th><th>s</th></tr>";
    for (const auto& [stage, seconds] : report.evaluation.stage_seconds)
      out += fmt::format("<tr><td>{}</td><td>{:.1f}</td></tr>", xml_escape(stage), seconds);
    out += "</table>";
  }
  return out;
}

std::string picture_card(const ReportedPicture& shown) {
  const auto& p = shown.prediction;
  const auto tag = [](const char* kind, const char* text) {
    return fmt::format(R"(<span class="tag {}">{}</span> )", kind, text);
  };
  std::string out = "<figure>";
  if (shown.picture.pixels.empty()) {
    out += R"(<p class="soft">The picture is not where it was.</p>)";
  } else {
    out += R"(<div class="pair">)" + image_tag(shown.picture, p.source_ref) + image_tag(shown.heat, "anomaly map") +
           "</div>";
  }
  if (!shown.oddest.pixels.empty() && !shown.nearest_normal.pixels.empty())
    out += R"(<div class="patches">)" + image_tag(shown.oddest, "oddest place") + "<span>oddest place</span>" +
           image_tag(shown.nearest_normal, "nearest normal patch") + "<span>nearest normal patch</span></div>";
  out += "<figcaption>";
  if (p.is_anomalous != p.called_anomalous) out += tag("wrong", "wrong");
  if (p.is_suspect) out += tag("suspect", "label may be wrong");
  out += p.is_anomalous ? tag("bad", "anomalous") : tag("good", "good");
  out += fmt::format("called {} at {:.0f} %, score {:.3g}<br><b>{}</b></figcaption></figure>",
                     p.called_anomalous ? "anomalous" : "good", 100 * p.confidence, p.anomaly_score,
                     xml_escape(p.source_ref));
  return out;
}

}  // namespace

std::string to_html(const Report& report) {
  const auto& e = report.evaluation;
  const auto& m = report.manifest;
  std::string out = fmt::format(
      "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width,initial-scale=1\"><title>{0}</title><style>{1}</style></head><body><main><h1>{0}</"
      "h1>",
      xml_escape(report.title), kStyle);
  out += fmt::format(
      "<p class=\"soft\">{} pictures judged{}. Pictures of {}×{} pixels, seen at {}×{}; {} folds. 95 % intervals are "
      "in brackets.</p>",
      e.predictions.size(), e.is_out_of_fold ? " out of fold: each by models that had not seen it" : "", m.image_width,
      m.image_height, m.input_width, m.input_height, m.folds);
  out += cards(report) + scope(e);
  if (!e.warnings.empty() || !e.skipped.empty()) {
    out += "<h2>Notices</h2><ul>";
    for (const auto& text : e.warnings) out += "<li>" + xml_escape(text) + "</li>";
    for (const auto& s : e.skipped) out += "<li>not used: " + xml_escape(s.text()) + "</li>";
    out += "</ul>";
  }
  out += charts_of(report) + confusion(e) + tables(report);
  out +=
      "<h2>Pictures</h2><p class=\"soft\">Wrong verdicts come first, then the least certain. Beside each picture is "
      "its "
      "anomaly map: colour begins where good pictures rarely reach.</p><div class=\"grid\">";
  for (const auto& picture : report.pictures) out += picture_card(picture);
  return out + "</div></main></body></html>\n";
}

}  // namespace vedette
