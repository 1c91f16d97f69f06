// Several nodes that share a database start, and are refused where they do not fit together.
#include "server/installation.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <future>
#include <stdexcept>
#include <vector>

#include "auth/key_ring.hpp"
#include "base/digest.hpp"
#include "base/files.hpp"
#include "base/monotonic_clock.hpp"
#include "base/text.hpp"
#include "server/stores.hpp"
#include "store/metadata/postgresql/postgresql_metadata.hpp"
#include "store/metadata/sqlite/sqlite_metadata.hpp"

namespace vedette {
namespace {

namespace fs = std::filesystem;

void expect_refused(const std::function<void()>& start, const std::string& part) {
  try {
    start();
    FAIL() << "it was not refused: " << part;
  } catch (const std::runtime_error& e) {
    EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << e.what();
  }
}

TEST(MasterKeyFile, MayBeReadableForAGroupButNotForOthers) {
  const TemporaryFolder folder;
  const DataFolder data{folder.path()};
  const auto file = folder.path() / "key";
  EXPECT_EQ(master_key_file(data, ""), data.master_key());
  expect_refused([&] { (void)master_key_file(data, file.string()); }, "head -c 32 /dev/urandom");
  ASSERT_TRUE(write_file_atomically(file, std::string(32, 'k'), 0440));
  EXPECT_EQ(master_key_file(data, file.string()), file);
  fs::permissions(file, fs::perms::others_read, fs::perm_options::add);
  expect_refused([&] { (void)master_key_file(data, file.string()); }, "chmod o= ");
}

TEST(ObjectsPlace, IsTheSameForTheSameUrl) {
  ServerSettings settings;
  EXPECT_EQ(objects_place(settings), kObjectsInFolder);
  settings.objects.url = "s3://b/p/";
  EXPECT_EQ(objects_place(settings), "s3://b/p");
}

/// The checks that need no server, over any database.
class Company : public testing::Test {
 protected:
  void add(const std::string& id, const std::string& objects, std::chrono::seconds age = {}) {
    metadata_->write([&](UnitOfWork& work) {
      ServerNode node;
      node.id = id;
      node.objects = objects;
      node.seen = work.now() - age;
      work.nodes().put(node);
    });
  }
  static ServerNode self(const std::string& objects) {
    ServerNode node;
    node.id = "me";
    node.objects = objects;
    return node;
  }
  TemporaryFolder folder_;
  std::unique_ptr<MetadataStore> metadata_ = open_sqlite_metadata(folder_.path() / "m.sqlite");
};

TEST_F(Company, SeveralNodesNeedTheSameObjects) {
  add("me", "folder");
  check_company(*metadata_, self("folder"));
  add("other", "s3://b/p");
  check_company(*metadata_, self("s3://b/p"));
  expect_refused([&] { check_company(*metadata_, self("folder")); }, "this node keeps the objects in its data folder");
  expect_refused([&] { check_company(*metadata_, self("s3://b/q")); }, "node other");
  expect_refused([&] { check_alone(*metadata_, self("s3://b/p")); }, "node other");
}

TEST_F(Company, AnotherNodeThatKeepsObjectsInItsFolderIsNamed) {
  add("other", "folder");
  expect_refused([&] { check_company(*metadata_, self("s3://b/p")); },
                 "node other keeps the objects in its data folder");
  expect_refused([&] { check_company(*metadata_, self("folder")); }, "Several nodes need the objects in an S3 service");
}

TEST_F(Company, DeadNodesDoNotCount) {
  add("other", "folder", std::chrono::seconds(60));
  check_company(*metadata_, self("s3://b/p"));
  check_alone(*metadata_, self("s3://b/p"));
}

TEST_F(Company, TheFirstNodeSaysWhichAccountItIs) {
  check_account(*metadata_, "111122223333");
  check_account(*metadata_, "111122223333");
  expect_refused([&] { check_account(*metadata_, "111122224444"); }, "--account 111122223333");
}

/// Servers over a PostgreSQL that tests/postgresql.py has started, in a schema of their own.
class Shared : public testing::Test {
 protected:
  void SetUp() override {
    const char* server = std::getenv("VEDETTE_TEST_POSTGRESQL");
    if (server == nullptr) GTEST_SKIP() << "no PostgreSQL";
    const std::string url = server;
    url_ = url + (url.find('?') == std::string::npos ? "?" : "&") + "schema=test_" + random_id(12);
    ASSERT_TRUE(write_file_atomically(key_, as_text(random_bytes(32)), 0440));
  }
  [[nodiscard]] ServerSettings settings(const std::string& name) const {
    ServerSettings settings;
    settings.data = (folder_.path() / name).string();
    settings.metadata = url_;
    settings.master_key = key_.string();
    settings.cores = 1;
    return settings;
  }
  [[nodiscard]] ServerSettings with_s3(const std::string& name) const {
    auto s = settings(name);
    s.objects.url = "s3://b/p";
    // Nobody answers here, which keeps no server from starting.
    s.objects.endpoint = "http://127.0.0.1:9";
    s.objects.timeout_seconds = 1;
    return s;
  }
  std::unique_ptr<Stores> start(const ServerSettings& settings) {
    return std::make_unique<Stores>(settings, clock_, monotonic_);
  }
  [[nodiscard]] bool has_credentials(const std::string& name) const {
    return fs::exists(folder_.path() / name / "admin-credentials");
  }

  TemporaryFolder folder_;
  std::string url_;
  fs::path key_ = folder_.path() / "key";
  SystemClock clock_;
  SystemMonotonicClock monotonic_;
};

TEST_F(Shared, OfNodesThatStartForTheFirstTimeTogetherOneMakesTheAdministrator) {
  ::setenv("AWS_ACCESS_KEY_ID", "a", 1);
  ::setenv("AWS_SECRET_ACCESS_KEY", "s", 1);
  std::vector<std::future<std::unique_ptr<Stores>>> starting;
  for (const char* name : {"1", "2", "3"})
    starting.push_back(std::async(std::launch::async, [this, name] { return start(with_s3(name)); }));
  std::vector<std::unique_ptr<Stores>> nodes;
  for (auto& one : starting) nodes.push_back(one.get());
  EXPECT_EQ(has_credentials("1") + has_credentials("2") + has_credentials("3"), 1);
  const auto keys = nodes[0]->metadata().read()->users().list_keys(std::nullopt, std::nullopt);
  ASSERT_EQ(keys.size(), 1U);
  for (const auto& node : nodes) EXPECT_TRUE(node->keys().authenticate({keys[0].access_key_id}));

  expect_refused([&] { (void)start(settings("4")); }, "this node keeps the objects in its data folder");
  auto other = with_s3("5");
  other.objects.url = "s3://b/elsewhere";
  expect_refused([&] { (void)start(other); }, "has s3://b/p");
  other = with_s3("6");
  other.account = "111122223333";
  expect_refused([&] { (void)start(other); }, "--account 123456789012");
  other = with_s3("7");
  other.master_key = (folder_.path() / "other-key").string();
  ASSERT_TRUE(write_file_atomically(other.master_key, std::string(32, 'x'), 0600));
  expect_refused([&] { (void)start(other); }, "is not the one that sealed the access keys");
  other.accept_loss = {"master-key"};
  expect_refused([&] { (void)start(other); }, "would give up");
  other.master_key.clear();
  other.accept_loss.clear();
  expect_refused([&] { (void)start(other); }, "is missing");
  for (const char* name : {"4", "5", "6", "7"}) EXPECT_FALSE(has_credentials(name));
}

TEST_F(Shared, ANodeAloneMayKeepObjectsInItsFolderAndItsOwnKey) {
  auto mine = settings("1");
  mine.master_key.clear();
  { const auto node = start(mine); }
  EXPECT_TRUE(has_credentials("1"));
  const auto node = start(mine);
  EXPECT_FALSE(node->trouble());
  EXPECT_NE(node->buckets(), nullptr);
}

TEST_F(Shared, AFolderWithMetadataOfItsOwnIsRefused) {
  auto plain = settings("1");
  plain.metadata.clear();
  { const auto node = start(plain); }
  expect_refused([&] { (void)start(settings("1")); }, "vedette metadata copy");
}

TEST_F(Shared, AMasterKeyThatIsLostCanBeGivenUpByTheLastNode) {
  { const auto node = start(settings("1")); }
  fs::remove(key_);
  ASSERT_TRUE(write_file_atomically(key_, as_text(random_bytes(32)), 0440));
  expect_refused([&] { (void)start(settings("1")); }, "--accept-loss master-key");
  auto accepting = settings("1");
  accepting.accept_loss = {"master-key"};
  { const auto node = start(accepting); }
  const auto node = start(settings("1"));
  std::size_t active = 0;
  for (const auto& key : node->metadata().read()->users().list_keys(std::nullopt, std::nullopt))
    active += key.is_active ? 1 : 0;
  EXPECT_EQ(active, 1U);
}

}  // namespace
}  // namespace vedette
