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
  EXPECT_TRUE(store_->copy("b", "k", "b", "k2", std::nullopt));
  EXPECT_EQ(get("k2"), "x");
  EXPECT_TRUE(remove_prefix(*store_, "b", ""));
  EXPECT_TRUE(store_->remove("b", "k"));
  EXPECT_TRUE(store_->delete_bucket("b"));
  EXPECT_EQ(get("k"), "error NoSuchBucket");
  EXPECT_TRUE(store_->list_buckets().empty());
  EXPECT_TRUE(store_->has_bucket(kSystemBucket));
}

class Multipart : public Objects {
 protected:
  std::string part(const std::string& upload, int number, const std::string& content) {
    auto staged = store_->stage();
    EXPECT_TRUE((*staged)->write(as_bytes(content)));
    EXPECT_TRUE((*staged)->finish());
    const auto stored = store_->put_part("b", "k", upload, number, std::move(*staged));
    EXPECT_TRUE(stored);
    return stored->etag;
  }
  const std::string large_ = std::string(kSmallestPart, 'x');
};

TEST_F(Multipart, PartsBecomeOneObjectAndCompletingAgainAnswersTheSame) {
  const auto upload = *store_->create_upload("b", "k", {"text/plain", {{"a", "1"}}});
  const auto second = part(upload, 7, "end");
  part(upload, 2, "replaced");
  const auto first = part(upload, 2, large_);
  EXPECT_EQ(store_->list_parts("b", "k", upload)->size(), 2U);
  EXPECT_EQ(store_->list_uploads("b", "", 10)->size(), 1U);
  EXPECT_EQ(store_->list_uploads("b", "other", 10)->size(), 0U);
  EXPECT_EQ(store_->head("b", "k", std::nullopt).error().code, "NoSuchKey");
  const auto done = store_->complete_upload("b", "k", upload, {{2, first}, {7, second}}, {});
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_TRUE(done->etag.ends_with("-2")) << done->etag;
  EXPECT_EQ(*get_bytes(*store_, "b", "k", 1ULL << 30), large_ + "end");
  EXPECT_EQ(store_->head("b", "k", std::nullopt)->user_metadata.size(), 1U);
  EXPECT_EQ(store_->complete_upload("b", "k", upload, {{2, first}, {7, second}}, {})->etag, done->etag);
  EXPECT_EQ(store_->list_parts("b", "k", upload).error().code, "NoSuchUpload");
}

TEST_F(Multipart, WrongPartsAreRefusedAndTheUploadStays) {
  const auto upload = *store_->create_upload("b", "k", {"text/plain", {}});
  const auto small = part(upload, 1, "small"), last = part(upload, 2, "last");
  const auto complete = [&](std::vector<std::pair<int, std::string>> parts) {
    return store_->complete_upload("b", "k", upload, parts, {}).error().code;
  };
  EXPECT_EQ(complete({{2, last}, {1, small}}), "InvalidPartOrder");
  EXPECT_EQ(complete({{1, last}}), "InvalidPart");
  EXPECT_EQ(complete({{3, last}}), "InvalidPart");
  EXPECT_EQ(complete({{1, small}, {2, last}}), "EntityTooSmall");
  EXPECT_EQ(store_->complete_upload("b", "other", upload, {{1, small}}, {}).error().code, "NoSuchUpload");
  EXPECT_TRUE(store_->complete_upload("b", "k", upload, {{1, small}}, {}));
}

TEST_F(Multipart, PartsSurviveARestartAndGoWithAnAbort) {
  const auto upload = *store_->create_upload("b", "k", {"text/plain", {}});
  part(upload, 1, "kept");
  store_.reset();
  store_ = open_filesystem_objects(folder_.path(), kClock);
  EXPECT_EQ(store_->list_parts("b", "k", upload)->at(0).size_bytes, 4U);
  EXPECT_TRUE(store_->abort_upload("b", "k", upload));
  EXPECT_EQ(store_->abort_upload("b", "k", upload).error().code, "NoSuchUpload");
}

TEST_F(Objects, ChecksumsAreKeptAndCopiesMayHaveOtherAttributes) {
  auto staged = store_->stage();
  (*staged)->add_checksum(ChecksumAlgorithm::crc32);
  EXPECT_TRUE((*staged)->write(as_bytes("123456789")));
  EXPECT_TRUE((*staged)->finish());
  EXPECT_TRUE(store_->put("b", "k", std::move(*staged), "text/plain", {{"a", "1"}}, {}));
  EXPECT_EQ(store_->head("b", "k", std::nullopt)->checksum->value, "y/Q5Jg==");
  EXPECT_EQ(store_->copy("b", "k", "b", "same", std::nullopt)->user_metadata.size(), 1U);
  const auto other = store_->copy("b", "k", "b", "other", ObjectAttributes{"text/html", {}});
  EXPECT_EQ(other->content_type, "text/html");
  EXPECT_TRUE(other->user_metadata.empty());
  EXPECT_EQ(other->checksum->value, "y/Q5Jg==");
}

}  // namespace
}  // namespace vedette
