#include "service/annotation_transfer.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "annotations/coco_writer.hpp"
#include "annotations/dataset.hpp"
#include "base/text.hpp"
#include "domain/limits.hpp"
#include "manifest/manifest.hpp"
#include "service/picture_search.hpp"
#include "service/read_picture.hpp"

namespace vedette {
namespace {

constexpr std::size_t kHeaderBytes = 256U << 10;
constexpr std::int64_t kEntriesAtOnce = 1000;
/// More borders between pixels than this make outlines that no tool can use, and that take hundreds of megabytes.
constexpr std::size_t kMostBorders = 400'000;

constexpr SizeLimits kMaskSides{1, AnnotationTransfer::kLimits.longest_side};
constexpr std::size_t kLongestKey = 1024;  // in bytes

/// Says when a call must end: when its time is over, or when nobody waits for it any more.
class Deadline {
 public:
  Deadline(const CallContext& call, std::chrono::minutes longest)
      : abandoned_(call.abandoned), end_(std::chrono::steady_clock::now() + longest) {}
  [[nodiscard]] Result<void> check() const {
    if (abandoned_.stop_requested()) return fail(ErrorKind::unavailable, "The caller has gone.");
    if (std::chrono::steady_clock::now() > end_)
      return invalid_input("This takes longer than 5 minutes: convert a part of it.");
    return {};
  }

 private:
  std::stop_token abandoned_;
  std::chrono::steady_clock::time_point end_;
};

/// Holds the one place for such a call.
class Turn {
 public:
  explicit Turn(std::atomic<bool>& is_busy) : is_busy_(is_busy), is_mine_(!is_busy.exchange(true)) {}
  ~Turn() {
    if (is_mine_) is_busy_ = false;
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  [[nodiscard]] Result<void> check() const {
    return is_mine_ ? Result<void>()
                    : fail(ErrorKind::throttled, "Annotations are converted or exported for another call. Try again.");
  }

 private:
  std::atomic<bool>& is_busy_;
  const bool is_mine_;
};

/// The objects of a bucket below a prefix, as files. What keeps the store from answering, the time and the most bytes
/// are failures of the whole; they are remembered, because readers take a file that they cannot read for a bad entry.
class BucketFiles : public AnnotationFiles {
 public:
  BucketFiles(ObjectStore& objects, const std::string& bucket, const std::string& prefix,
              const std::vector<std::string>& keys, const Deadline& deadline)
      : objects_(objects), bucket_(bucket), prefix_(prefix), deadline_(deadline) {
    for (const auto& key : keys) names_.push_back(key.substr(prefix.size()));
  }
  [[nodiscard]] const std::vector<std::string>& names() const override { return names_; }
  [[nodiscard]] Result<Bytes> read(const std::string& name, std::uint64_t limit) const override {
    if (auto ok = may_read(); !ok) return ok.error();
    auto bytes = get_bytes(objects_, bucket_, prefix_ + name, std::min(limit, AnnotationTransfer::kLargestFile));
    if (!bytes) return remembered(name, bytes.error());
    return counted(*bytes);
  }
  [[nodiscard]] Result<Bytes> read_beginning(const std::string& name, std::size_t most) const override {
    if (auto ok = may_read(); !ok) return ok.error();
    auto start = objects_.get_start(bucket_, prefix_ + name, most);
    if (!start) return remembered(name, start.error());
    return counted(start->bytes);
  }
  /// Why the call as a whole must fail, if it must.
  [[nodiscard]] const Result<void>& failure() const { return failure_; }

 private:
  Result<void> may_read() const {
    if (failure_) failure_ = deadline_.check();
    if (failure_ && bytes_ > AnnotationTransfer::kMostBytes)
      failure_ = invalid_input("The files to be read have more than 2 GiB: convert a part of them.");
    return failure_;
  }
  Error remembered(const std::string& name, const Error& error) const {
    if (error.kind == ErrorKind::too_large || error.kind == ErrorKind::not_found) {
      auto told = error;
      told.message = name + ": " + error.message;
      return told;
    }
    failure_ = error;
    return error;
  }
  Bytes counted(const std::string& bytes) const {
    bytes_ += bytes.size();
    return {bytes.begin(), bytes.end()};
  }

  ObjectStore& objects_;
  const std::string& bucket_;
  const std::string& prefix_;
  const Deadline& deadline_;
  std::vector<std::string> names_;
  mutable std::uint64_t bytes_ = 0;
  mutable Result<void> failure_;
};

/// Has the caller do something in a bucket by way of the service.
Caller via_service(const CallContext& call) {
  auto caller = call.caller;
  caller.is_via_service = true;
  return caller;
}

DatasetRules rules_of(const extension::ConvertAnnotationsRequest& request, const Clock& clock) {
  DatasetRules rules;
  rules.unannotated = request.unannotated == "normal" ? Unannotated::normal
                      : request.unannotated == "skip" ? Unannotated::skip
                                                      : Unannotated::unlabelled;
  rules.boxes_are_masks = request.boxes == "mask";
  rules.normal_labels.insert(rules.normal_labels.end(), request.normal_labels.begin(), request.normal_labels.end());
  rules.reference_prefix = "s3://" + request.bucket + "/" + request.prefix;
  rules.mask_prefix = "s3://" + request.bucket + "/" + request.output_prefix;
  rules.formats = kServedFormats;
  rules.creation_date = to_extended_iso8601(clock.now());
  if (rules.creation_date.ends_with('Z')) rules.creation_date.pop_back();
  return rules;
}

/// Fails of a store or of the server stay what they are; what a source is at fault for is the caller's.
Error as_callers_fault(const Error& error) {
  const bool is_callers = error.kind == ErrorKind::not_found || error.kind == ErrorKind::too_large;
  return is_callers ? invalid_input(error.message) : error;
}

extension::ConvertedDataset converted(const DatasetCounts& counts, const std::string& manifest) {
  return {manifest, static_cast<std::int64_t>(counts.normal), static_cast<std::int64_t>(counts.anomaly),
          static_cast<std::int64_t>(counts.unlabelled), static_cast<std::int64_t>(counts.masks)};
}

/// Makes a COCO file of the entries of a dataset, picture by picture.
class CocoOfDataset {
 public:
  CocoOfDataset(ObjectStore& objects, const Caller& reader, std::vector<MaskLabel> labels, CocoShapes shapes)
      : objects_(objects), reader_(reader), labels_(std::move(labels)), shapes_(shapes), writer_(labels_, shapes) {}

  /// Adds a picture. Fails only if the export as a whole must.
  Result<void> add(const ManifestLine& line) {
    if (!line.is_anomalous) {
      ++done_.unlabelled;
      return {};
    }
    if (auto ok = add_labelled(line); !ok) {
      if (!is_fault_of_picture(ok.error())) return ok;
      problems_.add(line.source_ref + ": " + ok.error().message);
      return {};
    }
    ++done_.images;
    if (writer_.size_bytes() <= AnnotationTransfer::kLargestCoco) return {};
    return invalid_input("The COCO file would have more than 256 MiB; areas as RUNS take less.");
  }
  extension::CocoExport finish(std::string& text) {
    text = writer_.finish();
    done_.problem_count = static_cast<std::int64_t>(problems_.count());
    done_.problems = problems_.first();
    return done_;
  }

 private:
  Result<std::string> read(const std::string& reference, const char* what, std::optional<std::size_t> most) {
    const auto place = parse_s3_uri(reference);
    if (!place) return invalid_input("its name is not of the form s3://bucket/key");
    return read_one_of_many(objects_, reader_, {place->bucket, place->key}, what, most);
  }

  Result<void> add_labelled(const ManifestLine& line) {
    const auto start = read(line.source_ref, "image", kHeaderBytes);
    if (!start) return start.error();
    const auto header = read_image_header(as_bytes(*start));
    if (!header) return header.error();
    std::optional<Grid<std::uint8_t>> areas;
    if (*line.is_anomalous && line.mask_ref) {
      auto read_areas = areas_of(line, *header);
      if (!read_areas) return read_areas.error();
      areas = std::move(*read_areas);
    }
    const auto place = parse_s3_uri(line.source_ref);
    writer_.add_picture(place->key, header->height, header->width);
    const bool is_marked =
        areas && std::any_of(areas->values.begin(), areas->values.end(), [](auto value) { return value != 0; });
    if (is_marked) {
      writer_.add_areas(*areas);
    } else if (*line.is_anomalous) {
      writer_.add_verdict();
    }
    return {};
  }

  /// The mask of a picture, whose values are 0 or the index of a label + 1.
  Result<Grid<std::uint8_t>> areas_of(const ManifestLine& line, const ImageHeader& picture) {
    const auto about_mask = [](const Error& error) {
      auto told = error;
      told.message = "its mask: " + error.message;
      return told;
    };
    const auto bytes = read(*line.mask_ref, "mask", std::nullopt);
    if (!bytes) return about_mask(bytes.error());
    const auto image = decode_image(as_bytes(*bytes), kMaskSides);
    if (!image) return about_mask(image.error());
    if (image->height != picture.height || image->width != picture.width)
      return invalid_input(fmt::format("its mask has {}x{} pixels, the picture {}x{}", image->width, image->height,
                                       picture.width, picture.height));
    std::vector<MaskLabel> colors;
    std::vector<std::uint8_t> number_of = {0};
    for (const auto& entry : line.mask_colors) {
      const auto color = parse_color(entry.color);
      if (!color) return color.error();
      colors.push_back({entry.name, *color});
      const auto known = std::find_if(labels_.begin(), labels_.end(),
                                      [&](const MaskLabel& label) { return label.name == entry.name; });
      const bool is_background = equals_ignore_case(entry.name, "background");
      if (known == labels_.end() && !is_background)
        return invalid_input("its mask has an unknown label " + printable(entry.name));
      number_of.push_back(is_background ? std::uint8_t{0} : static_cast<std::uint8_t>(known - labels_.begin() + 1));
    }
    auto areas = split_mask(*image, colors);
    if (!areas) return about_mask(areas.error());
    for (auto& value : areas->values) value = number_of[value];
    if (shapes_ == CocoShapes::polygons && count_borders(*areas) > kMostBorders)
      return invalid_input("its mask has too many edges for polygons; areas as RUNS have no such limit");
    return areas;
  }

  static std::size_t count_borders(const Grid<std::uint8_t>& areas) {
    std::size_t borders = 0;
    for (int y = 0; y < areas.height; ++y)
      for (int x = 0; x < areas.width; ++x) {
        borders += x > 0 && areas.at(y, x) != areas.at(y, x - 1) ? 1 : 0;
        borders += y > 0 && areas.at(y, x) != areas.at(y - 1, x) ? 1 : 0;
      }
    return borders;
  }

  ObjectStore& objects_;
  const Caller& reader_;
  const std::vector<MaskLabel> labels_;
  const CocoShapes shapes_;
  CocoWriter writer_;
  Problems problems_;
  extension::CocoExport done_;
};

}  // namespace

Result<void> AnnotationTransfer::find_project(const Scope& scope, const std::string& name) {
  if (metadata_.read()->projects().find(scope, name)) return {};
  return not_found("PROJECT", name, "The project " + name + " does not exist.");
}

Result<extension::Conversion> AnnotationTransfer::convert(const CallContext& call,
                                                          const extension::ConvertAnnotationsRequest& request) {
  if (auto ok = find_project(call.scope, request.project_name); !ok) return ok.error();
  const auto caller = via_service(call);
  if (request.prefix.starts_with(request.output_prefix))
    return invalid_input("OutputPrefix may not be the Prefix or a folder above it.");
  const PictureChoice choice{request.bucket, request.prefix, {}};
  if (auto ok = authorize_search(caller, choice); !ok) return ok.error();
  const Turn turn(is_busy_);
  if (auto ok = turn.check(); !ok) return ok.error();
  const Deadline deadline(call, kLongestTime);
  const auto keys = find_pictures(objects_, caller, choice, kMostFiles, request.output_prefix);
  if (!keys) return keys.error();
  if (keys->size() > kMostFiles)
    return invalid_input(fmt::format("There are more than {} files: convert a part of them.", kMostFiles));
  const BucketFiles files(objects_, request.bucket, request.prefix, *keys, deadline);
  // What went wrong with the store or the time comes first: it explains all else.
  const auto failed = [&](const Error& error) {
    return files.failure() ? as_callers_fault(error) : files.failure().error();
  };
  const auto format = request.format ? Result<AnnotationFormat>(*parse_annotation_format(*request.format))
                                     : detect_annotation_format(files);
  if (!format) return failed(format.error());
  auto set = read_annotations(files, files, *format, kLimits);
  if (!set) return failed(set.error());
  if (!files.failure()) return files.failure().error();
  const auto write = [&](const std::string& name, std::string_view content) -> Result<void> {
    if (!files.failure()) return files.failure();
    if (auto ok = deadline.check(); !ok) return ok;
    const auto key = request.output_prefix + name;
    if (key.size() > kLongestKey) return invalid_input("The name " + name + " is too long for a key.");
    if (auto ok = authorize(caller, "s3:PutObject", object_arn(request.bucket, key)); !ok) return ok;
    const auto put = put_bytes(objects_, request.bucket, key, content,
                               name.ends_with(".png") ? "image/png" : "application/octet-stream");
    return put ? Result<void>() : put.error();
  };
  const auto summary = write_dataset(std::move(*set), files, files, rules_of(request, clock_), write);
  if (!summary) return failed(summary.error());
  extension::Conversion out;
  out.format = to_text(*format);
  out.train = converted(summary->train, request.output_prefix + "manifests/train.manifest");
  if (summary->has_test) out.test = converted(summary->test, request.output_prefix + "manifests/test.manifest");
  for (const auto& label : summary->labels) out.labels.push_back({label.name, printable(label.source), label.color});
  out.problem_count = static_cast<std::int64_t>(summary->problems.count());
  out.problems = summary->problems.first();
  out.notes = summary->notes;
  return out;
}

Result<extension::CocoExport> AnnotationTransfer::export_coco(const CallContext& call,
                                                              const extension::ExportCocoRequest& request) {
  const auto caller = via_service(call);
  const auto& [project, type] = request.dataset;
  if (auto ok = find_project(call.scope, project); !ok) return ok.error();
  if (auto ok = authorize(caller, "s3:PutObject", object_arn(request.bucket, request.key)); !ok) return ok.error();
  const Turn turn(is_busy_);
  if (auto ok = turn.check(); !ok) return ok.error();
  const Deadline deadline(call, kLongestTime);
  auto view = metadata_.read();
  const auto dataset = view->datasets().find(call.scope, project, type);
  if (!dataset)
    return not_found("DATASET", project + "/" + std::string(to_text(type)),
                     "The project " + project + " has no " + std::string(to_text(type)) + " dataset.");
  // All lines come from one view, so that a change during the call neither loses pictures nor labels. Only what the
  // export needs is kept of them, and the view ends before any object is read.
  std::vector<ManifestLine> lines;
  std::int64_t position = 0;
  while (true) {
    const auto entries = view->datasets().list_entries(dataset->uid, {}, position, kEntriesAtOnce);
    if (entries.empty()) break;
    if (auto ok = deadline.check(); !ok) return ok.error();
    for (const auto& [number, entry] : entries) {
      position = number;
      auto line = parse_manifest_line(entry.line);
      if (!line) return internal_error("A line of a dataset cannot be read: " + line.error().message);
      line->text = {};
      lines.push_back(std::move(*line));
    }
  }
  view.reset();
  const auto has_bucket = objects_.has_bucket(request.bucket);
  if (!has_bucket) return has_bucket.error();
  if (!*has_bucket) return invalid_input("The bucket " + request.bucket + " does not exist.");
  std::vector<MaskLabel> labels;
  const auto collect = [&](const ManifestLine& line) -> Result<void> {
    if (!line.is_anomalous.value_or(false) || !line.mask_ref) return {};
    for (const auto& entry : line.mask_colors) {
      const bool is_known =
          std::any_of(labels.begin(), labels.end(), [&](const auto& l) { return l.name == entry.name; });
      const auto color = parse_color(entry.color);
      if (!is_known && color && !equals_ignore_case(entry.name, "background")) labels.push_back({entry.name, *color});
    }
    return labels.size() < 256 ? Result<void>() : invalid_input("The dataset has more than 255 labels.");
  };
  for (const auto& line : lines)
    if (auto ok = collect(line); !ok) return ok.error();
  CocoOfDataset coco(objects_, caller, std::move(labels), request.as_runs ? CocoShapes::runs : CocoShapes::polygons);
  for (const auto& line : lines) {
    if (auto ok = deadline.check(); !ok) return ok.error();
    if (auto ok = coco.add(line); !ok) return ok.error();
  }
  std::string text;
  auto done = coco.finish(text);
  if (auto put = put_bytes(objects_, request.bucket, request.key, text, "application/json"); !put) return put.error();
  return done;
}

}  // namespace vedette
