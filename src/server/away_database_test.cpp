// What callers see when the connection to the database is lost, and which calls count for the rate.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <stdexcept>

#include "api/lookoutvision/messages.hpp"
#include "auth/auth.hpp"
#include "auth/identities.hpp"
#include "base/disk_full.hpp"
#include "base/files.hpp"
#include "hosting/hosting.hpp"
#include "http/json_service.hpp"
#include "http/rate_limiter.hpp"
#include "metrics/metrics.hpp"
#include "service/service.hpp"
#include "store/metadata/sqlite/sqlite_metadata.hpp"
#include "store/objects/filesystem/filesystem_objects.hpp"

namespace vedette {
namespace {

struct Lost : std::runtime_error, Away {
  explicit Lost(bool is_known_to_be_undone)
      : std::runtime_error("the connection is lost"), is_known_to_be_undone_(is_known_to_be_undone) {}
  [[nodiscard]] bool is_undone() const override { return is_known_to_be_undone_; }
  bool is_known_to_be_undone_;
};

/// Loses its connection as often as it is told to.
class LosingStore : public MetadataStore {
 public:
  explicit LosingStore(std::unique_ptr<MetadataStore> store) : store_(std::move(store)) {}
  using MetadataStore::read;
  std::unique_ptr<UnitOfWork> read() override {
    if (losses > 0) --losses, throw Lost(true);
    return store_->read();
  }
  void run_transaction(const std::function<bool(UnitOfWork&)>& function) override {
    ++transactions;
    store_->run_transaction(function);
    if (losses > 0) --losses, throw Lost(false);
  }
  int losses = 0, transactions = 0;

 private:
  const std::unique_ptr<MetadataStore> store_;
};

class AwayDatabase : public testing::Test {
 protected:
  void SetUp() override {
    metadata_.write([](UnitOfWork& work) {
      work.users().insert({kScope.account, "admin", {kAdministratorAccess}, work.now()});
    });
    identity_.scope = kScope;
    identity_.caller = *caller_of_job(metadata_, kScope.account, "admin");
    metadata_.transactions = 0;
  }
  Result<Response> call(const char* method, const std::string& body = {}) {
    RequestHead head;
    head.method = method;
    head.path = "/2020-11-20/projects";
    AuditEvent audit;
    return (*json_.open(head, identity_))->run(body, audit);
  }

  inline static const Scope kScope{"123456789012", "us-east-1"};
  TemporaryFolder folder_;
  SystemClock clock_;
  LosingStore metadata_{open_sqlite_metadata(folder_.path() / "m.sqlite")};
  std::unique_ptr<BucketStore> objects_ = open_filesystem_objects(folder_.path() / "objects", clock_);
  Hosting hosting_{metadata_, *objects_, {folder_.path() / "cache", {}, 0}};
  Metrics metrics_{metadata_, clock_};
  LookoutVision service_{metadata_, *objects_, hosting_, metrics_, clock_, Quotas{}, [] {}};
  RateLimiter limiter_{0};
  JsonService json_{lookoutvision::api_model(), lookoutvision_operations(service_), service_, limiter_, nullptr};
  CallIdentity identity_;
};

TEST_F(AwayDatabase, ACallThatOnlyReadsRunsOnceMore) {
  metadata_.losses = 1;
  const auto listed = call("GET");
  ASSERT_TRUE(listed) << listed.error().message;
  EXPECT_EQ(listed->status, 200);
  metadata_.losses = 2;
  const auto refused = call("GET");
  ASSERT_FALSE(refused);
  EXPECT_EQ(json_.encode_error(refused.error(), {}, "").status, 503);  // which the AWS SDKs try again
  EXPECT_EQ(metadata_.losses, 0);
}

TEST_F(AwayDatabase, ACallThatWritesDoesNotRunAgainAndSaysThatItsOutcomeIsUnknown) {
  metadata_.losses = 1;
  const auto created = call("POST", R"({"ProjectName":"p"})");
  ASSERT_FALSE(created);
  EXPECT_EQ(metadata_.transactions, 1);
  EXPECT_EQ(json_.encode_error(created.error(), {}, "").status, 503);
  EXPECT_NE(created.error().message.find("not known whether"), std::string::npos) << created.error().message;
}

TEST_F(AwayDatabase, ACallThatAnotherNodePassedOnIsCountedThereAlone) {
  RateLimiter one_per_minute(1.0 / 60);
  JsonService json(lookoutvision::api_model(), lookoutvision_operations(service_), service_, one_per_minute, nullptr);
  const auto list = [&] {
    RequestHead head;
    head.method = "GET";
    head.path = "/2020-11-20/projects";
    AuditEvent audit;
    return (*json.open(head, identity_))->run("", audit);
  };
  EXPECT_TRUE(list());
  const auto refused = list();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::throttled);
  identity_.is_passed_on = true;
  EXPECT_TRUE(list());
}

}  // namespace
}  // namespace vedette
