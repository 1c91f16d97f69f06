#include "base/file_tree.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "base/files.hpp"

namespace vedette {
namespace {

namespace fs = std::filesystem;

void touch(const fs::path& path) {
  fs::create_directories(path.parent_path());
  std::ofstream(path) << "x";
}

std::vector<std::string> names(const std::vector<fs::path>& paths, const fs::path& root) {
  std::vector<std::string> out;
  for (const auto& p : paths) out.push_back(p.lexically_relative(root).string());
  return out;
}

TEST(FileTree, FilesThatSystemsLeaveAreNotSeen) {
  const TemporaryFolder folder;
  const auto root = folder.path() / ".own";  // The folder that is asked for may be hidden.
  for (const auto* name : {"b.png", "a/c.png", "._b.png", ".DS_Store", ".ipynb_checkpoints/b.png",
                           ".Trash-1000/files/x.png", "a/@eaDir/c.png/SYNOPHOTO_THUMB_M.png", "__MACOSX/b.png",
                           "#recycle/b.png", "$RECYCLE.BIN/b.png", "System Volume Information/b.png", "a/Thumbs.db"})
    touch(root / name);
  EXPECT_EQ(names(list_files(root).files, root), (std::vector<std::string>{"a/c.png", "b.png"}));
}

TEST(FileTree, EachFolderIsReadOnceAndDanglingLinksAreNamed) {
  const TemporaryFolder folder, other;
  const auto& root = folder.path();
  touch(root / "z/1.png");
  touch(other.path() / "2.png");
  fs::create_directory_symlink(".", root / "current");
  // The link's name sorts before the folder's own, which counts.
  fs::create_directory_symlink("z", root / "a");
  fs::create_directory_symlink(other.path(), root / "b");  // The folder is read by the first of its two links.
  fs::create_directory_symlink(other.path(), root / "c");
  fs::create_directory_symlink(root, other.path() / "back");
  fs::create_symlink("/nonexistent.png", root / "dangling.png");
  fs::create_symlink("loop", root / "loop");
  const auto tree = list_files(root);
  EXPECT_EQ(names(tree.files, root), (std::vector<std::string>{"b/2.png", "z/1.png"}));
  EXPECT_EQ(names(tree.dangling, root), (std::vector<std::string>{"dangling.png", "loop"}));
  EXPECT_THROW(list_files(root / "missing"), fs::filesystem_error);
}

TEST(FileTree, NamesThatAreNotUtf8AreFoundAgain) {
  EXPECT_EQ(to_name("good/Prüfling 1%.png"), "good/Prüfling 1%.png");
  EXPECT_EQ(path_from_name("good/Prüfling 1%.png"), "good/Prüfling 1%.png");
  EXPECT_EQ(to_name("/a/Pr\xfc 1%.png"), "file:///a/Pr%FC%201%25.png");
  EXPECT_EQ(path_from_name("file:///a/Pr%FC%201%25.png"), "/a/Pr\xfc 1%.png");
}

}  // namespace
}  // namespace vedette
