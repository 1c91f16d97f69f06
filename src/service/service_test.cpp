#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>

#include "base/mutex.hpp"
#include "service/job_payloads.hpp"
#include "service/manifest_check.hpp"
#include "service/pagination.hpp"

namespace vedette {
namespace {

TEST(Pagination, ATokenIsOnlyGoodForItsQuery) {
  const auto token = make_page_token("ListProjects/1", "p-007");
  EXPECT_EQ(token.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/+="),
            std::string::npos);
  EXPECT_EQ(*read_page_token("ListProjects/1", token), "p-007");
  EXPECT_EQ(*read_page_token("ListProjects/1", ""), "");
  EXPECT_FALSE(read_page_token("ListProjects/2", token));
  EXPECT_FALSE(read_page_token("ListProjects/1", "AAAA"));
  EXPECT_FALSE(read_page_token("ListProjects/1", "?"));
}

TEST(JobPayloads, RoundTripAndDamageIsNoticed) {
  const ImportJob job{{{"123456789012", "r"}, "admin", "p", DatasetType::test, "uid"}, "b", "k/ü", "v1"};
  const auto back = parse_import_job(to_payload(job));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->key, "k/ü");
  EXPECT_EQ(back->version_id, "v1");
  EXPECT_EQ(back->dataset.type, DatasetType::test);
  EXPECT_FALSE(parse_import_job("{}"));
  EXPECT_EQ(parse_model_job(to_payload(ModelJob{{"1", "r"}, "u", "p", 12, ""}))->version, 12);
  EXPECT_FALSE(parse_model_job("nonsense"));
}

/// A store in which every object exists and has one byte. It counts how often an object was asked for.
class OneByteObjects : public ObjectStore {
 public:
  Result<ObjectStart> get_start(const std::string&, const std::string& key, std::size_t) override {
    {
      const MutexLock lock(mutex_);
      ++asked_;
    }
    changed_.notify_all();
    ObjectStart start;
    start.info.key = key;
    start.info.size_bytes = 1;
    start.bytes = "x";
    return start;
  }
  /// Waits until the store was asked for objects `times` times. Returns false if that takes more than a minute.
  bool wait_until_asked(int times) {
    MutexLock lock(mutex_);
    return changed_.wait_for(lock.standard(), std::chrono::minutes(1),
                             [&]() REQUIRES(mutex_) { return asked_ >= times; });
  }

  Result<bool> has_bucket(const std::string&) override { return true; }
  Result<std::unique_ptr<StagedObject>> stage() override { return none(); }
  Result<ObjectInfo> put(const std::string&, const std::string&, std::unique_ptr<StagedObject>, const ObjectAttributes&,
                         const PutCondition&) override {
    return none();
  }
  Result<ObjectInfo> head(const std::string&, const std::string&, const std::optional<std::string>&) override {
    return none();
  }
  Result<std::unique_ptr<ObjectReader>> get(const std::string&, const std::string&,
                                            const std::optional<std::string>&) override {
    return none();
  }
  Result<std::vector<ObjectInfo>> list(const std::string&, const ListRequest&) override { return none(); }
  Result<Removed> remove(const std::string&, const std::string&, const std::optional<std::string>&) override {
    return none();
  }

 private:
  static Error none() { return internal_error("the check of a manifest reads the beginnings of objects only"); }
  Mutex mutex_;
  std::condition_variable changed_;
  int asked_ GUARDED_BY(mutex_) = 0;
};

TEST(ManifestCheck, GoesOnWhileItsProgressIsWritten) {
  constexpr int kObjects = 200;
  std::string text;
  for (int i = 0; i < kObjects; ++i) text += R"({"source-ref":"s3://b/)" + std::to_string(i) + "\"}\n";
  const auto all =
      Policy::parse(R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]})");
  ASSERT_TRUE(all);
  Caller caller{"123456789012", "u", "", std::make_shared<const std::vector<Policy>>(std::vector{*all})};
  OneByteObjects objects;
  const std::atomic<bool> cancelled{false};
  std::atomic<int> at_once{0}, reports{0};
  // The first report does not end before every object has been looked at, so all threads but one must go on meanwhile.
  const auto progress = [&](std::size_t done, std::size_t count) {
    EXPECT_EQ(++at_once, 1);
    EXPECT_LE(done, count);
    if (++reports == 1) {
      EXPECT_TRUE(objects.wait_until_asked(kObjects));
    }
    --at_once;
  };
  const ManifestCheck check{objects, caller, {}, "", 1000, cancelled, progress, std::chrono::seconds(0)};
  const auto manifest = check_manifest(check, [&](const auto& add) { return add(text); });
  ASSERT_TRUE(manifest) << manifest.error().message;
  EXPECT_EQ(manifest->unusable.size(), static_cast<std::size_t>(kObjects));
  EXPECT_GE(reports, 1);
}

}  // namespace
}  // namespace vedette
