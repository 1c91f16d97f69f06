// One suite over every backend: a second backend adds itself to the list at the end.
#include "store/objects/objects.hpp"

#include <gtest/gtest.h>

#include "base/files.hpp"
#include "base/text.hpp"
#include "store/objects/filesystem/filesystem_objects.hpp"

namespace vedette {
namespace {

namespace fs = std::filesystem;
const FakeClock kClock{Timestamp{std::chrono::seconds(1)}};

class Objects : public testing::Test {
 protected:
  void SetUp() override {
    store_ = open_filesystem_objects(folder_.path(), kClock);
    ASSERT_TRUE(store_->create_bucket("b"));
  }
  std::string get(const std::string& key) {
    auto bytes = get_bytes(*store_, "b", key, 1 << 20);
    return bytes ? *bytes : "error " + bytes.error().code;
  }
  std::size_t content_files() const {
    std::size_t count = 0;
    for (const auto& e : fs::recursive_directory_iterator(folder_.path() / "contents")) count += e.is_regular_file();
    return count;
  }
  TemporaryFolder folder_;
  std::unique_ptr<ObjectStore> store_;
};

TEST_F(Objects, KeysAreOpaqueBytes) {
  const std::vector<std::string> keys = {
      "a", "A", "a/b", "a//b", "../x", "/", "ä", "a\u0308", std::string("nul\0x", 5), std::string(1024, 'k')};
  for (const auto& key : keys) ASSERT_TRUE(put_bytes(*store_, "b", key, "content of " + key, "t"));
  for (const auto& key : keys) EXPECT_EQ(get(key), "content of " + key);
  auto sorted = keys;
  std::sort(sorted.begin(), sorted.end());
  const auto listed = store_->list("b", {"", "", 100});
  ASSERT_TRUE(listed);
  ASSERT_EQ(listed->size(), keys.size());
  for (std::size_t i = 0; i < sorted.size(); ++i) EXPECT_EQ((*listed)[i].key, sorted[i]);
  EXPECT_EQ(content_files(), keys.size());
}

TEST_F(Objects, ListingTakesPrefixAndStart) {
  for (const char* key : {"a/1", "a/2", "a/3", "b/1", "a\xFF"}) ASSERT_TRUE(put_bytes(*store_, "b", key, "", "t"));
  EXPECT_EQ(store_->list("b", {"a/", "", 10})->size(), 3U);
  EXPECT_EQ(store_->list("b", {"a/", "a/1", 10})->at(0).key, "a/2");
  EXPECT_EQ(store_->list("b", {"a/", "", 2})->size(), 2U);
  EXPECT_EQ(store_->list("b", {"\xFF", "", 10})->size(), 0U);
  EXPECT_EQ(store_->list("none", {}).error().code, "NoSuchBucket");
}

TEST_F(Objects, ReplacingKeepsOpenReadersAndLeavesNoOldFile) {
  ASSERT_TRUE(put_bytes(*store_, "b", "k", "old", "t"));
  auto reader = store_->get("b", "k", std::nullopt);
  ASSERT_TRUE(reader);
  ASSERT_TRUE(put_bytes(*store_, "b", "k", "new!", "t"));
  std::vector<std::uint8_t> bytes(3);
  EXPECT_EQ(*(*reader)->read(0, bytes), 3U);
  EXPECT_EQ(as_text(bytes), "old");
  EXPECT_EQ(get("k"), "new!");
  EXPECT_EQ(content_files(), 1U);
}

TEST_F(Objects, ConditionsGuardAPut) {
  const auto put = [&](PutCondition condition) {
    auto staged = store_->stage();
    (void)(*staged)->write(as_bytes("x")).has_value();
    (void)(*staged)->finish().has_value();
    return store_->put("b", "k", std::move(*staged), "t", {}, condition);
  };
  const auto first = put({true, {}});
  ASSERT_TRUE(first);
  EXPECT_EQ(put({true, {}}).error().code, "PreconditionFailed");
  EXPECT_EQ(put({false, "other"}).error().code, "PreconditionFailed");
  EXPECT_TRUE(put({false, first->etag}));
  EXPECT_EQ(content_files(), 1U);
}

TEST_F(Objects, WhatWasNotCommittedIsInvisibleAndSweptAtTheNextStart) {
  ASSERT_TRUE(put_bytes(*store_, "b", "k", "kept", "t"));
  {
    auto staged = store_->stage();
    ASSERT_TRUE((*staged)->write(as_bytes("dropped")));
  }
  EXPECT_EQ(content_files(), 1U);
  // As a kill in the middle of a put leaves it: a file that no entry names.
  ASSERT_TRUE(write_file_atomically(folder_.path() / "contents/a/aorphanorphanorphan", "orphan"));
  store_.reset();
  store_ = open_filesystem_objects(folder_.path(), kClock);
  EXPECT_EQ(content_files(), 1U);
  EXPECT_EQ(get("k"), "kept");
}

TEST_F(Objects, AVersionThatIsNotKeptIsNotPassedOffAsTheNewest) {
  ASSERT_TRUE(put_bytes(*store_, "b", "k", "x", "t"));
  EXPECT_EQ(store_->head("b", "k", "v1").error().kind, ErrorKind::unsupported);
  EXPECT_EQ(store_->get("b", "k", "v1").error().kind, ErrorKind::unsupported);
}

TEST_F(Objects, BucketsHaveLives) {
  EXPECT_EQ(store_->create_bucket("b").error().code, "BucketAlreadyOwnedByYou");
  ASSERT_TRUE(put_bytes(*store_, "b", "k", "x", "t"));
  EXPECT_EQ(store_->delete_bucket("b").error().code, "BucketNotEmpty");
  EXPECT_TRUE(store_->copy("b", "k", "b", "k2"));
  EXPECT_EQ(get("k2"), "x");
  EXPECT_TRUE(remove_prefix(*store_, "b", ""));
  EXPECT_TRUE(store_->remove("b", "k"));
  EXPECT_TRUE(store_->delete_bucket("b"));
  EXPECT_EQ(get("k"), "error NoSuchBucket");
  EXPECT_TRUE(store_->list_buckets().empty());
  EXPECT_TRUE(store_->has_bucket(kSystemBucket));
}

}  // namespace
}  // namespace vedette
