// One suite tests every backend: a second backend adds itself to the list at the end of this file.
#include "store/objects/objects.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "base/files.hpp"
#include "base/text.hpp"
#include "store/objects/filesystem/filesystem_objects.hpp"
#include "store/sqlite/sqlite.hpp"

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
  std::unique_ptr<BucketStore> store_;
};

TEST_F(Objects, KeysAreOpaqueBytes) {
  const std::vector<std::string> keys = {
      "a", "A", "a/b", "a//b", "../x", "/", "ä", "a\u0308", std::string("nul\0x", 5), std::string(1024, 'k')};
  for (const auto& key : keys) ASSERT_TRUE(put_bytes(*store_, "b", key, "content of " + key, "t"));
  for (const auto& key : keys) EXPECT_EQ(get(key), "content of " + key);
  auto sorted = keys;
  std::sort(sorted.begin(), sorted.end());
  const auto listed = store_->list("b", {.limit = 100});
  ASSERT_TRUE(listed);
  ASSERT_EQ(listed->size(), keys.size());
  for (std::size_t i = 0; i < sorted.size(); ++i) EXPECT_EQ((*listed)[i].key, sorted[i]);
  EXPECT_EQ(content_files(), keys.size());
}

TEST_F(Objects, SeveralArePutTogetherOrNotAtAll) {
  const auto several = [&](std::vector<std::pair<std::string, std::string>> contents) {
    std::vector<NewObject> objects;
    for (auto& [key, bytes] : contents) {
      auto staged = store_->stage();
      EXPECT_TRUE((*staged)->write(as_bytes(bytes)));
      EXPECT_TRUE((*staged)->finish());
      objects.push_back({key, std::move(*staged), {.content_type = "t"}});
    }
    return objects;
  };
  const auto put = store_->put_all("b", several({{"x", "1"}, {"y", "22"}, {"x", "333"}}));
  ASSERT_TRUE(put);
  ASSERT_EQ(put->size(), 3U);
  EXPECT_EQ(put->at(1).key, "y");
  EXPECT_EQ(put->at(1).size_bytes, 2U);
  EXPECT_EQ(get("x"), "333");
  EXPECT_EQ(get("y"), "22");
  EXPECT_EQ(content_files(), 2U);
  EXPECT_EQ(store_->put_all("none", several({{"x", "4"}, {"z", "5"}})).error().code, "NoSuchBucket");
  EXPECT_EQ(content_files(), 2U);
  ASSERT_TRUE(store_->set_versioning("b", Versioning::enabled));
  const auto versions = store_->put_all("b", several({{"x", "6"}, {"x", "7"}}));
  ASSERT_TRUE(versions);
  EXPECT_NE(versions->at(0).version_id, versions->at(1).version_id);
  EXPECT_EQ(get("x"), "7");
  EXPECT_EQ(store_->list_versions("b", {.prefix = "x"})->size(), 3U);
}

TEST_F(Objects, FilesThatAKillLeftWithoutTheirFinalNamesAreRead) {
  ASSERT_TRUE(put_bytes(*store_, "b", "x", "content", "t"));
  for (const auto& e : fs::recursive_directory_iterator(folder_.path() / "contents"))
    if (e.is_regular_file()) fs::rename(e.path(), e.path().string() + ".part");
  EXPECT_EQ(get("x"), "content");
  EXPECT_TRUE(store_->check_contents("", "", 1 << 20).damaged.empty());
  store_.reset();
  store_ = open_filesystem_objects(folder_.path(), kClock);
  EXPECT_EQ(get("x"), "content");
  EXPECT_EQ(content_files(), 1U);
}

TEST_F(Objects, ListingTakesPrefixAndStart) {
  for (const char* key : {"a/1", "a/2", "a/3", "b/1", "a\xFF"}) ASSERT_TRUE(put_bytes(*store_, "b", key, "", "t"));
  EXPECT_EQ(store_->list("b", {.prefix = "a/", .limit = 10})->size(), 3U);
  EXPECT_EQ(store_->list("b", {.prefix = "a/", .start_after = "a/1", .limit = 10})->at(0).key, "a/2");
  EXPECT_EQ(store_->list("b", {.prefix = "a/", .limit = 2})->size(), 2U);
  EXPECT_EQ(store_->list("b", {.prefix = "\xFF", .limit = 10})->size(), 0U);
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
  const auto put = [&](const PutCondition& condition) {
    auto staged = store_->stage();
    (void)(*staged)->write(as_bytes("x")).has_value();
    (void)(*staged)->finish().has_value();
    return store_->put("b", "k", std::move(*staged), {.content_type = "t"}, condition);
  };
  const auto first = put({true, {}});
  ASSERT_TRUE(first);
  EXPECT_EQ(put({true, {}}).error().code, "PreconditionFailed");
  EXPECT_EQ(put({false, "other"}).error().code, "PreconditionFailed");
  EXPECT_TRUE(put({false, first->etag}));
  EXPECT_EQ(content_files(), 1U);
}

TEST_F(Objects, ContentsThatWereNotCommittedAreInvisibleAndRemovedAtTheNextStart) {
  ASSERT_TRUE(put_bytes(*store_, "b", "k", "kept", "t"));
  {
    auto staged = store_->stage();
    ASSERT_TRUE((*staged)->write(as_bytes("dropped")));
  }
  EXPECT_EQ(content_files(), 1U);
  // A kill in the middle of a put leaves such a file, which no entry names.
  ASSERT_TRUE(write_file_atomically(folder_.path() / "contents/a/aorphanorphanorphan", "orphan"));
  store_.reset();
  store_ = open_filesystem_objects(folder_.path(), kClock);
  EXPECT_EQ(content_files(), 1U);
  EXPECT_EQ(get("k"), "kept");
}

/// Opens the store again, as a start of the server does. The result says why the store refuses, or is empty.
class Leftovers : public Objects {
 protected:
  std::string reopen(const FilesystemOptions& options = {}) {
    store_.reset();
    try {
      store_ = open_filesystem_objects(folder_.path(), kClock, options);
    } catch (const std::exception& e) {
      return e.what();
    }
    return {};
  }
  std::int64_t set_aside() { return store_->tidy(false).set_aside; }
  void put_many(int n) {
    for (int i = 0; i < n; ++i) ASSERT_TRUE(put_bytes(*store_, "b", std::to_string(i), std::to_string(i), "t"));
  }
};

TEST_F(Leftovers, OneFileThatNoEntryNamesIsSetAsideAndComesBackWithItsEntry) {
  put_many(3);
  store_.reset();
  {
    sqlite::Connection c(folder_.path() / "index.sqlite");
    c.execute("ALTER TABLE objects ADD COLUMN hidden");
    c.execute("CREATE TABLE kept AS SELECT * FROM objects WHERE key = CAST('1' AS BLOB)");
    c.execute("DELETE FROM objects WHERE key = CAST('1' AS BLOB)");
  }
  ASSERT_EQ(reopen(), "");
  EXPECT_EQ(content_files(), 2U);
  EXPECT_EQ(set_aside(), 1);
  store_.reset();
  {
    sqlite::Connection c(folder_.path() / "index.sqlite");
    c.execute("INSERT INTO objects SELECT * FROM kept");
  }
  ASSERT_EQ(reopen(), "");
  EXPECT_EQ(set_aside(), 0);
  EXPECT_EQ(get("1"), "1");
}

TEST_F(Leftovers, AnIndexThatIsNewOlderOrEmptyIsRefusedAndNothingIsTouched) {
  put_many(5);
  const auto index = folder_.path() / "index.sqlite", old = folder_.path() / "old";
  store_.reset();
  fs::copy_file(index, old);
  ASSERT_EQ(reopen(), "");
  for (int i = 10; i < 20; ++i) ASSERT_TRUE(put_bytes(*store_, "b", std::to_string(i), "new", "t"));
  store_.reset();
  fs::rename(index, folder_.path() / "right");
  const auto refuses = [&](const char* why) {
    const auto reason = reopen();
    EXPECT_NE(reason.find(why), std::string::npos) << reason;
    EXPECT_NE(reason.find("--accept-loss index"), std::string::npos) << reason;
    EXPECT_EQ(content_files(), 15U);
  };
  refuses("missing");
  EXPECT_FALSE(fs::exists(index)) << "a refused start makes no index";
  ASSERT_TRUE(write_file_atomically(index, ""));
  refuses("empty");
  fs::copy_file(old, index, fs::copy_options::overwrite_existing);
  refuses("10 are not named");
  // Accepting the loss loses nothing: with the right index everything is there again.
  ASSERT_EQ(reopen({.accept_lost_index = true, .set_aside_days = 30}), "");
  EXPECT_EQ(set_aside(), 10);
  EXPECT_EQ(get("4"), "4");
  store_.reset();
  fs::rename(folder_.path() / "right", index);
  ASSERT_EQ(reopen(), "");
  EXPECT_EQ(content_files(), 15U);
  EXPECT_EQ(get("19"), "new");
}

TEST_F(Leftovers, FilesSetAsideAreDeletedAfterTheirTimeAndNotBefore) {
  const auto aside = folder_.path() / "set-aside";
  const auto day = [](int days_ago) {
    return to_extended_iso8601(kClock.now() - std::chrono::days(days_ago)).substr(0, 10);
  };
  for (const auto& name : {day(31), day(29), std::string("somebody else's")}) {
    fs::create_directories(aside / name);
    ASSERT_TRUE(write_file_atomically(aside / name / "content", "x"));
  }
  EXPECT_EQ(store_->tidy(false).set_aside, 3);
  EXPECT_EQ(store_->tidy(true).set_aside, 2);
  EXPECT_FALSE(fs::exists(aside / day(31)));
}

TEST_F(Leftovers, ContentsAreNotDeletedWhileABackupReadsThem) {
  put_many(20);
  {
    const ContentHold hold(folder_.path());
    ASSERT_TRUE(remove_prefix(*store_, "b", ""));
    EXPECT_EQ(content_files(), 20U);
    ASSERT_EQ(reopen(), "") << "files whose deletion is under way are not unknown";
    EXPECT_EQ(content_files(), 20U);
  }
  EXPECT_EQ(store_->tidy(false).set_aside, 0);
  EXPECT_EQ(content_files(), 0U);
}

TEST_F(Leftovers, ANameThatAPowerCutTookBackIsFinished) {
  put_many(1);
  store_.reset();
  for (const auto& e : fs::recursive_directory_iterator(folder_.path() / "contents"))
    if (e.is_regular_file()) fs::rename(e.path(), e.path().string() + ".part");
  ASSERT_EQ(reopen(), "");
  EXPECT_EQ(get("0"), "0");
}

TEST_F(Leftovers, MissingContentsAreCounted) {
  put_many(4);
  for (const auto& e : fs::recursive_directory_iterator(folder_.path() / "contents"))
    if (e.is_regular_file() && as_text(*read_file(e.path(), 10)) == "2") fs::remove(e.path());
  ASSERT_EQ(reopen(), "");
  EXPECT_EQ(store_->tidy(false).missing, 1);
}

TEST_F(Leftovers, ADamagedIndexIsNoticed) {
  EXPECT_TRUE(store_->answers());
  put_many(200);
  store_.reset();
  fs::resize_file(folder_.path() / "index.sqlite", 8192);
  EXPECT_NE(reopen().find("damaged"), std::string::npos);
}

TEST_F(Leftovers, AnIndexThatIsOverwrittenUnderAServerIsNoticed) {
  ASSERT_TRUE(write_file_atomically(folder_.path() / "index.sqlite", std::string(100'000, 'x')));
  EXPECT_FALSE(store_->answers());
}

TEST_F(Objects, BucketsAreMadeListedAndDeleted) {
  EXPECT_EQ(store_->create_bucket("b").error().code, "BucketAlreadyOwnedByYou");
  ASSERT_TRUE(put_bytes(*store_, "b", "k", "x", "t"));
  EXPECT_EQ(store_->delete_bucket("b").error().code, "BucketNotEmpty");
  EXPECT_TRUE(remove_prefix(*store_, "b", ""));
  EXPECT_TRUE(store_->remove("b", "k", std::nullopt));
  EXPECT_TRUE(store_->delete_bucket("b"));
  EXPECT_EQ(get("k"), "error NoSuchBucket");
  EXPECT_TRUE(store_->list_buckets().empty());
  EXPECT_TRUE(*store_->has_bucket(kSystemBucket));
  EXPECT_FALSE(*store_->has_bucket("b"));
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
  const auto upload = *store_->create_upload("b", "k", {"text/plain", {{"a", "1"}}, {}, {}}, {});
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
  EXPECT_EQ(store_->head("b", "k", std::nullopt)->attributes.user_metadata.size(), 1U);
  EXPECT_EQ(store_->complete_upload("b", "k", upload, {{2, first}, {7, second}}, {})->etag, done->etag);
  EXPECT_EQ(store_->list_parts("b", "k", upload).error().code, "NoSuchUpload");
}

TEST_F(Multipart, WrongPartsAreRefusedAndTheUploadStays) {
  const auto upload = *store_->create_upload("b", "k", {.content_type = "text/plain"}, {});
  const auto small = part(upload, 1, "small"), last = part(upload, 2, "last");
  const auto complete = [&](const std::vector<std::pair<int, std::string>>& parts) {
    return store_->complete_upload("b", "k", upload, parts, {}).error().code;
  };
  EXPECT_EQ(complete({{2, last}, {1, small}}), "InvalidPartOrder");
  EXPECT_EQ(complete({{1, last}}), "InvalidPart");
  EXPECT_EQ(complete({{3, last}}), "InvalidPart");
  EXPECT_EQ(complete({{1, small}, {2, last}}), "EntityTooSmall");
  EXPECT_EQ(store_->complete_upload("b", "other", upload, {{1, small}}, {}).error().code, "NoSuchUpload");
  EXPECT_TRUE(store_->complete_upload("b", "k", upload, {{1, small}}, {}));
}

TEST_F(Multipart, TheConditionOfItsStartHoldsWhenItIsCompleted) {
  const PutCondition must_not_exist{true, {}};
  const auto upload = *store_->create_upload(
      "b", "k", {.content_type = "text/plain", .headers = {{"expires", "never"}}}, must_not_exist);
  const auto only = part(upload, 1, "by parts");
  ASSERT_TRUE(put_bytes(*store_, "b", "k", "put meanwhile", "t"));
  EXPECT_EQ(store_->complete_upload("b", "k", upload, {{1, only}}, {}).error().code, "PreconditionFailed");
  EXPECT_EQ(get("k"), "put meanwhile");
  EXPECT_EQ(store_->create_upload("b", "k", {}, must_not_exist).error().code, "PreconditionFailed");
  EXPECT_EQ(store_->create_upload("b", "none", {}, {false, "*"}).error().code, "NoSuchKey");
  const auto etag = store_->head("b", "k", std::nullopt)->etag;
  EXPECT_TRUE(store_->create_upload("b", "k", {}, {false, etag}));
  ASSERT_TRUE(store_->remove("b", "k", std::nullopt));
  ASSERT_TRUE(store_->complete_upload("b", "k", upload, {{1, only}}, {}));
  const HeaderFields kept = {{"expires", "never"}};
  EXPECT_EQ(store_->head("b", "k", std::nullopt)->attributes.headers, kept);
}

TEST_F(Multipart, PartsSurviveARestartAndGoWithAnAbort) {
  const auto upload = *store_->create_upload("b", "k", {.content_type = "text/plain"}, {});
  part(upload, 1, "kept");
  store_.reset();
  store_ = open_filesystem_objects(folder_.path(), kClock);
  EXPECT_EQ(store_->list_parts("b", "k", upload)->at(0).size_bytes, 4U);
  EXPECT_TRUE(store_->abort_upload("b", "k", upload));
  EXPECT_EQ(store_->abort_upload("b", "k", upload).error().code, "NoSuchUpload");
}

TEST_F(Multipart, DeletingABucketTakesItsOpenUploadsAlong) {
  const auto upload = *store_->create_upload("b", "k", {.content_type = "text/plain"}, {});
  part(upload, 1, "part");
  EXPECT_TRUE(store_->delete_bucket("b"));
  EXPECT_EQ(content_files(), 0U);
}

TEST_F(Objects, AttributesAndChecksumsAreKept) {
  auto staged = store_->stage();
  (*staged)->add_checksum(ChecksumAlgorithm::crc32);
  EXPECT_TRUE((*staged)->write(as_bytes("123456789")));
  EXPECT_TRUE((*staged)->finish());
  const ObjectAttributes attributes = {"text/plain", {{"a", "1=\n"}}, {{"cache-control", "no-cache"}}, {{"t", ""}}};
  EXPECT_TRUE(store_->put("b", "k", std::move(*staged), attributes, {}));
  const auto info = store_->head("b", "k", std::nullopt);
  EXPECT_EQ(info->checksum->value, "y/Q5Jg==");
  EXPECT_EQ(info->attributes.user_metadata, attributes.user_metadata);
  EXPECT_EQ(info->attributes.headers, attributes.headers);
  EXPECT_EQ(info->attributes.tags, attributes.tags);
  EXPECT_TRUE(store_->set_tags("b", "k", std::nullopt, {{"u", "v"}}));
  EXPECT_EQ(store_->head("b", "k", std::nullopt)->attributes.tags, (HeaderFields{{"u", "v"}}));
  EXPECT_EQ(store_->set_tags("b", "none", std::nullopt, {}).error().code, "NoSuchKey");
}

TEST_F(Objects, SettingsAreKeptUntilTheyOrTheBucketGo) {
  EXPECT_FALSE(*store_->setting("b", "cors"));
  EXPECT_TRUE(store_->set_setting("b", "cors", "<x/>"));
  EXPECT_EQ(*store_->setting("b", "cors"), "<x/>");
  EXPECT_TRUE(store_->set_setting("b", "cors", std::nullopt));
  EXPECT_FALSE(*store_->setting("b", "cors"));
  EXPECT_TRUE(store_->set_setting("b", "cors", "<x/>"));
  EXPECT_TRUE(store_->delete_bucket("b"));
  EXPECT_TRUE(store_->create_bucket("b"));
  EXPECT_FALSE(*store_->setting("b", "cors"));
  EXPECT_EQ(store_->setting("none", "cors").error().code, "NoSuchBucket");
}

class Versions : public Objects {
 protected:
  void SetUp() override {
    Objects::SetUp();
    ASSERT_TRUE(put_bytes(*store_, "b", "k", "before", "t"));
    ASSERT_TRUE(store_->set_versioning("b", Versioning::enabled));
  }
  std::string put(const std::string& content) { return *put_bytes(*store_, "b", "k", content, "t")->version_id; }
  std::string read(const std::string& version) {
    auto bytes = get_bytes(*store_, "b", "k", 1 << 20, version);
    return bytes ? *bytes : "error " + bytes.error().code;
  }
  /// Returns the versions, newest first: "content*" for the latest, "-" for a delete marker.
  std::string listed(const VersionListRequest& request = {}) {
    std::string out;
    const auto versions = store_->list_versions("b", request);
    for (const auto& v : *versions) {
      out +=
          (out.empty() ? "" : " ") + (v.is_delete_marker ? "-" : read(*v.info.version_id)) + (v.is_latest ? "*" : "");
      EXPECT_EQ(v.is_latest, !v.superseded);
    }
    return out;
  }
};

TEST_F(Versions, EveryPutAndDeleteKeepsWhatWasThere) {
  const auto one = put("one"), two = put("two");
  EXPECT_EQ(listed(), "two* one before");
  EXPECT_EQ(get("k"), "two");
  EXPECT_EQ(read(one), "one");
  EXPECT_EQ(read("null"), "before");
  EXPECT_EQ(read("unknown"), "error NoSuchVersion");
  const auto marker = store_->remove("b", "k", std::nullopt);
  EXPECT_TRUE(marker->is_delete_marker);
  EXPECT_EQ(listed(), "-* two one before");
  EXPECT_EQ(get("k"), "error NoSuchKey");
  EXPECT_EQ(read(*marker->version_id), "error MethodNotAllowed");
  EXPECT_TRUE(store_->list("b", {})->empty());
  EXPECT_EQ(store_->delete_bucket("b").error().code, "BucketNotEmpty");
  EXPECT_EQ(content_files(), 3U);
}

TEST_F(Versions, DeletingAVersionIsForGoodAndUncoversTheOneBelow) {
  const auto one = put("one"), two = put("two");
  const auto marker = *store_->remove("b", "k", std::nullopt)->version_id;
  EXPECT_TRUE(store_->remove("b", "k", two));
  EXPECT_EQ(listed(), "-* one before");
  EXPECT_TRUE(store_->remove("b", "k", marker)->is_delete_marker);
  EXPECT_EQ(listed(), "one* before");
  EXPECT_EQ(get("k"), "one");
  EXPECT_TRUE(store_->remove("b", "k", one));
  EXPECT_EQ(listed(), "before*");
  EXPECT_TRUE(store_->remove("b", "k", "null"));
  EXPECT_TRUE(store_->remove("b", "k", "null"));
  EXPECT_EQ(listed(), "");
  EXPECT_EQ(content_files(), 0U);
  EXPECT_TRUE(store_->delete_bucket("b"));
}

TEST_F(Versions, SuspendedPutsReplaceEachOtherAndKeepTheRest) {
  put("one");
  ASSERT_TRUE(store_->set_versioning("b", Versioning::suspended));
  EXPECT_EQ(put("null one"), "null");
  EXPECT_EQ(listed(), "null one* one");
  put("null two");
  EXPECT_EQ(listed(), "null two* one");
  EXPECT_EQ(*store_->remove("b", "k", std::nullopt)->version_id, "null");
  EXPECT_EQ(listed(), "-* one");
  EXPECT_EQ(content_files(), 1U);
  ASSERT_TRUE(store_->set_versioning("b", Versioning::enabled));
  put("two");
  EXPECT_EQ(listed(), "two* - one");
  ASSERT_TRUE(store_->set_versioning("b", Versioning::suspended));
  put("null three");
  EXPECT_EQ(listed(), "null three* two one");
}

TEST_F(Versions, ListingGoesOnBehindAVersion) {
  const auto one = put("one"), two = put("two");
  ASSERT_TRUE(put_bytes(*store_, "b", "l", "other", "t"));
  EXPECT_EQ(store_->list_versions("b", {})->size(), 4U);
  EXPECT_EQ(listed({.prefix = "k", .limit = 2}), "two* one");
  EXPECT_EQ(listed({.prefix = "k", .key_marker = "k", .version_marker = two, .limit = 100}), "one before");
  EXPECT_EQ(listed({.prefix = "k", .key_marker = "k", .version_marker = one, .limit = 100}), "before");
  EXPECT_EQ(store_->list_versions("b", {.key_marker = "k", .limit = 100})->size(), 1U);
  EXPECT_EQ(store_->list_versions("b", {.key_marker = "k", .version_marker = "null", .limit = 100})->size(), 1U);
  EXPECT_EQ(store_->list_versions("b", {.key_marker = "k", .version_marker = "unknown", .limit = 1}).error().code,
            "InvalidArgument");
}

TEST_F(Versions, ListingGoesOnBehindAVersionThatWasDeletedMeanwhile) {
  put("one");
  const auto two = put("two");
  ASSERT_TRUE(put_bytes(*store_, "b", "l", "other", "t"));
  EXPECT_EQ(listed({.prefix = "k", .limit = 1}), "two*");
  ASSERT_TRUE(store_->remove("b", "k", two));
  EXPECT_EQ(listed({.prefix = "k", .key_marker = "k", .version_marker = two, .limit = 100}), "one* before");
  // If no version of the marker's key is left, the next key follows.
  const auto left = *store_->list_versions("b", {.prefix = "k", .limit = 100});
  for (const auto& v : left) ASSERT_TRUE(store_->remove("b", "k", v.info.version_id));
  EXPECT_EQ(store_->list_versions("b", {.key_marker = "k", .version_marker = two, .limit = 100})->size(), 1U);
}

TEST_F(Versions, AnySequenceOfCallsLeavesWhatASimpleModelPredicts) {
  struct Entry {
    std::string id, content;  // An empty content means a delete marker.
  };
  std::vector<Entry> model = {{"null", "before"}};  // The newest entry comes first.
  auto state = Versioning::enabled;
  std::minstd_rand random(7);
  const auto forget_null = [&] { std::erase_if(model, [](const Entry& e) { return e.id == "null"; }); };
  for (int step = 0; step < 1500; ++step) {
    const auto choice = random() % 10;
    if (choice < 4) {
      const auto content = "c" + std::to_string(step);
      const auto id = put(content);
      EXPECT_EQ(id == "null", state == Versioning::suspended);
      if (state == Versioning::suspended) forget_null();
      model.insert(model.begin(), {id, content});
    } else if (choice < 6) {
      const auto removed = store_->remove("b", "k", std::nullopt);
      if (state == Versioning::suspended) forget_null();
      model.insert(model.begin(), {*removed->version_id, ""});
    } else if (choice < 9 && !model.empty()) {
      const auto victim = model.begin() + static_cast<std::ptrdiff_t>(random() % model.size());
      ASSERT_TRUE(store_->remove("b", "k", victim->id));
      model.erase(victim);
    } else {
      state = random() % 2 ? Versioning::enabled : Versioning::suspended;
      ASSERT_TRUE(store_->set_versioning("b", state));
    }
    const auto listed = *store_->list_versions("b", {});
    ASSERT_EQ(listed.size(), model.size()) << "after step " << step;
    for (std::size_t i = 0; i < model.size(); ++i) {
      ASSERT_EQ(listed[i].info.version_id, model[i].id) << "after step " << step;
      ASSERT_EQ(listed[i].is_delete_marker, model[i].content.empty());
      ASSERT_EQ(listed[i].is_latest, i == 0);
    }
    for (const auto& e : model)
      if (step % 10 == 0) {
        ASSERT_EQ(read(e.id), e.content.empty() ? "error MethodNotAllowed" : e.content);
      }
    ASSERT_EQ(get("k"), model.empty() || model[0].content.empty() ? "error NoSuchKey" : model[0].content);
    ASSERT_EQ(content_files(), static_cast<std::size_t>(std::count_if(
                                   model.begin(), model.end(), [](const Entry& e) { return !e.content.empty(); })));
  }
}

TEST_F(Versions, VersionsAndTheirTagsSurviveARestart) {
  const auto one = put("one");
  put("two");
  EXPECT_TRUE(store_->set_tags("b", "k", one, {{"a", "b"}}));
  store_.reset();
  store_ = open_filesystem_objects(folder_.path(), kClock);
  EXPECT_EQ(listed(), "two* one before");
  EXPECT_EQ(store_->head("b", "k", one)->attributes.tags.size(), 1U);
  EXPECT_TRUE(store_->head("b", "k", std::nullopt)->attributes.tags.empty());
}

TEST_F(Versions, DamageIsFoundWhereverItIs) {
  const auto old = put("one");
  put("two");
  const auto check = [&] {
    std::vector<DamagedObject> damaged;
    std::string next;
    std::int64_t objects = 0;
    do {
      auto step = store_->check_contents(next, {}, 1);
      next = step.next;
      objects += step.objects;
      damaged.insert(damaged.end(), step.damaged.begin(), step.damaged.end());
    } while (!next.empty());
    EXPECT_EQ(objects, 3);
    return damaged;
  };
  EXPECT_TRUE(check().empty());
  for (const auto& e : fs::recursive_directory_iterator(folder_.path() / "contents"))
    if (e.is_regular_file() && as_text(*read_file(e.path(), 100)) == "one") {
      ASSERT_TRUE(write_file_atomically(e.path(), "0ne"));
    }
  auto damaged = check();
  ASSERT_EQ(damaged.size(), 1U);
  EXPECT_EQ(damaged[0].key, "k");
  EXPECT_EQ(damaged[0].version_id, old);
  for (const auto& e : fs::recursive_directory_iterator(folder_.path() / "contents"))
    if (e.is_regular_file()) fs::remove(e.path());
  EXPECT_EQ(check().size(), 3U);
}

}  // namespace
}  // namespace vedette
