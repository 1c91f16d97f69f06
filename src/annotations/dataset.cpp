#include "annotations/dataset.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "annotations/labels.hpp"
#include "annotations/mask_drawing.hpp"
#include "annotations/picture_index.hpp"
#include "annotations/readers.hpp"
#include "annotations/shapes.hpp"
#include "manifest/manifest.hpp"

namespace vedette {
namespace {

constexpr std::uint64_t kMostPictureBytes = 256U << 20;
constexpr std::size_t kHeaderBytes = 256U << 10;  // JPEG files may have long metadata before their size.

struct Tally {
  std::size_t skipped = 0, overlapping = 0, turned = 0, maybe_turned = 0, boxes = 0, empty = 0, both = 0,
              unmentioned = 0, partly_bad = 0;
};

/// Makes the lines and masks of a dataset, picture by picture.
class DatasetWriter {
 public:
  DatasetWriter(AnnotationSet set, const AnnotationFiles& annotations, const AnnotationFiles& pictures,
                const DatasetRules& rules, const WriteFile& write)
      : set_(std::move(set)),
        annotations_(annotations),
        pictures_(pictures),
        rules_(rules),
        write_(write),
        mask_sides_{1, set_.limits.longest_side},
        table_(set_.colors) {
    summary_.problems = std::move(set_.problems);
    summary_.notes = std::move(set_.notes);
    for (const auto& name : pictures_.names()) picture_names_.insert(name);
  }

  Result<DatasetSummary> run() {
    find_pictures();
    find_common_background();
    choose_splits();
    for (auto& picture : set_.pictures)
      if (auto ok = add(picture); !ok) return ok.error();
    const auto lines = summary_.train.normal + summary_.train.anomaly + summary_.train.unlabelled +
                       summary_.test.normal + summary_.test.anomaly + summary_.test.unlabelled;
    if (lines == 0) {
      const auto& first = summary_.problems.first();
      return fail(ErrorKind::not_found,
                  "none of the pictures can be used" + (first.empty() ? std::string() : ": " + first[0]));
    }
    if (auto ok = write_("manifests/train.manifest", train_lines_); !ok) return ok.error();
    if (summary_.has_test)
      if (auto ok = write_("manifests/test.manifest", test_lines_); !ok) return ok.error();
    summary_.labels = table_.labels();
    tell_notes();
    return std::move(summary_);
  }

 private:
  /// What is known of a picture's file.
  struct Sizes {
    int height = 0, width = 0;  // of the raw grid
    int orientation = 1;
    [[nodiscard]] int shown_height() const { return is_quarter_turn(orientation) ? width : height; }
    [[nodiscard]] int shown_width() const { return is_quarter_turn(orientation) ? height : width; }
  };

  void find_pictures() {
    const PictureIndex index(pictures_.names());
    std::set<std::string> used;
    std::vector<AnnotatedPicture> found;
    for (auto& picture : set_.pictures) {
      auto name = picture_names_.contains(picture.name) && picture.beside.empty()
                      ? Result<std::string>(picture.name)
                      : index.find(picture.beside, picture.name);
      if (!name) {
        summary_.problems.add(name.error().message);
      } else if (!used.insert(*name).second) {
        summary_.problems.add(*name + " is described twice; the first description counts");
      } else {
        picture.name = std::move(*name);
        found.push_back(std::move(picture));
      }
    }
    set_.pictures = std::move(found);
    std::set<std::string> label_files;
    for (const auto& picture : set_.pictures)
      if (picture.label_file) label_files.insert(picture.label_file->name);
    for (const auto& name : pictures_.names()) {
      // LabelMe's export writes pictures of its own into folders NAME_json.
      if (!is_picture_name(name) || used.contains(name) || label_files.contains(name) ||
          name.find("_json/") != std::string::npos)
        continue;
      if (set_.omits_pictures && set_.pictures.size() < kMostPictures) {
        AnnotatedPicture picture;
        picture.name = name;
        picture.split = split_of(name.substr(0, name.rfind('/') + 1));
        set_.pictures.push_back(std::move(picture));
      } else {
        ++tally_.unmentioned;
      }
    }
  }

  void find_common_background() {
    std::vector<MaskPalette> palettes;
    for (const auto& picture : set_.pictures) {
      if (!picture.label_file || !picture.label_file->colors.empty()) continue;
      const auto bytes = annotations_.read(picture.label_file->name, kMostPictureBytes);
      if (!bytes) continue;  // It is reported where it is used.
      if (auto mask = read_mask_file(*bytes, mask_sides_)) palettes.push_back(std::move(mask->palette));
    }
    background_ = common_background(palettes);
  }

  /// Pictures for validation are the test pictures where there are no others.
  void choose_splits() {
    const auto is_of = [&](Split split) {
      return std::any_of(set_.pictures.begin(), set_.pictures.end(), [&](const auto& p) { return p.split == split; });
    };
    // A source without pictures for training is one part of another.
    if (!is_of(Split::train)) {
      const auto most_like_training = is_of(Split::validation) ? Split::validation : Split::test;
      for (auto& picture : set_.pictures)
        if (picture.split == most_like_training) picture.split = Split::train;
    }
    const bool has_test = is_of(Split::test);
    for (auto& picture : set_.pictures)
      if (picture.split == Split::validation) picture.split = has_test ? Split::train : Split::test;
    summary_.has_test = is_of(Split::test);
  }

  [[nodiscard]] bool is_normal(const std::string& label) const {
    return std::any_of(rules_.normal_labels.begin(), rules_.normal_labels.end(),
                       [&](const auto& normal) { return equals_ignore_case(trim(label), normal); });
  }

  /// Reads the size of a picture's file. Fails in words that follow its name.
  Result<Sizes> read_sizes(const std::string& name) const {
    auto bytes = pictures_.read_beginning(name, kHeaderBytes);
    auto header = bytes ? read_image_header(*bytes, kAllFormats) : Result<ImageHeader>(bytes.error());
    if (!header && bytes && bytes->size() == kHeaderBytes) {
      bytes = pictures_.read(name, kMostPictureBytes);
      header = bytes ? read_image_header(*bytes, kAllFormats) : Result<ImageHeader>(bytes.error());
    }
    if (!header) return invalid_input("cannot be read: " + header.error().message);
    if (!rules_.formats.contains(header->format))
      return invalid_input("is neither JPEG nor PNG, which the service demands");
    const int longest = mask_sides_.maximum_side;
    if (header->height < 1 || header->height > longest || header->width < 1 || header->width > longest)
      return invalid_input(fmt::format("has {} x {} pixels, of which no side may be longer than {}", header->width,
                                       header->height, longest));
    return Sizes{header->height, header->width, header->orientation};
  }

  /// Whether annotations of this size (0: unknown) were made on the turned picture. Fails in words that follow the
  /// picture's name.
  Result<bool> is_turned(const Sizes& sizes, int height, int width) {
    const bool fits_raw = height == 0 || (height == sizes.height && width == sizes.width);
    const bool fits_shown = height == 0 || (height == sizes.shown_height() && width == sizes.shown_width());
    if (!fits_raw && !fits_shown)
      return invalid_input(fmt::format("has {} x {} pixels, but its annotations are of {} x {}", sizes.width,
                                       sizes.height, width, height));
    if (sizes.orientation == 1) return false;
    if (!fits_raw) return true;
    if (!fits_shown) return false;
    if (!set_.shows_turned) ++tally_.maybe_turned;
    return set_.shows_turned;
  }

  /// Draws the mask of a picture on the raw grid. Fails in words that follow the picture's name; with quota_exceeded if
  /// there are too many labels.
  Result<DrawnMask> draw(const AnnotatedPicture& picture, const Sizes& sizes) {
    int height = picture.height, width = picture.width;
    std::optional<MaskFile> mask;
    if (picture.label_file) {
      const auto bytes = annotations_.read(picture.label_file->name, kMostPictureBytes);
      auto read = bytes ? read_mask_file(*bytes, mask_sides_) : Result<MaskFile>(bytes.error());
      if (!read)
        return invalid_input("has a mask " + picture.label_file->name +
                             " that cannot be read: " + read.error().message);
      mask = std::move(*read);
      height = mask->pixels.height, width = mask->pixels.width;
    }
    const auto turned = is_turned(sizes, height, width);
    if (!turned) return turned.error();
    auto drawn = mask ? draw_label_file(*mask, *picture.label_file, background_, table_)
                      : draw_regions(picture, *turned ? sizes.shown_height() : sizes.height,
                                     *turned ? sizes.shown_width() : sizes.width, table_);
    if (!drawn) {
      if (mask && drawn.error().kind == ErrorKind::invalid_input)
        return invalid_input("has a mask " + picture.label_file->name + ", which " + drawn.error().message);
      return drawn.error();
    }
    if (*turned) drawn->labels = to_raw_grid(drawn->labels, sizes.orientation), ++tally_.turned;
    return drawn;
  }

  /// Takes normal labels, and boxes if they are no masks, out of the regions of a picture.
  void sort_labels(AnnotatedPicture& picture, bool& has_normal, bool& has_defect) {
    std::vector<Region> areas;
    for (auto& region : picture.regions) {
      if (is_normal(region.label)) {
        has_normal = true;
        continue;
      }
      has_defect |= !is_background_label(region.label);
      tally_.boxes += region.is_box && !picture.label_file ? 1 : 0;
      if (!region.is_box || rules_.boxes_are_masks) areas.push_back(std::move(region));
    }
    picture.regions = std::move(areas);
    for (const auto& label : picture.class_labels) (is_normal(label) ? has_normal : has_defect) = true;
  }

  Result<void> add(AnnotatedPicture& picture) {
    bool has_normal = false, has_defect = picture.has_bad_entry;
    sort_labels(picture, has_normal, has_defect);
    const auto sizes = read_sizes(picture.name);
    if (!sizes) {
      summary_.problems.add(picture.name + " " + sizes.error().message);
      return {};
    }
    std::optional<DrawnMask> mask;
    const bool may_have_mask = has_defect || picture.label_file;
    if (may_have_mask && !picture.has_bad_entry && (picture.label_file || !picture.regions.empty())) {
      auto drawn = draw(picture, *sizes);
      if (!drawn && drawn.error().kind == ErrorKind::quota_exceeded) return invalid_input(drawn.error().message);
      if (!drawn) {
        summary_.problems.add(picture.name + " " + drawn.error().message);
        has_defect = true;
        ++tally_.partly_bad;
      } else {
        tally_.overlapping += drawn->has_overlap ? 1 : 0;
        tally_.empty += drawn->empty_areas;
        const bool is_marked =
            std::any_of(drawn->labels.values.begin(), drawn->labels.values.end(), [](auto v) { return v != 0; });
        if (is_marked) {
          has_defect = true;
          mask = std::move(*drawn);
        } else if (picture.label_file && !has_defect) {
          has_normal = true;  // Its mask says that there is nothing to mark.
        }
      }
    } else if (picture.has_bad_entry) {
      ++tally_.partly_bad;
    }
    tally_.both += has_normal && has_defect ? 1 : 0;
    std::optional<bool> is_anomalous;
    if (has_defect || has_normal) is_anomalous = has_defect;
    if (!is_anomalous && rules_.unannotated == Unannotated::skip) {
      ++tally_.skipped;
      return {};
    }
    if (!is_anomalous && rules_.unannotated == Unannotated::normal) is_anomalous = false;
    return write_entry(picture, is_anomalous, mask);
  }

  /// Chooses the name of a mask below masks/. It differs from all names of pictures, because tools look references up
  /// among the pictures first.
  std::string mask_name(const std::string& picture) {
    const std::string stem = "masks/" + std::string(without_suffix(picture));
    auto name = stem + ".png";
    if (mask_names_.contains(to_lower(name)) || picture_names_.contains(name)) name = "masks/" + picture + ".png";
    for (int i = 2; mask_names_.contains(to_lower(name)) || picture_names_.contains(name); ++i)
      name = fmt::format("{}-{}.png", stem, i);
    mask_names_.insert(to_lower(name));
    return name;
  }

  Result<void> write_entry(const AnnotatedPicture& picture, std::optional<bool> is_anomalous,
                           const std::optional<DrawnMask>& mask) {
    nlohmann::ordered_json line;
    line["source-ref"] = rules_.reference_prefix + picture.name;
    const auto metadata = [&](const char* type) {
      return nlohmann::ordered_json{{"type", std::string("groundtruth/") + type},
                                    {"human-annotated", "yes"},
                                    {"creation-date", rules_.creation_date},
                                    {"job-name", "labeling-job/converted"}};
    };
    if (is_anomalous) {
      line["anomaly-label"] = *is_anomalous ? 1 : 0;
      auto& about =
          line["anomaly-label-metadata"] = {{"class-name", *is_anomalous ? "anomaly" : "normal"}, {"confidence", 1}};
      about.update(metadata("image-classification"));
    }
    std::string name;
    if (mask) {
      name = mask_name(picture.name);
      std::array<bool, kMostProjectLabels + 1> is_present{};
      for (const auto label : mask->labels.values) is_present[label] = true;
      nlohmann::ordered_json colors = {
          {"0", {{"class-name", "BACKGROUND"}, {"hex-color", "#ffffff"}, {"confidence", 0}}}};
      for (std::size_t number = 1, index = 1; number <= table_.labels().size(); ++number)
        if (is_present[number]) {
          const auto& label = table_.labels()[number - 1];
          colors[std::to_string(index++)] = {{"class-name", label.name}, {"hex-color", label.color}, {"confidence", 0}};
        }
      if (colors.size() > kMostMaskLabels + 1) {
        summary_.problems.add(
            fmt::format("{} has {} labels, and a mask may have {}", picture.name, colors.size() - 1, kMostMaskLabels));
        ++tally_.partly_bad;
        name.clear();
      } else {
        line["anomaly-mask-ref"] = rules_.mask_prefix.value_or(rules_.reference_prefix) + name;
        auto& about = line["anomaly-mask-ref-metadata"] = {{"internal-color-map", colors}};
        about.update(metadata("semantic-segmentation"));
      }
    }
    const auto text = line.dump();
    if (const auto read = parse_manifest_line(text); !read) {
      summary_.problems.add(picture.name + " has no line in the manifest: " + read.error().message);
      return {};
    }
    if (!name.empty())
      if (auto ok = write_(name, as_text(encode_label_png(mask->labels, table_.colors()))); !ok) return ok;
    const bool is_test = picture.split == Split::test;
    (is_test ? test_lines_ : train_lines_) += text + "\n";
    auto& counts = is_test ? summary_.test : summary_.train;
    ++(!is_anomalous ? counts.unlabelled : *is_anomalous ? counts.anomaly : counts.normal);
    counts.masks += name.empty() ? 0 : 1;
    return {};
  }

  void tell_notes() {
    const auto tell = [&](std::size_t count, const char* one, const char* many) {
      if (count > 0) summary_.notes.push_back(count == 1 ? one : fmt::format(fmt::runtime(many), count));
    };
    tell(tally_.partly_bad, "1 picture has an annotation that cannot be used; it is an anomaly without a mask.",
         "{} pictures have annotations that cannot be used; they are anomalies without a mask.");
    tell(tally_.turned,
         "1 picture was annotated as its EXIF orientation turns it; its mask was turned to the raw pixels.",
         "{} pictures were annotated as their EXIF orientation turns them; their masks were turned to the raw pixels.");
    tell(tally_.maybe_turned,
         "1 picture has an EXIF orientation, and its annotations do not say which grid they mean; the raw one was "
         "taken.",
         "{} pictures have an EXIF orientation, and their annotations do not say which grid they mean; the raw one was "
         "taken.");
    tell(tally_.overlapping, "In 1 picture areas of different labels overlap; the later area counts.",
         "In {} pictures areas of different labels overlap; the later area counts.");
    tell(tally_.empty, "1 area marks no pixel, because it is too small or lies outside of its picture.",
         "{} areas mark no pixel, because they are too small or lie outside of their picture.");
    if (rules_.boxes_are_masks) {
      tell(tally_.boxes, "1 box was drawn as a filled rectangle; --boxes class takes only the verdict from boxes.",
           "{} boxes were drawn as filled rectangles; --boxes class takes only the verdict from boxes.");
    } else {
      tell(tally_.boxes, "1 box makes its picture an anomaly and is not in a mask.",
           "{} boxes make their pictures anomalies and are not in masks.");
    }
    tell(tally_.both, "1 picture has a normal label and a defect; it is an anomaly.",
         "{} pictures have a normal label and a defect; they are anomalies.");
    tell(tally_.skipped, "1 picture without annotations was left out.",
         "{} pictures without annotations were left out.");
    tell(tally_.unmentioned, "1 picture in the folder is not mentioned by the annotations and was left out.",
         "{} pictures in the folder are not mentioned by the annotations and were left out.");
  }

  AnnotationSet set_;
  const AnnotationFiles& annotations_;
  const AnnotationFiles& pictures_;
  const DatasetRules& rules_;
  const WriteFile& write_;
  const SizeLimits mask_sides_;
  LabelTable table_;
  std::optional<MaskColor16> background_;
  std::set<std::string> picture_names_, mask_names_;
  std::string train_lines_, test_lines_;
  DatasetSummary summary_;
  Tally tally_;
};

}  // namespace

Result<DatasetSummary> write_dataset(AnnotationSet set, const AnnotationFiles& annotations,
                                     const AnnotationFiles& pictures, const DatasetRules& rules,
                                     const WriteFile& write) {
  return DatasetWriter(std::move(set), annotations, pictures, rules, write).run();
}

}  // namespace vedette
