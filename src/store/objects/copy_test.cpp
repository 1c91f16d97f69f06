#include "store/objects/copy.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <functional>

#include "base/files.hpp"
#include "base/text.hpp"
#include "store/objects/filesystem/filesystem_objects.hpp"
#include "store/objects/forwarding_store.hpp"

namespace vedette {
namespace {

const FakeClock kClock{Timestamp{std::chrono::seconds(1)}};

/// A store that changes what is put, and counts it.
class WatchedStore : public ForwardingStore {
 public:
  using ForwardingStore::ForwardingStore;
  enum class Put { well, without_metadata, refused };
  /// Is told each key that is put, and says how.
  std::function<Put(const std::string& key)> on_put = [](const std::string&) { return Put::well; };
  std::atomic<int> puts{0};

  Result<ObjectInfo> put(const std::string& bucket, const std::string& key, std::unique_ptr<StagedObject> content,
                         const ObjectAttributes& attributes, const PutCondition& condition) override {
    ++puts;
    auto kept = attributes;
    const auto how = on_put(key);
    if (how == Put::refused) return fail(ErrorKind::unavailable, "The service is away.");
    if (how == Put::without_metadata) kept.user_metadata.clear();
    return inner_.put(bucket, key, std::move(content), kept, condition);
  }
};

class Copy : public testing::Test {
 protected:
  void SetUp() override {
    for (auto* store : {from_.get(), to_.get()}) ASSERT_TRUE(store->create_bucket("b"));
  }
  static void put(BucketStore& store, const std::string& key, const std::string& bytes,
                  ObjectAttributes attributes = {}) {
    auto staged = store.stage();
    ASSERT_TRUE((*staged)->write(as_bytes(bytes)));
    ASSERT_TRUE((*staged)->finish());
    if (attributes.content_type.empty()) attributes.content_type = "image/png";
    ASSERT_TRUE(store.put("b", key, std::move(*staged), attributes, {}));
  }
  BucketCopy copy(const std::string& bucket = "b") {
    auto done = copy_bucket(*from_, watched_, bucket, {.page = 10});
    EXPECT_TRUE(done) << done.error().message;
    return done ? *done : BucketCopy();
  }
  std::string content(const std::string& key) {
    auto bytes = get_bytes(*to_, "b", key, 1 << 22);
    return bytes ? *bytes : "error " + bytes.error().code;
  }
  TemporaryFolder folders_[2];
  std::unique_ptr<BucketStore> from_ = open_filesystem_objects(folders_[0].path(), kClock);
  std::unique_ptr<BucketStore> to_ = open_filesystem_objects(folders_[1].path(), kClock);
  WatchedStore watched_{*to_};
};

TEST_F(Copy, TakesContentsAndWhatIsSaidOfThem) {
  put(*from_, "a", "one");
  put(*from_, "a//b", "");
  put(*from_, "ü/large", std::string(3'000'000, 'x'),
      {.content_type = "text/plain",
       .user_metadata = {{"part", "7"}},
       .headers = {{"cache-control", "no-cache"}},
       .tags = {{"k", "v"}}});
  const auto done = copy();
  EXPECT_EQ(done.copied, 3U);
  EXPECT_EQ(done.copied_bytes, 3'000'003U);
  EXPECT_EQ(content("a"), "one");
  EXPECT_EQ(content("a//b"), "");
  const auto info = to_->head("b", "ü/large", std::nullopt);
  ASSERT_TRUE(info);
  EXPECT_EQ(info->attributes.content_type, "text/plain");
  EXPECT_EQ(info->attributes.user_metadata, (HeaderFields{{"part", "7"}}));
  EXPECT_EQ(info->attributes.headers, (HeaderFields{{"cache-control", "no-cache"}}));
  EXPECT_EQ(info->attributes.tags, (HeaderFields{{"k", "v"}}));
}

TEST_F(Copy, GoesOnWhereItWasCutOffAndThenChangesNothing) {
  for (int i = 10; i < 45; ++i) put(*from_, "k" + std::to_string(i), "content " + std::to_string(i));
  watched_.on_put = [](const std::string& key) {
    return key >= "k30" ? WatchedStore::Put::refused : WatchedStore::Put::well;
  };
  const auto first = copy();
  EXPECT_EQ(first.copied, 20U);
  ASSERT_EQ(first.failed.size(), 15U);
  EXPECT_EQ(first.failed.front(), "k30: The service is away.");
  watched_.on_put = [](const std::string&) { return WatchedStore::Put::well; };
  const auto second = copy();
  EXPECT_EQ(second.copied, 15U);
  EXPECT_EQ(second.present, 20U);
  const int puts = watched_.puts;
  EXPECT_EQ(copy().present, 35U);
  EXPECT_EQ(watched_.puts, puts);
  EXPECT_EQ(content("k44"), "content 44");
}

TEST_F(Copy, ReplacesWhatDiffersAndKeepsWhatTheSourceLacks) {
  put(*from_, "same size", "abc");
  put(*from_, "other type", "abc", {.content_type = "image/png"});
  put(*to_, "same size", "xyz");
  put(*to_, "other type", "abc", {.content_type = "image/jpeg"});
  put(*to_, "only there", "kept");
  EXPECT_EQ(copy().copied, 2U);
  EXPECT_EQ(content("same size"), "abc");
  EXPECT_EQ(to_->head("b", "other type", std::nullopt)->attributes.content_type, "image/png");
  EXPECT_EQ(content("only there"), "kept");
}

TEST_F(Copy, AnObjectThatComesBackOtherwiseIsTold) {
  put(*from_, "a", "one", {.content_type = "t", .user_metadata = {{"part", "7"}}});
  watched_.on_put = [](const std::string&) { return WatchedStore::Put::without_metadata; };
  const auto done = copy();
  EXPECT_EQ(done.copied, 0U);
  EXPECT_EQ(done.failed, std::vector<std::string>{"a: it comes back with another content type or other metadata"});
}

TEST_F(Copy, ObjectsOfMultipartUploadsAreComparedByTheirContents) {
  const auto upload = from_->create_upload("b", "large", {.content_type = "t"}, {});
  auto staged = from_->stage();
  ASSERT_TRUE((*staged)->write(as_bytes("the only part")));
  ASSERT_TRUE((*staged)->finish());
  const auto part = from_->put_part("b", "large", *upload, 1, std::move(*staged));
  ASSERT_TRUE(part);
  ASSERT_TRUE(from_->complete_upload("b", "large", *upload, {{1, part->etag}}, {}));
  EXPECT_EQ(copy().copied, 1U);
  EXPECT_EQ(copy().present, 1U);
}

TEST_F(Copy, TheServersOwnBucketIsOneLikeOthers) {
  ASSERT_TRUE(put_bytes(*from_, kSystemBucket, "models/1/manifest.json", "{}", "application/json"));
  EXPECT_EQ(copy(kSystemBucket).copied, 1U);
  EXPECT_TRUE(to_->head(kSystemBucket, "models/1/manifest.json", std::nullopt));
}

}  // namespace
}  // namespace vedette
