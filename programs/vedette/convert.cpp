#include <cstdio>
#include <filesystem>
#include <stdexcept>

#include "annotations/coco_writer.hpp"
#include "annotations/dataset.hpp"
#include "annotations/folder_files.hpp"
#include "base/clock.hpp"
#include "base/file_tree.hpp"
#include "base/files.hpp"
#include "base/listing.hpp"
#include "commands.hpp"
#include "manifest/manifest.hpp"
#include "pictures.hpp"
#include "vision/assess/assess.hpp"

namespace vedette {
namespace fs = std::filesystem;
namespace {

struct ConvertOptions {
  std::string source, out, from, to = "dataset", images_root, bucket, unannotated = "unlabelled", boxes = "mask",
                                 shapes = "polygons";
  std::vector<std::string> normal;
  bool is_strict = false;
};

/// The folder that a conversion writes. Files gather in a folder beside it, which takes its name in one step at the end,
/// so that an error or a kill leaves nothing half written under the name that the user gave.
class OutputFolder {
 public:
  explicit OutputFolder(const std::string& out) : place_(fs::absolute(out).lexically_normal()) {
    if (!place_.has_filename()) place_ = place_.parent_path();
    if (fs::exists(fs::symlink_status(place_)) && !(fs::is_directory(place_) && fs::is_empty(place_)))
      throw std::runtime_error(out + " exists and is not an empty folder; choose another --out");
    if (fs::is_symlink(fs::symlink_status(place_))) place_ = fs::canonical(place_);
    fs::create_directories(place_.parent_path());
    gathered_.emplace(place_.parent_path());
  }
  Result<void> write(const std::string& name, std::string_view content) {
    const auto path = gathered_->path() / name;
    fs::create_directories(path.parent_path());
    return write_file_atomically(path, content);
  }
  void finish() {
    fs::rename(gathered_->path(), place_);
    if (auto ok = sync_path(place_.parent_path()); !ok) throw std::runtime_error(ok.error().message);
  }

 private:
  fs::path place_;
  std::optional<TemporaryFolder> gathered_;
};

void print_problems(const Problems& problems) {
  for (const auto& text : problems.first()) std::fprintf(stderr, "left out: %s\n", text.c_str());
  if (problems.count() > problems.first().size())
    std::fprintf(stderr, "left out: %zu more entries\n", problems.count() - problems.first().size());
}

void print_counts(const char* name, const DatasetCounts& counts) {
  std::printf("%-18s %zu normal, %zu anomalies (%zu with masks), %zu unlabelled\n", name, counts.normal, counts.anomaly,
              counts.masks, counts.unlabelled);
}

DatasetRules rules_of(const ConvertOptions& options) {
  DatasetRules rules;
  rules.unannotated = options.unannotated == "normal" ? Unannotated::normal
                      : options.unannotated == "skip" ? Unannotated::skip
                                                      : Unannotated::unlabelled;
  rules.boxes_are_masks = options.boxes == "mask";
  rules.normal_labels.insert(rules.normal_labels.end(), options.normal.begin(), options.normal.end());
  if (!options.bucket.empty()) {
    auto prefix = options.bucket + (options.bucket.ends_with('/') ? "" : "/");
    if (!parse_s3_uri(prefix + "x"))
      throw std::runtime_error("--bucket has the form s3://bucket or s3://bucket/prefix");
    rules.reference_prefix = std::move(prefix);
    rules.formats = kServedFormats;
  }
  auto date = to_extended_iso8601(SystemClock().now());
  if (date.ends_with('Z')) date.pop_back();
  rules.creation_date = std::move(date);
  return rules;
}

int to_dataset(const ConvertOptions& options) {
  OutputFolder out(options.out);
  const fs::path source = options.source;
  const auto folder = fs::is_directory(source) ? source : fs::absolute(source).parent_path();
  const FolderFiles annotations(source);
  const fs::path root = options.images_root.empty() ? folder : fs::path(options.images_root);
  const FolderFiles pictures(root);
  if (pictures.left_out() > 0)
    std::fprintf(stderr, "warning: the names of %zu files in %s are not UTF-8, so that no manifest can mean them\n",
                 pictures.left_out(), to_name(root).c_str());
  const auto format = options.from.empty() ? detect_annotation_format(annotations)
                                           : Result<AnnotationFormat>(*parse_annotation_format(options.from));
  if (!format) throw std::runtime_error(options.source + ": " + format.error().message);
  auto set = read_annotations(annotations, pictures, *format);
  if (!set) throw std::runtime_error(options.source + ": " + set.error().message);
  const auto write = [&](const std::string& name, std::string_view content) { return out.write(name, content); };
  const auto summary = write_dataset(std::move(*set), annotations, pictures, rules_of(options), write);
  if (!summary)
    throw std::runtime_error(
        options.source + ": " + summary.error().message +
        (summary.error().kind == ErrorKind::not_found
             ? " (the pictures were looked for in " + to_name(root) + ", which --images-root changes)"
             : std::string()));
  print_problems(summary->problems);
  if (options.is_strict && summary->problems.count() > 0)
    throw std::runtime_error(std::to_string(summary->problems.count()) +
                             " entries cannot be used, and --strict was given; nothing was written");
  out.finish();
  std::printf("%-18s %s\n", "format", std::string(to_text(*format)).c_str());
  print_counts("train", summary->train);
  if (summary->has_test) print_counts("test", summary->test);
  for (const auto& label : summary->labels) {
    std::printf("%-18s %s %s", "label", label.color.c_str(), label.name.c_str());
    if (label.source != label.name) std::printf(" (from \"%s\")", printable(label.source).c_str());
    std::printf("\n");
  }
  for (const auto& note : summary->notes) std::fprintf(stderr, "note: %s\n", note.c_str());
  if (options.bucket.empty())
    std::printf("%-18s vedette train --manifest '%s/manifests/train.manifest' --images-root '%s' --out MODEL\n", "next",
                options.out.c_str(), to_name(root).c_str());
  return 0;
}

/// Finds the manifests of a source: a manifest itself, or those of a folder as this command and `vedette sample` write.
std::vector<std::pair<std::string, std::string>> manifests_of(const std::string& source) {
  if (!fs::is_directory(source)) return {{"train", source}};
  std::vector<std::pair<std::string, std::string>> out;
  for (const std::string type : {"train", "test"})
    if (const auto path = fs::path(source) / "manifests" / (type + ".manifest"); fs::exists(path))
      out.emplace_back(type, path.string());
  if (out.empty()) throw std::runtime_error(source + " holds no manifests/train.manifest");
  return out;
}

/// The name of a picture for COCO: its reference, or the key of its object.
std::string coco_name(const std::string& reference) {
  const auto uri = parse_s3_uri(reference);
  return uri ? uri->key : reference;
}

/// Adds a picture of a manifest. Returns why it cannot be used, or an empty text.
std::string add_to_coco(CocoWriter& writer, const TrainingPicture& picture, const std::vector<Label>& labels) {
  if (*picture.is_anomalous && picture.mask) {
    const auto loaded = load_picture(picture, labels, 0, 0, false, {}, {.formats = kAllFormats});
    if (!loaded) return loaded.error().message;
    writer.add_picture(coco_name(picture.source_ref), loaded->image.height, loaded->image.width);
    const bool is_marked = loaded->truth && std::any_of(loaded->truth->values.begin(), loaded->truth->values.end(),
                                                        [](auto value) { return value != 0; });
    if (is_marked) {
      writer.add_areas(*loaded->truth);
    } else {
      writer.add_verdict();
    }
    return {};
  }
  const auto bytes = read_file(picture.image, kImageFileLimit);
  const auto header = bytes ? read_image_header(*bytes, kAllFormats) : Result<ImageHeader>(bytes.error());
  if (!header) return picture.source_ref + ": " + header.error().message;
  writer.add_picture(coco_name(picture.source_ref), header->height, header->width);
  if (*picture.is_anomalous) writer.add_verdict();
  return {};
}

/// Writes the COCO file of one manifest's pictures. Pictures that cannot be used go to `problems`.
std::string coco_of(const std::vector<TrainingPicture>& pictures, const std::vector<Label>& labels,
                    const std::string& type, CocoShapes shapes, Problems& problems) {
  std::vector<MaskLabel> categories;
  for (const auto& label : labels) {
    const auto color = parse_color(label.color);
    categories.push_back({label.name, color ? *color : Rgb{}});
  }
  CocoWriter writer(std::move(categories), shapes);
  std::size_t written = 0, unlabelled = 0;
  for (const auto& picture : pictures) {
    if (!picture.is_anomalous) {
      ++unlabelled;
    } else if (auto fault = add_to_coco(writer, picture, labels); fault.empty()) {
      ++written;
    } else {
      problems.add(std::move(fault));
    }
  }
  std::printf("%-18s %zu pictures\n", type.c_str(), written);
  if (unlabelled > 0)
    std::fprintf(stderr, "note: %zu unlabelled pictures were left out, because COCO would take them for good ones\n",
                 unlabelled);
  return writer.finish();
}

int to_coco(const ConvertOptions& options) {
  OutputFolder out(options.out);
  std::vector<TrainingPicture> all;
  std::vector<std::pair<std::string, std::vector<TrainingPicture>>> parts;
  for (const auto& [type, manifest] : manifests_of(options.source)) {
    parts.emplace_back(type, read_manifest_pictures(manifest, options.images_root));
    all.insert(all.end(), parts.back().second.begin(), parts.back().second.end());
  }
  // All files of a dataset have the same categories.
  const auto labels = collect_labels(all);
  const auto shapes = options.shapes == "runs" ? CocoShapes::runs : CocoShapes::polygons;
  Problems problems;
  for (const auto& [type, pictures] : parts)
    if (auto ok =
            out.write("annotations/instances_" + type + ".json", coco_of(pictures, labels, type, shapes, problems));
        !ok)
      throw std::runtime_error(ok.error().message);
  print_problems(problems);
  if (options.is_strict && problems.count() > 0)
    throw std::runtime_error(std::to_string(problems.count()) +
                             " pictures cannot be used, and --strict was given; nothing was written");
  out.finish();
  return 0;
}

}  // namespace

void add_convert(CLI::App& app, int& status) {
  auto* command =
      app.add_subcommand("convert", "Make a dataset of what another labelling tool exported, or COCO of a dataset");
  auto options = std::make_shared<ConvertOptions>();
  command
      ->add_option("SOURCE", options->source,
                   "File or folder of the other tool, or with --to coco a manifest or its folder")
      ->required()
      ->check(CLI::ExistingPath);
  command->add_option("--out", options->out, "Folder for the result: a new one or an empty one")->required();
  command->add_option("--from", options->from, "Format of the source; by default it is found out")
      ->check(CLI::IsMember({"coco", "label-studio", "labelme", "cvat", "voc", "yolo", "mvtec", "masks"}));
  command->add_option("--to", options->to, "What to write: a dataset of Vedette, or COCO")
      ->capture_default_str()
      ->check(CLI::IsMember({"dataset", "coco"}));
  command
      ->add_option("--images-root", options->images_root,
                   "Folder of the pictures; by default the source, or the folder that it lies in")
      ->check(CLI::ExistingDirectory);
  command->add_option(
      "--bucket", options->bucket,
      "Write references s3://bucket/prefix/NAME instead of relative ones; you upload pictures and masks");
  command
      ->add_option("--unannotated", options->unannotated,
                   "What pictures without any annotation are: unlabelled, normal or left out")
      ->capture_default_str()
      ->check(CLI::IsMember({"unlabelled", "normal", "skip"}));
  command
      ->add_option("--boxes", options->boxes,
                   "Draw boxes as filled rectangles, or take only from them that the picture is anomalous")
      ->capture_default_str()
      ->check(CLI::IsMember({"mask", "class"}));
  command
      ->add_option("--normal", options->normal,
                   "A label that means a good part, beside normal and good; it may be given again")
      ->allow_extra_args(false);
  command
      ->add_option("--shapes", options->shapes,
                   "How COCO says which pixels are marked: by polygons, or by runs of pixels (RLE)")
      ->capture_default_str()
      ->check(CLI::IsMember({"polygons", "runs"}));
  command->add_flag("--strict", options->is_strict, "Write nothing if any entry cannot be used");
  command->callback([options, &status] { status = options->to == "coco" ? to_coco(*options) : to_dataset(*options); });
}

}  // namespace vedette
