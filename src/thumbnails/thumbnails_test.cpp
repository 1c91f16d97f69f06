#include "thumbnails/thumbnails.hpp"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/files.hpp"
#include "store/objects/filesystem/filesystem_objects.hpp"
#include "vision/image/image.hpp"

namespace vedette {
namespace {

namespace fs = std::filesystem;

RgbImage plain(int height, int width, std::uint8_t level) {
  RgbImage image{height, width, {}};
  image.pixels.assign(static_cast<std::size_t>(height) * static_cast<std::size_t>(width) * 3, level);
  return image;
}

/// Puts an EXIF block that says "turned by a quarter" behind the first marker of a JPEG.
Bytes with_orientation(Bytes jpeg) {
  const std::string exif{
      "\xFF\xE1\x00\x22"
      "Exif\0\0"
      "MM\0\x2A\0\0\0\x08"
      "\0\x01"
      "\x01\x12\0\x03\0\0\0\x01\0\x06\0\0"
      "\0\0\0\0",
      36};
  jpeg.insert(jpeg.begin() + 2, exif.begin(), exif.end());
  return jpeg;
}

class ThumbnailsTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(objects_->create_bucket("b")); }
  void put(const std::string& key, const Bytes& bytes) {
    ASSERT_TRUE(put_bytes(*objects_, "b", key, as_text(bytes), "image/jpeg"));
  }
  Result<Thumbnail> make(const std::string& key) {
    const std::vector<Thumbnails::ObjectName> names = {{"b", key}};
    auto made = thumbnails_.make(names, {});
    EXPECT_TRUE(made);
    return made->front();
  }
  std::vector<fs::path> cached() const {
    std::vector<fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator(folder_.path() / "cache"))
      if (entry.is_regular_file()) files.push_back(entry.path());
    return files;
  }
  /// Deletes the contents of all objects; the store still knows the objects.
  void lose_contents() const {
    std::vector<fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator(folder_.path() / "objects"))
      if (entry.is_regular_file() && !entry.path().filename().string().starts_with("index"))
        files.push_back(entry.path());
    ASSERT_FALSE(files.empty());
    for (const auto& file : files) fs::remove(file);
  }

  TemporaryFolder folder_;
  FakeClock clock_{Timestamp{std::chrono::hours(500'000)}};
  std::unique_ptr<BucketStore> objects_ = open_filesystem_objects(folder_.path() / "objects", clock_);
  Thumbnails thumbnails_{*objects_, {.cache_folder = folder_.path() / "cache", .cores = 2, .largest_image = 100'000}};
};

TEST_F(ThumbnailsTest, ThePictureIsReducedToALongerSideOf160PixelsAndKeepsItsRawGrid) {
  put("wide.jpg", with_orientation(*encode_jpeg(plain(300, 400, 90), 90)));
  ASSERT_EQ(read_image_header(as_bytes(*get_bytes(*objects_, "b", "wide.jpg", 1 << 20)))->orientation, 6);
  put("high.png", *encode_png(plain(1000, 500, 90)));
  put("small.png", *encode_png(plain(20, 40, 90)));
  const auto check = [&](const std::string& key, int height, int width, int small_height, int small_width) {
    const auto thumbnail = make(key);
    ASSERT_TRUE(thumbnail) << thumbnail.error().message;
    EXPECT_EQ(thumbnail->height, height);
    EXPECT_EQ(thumbnail->width, width);
    const auto image = decode_image(thumbnail->jpeg, {1, 4096});
    ASSERT_TRUE(image);
    EXPECT_EQ(image->height, small_height);
    EXPECT_EQ(image->width, small_width);
    EXPECT_NEAR(image->at(small_height / 2, small_width / 2)[1], 90, 3);
    EXPECT_EQ(as_text(thumbnail->jpeg).find("Exif"), std::string_view::npos);
  };
  check("wide.jpg", 300, 400, 120, 160);
  check("high.png", 1000, 500, 160, 80);
  check("small.png", 20, 40, 20, 40);
}

TEST_F(ThumbnailsTest, EachPictureHasItsOwnOutcome) {
  put("good", *encode_png(plain(64, 64, 10)));
  put("text", Bytes{'t', 'e', 'x', 't'});
  put("large", Bytes(100'001, 0));
  const std::vector<Thumbnails::ObjectName> names = {
      {"b", "good"}, {"b", "none"}, {"no-such-bucket", "x"}, {"b", "text"}, {"b", "large"}};
  const auto made = thumbnails_.make(names, {});
  ASSERT_TRUE(made);
  ASSERT_EQ(made->size(), names.size());
  EXPECT_TRUE((*made)[0]);
  EXPECT_EQ((*made)[1].error().kind, ErrorKind::not_found);
  EXPECT_EQ((*made)[2].error().kind, ErrorKind::not_found);
  EXPECT_EQ((*made)[3].error().kind, ErrorKind::invalid_input);
  EXPECT_EQ((*made)[4].error().message, "The image has more than 100000 bytes.");
}

TEST_F(ThumbnailsTest, AThumbnailIsMadeOnceForEachContent) {
  put("k", *encode_png(plain(64, 64, 10)));
  const auto first = make("k");
  ASSERT_TRUE(first);
  put("k", *encode_png(plain(64, 96, 200)));
  const auto second = make("k");
  ASSERT_TRUE(second);
  EXPECT_EQ(second->width, 96);
  EXPECT_EQ(cached().size(), 2U);
  lose_contents();
  // Another object, as after a restart, finds the thumbnail without its picture.
  Thumbnails restarted(*objects_, {.cache_folder = folder_.path() / "cache"});
  const std::vector<Thumbnails::ObjectName> names = {{"b", "k"}};
  const auto third = restarted.make(names, {});
  ASSERT_TRUE(third && third->front());
  EXPECT_EQ(third->front()->jpeg, second->jpeg);
  EXPECT_EQ(third->front()->width, 96);
}

TEST_F(ThumbnailsTest, ADamagedOrDeletedCacheIsMadeAgain) {
  put("k", *encode_png(plain(64, 64, 10)));
  const auto whole = make("k");
  ASSERT_TRUE(whole);
  const auto file = cached().front();
  auto bytes = *read_file(file, 1 << 20);
  const auto good = bytes;
  bytes[bytes.size() / 2] ^= 1;
  ASSERT_TRUE(write_file_atomically(file, as_text(bytes)));
  EXPECT_EQ(make("k")->jpeg, whole->jpeg);
  EXPECT_EQ(*read_file(file, 1 << 20), good);
  ASSERT_TRUE(write_file_atomically(file, ""));
  EXPECT_EQ(make("k")->jpeg, whole->jpeg);
  fs::remove_all(folder_.path() / "cache");
  EXPECT_EQ(make("k")->jpeg, whole->jpeg);
  EXPECT_EQ(cached().size(), 1U);
}

TEST_F(ThumbnailsTest, ACallThatNobodyWaitsForEnds) {
  put("k", *encode_png(plain(64, 64, 10)));
  std::stop_source gone;
  gone.request_stop();
  const std::vector<Thumbnails::ObjectName> names = {{"b", "k"}};
  EXPECT_EQ(thumbnails_.make(names, gone.get_token()).error().kind, ErrorKind::unavailable);
}

TEST(ThumbnailCache, TheOldestGoWhenTheyTakeTooMuchSpace) {
  const TemporaryFolder folder;
  const auto name = [](int i) { return std::string(30, 'a') + std::to_string(10 + i); };
  ThumbnailCache cache(folder.path(), 10 * 4096);
  const auto age = [&](int i) {  // The test does not rely on how exact the times of the file system are.
    const auto path = folder.path() / name(i).substr(0, 2) / name(i).substr(2);
    fs::last_write_time(path, fs::file_time_type::clock::now() - std::chrono::hours(100 - i));
  };
  for (int i = 0; i < 10; ++i) cache.put(name(i), {Bytes(100, 1), 7, 9}), age(i);
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(cache.find(name(i))) << i;
  cache.put(name(10), {Bytes(5000, 1), 7, 9});  // takes two blocks: now there are twelve, and nine may stay
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(cache.find(name(i))) << i;
  for (int i = 3; i < 11; ++i) EXPECT_TRUE(cache.find(name(i))) << i;
  // A cache that was filled before is counted, too.
  ThumbnailCache restarted(folder.path(), 3 * 4096);
  restarted.put(name(11), {Bytes(100, 1), 7, 9});
  EXPECT_TRUE(restarted.find(name(11)));
  EXPECT_FALSE(restarted.find(name(9)));
}

}  // namespace
}  // namespace vedette
