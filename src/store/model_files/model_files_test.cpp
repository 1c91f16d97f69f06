#include "store/model_files/model_files.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "base/digest.hpp"
#include "base/files.hpp"
#include "base/text.hpp"
#include "store/objects/filesystem/filesystem_objects.hpp"

namespace vedette {
namespace {

namespace fs = std::filesystem;
const FakeClock kClock{Timestamp{std::chrono::seconds(1)}};

std::string blob_name(const std::string& content) {
  return "blobs/" + sha256_hex(content) + ".safetensors";
}

void write(const fs::path& path, const std::string& content) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << content;
}

std::string text_of(const fs::path& path) {
  const auto bytes = read_file(path, 1 << 20);
  return bytes ? std::string(as_text(*bytes)) : "missing";
}

/// Passes calls on to another store until the `first`-th call; that call and all later ones fail as if the network were
/// cut.
class CutOff : public ObjectStore {
 public:
  CutOff(ObjectStore& store, int first) : store_(store), left_(first) {}
  [[nodiscard]] bool was_cut() const { return left_ <= 0; }

  Result<bool> has_bucket(const std::string& bucket) override {
    return tried([&] { return store_.has_bucket(bucket); });
  }
  Result<std::unique_ptr<StagedObject>> stage() override {
    return tried([&] { return store_.stage(); });
  }
  Result<ObjectInfo> put(const std::string& bucket, const std::string& key, std::unique_ptr<StagedObject> content,
                         const ObjectAttributes& attributes, const PutCondition& condition) override {
    return tried([&] { return store_.put(bucket, key, std::move(content), attributes, condition); });
  }
  Result<ObjectInfo> head(const std::string& bucket, const std::string& key,
                          const std::optional<std::string>& version) override {
    return tried([&] { return store_.head(bucket, key, version); });
  }
  Result<std::unique_ptr<ObjectReader>> get(const std::string& bucket, const std::string& key,
                                            const std::optional<std::string>& version) override {
    return tried([&] { return store_.get(bucket, key, version); });
  }
  Result<ObjectStart> get_start(const std::string& bucket, const std::string& key, std::size_t length) override {
    return tried([&] { return store_.get_start(bucket, key, length); });
  }
  Result<std::vector<ObjectInfo>> list(const std::string& bucket, const ListRequest& request) override {
    return tried([&] { return store_.list(bucket, request); });
  }
  Result<Removed> remove(const std::string& bucket, const std::string& key,
                         const std::optional<std::string>& version) override {
    return tried([&] { return store_.remove(bucket, key, version); });
  }

 private:
  template <typename F>
  auto tried(F&& call) -> decltype(call()) {
    if (--left_ <= 0) return fail(ErrorKind::unavailable, "The object store does not answer.");
    return call();
  }
  ObjectStore& store_;
  int left_;
};

class StoredModels : public testing::Test {
 protected:
  StoredModels() {
    write(model() / "manifest.json", "manifest");
    write(model() / blob_name("first"), "first");
    write(model() / blob_name("second"), "second");
    write(model() / "evaluation.json", "evaluation");
  }
  [[nodiscard]] fs::path model() const { return folder_.path() / "model"; }
  [[nodiscard]] fs::path fetched() const { return folder_.path() / "fetched"; }
  std::vector<std::string> names(const std::string& uid = "u") {
    std::vector<std::string> out;
    const auto files = ModelFiles(*store_).list(uid);
    EXPECT_TRUE(files);
    if (files)
      for (const auto& file : *files) out.push_back(file.name);
    return out;
  }
  std::size_t objects() { return store_->list(kSystemBucket, {"models/", "", 1000})->size(); }
  /// Writes an object directly into the store, with the given digest, or with no digest as earlier versions did.
  void put_object(const std::string& name, const std::string& content, const std::string& digest = "") {
    auto staged = store_->stage();
    ASSERT_TRUE(staged && (*staged)->write(as_bytes(content)) && (*staged)->finish());
    ObjectAttributes attributes;
    if (!digest.empty()) attributes.user_metadata = {{"sha256", digest}};
    ASSERT_TRUE(store_->put(kSystemBucket, "models/u/" + name, std::move(*staged), attributes, {}));
  }

  TemporaryFolder folder_;
  std::unique_ptr<BucketStore> store_ = open_filesystem_objects(folder_.path() / "objects", kClock);
  ModelFiles files_{*store_};
};

TEST_F(StoredModels, ComeBackAsTheyWerePut) {
  write(model() / "notes.txt", "not of the model");
  write(model() / "blobs/readme", "neither");
  ASSERT_TRUE(files_.put("u", model()));
  EXPECT_EQ(names().size(), 4U);
  ASSERT_TRUE(files_.fetch("u", fetched()));
  EXPECT_EQ(text_of(fetched() / "manifest.json"), "manifest");
  EXPECT_EQ(text_of(fetched() / blob_name("first")), "first");
  EXPECT_EQ(text_of(fetched() / blob_name("second")), "second");
  EXPECT_FALSE(fs::exists(fetched() / "evaluation.json"));  // the evaluation is not needed to run or package a model
  std::size_t count = 0;
  for (const auto& entry : fs::recursive_directory_iterator(fetched())) count += entry.is_regular_file() ? 1 : 0;
  EXPECT_EQ(count, 3U);
  const auto evaluation = files_.evaluation("u");
  ASSERT_TRUE(evaluation);
  EXPECT_EQ(*evaluation, "evaluation");
  ASSERT_TRUE(files_.remove("u"));
  EXPECT_EQ(objects(), 0U);
  EXPECT_TRUE(files_.remove("u"));
}

TEST_F(StoredModels, ThatAreNotThereAreNotFound) {
  EXPECT_TRUE(names().empty());
  EXPECT_EQ(files_.fetch("u", fetched()).error().kind, ErrorKind::not_found);
  EXPECT_EQ(files_.evaluation("u").error().kind, ErrorKind::not_found);
}

TEST_F(StoredModels, OfEarlierVersionsAreReadAndHaveNoEvaluation) {
  put_object("manifest.json", "manifest");
  put_object(blob_name("first"), "first");
  ASSERT_TRUE(files_.fetch("u", fetched()));
  EXPECT_EQ(text_of(fetched() / blob_name("first")), "first");
  EXPECT_EQ(files_.evaluation("u").error().kind, ErrorKind::not_found);
}

TEST_F(StoredModels, AreThereWholeOrNotAtAllWhereverAPutIsCutOff) {
  for (int first = 1;; ++first) {
    put_object(blob_name("old"), "old");  // a blob that an earlier attempt left when it was cut off
    CutOff store(*store_, first);
    const auto outcome = ModelFiles(store).put("u", model());
    if (!store.was_cut()) {
      EXPECT_TRUE(outcome);
      EXPECT_GT(first, 8);  // the attempts were cut off between any two calls
      EXPECT_EQ(names().size(), 4U);
      EXPECT_EQ(objects(), 4U);
      return;
    }
    EXPECT_EQ(outcome.error().kind, ErrorKind::unavailable) << first;
    EXPECT_TRUE(names().empty()) << first;  // nothing is visible, although put() could not remove what it had stored
    EXPECT_EQ(files_.fetch("u", fetched()).error().kind, ErrorKind::not_found) << first;
  }
}

// The run that was chosen is published by several workers: by one that was frozen in the middle, and by its successor.
TEST_F(StoredModels, ArePublishedWholeWhereverAPublicationIsCutOffAndAgainByAnotherWorker) {
  const auto other = folder_.path() / "other";
  write(other / "manifest.json", "another manifest");
  for (int first = 1;; ++first) {
    ASSERT_TRUE(files_.put(ModelFiles::unfinished("u", "7-1"), model()));
    ASSERT_TRUE(files_.put(ModelFiles::unfinished("u", "7-2"), other));
    EXPECT_TRUE(names().empty()) << "what runs leave is no model";
    CutOff store(*store_, first);
    const auto outcome = ModelFiles(store).publish("u", "7-1");
    EXPECT_EQ(outcome.has_value(), !store.was_cut());
    if (store.was_cut()) {
      EXPECT_TRUE(names().empty() || names().size() == 4U) << first;
    }
    ASSERT_TRUE(files_.publish("u", "7-1"));
    EXPECT_EQ(names().size(), 4U);
    ASSERT_TRUE(files_.fetch("u", fetched()));
    EXPECT_EQ(text_of(fetched() / "manifest.json"), "manifest");
    EXPECT_EQ(*files_.evaluation("u"), "evaluation");
    ASSERT_TRUE(files_.remove_unfinished("u"));
    EXPECT_EQ(objects(), 4U);
    EXPECT_EQ(files_.publish("u", "7-1").error().kind, ErrorKind::not_found);
    ASSERT_TRUE(files_.remove("u"));
    if (!store.was_cut()) return;
  }
}

TEST_F(StoredModels, AreFetchedWholeOrWithoutManifest) {
  ASSERT_TRUE(files_.put("u", model()));
  for (int first = 1;; ++first) {
    fs::remove_all(fetched());
    CutOff store(*store_, first);
    const auto outcome = ModelFiles(store).fetch("u", fetched());
    EXPECT_EQ(outcome.has_value(), fs::exists(fetched() / "manifest.json")) << first;
    if (!store.was_cut()) {
      EXPECT_TRUE(outcome);
      return;
    }
  }
}

TEST_F(StoredModels, AreAbsentOnceARemovalHasBegun) {
  ASSERT_TRUE(files_.put("u", model()));
  CutOff store(*store_, 3);  // the removal of the first file succeeds, that of the next fails
  EXPECT_FALSE(ModelFiles(store).remove("u"));
  EXPECT_GT(objects(), 0U);
  EXPECT_TRUE(names().empty());
}

TEST_F(StoredModels, ThatAFailureLeavesAreCleared) {
  write(model() / blob_name("third"), "not the third");
  const auto outcome = files_.put("u", model());
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().message, "The model's file " + blob_name("third") + " is not what its name says.");
  EXPECT_EQ(objects(), 0U);
}

TEST_F(StoredModels, ThatAreDamagedAreNotHandedOut) {
  for (const auto& name : std::vector<std::string>{"manifest.json", blob_name("first"), "evaluation.json"}) {
    ASSERT_TRUE(files_.put("u", model()));
    put_object(name, "damaged", sha256_hex(text_of(model() / name)));
    fs::remove_all(fetched());
    Result<void> outcome;
    if (name != "evaluation.json") {
      outcome = files_.fetch("u", fetched());
    } else if (const auto text = files_.evaluation("u"); !text) {
      outcome = text.error();
    }
    ASSERT_FALSE(outcome) << name;
    EXPECT_EQ(outcome.error().kind, ErrorKind::internal) << name;
    EXPECT_EQ(outcome.error().message, "The model's file " + name + " is damaged in the object store.");
    EXPECT_FALSE(fs::exists(fetched() / "manifest.json")) << name;
  }
}

TEST_F(StoredModels, TakeInNoFileFromElsewhere) {
  const auto secret = folder_.path() / "secret";
  write(secret, "secret");
  const auto link_instead = [&](const fs::path& place, const fs::path& to) {
    const auto kept = folder_.path() / "kept";
    fs::rename(place, kept);
    fs::create_symlink(to, place);
    auto outcome = files_.put("u", model());
    fs::remove(place);
    fs::rename(kept, place);
    return outcome;
  };
  fs::create_directories(folder_.path() / "elsewhere");
  write(folder_.path() / "elsewhere" / fs::path(blob_name("other")).filename(), "other");
  EXPECT_FALSE(link_instead(model() / "manifest.json", secret));
  EXPECT_FALSE(link_instead(model() / "evaluation.json", secret));
  EXPECT_FALSE(link_instead(model() / blob_name("first"), secret));
  EXPECT_FALSE(link_instead(model() / "blobs", folder_.path() / "elsewhere"));
  EXPECT_EQ(objects(), 0U);
}

TEST_F(StoredModels, WriteNothingOutsideTheFolder) {
  ASSERT_TRUE(files_.put("u", model()));
  put_object("../../escaped", "x");
  put_object("blobs/../../../escaped.safetensors", "x");
  put_object("other", "x");
  ASSERT_TRUE(files_.fetch("u", fetched()));
  EXPECT_EQ(names().size(), 4U);
  for (const auto& entry : fs::recursive_directory_iterator(folder_.path()))
    EXPECT_FALSE(entry.path().filename().string().starts_with("escaped")) << entry.path();
}

}  // namespace
}  // namespace vedette
