#include "vision/image/mask_match.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "base/text.hpp"

namespace vedette {
namespace fs = std::filesystem;
namespace {

constexpr std::array kEndings = {"mask",  "masks",  "gt",  "ground_truth", "groundtruth",
                                 "label", "labels", "seg", "segmentation"};
constexpr std::array kPictureEndings = {"jpg", "jpeg", "png", "bmp", "tif", "tiff", "webp"};

/// Returns the name without an ending that says "mask", or unchanged if it has none.
std::string without_ending(const std::string& stem) {
  const auto lower = to_lower(stem);
  const auto cut = [&](const char* ending) -> std::string {
    const std::string_view text = ending;
    if (lower.size() <= text.size() + 1 || !lower.ends_with(text)) return {};
    const char before = lower[lower.size() - text.size() - 1];
    if (before != '_' && before != '-' && before != '.' && before != ' ') return {};
    return stem.substr(0, stem.size() - text.size() - 1);
  };
  // The longest ending comes first: "ground_truth" ends in no other, but "000.jpg_mask" has two.
  for (const auto* ending : kEndings)
    if (auto rest = cut(ending); !rest.empty()) return rest;
  return stem;
}

/// Returns the name without a picture's extension, which some tools keep before the mask's own.
std::string without_extension(const std::string& stem) {
  const auto extension = to_lower(fs::path(stem).extension().string());
  const bool is_picture = std::any_of(kPictureEndings.begin(), kPictureEndings.end(),
                                      [&](const char* e) { return extension == std::string(".") + e; });
  return is_picture ? fs::path(stem).stem().string() : stem;
}

struct Name {
  std::string folder, stem;
};

Name name_of(const fs::path& file, const fs::path& root) {
  const auto relative = file.lexically_relative(root);
  return {relative.parent_path().generic_string(), relative.stem().string()};
}

}  // namespace

MatchedMasks match_masks(const fs::path& picture_folder, std::span<const fs::path> pictures,
                         const fs::path& mask_folder, std::span<const fs::path> masks) {
  MatchedMasks out;
  out.of_picture.resize(pictures.size());
  // Each rank finds masks by the picture that they name. If a name is there twice, the first in their order counts.
  using Key = std::pair<std::string, std::string>;
  std::array<std::map<Key, std::size_t>, 3> ranks;
  std::map<std::string, std::vector<std::size_t>> by_stem;
  for (std::size_t i = 0; i < masks.size(); ++i) {
    const auto name = name_of(masks[i], mask_folder);
    const auto plain = without_extension(without_ending(without_extension(name.stem)));
    ranks[0].emplace(Key{name.folder, name.stem}, i);
    if (plain != name.stem) ranks[1].emplace(Key{name.folder, plain}, i);
    const fs::path folder = name.folder;
    if (name.stem == "label" && folder.filename().string().ends_with("_json")) {
      const auto labelled = folder.filename().string();
      ranks[2].emplace(Key{folder.parent_path().generic_string(), labelled.substr(0, labelled.size() - 5)}, i);
    }
    by_stem[name.stem].push_back(i);
    if (plain != name.stem) by_stem[plain].push_back(i);
  }
  std::map<std::string, std::size_t> pictures_of_stem;
  for (const auto& picture : pictures) ++pictures_of_stem[picture.stem().string()];
  std::vector<char> is_used(masks.size());
  const auto take = [&](std::size_t picture, std::size_t mask) {
    if (masks[mask].lexically_normal() == pictures[picture].lexically_normal()) return false;
    out.of_picture[picture] = masks[mask];
    is_used[mask] = 1;
    return true;
  };
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    const auto name = name_of(pictures[i], picture_folder);
    for (const auto& rank : ranks)
      if (const auto it = rank.find({name.folder, name.stem}); !out.of_picture[i] && it != rank.end())
        (void)take(i, it->second);
  }
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    const auto stem = pictures[i].stem().string();
    const auto it = by_stem.find(stem);
    if (!out.of_picture[i] && it != by_stem.end() && it->second.size() == 1 && pictures_of_stem[stem] == 1 &&
        !is_used[it->second[0]])
      (void)take(i, it->second[0]);
  }
  std::set<fs::path> listed;
  for (const auto& picture : pictures) listed.insert(picture.lexically_normal());
  for (std::size_t i = 0; i < masks.size(); ++i) {
    const bool is_picture = listed.contains(masks[i].lexically_normal());
    const bool is_beside_label = masks[i].parent_path().filename().string().ends_with("_json");
    if (!is_used[i] && !is_picture && !is_beside_label) out.unused.push_back(masks[i]);
  }
  return out;
}

PicturesAndMasks tell_masks_from_pictures(const fs::path& picture_folder, std::span<const fs::path> pictures,
                                          const fs::path& mask_folder, std::span<const fs::path> masks) {
  const auto from =
      mask_folder.lexically_normal().lexically_relative(picture_folder.lexically_normal()).generic_string();
  const bool is_folder_of_masks = !from.empty() && from != "." && !from.starts_with("..");
  const auto is_mask = [&](const fs::path& file) {
    const auto stem = file.stem().string();
    return is_folder_of_masks || without_ending(without_extension(stem)) != without_extension(stem) ||
           file.parent_path().filename().string().ends_with("_json");
  };
  const auto sorted = [](std::span<const fs::path> files) {
    std::set<fs::path> out;
    for (const auto& file : files) out.insert(file.lexically_normal());
    return out;
  };
  const auto all_pictures = sorted(pictures), all_masks = sorted(masks);
  PicturesAndMasks out;
  for (const auto& picture : pictures)
    if (!all_masks.contains(picture.lexically_normal()) || !is_mask(picture)) out.pictures.push_back(picture);
  for (const auto& mask : masks)
    if (!all_pictures.contains(mask.lexically_normal()) || is_mask(mask)) out.masks.push_back(mask);
  return out;
}

}  // namespace vedette
