#include "pictures.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <map>
#include <set>
#include <stdexcept>

#include "base/file_tree.hpp"
#include "base/files.hpp"
#include "base/text.hpp"
#include "manifest/manifest.hpp"
#include "vision/assess/mask_folder.hpp"

namespace vedette {
namespace fs = std::filesystem;
namespace {

constexpr const char* kFolderLabel = "anomaly";
constexpr const char* kFolderColor = "#E53935";

/// Returns the local file that a manifest's reference means. It is looked for below --images-root, then below the
/// manifest's folder, then below the parent of that. For an s3:// reference the key is looked up, first as a whole and
/// then shortened from the left.
fs::path locate(const std::string& reference, const fs::path& manifest, const std::string& images_root) {
  const auto uri = parse_s3_uri(reference);
  fs::path path = uri ? fs::path(uri->key) : fs::path(reference);
  if (path.is_absolute()) return path;
  std::vector<fs::path> roots;
  if (!images_root.empty()) roots.emplace_back(images_root);
  const auto folder = fs::absolute(manifest).parent_path();
  roots.push_back(folder);
  roots.push_back(folder.parent_path());
  for (auto tail = path; !tail.empty();) {
    for (const auto& root : roots)
      if (std::error_code code; fs::exists(root / tail, code)) return root / tail;
    if (!uri) break;
    fs::path shorter;
    for (auto it = std::next(tail.begin()); it != tail.end(); ++it) shorter /= *it;
    tail = shorter;
  }
  return roots.front() / path;  // The file is missing; it is named when it is read.
}

/// Returns whether a file is taken for a picture. Its name decides, so that a damaged picture is reported and not
/// passed over; a file with another name is judged by its first bytes.
bool is_picture(const fs::path& file) {
  const auto extension = to_lower(file.extension().string());
  for (const auto* known : {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".dib", ".tif", ".tiff", ".webp"})
    if (extension == known) return true;
  std::ifstream in(file, std::ios::binary);
  std::string start(12, '\0');
  in.read(start.data(), static_cast<std::streamsize>(start.size()));
  using namespace std::string_view_literals;
  const auto begins = [&](std::string_view text) { return start.starts_with(text); };
  return in &&
         (begins("\xFF\xD8\xFF"sv) || begins("\x89PNG\r\n\x1A\n"sv) || (begins("RIFF"sv) && start.ends_with("WEBP")) ||
          // If a TIFF file has another extension, it is a raw file of a camera, whose first picture is only a
          // thumbnail.
          (extension.empty() && (begins("II*\0"sv) || begins("MM\0*"sv))));
}

/// Returns a figure as text, or a dash if it is not defined.
std::string shown(const std::optional<double>& value) {
  if (!value) return "–";
  char text[32];
  std::snprintf(text, sizeof text, "%.3f", *value);
  return text;
}

/// Returns the first few of many names, in parentheses.
std::string some_of(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 3;
  std::string out = " (";
  for (std::size_t i = 0; i < std::min(kShown, names.size()); ++i) out += (i == 0 ? "" : ", ") + names[i];
  return out + (names.size() > kShown ? ", …)" : ")");
}

/// Assigns the masks of --masks to the pictures from `first` on, which are those of --anomaly. Reports which of these
/// have no mask.
void attach_masks(const PictureOptions& options, std::vector<TrainingPicture>& samples, std::size_t first) {
  const auto folder = fs::absolute(options.anomaly), mask_folder = fs::absolute(options.masks);
  std::vector<fs::path> listed;
  for (auto i = first; i < samples.size(); ++i) listed.push_back(samples[i].image);
  const auto [pictures, masks] = tell_masks_from_pictures(folder, listed, mask_folder, list_pictures(mask_folder));
  if (masks.empty())
    throw std::runtime_error("there are no masks in " + options.masks +
                             "; among pictures, files are masks whose names end in _mask or the like");
  if (pictures.empty()) throw std::runtime_error("there are no pictures in " + options.anomaly + " but masks");
  std::erase_if(samples, [&, kept = std::set<fs::path>(pictures.begin(), pictures.end())](const TrainingPicture& s) {
    return s.is_anomalous.value_or(false) && !kept.contains(s.image);
  });
  const auto matched = match_masks(folder, pictures, mask_folder, masks);
  std::set<fs::path> used;
  for (const auto& mask : matched.of_picture)
    if (mask) used.insert(fs::absolute(*mask).lexically_normal());
  if (used.empty())
    throw std::runtime_error("none of the " + std::to_string(masks.size()) + " masks in " + options.masks +
                             some_of({to_name(masks[0].lexically_relative(mask_folder))}) +
                             " is named like a picture in " + options.anomaly +
                             some_of({to_name(pictures[0].lexically_relative(folder))}));
  const auto survey = survey_masks(std::vector<fs::path>(used.begin(), used.end()));
  if (!survey) throw std::runtime_error(survey.error().message);
  for (const auto& warning : survey->warnings) std::fprintf(stderr, "warning: %s\n", warning.c_str());
  std::vector<std::string> without, unused;
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    auto& s = samples[first + i];
    if (matched.of_picture[i]) {
      s.mask = fs::absolute(*matched.of_picture[i]);
      s.mask_colors = {{kFolderLabel, kFolderColor}};
      s.is_binary_mask = true;
      if (survey->background) s.mask_background = to_text(*survey->background);
    } else {
      without.push_back(to_name(pictures[i].lexically_relative(folder)));
    }
  }
  for (const auto& mask : matched.unused) unused.push_back(to_name(mask.lexically_relative(mask_folder)));
  if (!without.empty())
    std::fprintf(stderr, "warning: %zu of %zu pictures in %s have no mask in %s%s\n", without.size(), pictures.size(),
                 options.anomaly.c_str(), options.masks.c_str(), some_of(without).c_str());
  if (!unused.empty())
    std::fprintf(stderr, "warning: %zu of %zu masks in %s are named like no picture in %s%s\n", unused.size(),
                 masks.size(), options.masks.c_str(), options.anomaly.c_str(), some_of(unused).c_str());
}

}  // namespace

void add_picture_options(CLI::App& command, PictureOptions& options) {
  auto* manifest =
      command.add_option("--manifest", options.manifest, "Manifest in Ground Truth form")->check(CLI::ExistingFile);
  command.add_option("--images-root", options.images_root, "Folder that relative source-refs are looked up in")
      ->check(CLI::ExistingDirectory);
  auto* normal =
      command.add_option("--normal", options.normal, "Folder of good pictures")->check(CLI::ExistingDirectory);
  auto* anomaly = command.add_option("--anomaly", options.anomaly, "Folder of defective pictures")
                      ->check(CLI::ExistingDirectory)
                      ->needs(normal);
  command
      .add_option("--masks", options.masks,
                  "Folder of masks, named like the defective pictures (000.png, 000_mask.png); what is not background "
                  "is marked")
      ->check(CLI::ExistingDirectory)
      ->needs(anomaly);
  manifest->excludes(normal);
}

std::vector<fs::path> list_pictures(const fs::path& folder) {
  const auto tree = list_files(folder);
  std::vector<fs::path> out;
  std::map<std::string, std::size_t> left_out;  // The number of files left out, by extension.
  for (const auto& file : tree.files) {
    if (is_picture(file)) {
      out.push_back(file);
    } else {
      auto extension = to_lower(file.extension().string());
      ++left_out[extension.empty() ? "without an extension" : is_utf8(extension) ? extension : "of other names"];
    }
  }
  if (!left_out.empty()) {
    std::string list;
    for (const auto& [extension, count] : left_out)
      list += (list.empty() ? "" : ", ") + std::to_string(count) + " " + extension;
    std::fprintf(stderr, "warning: %s: left out, since they are no pictures: %s\n", to_name(folder).c_str(),
                 list.c_str());
  }
  for (const auto& link : tree.dangling)
    std::fprintf(stderr, "warning: %s is a link that leads nowhere; it is left out\n", to_name(link).c_str());
  for (const auto& closed : tree.unreadable)
    std::fprintf(stderr, "warning: the folder %s cannot be read; it is left out\n", to_name(closed).c_str());
  return out;
}

std::vector<TrainingPicture> read_manifest_pictures(const std::string& manifest, const std::string& images_root) {
  std::ifstream file(manifest, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + manifest + ": " + std::strerror(errno));
  std::vector<TrainingPicture> samples;
  ClassTally classes;
  ManifestLineFeed feed([&](std::string_view raw, std::size_t number) -> Result<void> {
    auto line = parse_manifest_line(raw);
    if (!line) throw std::runtime_error(manifest + ", line " + std::to_string(number) + ": " + line.error().message);
    if (line->source_ref.ends_with('/')) return {};
    classes.add(*line);
    TrainingPicture s;
    s.source_ref = line->source_ref;
    s.image = fs::absolute(locate(line->source_ref, manifest, images_root));
    s.is_anomalous = line->is_anomalous;
    if (line->mask_ref) {
      s.mask = fs::absolute(locate(*line->mask_ref, manifest, images_root));
      for (const auto& c : line->mask_colors) s.mask_colors.push_back({c.name, c.color});
    }
    samples.push_back(std::move(s));
    return {};
  });
  std::array<char, 65536> piece{};
  while (file.read(piece.data(), piece.size()) || file.gcount() > 0)
    (void)feed.add({piece.data(), static_cast<std::size_t>(file.gcount())});
  if (file.bad()) throw std::runtime_error("cannot read " + manifest);
  (void)feed.finish();
  if (samples.empty()) throw std::runtime_error(manifest + " names no pictures");
  if (const auto others = classes.describe(); !others.empty()) {
    if (!classes.has_labelled()) throw std::runtime_error(manifest + ": " + others);
    std::fprintf(stderr, "warning: %s: %s\n", manifest.c_str(), others.c_str());
  } else if (!classes.has_labelled()) {
    throw std::runtime_error(manifest + ": none of the " + std::to_string(samples.size()) +
                             " lines has a class name; normal or anomaly is expected");
  }
  return samples;
}

std::vector<TrainingPicture> read_pictures(const PictureOptions& options) {
  if (!options.manifest.empty()) return read_manifest_pictures(options.manifest, options.images_root);
  if (options.normal.empty())
    throw std::runtime_error("say which pictures: --manifest FILE, or --normal DIR [--anomaly DIR] [--masks DIR]");
  std::vector<TrainingPicture> samples;
  const auto add = [&](const std::string& folder, bool anomalous) {
    if (folder.empty()) return;
    const auto pictures = list_pictures(folder);
    if (pictures.empty()) throw std::runtime_error("there are no pictures (JPEG, PNG, BMP, TIFF, WebP) in " + folder);
    for (const auto& picture : pictures) {
      TrainingPicture s;
      s.source_ref = to_name(picture);
      s.image = fs::absolute(picture);
      s.is_anomalous = anomalous;
      samples.push_back(std::move(s));
    }
  };
  add(options.normal, false);
  const auto normals = samples.size();
  add(options.anomaly, true);
  if (!options.masks.empty()) attach_masks(options, samples, normals);
  return samples;
}

void print_evaluation(const Evaluation& e) {
  for (const auto& w : e.warnings) std::fprintf(stderr, "warning: %s\n", w.c_str());
  for (const auto& s : e.skipped) std::fprintf(stderr, "skipped: %s\n", s.text().c_str());
  std::printf("%-18s %s\n", "evaluated",
              e.is_out_of_fold ? "out of fold, on the training pictures" : "on test pictures");
  std::printf("%-18s %lld\n", "pictures", static_cast<long long>(e.testing_images));
  for (const auto& [name, value] : {std::pair{"AUROC", e.image_auroc},
                                    {"average precision", e.average_precision},
                                    {"precision", e.precision},
                                    {"recall", e.recall},
                                    {"F1", e.f1},
                                    {"false alarm rate", e.false_alarm_rate},
                                    {"calibration error", std::optional(e.ece)}})
    std::printf("%-18s %s\n", name, shown(value).c_str());
  for (const auto& [name, interval] : e.intervals)
    std::printf("%-18s %.3f to %.3f (95 %% of %s)\n", "", interval.first, interval.second, name.c_str());
  for (const auto& p : e.predictions)
    if (p.is_suspect)
      std::fprintf(stderr, "suspect: %s is labelled %s, but looks %s\n", p.source_ref.c_str(),
                   p.is_anomalous ? "anomalous" : "normal", p.is_anomalous ? "normal" : "anomalous");
  if (e.pixel_auroc) std::printf("%-18s %.3f\n", "pixel AUROC", *e.pixel_auroc);
  if (e.pixel_average_precision) std::printf("%-18s %.3f\n", "pixel AP", *e.pixel_average_precision);
  for (const auto& l : e.labels)
    std::printf("%-18s precision %s  recall %s  F1 %s  average IoU %s\n", l.name.c_str(), shown(l.precision).c_str(),
                shown(l.recall).c_str(), shown(l.f1).c_str(), shown(l.aiou).c_str());
}

}  // namespace vedette
