#include "vision/artifact/placement.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "base/files.hpp"
#include "vision/artifact/artifact.hpp"

namespace vedette {
namespace {

namespace fs = std::filesystem;

void write(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path) << text;
}

/// Makes a model of one tensor, and its evaluation.
void make_model(const fs::path& folder, float value) {
  Manifest m;
  ASSERT_TRUE(write_artifact(folder, m, {{"t", Tensor::make({1}, {value})}, {"same", Tensor::make({1}, {0})}},
                             {{"t"}, {"same"}}));
  write(folder / "evaluation.json", std::to_string(value));
}

std::string text_of(const fs::path& path) {
  return std::string(as_text(read_file(path, 1 << 20).value()));
}

std::string reason(const fs::path& wanted) {
  const auto place = check_model_place(wanted);
  return place ? "" : place.error().message;
}

TEST(Placement, AModelIsReplacedAndNothingElseIsTouched) {
  const TemporaryFolder t;
  make_model(t.path() / "old", 1);
  make_model(t.path() / "new", 2);
  write(t.path() / "old/notes.txt", "only copy");
  write(t.path() / "old/blobs/mine", "only copy");
  write(t.path() / "old/photos/1.png", "only copy");
  const auto old_manifest = text_of(t.path() / "old/manifest.json");
  const auto place = check_model_place(t.path() / "old/");
  ASSERT_TRUE(place) << place.error().message;
  EXPECT_EQ(*place, fs::canonical(t.path() / "old"));
  EXPECT_EQ(text_of(t.path() / "old/manifest.json"), old_manifest);
  ASSERT_TRUE(place_model(t.path() / "new", *place));
  EXPECT_EQ(text_of(t.path() / "old/manifest.json"), text_of(t.path() / "new/manifest.json"));
  EXPECT_EQ(text_of(t.path() / "old/evaluation.json"), text_of(t.path() / "new/evaluation.json"));
  for (const auto* name : {"notes.txt", "blobs/mine", "photos/1.png"})
    EXPECT_EQ(text_of(t.path() / "old" / name), "only copy");
  // Two blobs and the user's file are left: the old model's own blob is gone.
  EXPECT_EQ(std::distance(fs::directory_iterator(t.path() / "old/blobs"), {}), 3);
}

TEST(Placement, TheOldModelIsWholeIfTheNewOneCannotBeWritten) {
  const TemporaryFolder t;
  make_model(t.path() / "old", 1);
  make_model(t.path() / "new", 2);
  // One of the new model's blobs is lost, as if the copy was cut off there.
  for (const auto& entry : fs::directory_iterator(t.path() / "new/blobs"))
    if (!fs::exists(t.path() / "old/blobs" / entry.path().filename())) fs::remove(entry.path());
  const auto before = text_of(t.path() / "old/manifest.json");
  EXPECT_FALSE(place_model(t.path() / "new", t.path() / "old"));
  EXPECT_EQ(text_of(t.path() / "old/manifest.json"), before);
  EXPECT_EQ(text_of(t.path() / "old/evaluation.json"), std::to_string(1.0F));
  EXPECT_EQ(std::distance(fs::directory_iterator(t.path() / "old/blobs"), {}), 2);
}

TEST(Placement, NewFoldersAndLinksToFoldersAreTaken) {
  const TemporaryFolder t;
  make_model(t.path() / "new", 2);
  for (const auto* name : {"a/b/c", "d/", "e/."}) {
    const auto place = check_model_place(t.path() / name);
    ASSERT_TRUE(place) << place.error().message;
    EXPECT_FALSE(fs::exists(*place)) << "the check made " << *place;
    ASSERT_TRUE(place_model(t.path() / "new", *place));
    EXPECT_TRUE(fs::exists(t.path() / name / "manifest.json"));
  }
  fs::create_directory(t.path() / "empty");
  fs::create_directory_symlink("empty", t.path() / "link");
  const auto place = check_model_place(t.path() / "link/");
  ASSERT_TRUE(place) << place.error().message;
  ASSERT_TRUE(place_model(t.path() / "new", *place));
  EXPECT_TRUE(fs::is_symlink(t.path() / "link"));
  EXPECT_TRUE(fs::exists(t.path() / "empty/manifest.json"));
  EXPECT_EQ(reason(t.path() / "link"), "");  // The folder holds a model now.
}

TEST(Placement, APathThatCannotHoldAModelIsRefusedAndNamed) {
  const TemporaryFolder t;
  write(t.path() / "site/manifest.json", R"({"name": "a web page"})");
  write(t.path() / "site/notes.txt", "only copy");
  write(t.path() / "sly/manifest.json", R"({"format": "vedette-model", "tensors": {"t": "../../site/notes.txt"}})");
  write(t.path() / "cut/manifest.json", R"({"format": "vedette-mo)");
  write(t.path() / "file", "x");
  fs::create_symlink("nowhere", t.path() / "dangling");
  for (const auto* name : {"site", "site/", "sly", "cut"})
    EXPECT_NE(reason(t.path() / name).find("holds no model"), std::string::npos) << name;
  EXPECT_NE(reason(t.path() / "file").find("is a file"), std::string::npos);
  EXPECT_NE(reason(t.path() / "file/model").find("is no folder"), std::string::npos);
  EXPECT_NE(reason(t.path() / "dangling").find("leads nowhere"), std::string::npos);
  EXPECT_NE(reason("/").find("holds no model"), std::string::npos);
  EXPECT_NE(reason("/proc/vedette/model"), "");  // Nothing can be made there.
  EXPECT_EQ(text_of(t.path() / "site/notes.txt"), "only copy");
}

}  // namespace
}  // namespace vedette
