#include "mask_names.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <stdexcept>

#include "base/file_tree.hpp"
#include "base/text.hpp"

namespace vedette {
namespace fs = std::filesystem;
namespace {

/// Returns the folder that all pictures have in common.
fs::path common_folder(const std::vector<fs::path>& pictures) {
  fs::path common = pictures.front().parent_path();
  for (const auto& p : pictures) {
    const auto folder = p.parent_path();
    const auto [end, unused] = std::mismatch(common.begin(), common.end(), folder.begin(), folder.end());
    fs::path shorter;
    for (auto it = common.begin(); it != end; ++it) shorter /= *it;
    common = shorter;
  }
  return common;
}

std::string joined(const fs::path& relative) {
  std::string out;
  for (const auto& part : relative) out += (out.empty() ? "" : "-") + part.string();
  return out;
}

}  // namespace

std::vector<std::string> mask_names(const std::vector<fs::path>& pictures) {
  // This groups the pictures that would have the same mask name, by that name.
  std::map<std::string, std::vector<fs::path>> groups;
  std::set<fs::path> known;
  for (const auto& p : pictures)
    if (const auto path = fs::absolute(p).lexically_normal(); known.insert(path).second)
      groups[to_lower(path.stem().string())].push_back(path);
  std::map<fs::path, std::string> names;
  std::set<std::string> used;
  for (const auto& entry : groups) {
    const auto& group = entry.second;
    const auto common = common_folder(group);
    const std::vector<std::function<std::string(const fs::path&)>> ways = {
        [](const fs::path& p) { return p.stem().string(); }, [](const fs::path& p) { return p.filename().string(); },
        [&](const fs::path& p) { return joined((p.parent_path() / p.stem()).lexically_relative(common)); },
        [&](const fs::path& p) { return joined(p.lexically_relative(common)); }};
    auto way = std::find_if(ways.begin(), ways.end(), [&](const auto& name) {
      std::set<std::string> different;
      for (const auto& p : group) different.insert(to_lower(name(p)));
      return different.size() == group.size();
    });
    if (way == ways.end()) way = ways.begin();
    for (const auto& p : group) {
      const auto name = (*way)(p);
      auto file = name + "-mask.png";
      for (int number = 2; !used.insert(to_lower(file)).second; ++number)
        file = name + "-" + std::to_string(number) + "-mask.png";
      names[p] = file;
    }
  }
  std::vector<std::string> out;
  for (const auto& p : pictures) out.push_back(names.at(fs::absolute(p).lexically_normal()));
  return out;
}

void refuse_to_overwrite(const std::vector<fs::path>& inputs, const std::vector<fs::path>& outputs) {
  std::set<std::pair<dev_t, ino_t>> files;
  struct stat info {};
  for (const auto& path : inputs)
    if (::stat(path.c_str(), &info) == 0) files.emplace(info.st_dev, info.st_ino);
  for (const auto& path : outputs)
    if (::stat(path.c_str(), &info) == 0 && files.contains({info.st_dev, info.st_ino}))
      throw std::runtime_error(to_name(path) + " is read here and would be overwritten; choose another place");
}

}  // namespace vedette
