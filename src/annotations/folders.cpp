#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <set>

#include "annotations/readers.hpp"
#include "vision/image/mask_match.hpp"

namespace vedette {
namespace fs = std::filesystem;
namespace {

constexpr std::array kPictureFolders = {"images", "image", "imgs", "img", "pictures"};
constexpr std::array kMaskFolders = {"masks", "mask", "ground_truth", "groundtruth", "gt", "labels", "annotations"};
constexpr std::array kNormalFolders = {"normal", "good"};
constexpr std::array kAnomalyFolders = {"anomaly", "bad", "defect", "defective"};
constexpr const char* kAnomaly = "anomaly";  ///< the label of what black-and-white masks mark

template <std::size_t N>
bool is_one_of(std::string_view part, const std::array<const char*, N>& names) {
  return std::any_of(names.begin(), names.end(), [&](const char* name) { return equals_ignore_case(part, name); });
}

/// A name without the folders that say only what kind of file it is, so that pictures and masks have names in common.
struct FileKind {
  fs::path name;
  bool is_mask = false, is_normal = false, is_anomaly = false;
};

FileKind kind_of(const std::string& name) {
  FileKind out;
  const auto parts = split(name, '/');
  for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
    const bool is_mask = is_one_of(parts[i], kMaskFolders), is_normal = is_one_of(parts[i], kNormalFolders),
               is_anomaly = is_one_of(parts[i], kAnomalyFolders);
    out.is_mask |= is_mask, out.is_normal |= is_normal, out.is_anomaly |= is_anomaly;
    if (!is_mask && !is_normal && !is_anomaly && !is_one_of(parts[i], kPictureFolders)) out.name /= parts[i];
  }
  out.name /= parts.back();
  return out;
}

}  // namespace

Result<void> read_mvtec(const AnnotationFiles& annotations, const AnnotationFiles& pictures, AnnotationSet& set) {
  const std::set<std::string, std::less<>> files(annotations.names().begin(), annotations.names().end());
  std::set<std::string> products;
  for (const auto& name : pictures.names()) {
    if (!is_picture_name(name)) continue;
    // The name is [product/]train|test/<class>/<file>.
    const auto parts = split(name, '/');
    if (parts.size() < 3) continue;
    const auto side = parts[parts.size() - 3], kind = parts[parts.size() - 2];
    if (side != "train" && side != "test") continue;
    const auto product = name.substr(0, static_cast<std::size_t>(side.data() - name.data()));
    products.insert(product);
    AnnotatedPicture picture;
    picture.name = name;
    picture.split = side == "test" ? Split::test : Split::train;
    picture.class_labels.emplace_back(kind);
    if (kind != "good") {
      const auto stem = product + "ground_truth/" + std::string(kind) + "/" + std::string(without_suffix(parts.back()));
      for (const auto* ending : {"_mask.png", ".png"})
        if (!picture.label_file && files.contains(stem + ending))
          picture.label_file = LabelFile{stem + ending, {}, std::string(kind), false};
    }
    if (set.pictures.size() < kMostPictures) set.pictures.push_back(std::move(picture));
  }
  if (products.empty())
    return invalid_input("there are no pictures in train/<class>/ and test/<class>/, as MVTec AD has them");
  if (products.size() > 1)
    return invalid_input("the folder holds several products (" + *products.begin() + ", " +
                         *std::next(products.begin()) + " …); convert each by itself");
  return {};
}

Result<void> read_mask_folder(const AnnotationFiles& annotations, const AnnotationFiles& pictures, AnnotationSet& set) {
  // Masks are matched in a folder of their own, because a mask may have the whole name of its picture.
  const fs::path mask_root = "masks";
  // Where pictures and masks lie together, the endings of their names tell them apart.
  std::vector<fs::path> named;
  for (const auto& name : pictures.names())
    if (is_picture_name(name) && !kind_of(name).is_mask) named.emplace_back(name);
  std::vector<fs::path> possible;
  for (const auto& name : annotations.names())
    if (is_picture_name(name)) possible.emplace_back(name);
  const auto told = tell_masks_from_pictures("", named, "", possible);
  std::vector<fs::path> mask_names, picture_names;
  std::vector<std::size_t> owners;
  const std::set<fs::path> told_pictures(told.pictures.begin(), told.pictures.end());
  std::map<fs::path, fs::path> file_of;  // The file of each name; the first counts.
  for (const auto& mask : told.masks) {
    const auto kind = kind_of(mask.generic_string());
    if (told_pictures.contains(mask) && !kind.is_mask) continue;
    if (file_of.emplace(mask_root / kind.name, mask).second) mask_names.push_back(mask_root / kind.name);
  }
  for (const auto& file : told.pictures) {
    if (set.pictures.size() >= kMostPictures) break;
    const auto name = file.generic_string();
    const auto kind = kind_of(name);
    AnnotatedPicture picture;
    picture.name = name;
    const auto slash = name.rfind('/');
    picture.split = slash == std::string::npos ? Split::train : split_of(name.substr(0, slash));
    if (kind.is_normal) {
      picture.class_labels.emplace_back("normal");
    } else {
      if (kind.is_anomaly) picture.class_labels.emplace_back(kAnomaly);
      picture_names.push_back(kind.name);
      owners.push_back(set.pictures.size());
    }
    set.pictures.push_back(std::move(picture));
  }
  const auto matched = match_masks("", picture_names, mask_root, mask_names);
  std::size_t count = 0;
  for (std::size_t i = 0; i < owners.size(); ++i) {
    if (!matched.of_picture[i]) continue;
    set.pictures[owners[i]].label_file =
        LabelFile{file_of.at(*matched.of_picture[i]).generic_string(), {}, kAnomaly, false};
    ++count;
  }
  if (count == 0)
    return invalid_input(
        "none of the pictures has a mask of its name in a folder such as masks/, or beside it as NAME_mask.png");
  for (const auto& mask : matched.unused)
    set.problems.add(mask.generic_string() + ": there is no picture for this mask");
  return {};
}

}  // namespace vedette
