#include "base/file_tree.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <set>
#include <system_error>
#include <utility>

#include "base/text.hpp"

namespace vedette {
namespace fs = std::filesystem;
namespace {

constexpr std::array kSystemNames = {
    "@eadir",     "@tmp",      "@recycle",     "@recently-snapshot", "#recycle",
    "#snapshot",  "__macosx",  "$recycle.bin", "recycler",           "system volume information",
    "lost+found", "thumbs.db", "ehthumbs.db",  "desktop.ini",        "__pycache__"};
constexpr std::string_view kFileScheme = "file://";

class Walk {
 public:
  FileTree run(const fs::path& root) {
    (void)fs::directory_iterator(root);  // This throws if the folder cannot be read.
    visit(root);
    // Links are visited after all real folders, so that a folder keeps its own name. Links that lie behind links come
    // last.
    while (!links_.empty()) {
      auto links = std::exchange(links_, {});
      std::sort(links.begin(), links.end());
      for (const auto& link : links) visit(link);
    }
    for (auto* list : {&tree_.files, &tree_.dangling, &tree_.unreadable}) std::sort(list->begin(), list->end());
    return std::move(tree_);
  }

 private:
  void visit(const fs::path& root) {
    std::vector<fs::path> open{root};
    while (!open.empty()) {
      const auto folder = std::move(open.back());
      open.pop_back();
      struct stat info {};
      if (::stat(folder.c_str(), &info) != 0 || !read_.emplace(info.st_dev, info.st_ino).second) continue;
      std::error_code code;
      fs::directory_iterator entries(folder, code);
      for (; !code && entries != fs::directory_iterator(); entries.increment(code)) sort_in(entries->path(), open);
      if (code) tree_.unreadable.push_back(folder);
    }
  }

  void sort_in(const fs::path& path, std::vector<fs::path>& open) {
    if (is_system_name(path.filename().native())) return;
    struct stat own {
    }, info{};
    if (::lstat(path.c_str(), &own) != 0) return;  // The file was deleted meanwhile.
    if (::stat(path.c_str(), &info) != 0) {
      tree_.dangling.push_back(path);
    } else if (S_ISREG(info.st_mode)) {
      tree_.files.push_back(path);
    } else if (S_ISDIR(info.st_mode)) {
      (S_ISLNK(own.st_mode) ? links_ : open).push_back(path);
    }
  }

  FileTree tree_;
  std::vector<fs::path> links_;
  std::set<std::pair<dev_t, ino_t>> read_;
};

}  // namespace

bool is_system_name(std::string_view name) {
  if (name.starts_with('.')) return true;
  const auto lower = to_lower(name);
  return std::find(kSystemNames.begin(), kSystemNames.end(), lower) != kSystemNames.end();
}

FileTree list_files(const fs::path& folder) {
  return Walk().run(folder);
}

std::string to_name(const fs::path& path) {
  if (is_utf8(path.native())) return path.string();
  return std::string(kFileScheme) + uri_encode(fs::absolute(path).native(), true);
}

fs::path path_from_name(const std::string& name) {
  if (!name.starts_with(std::string(kFileScheme) + "/")) return name;
  auto path = uri_decode(std::string_view(name).substr(kFileScheme.size()));
  return path ? fs::path(*path) : fs::path(name);
}

}  // namespace vedette
