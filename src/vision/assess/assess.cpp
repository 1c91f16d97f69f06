#include "vision/assess/assess.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <system_error>

#include "base/files.hpp"
#include "base/listing.hpp"
#include "base/parallel.hpp"
#include "vision/evaluate/evaluate.hpp"
#include "vision/image/mask_file.hpp"

namespace vedette {
namespace {

bool is_background(const std::string& name) {
  return equals_ignore_case(name, "background");
}

Error at_picture(const TrainingPicture& sample, const Error& error) {
  Error out = error;
  out.message = sample.source_ref + ": " + error.message;
  return out;
}

/// What is wrong with a file that read_file() failed on, to follow its name. The system's own words would tell a user of the server its paths.
std::string why_unread(const std::filesystem::path& path, const Error& error) {
  std::error_code code;
  (void)std::filesystem::status(path, code);
  if (code == std::errc::too_many_symbolic_link_levels) return "is a link that leads back to itself";
  if (error.kind == ErrorKind::not_found) return "does not exist";
  if (error.kind == ErrorKind::too_large) return fmt::format("has more than {} MiB", kImageFileLimit >> 20);
  if (error.kind == ErrorKind::invalid_input) return "is not a plain file";
  return "cannot be read";
}

/// The colour map's entries on the mask: 0 background, else index into the sample's colours + 1.
Result<Grid<std::uint8_t>> read_mask(const TrainingPicture& sample, std::span<const std::uint8_t> bytes) {
  if (sample.is_binary_mask) {
    std::optional<MaskColor16> background;
    if (sample.mask_background) {
      auto color = parse_color16(*sample.mask_background);
      if (!color) return color.error();
      background = *color;
    }
    const auto mask = read_mask_file(bytes, kTrainingSizeLimits);
    if (!mask) return invalid_input("its mask: " + mask.error().message);
    auto marks = marked_pixels(*mask, background);
    if (!marks) return invalid_input("its mask " + sample.mask->string() + " " + marks.error().message);
    return marks;
  }
  const auto mask = decode_image(bytes, kTrainingSizeLimits);
  if (!mask) return invalid_input("its mask: " + mask.error().message);
  std::vector<MaskLabel> colors;
  for (const auto& c : sample.mask_colors) {
    auto rgb = parse_color(c.color);
    if (!rgb) return rgb.error();
    colors.push_back({c.name, *rgb});
  }
  auto labels = split_mask(*mask, colors);
  const auto is_marked = [](auto v) { return v != 0; };
  const bool names_any =
      std::any_of(colors.begin(), colors.end(), [](const auto& c) { return !is_background(c.name); });
  if (labels && names_any && std::none_of(labels->values.begin(), labels->values.end(), is_marked))
    return invalid_input("its mask holds none of the colours that its internal-color-map names");
  return labels;
}

/// Names EXIF where a quarter turn explains that the sizes differ; otherwise returns an empty text.
std::string describe_turn(const ImageHeader& image, int other_height, int other_width, const char* otherwise) {
  if (!is_quarter_turn(image.orientation) || image.height != other_width || image.width != other_height) return {};
  return fmt::format("; the picture has an EXIF orientation ({}) of a quarter turn, which is ignored; {}",
                     image.orientation, otherwise);
}

Result<Grid<std::uint8_t>> load_mask(const TrainingPicture& sample, std::span<const Label> labels,
                                     const ImageHeader& image) {
  auto bytes = read_file(*sample.mask, kImageFileLimit);
  if (!bytes) return at_picture(sample, invalid_input("its mask " + why_unread(*sample.mask, bytes.error())));
  if (bytes->empty()) return at_picture(sample, invalid_input("its mask is an empty file"));
  // Folders of masks are for local tools, which read all formats. The masks of manifests are PNG.
  const auto header = read_image_header(*bytes, sample.is_binary_mask ? kAllFormats : kServedFormats);
  if (!sample.is_binary_mask && (!header || header->format != ImageFormat::png))
    return at_picture(sample, invalid_input("its mask is not a PNG image"));
  if (!header) return at_picture(sample, invalid_input("its mask: " + header.error().message));
  if (header->height != image.height || header->width != image.width)
    return at_picture(
        sample, invalid_input(fmt::format(
                    "its mask has {}x{} pixels, the picture {}x{}{}", header->width, header->height, image.width,
                    image.height, describe_turn(image, header->height, header->width, "its mask is drawn upright"))));
  auto mask = read_mask(sample, *bytes);
  if (!mask) return at_picture(sample, mask.error());
  std::vector<std::uint8_t> number_of(sample.mask_colors.size() + 1, 0);
  for (std::size_t i = 0; i < sample.mask_colors.size(); ++i) {
    const auto& name = sample.mask_colors[i].name;
    const auto known = std::find_if(labels.begin(), labels.end(), [&](const Label& l) { return l.name == name; });
    // A label that the model does not know is marked all the same, with the number after the last label's.
    if (!is_background(name)) number_of[i + 1] = static_cast<std::uint8_t>(known - labels.begin() + 1);
  }
  for (auto& v : mask->values) v = number_of[v];
  return mask;
}

}  // namespace

std::vector<Label> collect_labels(std::span<const TrainingPicture> samples) {
  std::vector<Label> labels;
  for (const auto& s : samples) {
    if (!s.is_anomalous.value_or(false) || !s.mask) continue;
    for (const auto& c : s.mask_colors)
      if (!is_background(c.name) &&
          std::none_of(labels.begin(), labels.end(), [&](const Label& l) { return l.name == c.name; }))
        labels.push_back({c.name, c.color});
  }
  return labels;
}

std::vector<std::string> label_names(const TrainingPicture& sample) {
  std::vector<std::string> names;
  for (auto& label : collect_labels(std::span(&sample, 1))) names.push_back(std::move(label.name));
  return names;
}

Result<LoadedPicture> load_picture(const TrainingPicture& sample, std::span<const Label> labels, int height, int width,
                                   bool letterbox_mixed_sizes, LeastSize least, const DecodeRules& rules) {
  if (sample.fault) return at_picture(sample, fail(ErrorKind::invalid_input, *sample.fault, kUnreadable));
  auto bytes = read_file(sample.image, kImageFileLimit);
  if (!bytes)
    return at_picture(
        sample, fail(ErrorKind::invalid_input, "the file " + why_unread(sample.image, bytes.error()), kUnreadable));
  if (bytes->empty()) return at_picture(sample, fail(ErrorKind::invalid_input, "the file is empty", kUnreadable));
  const auto header = read_image_header(*bytes, rules.formats);
  if (!header) return at_picture(sample, fail(ErrorKind::invalid_input, header.error().message, kUnreadable));
  const bool has_size = header->height == height && header->width == width;
  auto image = decode_image(*bytes, kTrainingSizeLimits, has_size ? least : LeastSize{}, rules);
  if (!image) return at_picture(sample, fail(ErrorKind::invalid_input, image.error().message, kUnreadable));
  LoadedPicture out{std::move(*image), {}, false, header->orientation};
  out.used_bits = out.image.used_bits;
  if (sample.is_anomalous.value_or(false) && sample.mask && !labels.empty()) {
    auto mask = load_mask(sample, labels, *header);
    if (!mask) return mask.error();
    out.truth = std::move(*mask);
  }
  if (height > 0 && !has_size) {
    if (!letterbox_mixed_sizes)
      return at_picture(
          sample, invalid_input(fmt::format("the image has {}x{} pixels, the others {}x{}; all must have one size{}",
                                            out.image.width, out.image.height, width, height,
                                            describe_turn(*header, height, width, "the others are stored upright"))));
    out.image = letterbox(out.image, height, width);
    if (out.truth) out.truth = letterbox_mask(*out.truth, height, width);
    out.was_letterboxed = true;
  }
  return out;
}

SkippedPicture skipped_picture(const TrainingPicture& sample, const Error& error) {
  const auto named = sample.source_ref + ": ";  // as at_picture() writes it
  return {sample.source_ref, error.message.starts_with(named) ? error.message.substr(named.size()) : error.message};
}

std::string list_skipped(std::span<const SkippedPicture> skipped) {
  std::vector<std::string> texts;
  for (const auto& picture : skipped.first(std::min(skipped.size(), kMostListed))) texts.push_back(picture.text());
  return list_some(texts, skipped.size());
}

std::vector<std::string> describe_orientations(std::span<const int> orientations) {
  const auto turned = std::count_if(orientations.begin(), orientations.end(), [](int o) { return o != 1; });
  if (turned == 0) return {};
  std::vector<std::string> out = {
      fmt::format("{} pictures have an EXIF orientation that is not upright, which is ignored", turned)};
  if (!std::equal(orientations.begin() + 1, orientations.end(), orientations.begin()))
    out.emplace_back(
        "the pictures have different EXIF orientations: if they come from one camera, some are seen turned against the "
        "others");
  return out;
}

ConfusionCounts count_confusion(const Evaluation& e) {
  ConfusionCounts counts;
  for (const auto& p : e.predictions) {
    if (p.called_anomalous) {
      ++(p.is_anomalous ? counts.true_positive : counts.false_positive);
    } else {
      ++(p.is_anomalous ? counts.false_negative : counts.true_negative);
    }
  }
  return counts;
}

namespace {

/// Computes the figures of the ranks, with pictures of both classes. Models and fusions of different folds differ in
/// where their scores lie, because each is fitted to a few pictures. So only pictures of the same fold are compared;
/// comparing all would rank them by luck, and promise too little (Forman & Scholz, SIGKDD Explorations 2010). But if
/// the folds are batches, their scores differ because batches do, as those of later batches will, and one threshold has
/// to suit them all: then all pictures are compared.
void summarize_ranks(Evaluation& e) {
  struct Ranked {
    std::vector<double> scores;
    std::vector<std::uint8_t> truth;
  };
  const bool are_batches = e.batches && e.batches->are_clear;
  std::map<std::int64_t, Ranked> folds;
  Ranked all;
  for (const auto& p : e.predictions)
    for (auto* ranked : {&folds[are_batches ? 0 : p.fold.value_or(0)], &all}) {
      ranked->scores.push_back(p.anomaly_score);
      ranked->truth.push_back(p.is_anomalous ? 1 : 0);
    }
  const auto is_comparable = [](const Ranked& r) {
    const auto bad = std::count(r.truth.begin(), r.truth.end(), 1);
    return bad > 0 && bad < std::ssize(r.truth);
  };
  std::erase_if(folds, [&](const auto& fold) { return !is_comparable(fold.second); });
  if (folds.empty()) folds[0] = all;  // No fold has both classes.
  double won = 0, pairs = 0, precision = 0, positives = 0, negatives = 0;
  for (const auto& [number, fold] : folds) {
    const auto bad = static_cast<double>(std::count(fold.truth.begin(), fold.truth.end(), 1));
    const double good = static_cast<double>(fold.truth.size()) - bad;
    won += bad * good * auroc(fold.scores, fold.truth);
    precision += bad * average_precision(fold.scores, fold.truth);
    pairs += bad * good, positives += bad, negatives += good;
  }
  e.image_auroc = won / pairs;
  e.average_precision = precision / positives;
  const auto interval = auroc_interval(*e.image_auroc, positives, negatives, static_cast<double>(folds.size()));
  e.intervals["image_auroc"] = {interval.low, interval.high};
}

}  // namespace

void summarize_predictions(Evaluation& e) {
  std::vector<double> probability;
  std::vector<std::uint8_t> truth;
  for (const auto& p : e.predictions) {
    probability.push_back(p.called_anomalous ? p.confidence : 1.0 - p.confidence);
    truth.push_back(p.is_anomalous ? 1 : 0);
  }
  const auto counts = count_confusion(e);
  const auto metrics = classification_metrics(counts);
  e.ece = expected_calibration_error(probability, truth);
  e.brier = brier_score(probability, truth);
  e.testing_images = static_cast<std::int64_t>(e.predictions.size());
  const auto found = static_cast<double>(counts.true_positive), alarms = static_cast<double>(counts.false_positive);
  const auto anomalous = found + static_cast<double>(counts.false_negative),
             good = alarms + static_cast<double>(counts.true_negative);
  const auto keep = [&e](const char* name, const Interval& i) { e.intervals[name] = {i.low, i.high}; };
  e.image_auroc = e.average_precision = e.precision = e.recall = e.f1 = e.false_alarm_rate = std::nullopt;
  if (anomalous > 0 && good > 0) {
    summarize_ranks(e);
  }
  if (anomalous > 0) {
    e.recall = metrics.recall;
    e.f1 = metrics.f1;
    keep("recall", wilson_interval(found, anomalous));
  }
  if (anomalous > 0 && found + alarms > 0) {
    e.precision = metrics.precision;
    keep("precision", wilson_interval(found, found + alarms));
  }
  if (good > 0) {
    e.false_alarm_rate = alarms / good;
    keep("false_alarm_rate", wilson_interval(alarms, good));
  }
}

void SegmentationTally::add(const Grid<std::uint8_t>& predicted, const Grid<std::uint8_t>& truth) {
  for (std::size_t l = 0; l < names_.size(); ++l) {
    const auto overlap = count_overlap(predicted.values, truth.values, static_cast<std::uint8_t>(l + 1));
    pixels_[l].intersection += overlap.intersection;
    pixels_[l].predicted += overlap.predicted;
    pixels_[l].truth += overlap.truth;
    if (overlap.predicted + overlap.truth > 0) ious_[l].push_back(overlap.iou());
  }
}

std::vector<LabelMetrics> SegmentationTally::metrics() const {
  std::vector<LabelMetrics> out;
  for (std::size_t l = 0; l < names_.size(); ++l) {
    const auto& p = pixels_[l];
    const auto m = classification_metrics({.true_positive = p.intersection,
                                           .false_positive = p.predicted - p.intersection,
                                           .false_negative = p.truth - p.intersection});
    LabelMetrics label;
    label.name = names_[l];
    if (p.predicted > 0) label.precision = m.precision;
    // Without a picture that holds the label nothing can be said of how well it is found, whatever was called so.
    if (p.truth > 0) {
      label.recall = m.recall;
      label.f1 = m.f1;
      double sum = 0;
      for (double iou : ious_[l]) sum += iou;
      label.aiou = sum / static_cast<double>(ious_[l].size());
    }
    out.push_back(std::move(label));
  }
  return out;
}

Result<Evaluation> evaluate_model(
    const Engine& engine, std::span<const TrainingPicture> samples, bool letterbox_mixed_sizes, FormatSet formats,
    const std::function<void(std::size_t, const TrainingPicture&, const Detection&)>& on_result) {
  Evaluation e;
  const auto& m = engine.manifest();
  const std::vector<Label> labels = m.segmentation ? m.segmentation->labels : std::vector<Label>{};
  std::vector<std::string> names;
  for (const auto& l : labels) names.push_back(l.name);
  SegmentationTally tally(names);
  std::vector<std::vector<float>> maps;
  std::vector<std::vector<std::uint8_t>> truths;
  bool has_truth = false;
  // The labels that the training had not seen, with the number of their pictures.
  std::map<std::string, std::size_t> unseen;
  std::vector<std::string> without_mask;  // The reasons why masks cannot be used.
  std::vector<int> orientations;
  const DecodeRules rules{.formats = formats, .sample_bits = m.sample_bits};
  std::size_t done = 0;
  for (const auto& sample : samples) {
    ++done;
    if (!sample.is_anomalous) continue;
    // A classification model can still be judged by pixels where masks exist: any label counts.
    const auto set_labels = labels.empty() ? collect_labels(std::span(&sample, 1)) : labels;
    auto loaded =
        load_picture(sample, set_labels, m.image_height, m.image_width, letterbox_mixed_sizes, least_size(m), rules);
    if (!loaded && loaded.error().code != kUnreadable && sample.mask) {
      // A wrong mask is no reason not to judge the picture.
      const auto fault = loaded.error().message;
      auto plain = sample;
      plain.mask.reset();
      loaded =
          load_picture(plain, set_labels, m.image_height, m.image_width, letterbox_mixed_sizes, least_size(m), rules);
      if (loaded) without_mask.push_back(fault);
    }
    if (!loaded) {
      e.skipped.push_back(skipped_picture(sample, loaded.error()));
      continue;
    }
    orientations.push_back(loaded->orientation);
    auto detection = engine.detect(loaded->image);
    if (!detection) return detection.error();
    if (loaded->was_letterboxed && e.warnings.empty())
      e.warnings.push_back(
          fmt::format("pictures of other sizes were letterboxed to {}x{}", m.image_width, m.image_height));
    if (on_result) on_result(done, sample, *detection);
    e.predictions.push_back({sample.source_ref,
                             *sample.is_anomalous,
                             detection->is_anomalous,
                             detection->confidence,
                             detection->anomaly_score,
                             sample.image.string(),
                             {},
                             false,
                             detection->reason,
                             label_names(sample)});
    if (!*sample.is_anomalous || loaded->truth) {
      const auto truth = loaded->truth.value_or(Grid<std::uint8_t>(m.image_height, m.image_width));
      const bool has_unseen =
          std::any_of(truth.values.begin(), truth.values.end(), [&](auto v) { return v > set_labels.size(); });
      if (has_unseen)
        for (const auto& c : sample.mask_colors)
          if (!is_background(c.name) &&
              std::none_of(set_labels.begin(), set_labels.end(), [&](const Label& l) { return l.name == c.name; }))
            ++unseen[c.name];
      if (detection->label_map && !has_unseen) tally.add(*detection->label_map, truth);
      has_truth |= loaded->truth.has_value();
      // The pixel AUROC is computed at the map's own resolution, which keeps the memory bounded; a cell is positive if
      // its centre is.
      const auto& map = detection->anomaly_map;
      std::vector<std::uint8_t> cells;
      for (int y = 0; y < map.height; ++y)
        for (int x = 0; x < map.width; ++x)
          cells.push_back(
              truth.at((2 * y + 1) * truth.height / (2 * map.height), (2 * x + 1) * truth.width / (2 * map.width)));
      maps.push_back(map.values);
      truths.push_back(std::move(cells));
    }
  }
  if (e.predictions.empty())
    return invalid_input(e.skipped.empty()
                             ? fmt::format("none of the {} pictures is labelled normal or anomaly", samples.size())
                             : "no labelled picture could be read: " + list_skipped(e.skipped));
  for (const auto& [name, count] : unseen)
    e.warnings.push_back(
        fmt::format("training had not seen the label \"{}\" of {} pictures: they count as any defect, but not in the "
                    "pixel figures of labels",
                    name, count));
  if (!without_mask.empty())
    e.warnings.push_back(
        fmt::format("the masks of {} pictures cannot be used, so that these count in no pixel figures: {}",
                    without_mask.size(), list_some(without_mask)));
  for (auto& warning : describe_orientations(orientations)) e.warnings.push_back(std::move(warning));
  summarize_predictions(e);
  if (has_truth) {
    if (m.segmentation) e.labels = tally.metrics();
    const auto pixels = pixel_metrics(maps, truths);
    e.pixel_auroc = pixels.auroc;
    e.pixel_average_precision = pixels.average_precision;
  }
  return e;
}

Result<void> check_test_set(std::span<const TrainingPicture> samples, const MinimumCounts& minimum, int height,
                            int width, bool letterbox_mixed_sizes, const DecodeRules& rules, int threads) {
  std::vector<std::optional<Error>> failures(samples.size());
  run_parallel(samples.size(), threads, [&](std::size_t i) {
    if (!samples[i].is_anomalous) return;
    const auto labels = collect_labels(std::span(&samples[i], 1));
    if (const auto loaded = load_picture(samples[i], labels, height, width, letterbox_mixed_sizes, {}, rules); !loaded)
      failures[i] = loaded.error();
  });
  std::int64_t normals = 0, anomalies = 0;
  std::vector<std::string> unreadable;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    if (!samples[i].is_anomalous) continue;
    if (!failures[i]) {
      ++(*samples[i].is_anomalous ? anomalies : normals);
    } else if (failures[i]->code != kUnreadable) {
      return invalid_input("The test dataset cannot be used: " + failures[i]->message);
    } else {
      unreadable.push_back(failures[i]->message);
    }
  }
  const auto least_normals = std::max<std::int64_t>(1, minimum.test_normal);
  const auto least_anomalies = std::max<std::int64_t>(1, minimum.test_anomaly);
  if (normals >= least_normals && anomalies >= least_anomalies) return {};
  auto message =
      fmt::format("The test dataset needs at least {} normal and {} anomalous images; {} and {} can be used.",
                  least_normals, least_anomalies, normals, anomalies);
  if (!unreadable.empty())
    message += fmt::format(" {} could not be read: {}", unreadable.size(), list_some(unreadable));
  return invalid_input(message);
}

}  // namespace vedette
