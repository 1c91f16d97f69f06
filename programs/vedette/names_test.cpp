#include <gtest/gtest.h>

#include <fstream>
#include <stdexcept>

#include "base/files.hpp"
#include "import_source.hpp"
#include "mask_names.hpp"

namespace vedette {
namespace {

namespace fs = std::filesystem;
using Names = std::vector<std::string>;

/// Returns the file that each reference of a training manifest means, in the order of the references; "-" stands for
/// none.
Names matched(const Names& references, const Names& files) {
  std::set<Reference> all;
  for (const auto& r : references) all.emplace("train", r);
  const auto found = match_files(all, files);
  Names out;
  for (const auto& r : references) {
    const auto it = found.find({"train", r});
    out.push_back(it == found.end() ? "-" : it->second);
  }
  return out;
}

TEST(MatchFiles, AMissingPictureIsNotAnotherOfTheSameName) {
  EXPECT_EQ(matched({"s3://old/images/normal/1.png", "s3://old/images/anomaly/1.png", "s3://old/images/anomaly/2.png"},
                    {"images/anomaly/2.png", "images/normal/1.png"}),
            (Names{"images/normal/1.png", "-", "images/anomaly/2.png"}));
  // The file does not match even though no other reference claims it, and a mask must not match a picture.
  EXPECT_EQ(matched({"s3://old/images/anomaly/1.png"}, {"images/normal/1.png"}), (Names{"-"}));
  EXPECT_EQ(matched({"s3://old/images/bad/1.png", "s3://old/masks/bad/1.png"}, {"images/bad/1.png"}),
            (Names{"images/bad/1.png", "-"}));
  EXPECT_EQ(matched({"s3://old/test/good/1.png", "s3://old/train/good/1.png"}, {"train/good/1.png"}),
            (Names{"-", "train/good/1.png"}));
  EXPECT_EQ(matched({"s3://old/test/good/1.png", "s3://old/good/1.png"}, {"good/1.png"}), (Names{"-", "good/1.png"}));
}

TEST(MatchFiles, WhatWasKeptBelowOtherFoldersIsFound) {
  EXPECT_EQ(matched({"s3://old/line 7/img/1.png"}, {"train/images/line 7/img/1.png"}),
            (Names{"train/images/line 7/img/1.png"}));
  EXPECT_EQ(matched({"s3://old/set/training-images/1.jpg"}, {"training-images/1.jpg"}),
            (Names{"training-images/1.jpg"}));
  EXPECT_EQ(matched({"s3://old/a/1.jpg", "s3://old/a/2.jpg"}, {"1.jpg", "2.jpg"}), (Names{"1.jpg", "2.jpg"}));
  // The folder "project" was copied as "images".
  EXPECT_EQ(matched({"s3://old/project/good/1.png", "s3://old/project/good/2.png"},
                    {"images/good/1.png", "images/good/2.png"}),
            (Names{"images/good/1.png", "images/good/2.png"}));
  // Both folders that the export makes for the two datasets have a file with this key.
  EXPECT_EQ(matched({"s3://old/a/1.png"}, {"test/images/a/1.png", "train/images/a/1.png"}),
            (Names{"train/images/a/1.png"}));
}

TEST(MatchFiles, WhatIsAmbiguousIsLeftOut) {
  EXPECT_EQ(matched({"s3://old/a/1.png", "s3://old/b/1.png"}, {"1.png"}), (Names{"-", "-"}));
  EXPECT_EQ(matched({"s3://one/a/1.png", "s3://two/a/1.png"}, {"a/1.png"}), (Names{"-", "-"}));
  EXPECT_EQ(matched({"s3://old/1.png"}, {"x/1.png", "y/1.png"}), (Names{"-"}));
  EXPECT_EQ(matched({"s3://old/1.png"}, {"1.png", "y/1.png"}), (Names{"1.png"}));
  // In the first case two folders would have been moved to one, and in the second case one folder to two.
  EXPECT_EQ(matched({"s3://old/p/good/1.png", "s3://old/q/good/2.png"}, {"kept/good/1.png", "kept/good/2.png"}),
            (Names{"-", "-"}));
  EXPECT_EQ(matched({"s3://old/p/good/1.png", "s3://old/p/good/2.png"}, {"x/good/1.png", "y/good/2.png"}),
            (Names{"-", "-"}));
}

Names masks(const Names& pictures) {
  return mask_names({pictures.begin(), pictures.end()});
}

TEST(MaskNames, TellPicturesApart) {
  EXPECT_EQ(masks({"bad/000.png", "bad/001.jpg"}), (Names{"000-mask.png", "001-mask.png"}));
  EXPECT_EQ(masks({"a.png", "a.jpg"}), (Names{"a.png-mask.png", "a.jpg-mask.png"}));
  EXPECT_EQ(masks({"x/left/000.png", "x/right/000.png", "x/1.png"}),
            (Names{"left-000-mask.png", "right-000-mask.png", "1-mask.png"}));
  EXPECT_EQ(masks({"000.png", "sub/000.png", "./000.png"}),
            (Names{"000-mask.png", "sub-000-mask.png", "000-mask.png"}));
  for (const auto& hard :
       {Names{"A.png", "a.png", "b.png"}, Names{"a-b/1.png", "a/b-1.png", "a/b/1.png", "1.png", "b-1.png"},
        Names{"a.png", "a.jpg", "a.png.png", "a.jpg.jpg"}}) {
    std::set<std::string> different;
    for (auto name : masks(hard)) {
      for (auto& c : name) c = static_cast<char>(std::tolower(c));
      different.insert(name);
    }
    EXPECT_EQ(different.size(), hard.size()) << hard[0];
  }
}

TEST(MaskNames, NoInputIsOverwritten) {
  const TemporaryFolder t;
  std::ofstream(t.path() / "1.png") << "x";
  fs::create_symlink("1.png", t.path() / "link.png");
  fs::create_hard_link(t.path() / "1.png", t.path() / "hard.png");
  for (const auto* name : {"1.png", "link.png", "hard.png"})
    EXPECT_THROW(refuse_to_overwrite({t.path() / "1.png"}, {t.path() / "new.png", t.path() / name}), std::runtime_error)
        << name;
  EXPECT_NO_THROW(refuse_to_overwrite({t.path() / "1.png"}, {t.path() / "new.png"}));
}

}  // namespace
}  // namespace vedette
