#include "doctor/doctor.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <map>
#include <vector>

#include "base/digest.hpp"
#include "base/files.hpp"
#include "base/text.hpp"
#include "doctor/clocks.hpp"
#include "doctor/company.hpp"
#include "doctor/database.hpp"
#include "doctor/files.hpp"
#include "doctor/machine.hpp"
#include "doctor/objects.hpp"
#include "doctor/references.hpp"
#include "store/metadata/postgresql/postgresql_metadata.hpp"
#include "store/metadata/sqlite/sqlite_metadata.hpp"
#include "store/objects/filesystem/filesystem_objects.hpp"
#include "store/objects/forwarding_store.hpp"

namespace vedette::doctor {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
namespace fs = std::filesystem;

class Findings {
 public:
  operator Report() {  // NOLINT(google-explicit-constructor): it stands for what it collects
    return [this](const Finding& finding) { all_.push_back(finding); };
  }
  [[nodiscard]] Level worst() const { return std::ranges::max(all_, {}, &Finding::level).level; }
  /// Returns the messages of the worst level, one per line.
  [[nodiscard]] std::string said() const {
    std::string out;
    for (const auto& finding : all_)
      if (finding.level == worst()) out += finding.message + "\n";
    return out;
  }

 private:
  std::vector<Finding> all_;
};

#define EXPECT_FINDING(findings, expected_level, words)                               \
  do {                                                                                \
    EXPECT_EQ((findings).worst(), expected_level) << (findings).said();               \
    EXPECT_NE((findings).said().find(words), std::string::npos) << (findings).said(); \
  } while (false)

void write(const fs::path& file, const std::string& text) {
  fs::create_directories(file.parent_path());
  std::ofstream(file) << text;
}

TEST(Files, OpenToEveryUserFailAndOpenToTheGroupWarn) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "key";
  write(file, "x");
  const auto judged = [&](mode_t mode, Secrecy secrecy) {
    ::chmod(file.c_str(), mode);
    Findings findings;
    check_mode("files", file, secrecy, ::geteuid(), findings);
    return findings;
  };
  EXPECT_FINDING(judged(0600, Secrecy::everything), Level::ok, "mode 600");
  EXPECT_FINDING(judged(0644, Secrecy::everything), Level::failed, "chmod 600");
  EXPECT_FINDING(judged(0640, Secrecy::everything), Level::warning, "open to its group");
  EXPECT_FINDING(judged(0640, Secrecy::key), Level::ok, "mode 640");
  EXPECT_FINDING(judged(0604, Secrecy::key), Level::failed, "chmod o=");
  EXPECT_FINDING(judged(0660, Secrecy::key), Level::warning, "chmod g-w");
  ::chmod(file.c_str(), 0600);
  Findings stranger;
  check_mode("files", file, Secrecy::key, ::geteuid() + 1, stranger);
  EXPECT_FINDING(stranger, Level::failed, "belongs to the user");
}

TEST(Files, ThatKeepAServerFromStartingOrBelongToOthersAreTold) {
  const TemporaryFolder folder;
  ServerSettings settings;
  settings.data = folder.path().string();
  const auto judged = [&] {
    Findings findings;
    check_files(settings, findings);
    return findings;
  };
  ::chmod(folder.path().c_str(), 0700);
  EXPECT_FINDING(judged(), Level::ok, "closed to other users");
  write(folder.path() / "node-id", "abc");
  EXPECT_FINDING(judged(), Level::failed, "is missing or empty, but node-id shows");
  write(folder.path() / "metadata.sqlite", "x");
  ::chmod((folder.path() / "metadata.sqlite").c_str(), 0600);
  EXPECT_EQ(judged().worst(), Level::ok);
  settings.metadata = "postgresql:///none";
  EXPECT_FINDING(judged(), Level::failed, "--metadata would leave unused");
  settings.metadata.clear();
  if (::chown((folder.path() / "metadata.sqlite").c_str(), 12'345, 12'345) != 0)
    return;  // only root can give files away
  EXPECT_FINDING(judged(), Level::failed, "so that its server cannot use them: metadata.sqlite.");
}

TEST(Machine, LimitsOfControlGroupsCountTheSmallest) {
  const TemporaryFolder folder;
  const auto groups = folder.path() / "cgroup";
  write(groups / "a" / "cpu.max", "150000 100000\n");
  write(groups / "a" / "memory.max", "4294967296\n");
  write(groups / "a" / "b" / "cpu.max", "max 100000\n");
  write(groups / "a" / "b" / "memory.max", "2147483648\n");
  write(folder.path() / "self", "0::/a/b\n");
  const auto machine = look_at_machine(groups, folder.path() / "self");
  EXPECT_EQ(machine.core_limit, 1.5);
  EXPECT_EQ(machine.memory_limit_mib, 2048U);
  EXPECT_GE(machine.cores, 1);
  const auto free = look_at_machine(folder.path() / "none", folder.path() / "none");
  EXPECT_FALSE(free.core_limit || free.memory_limit_mib);
}

TEST(Machine, TooLittleForTheOptionsIsTold) {
  ServerSettings settings;
  settings.cores = 4, settings.model_memory_mib = 4096, settings.most_connections = 1024;
  const Machine good{4, std::nullopt, 16'384, std::nullopt, 65'536};
  const auto judged = [&](auto change) {
    auto machine = good;
    change(machine);
    Findings findings;
    judge_machine(machine, settings, findings);
    return findings;
  };
  EXPECT_EQ(judged([](Machine&) {}).worst(), Level::ok);
  EXPECT_FINDING(judged([](Machine& m) { m.core_limit = 2; }), Level::warning, "--cores 2");
  EXPECT_FINDING(judged([](Machine& m) { m.memory_limit_mib = 4096; }), Level::warning, "--model-memory 2048");
  EXPECT_FINDING(judged([](Machine& m) { m.memory_limit_mib = 512; }), Level::failed, "0.5 GiB");
  EXPECT_FINDING(judged([](Machine& m) { m.open_files = 1024; }), Level::warning, "LimitNOFILE");
}

TEST(Machine, DisksThatFillUpAreTold) {
  constexpr std::uint64_t kGiB = 1ULL << 30;
  const auto judged = [](const Space& space) {
    Findings findings;
    judge_space("/data", space, findings);
    return findings;
  };
  EXPECT_EQ(judged({1000 * kGiB, 500 * kGiB, 0, 0}).worst(), Level::ok);
  EXPECT_EQ(judged({20 * kGiB, 9 * kGiB, 0, 0}).worst(), Level::ok);  // a small disk with room
  EXPECT_FINDING(judged({1000 * kGiB, 9 * kGiB, 0, 0}), Level::warning, "9.0 of 1000.0 GiB");
  EXPECT_FINDING(judged({1000 * kGiB, kGiB / 2, 0, 0}), Level::failed, "0.5 of 1000.0 GiB");
  EXPECT_FINDING(judged({1000 * kGiB, 500 * kGiB, 1000, 10}), Level::warning, "10 more files");
}

TEST(Clocks, ThatDifferAreTold) {
  const auto database = [](milliseconds ahead, milliseconds bound) {
    Findings findings;
    judge_database_clock({ahead, bound}, findings);
    return findings;
  };
  EXPECT_EQ(database(milliseconds(-1500), milliseconds(1)).worst(), Level::ok);
  EXPECT_FINDING(database(seconds(3), milliseconds(1)), Level::warning, "3.0 s ahead of");
  EXPECT_EQ(database(seconds(3), seconds(2)).worst(), Level::ok);  // the answer took too long to be sure
  EXPECT_FINDING(database(seconds(-11), milliseconds(1)), Level::failed, "11.0 s behind");
  const auto s3 = [](milliseconds ahead) {
    Findings findings;
    judge_s3_clock({ahead, milliseconds(600)}, findings);
    return findings;
  };
  EXPECT_EQ(s3(seconds(9)).worst(), Level::ok);
  EXPECT_EQ(s3(seconds(30)).worst(), Level::warning);
  EXPECT_FINDING(s3(seconds(-3600)), Level::failed, "3600.0 s behind");
}

TEST(Database, WhatAServerCannotUseIsTold) {
  const DatabaseFacts good{150'004, "UTF8", "de_DE.UTF-8", false, true, true, 97, std::chrono::microseconds(400)};
  const auto judged = [&](auto change) {
    auto facts = good;
    change(facts);
    Findings findings;
    judge_database(facts, findings);
    return findings;
  };
  EXPECT_FINDING(judged([](DatabaseFacts&) {}), Level::ok, "PostgreSQL 15.4");
  EXPECT_FINDING(judged([](DatabaseFacts& f) { f.version = 140'009; }), Level::failed, "14.9, and 15 or newer");
  EXPECT_FINDING(judged([](DatabaseFacts& f) { f.encoding = "SQL_ASCII"; }), Level::failed, "SQL_ASCII");
  EXPECT_FINDING(judged([](DatabaseFacts& f) { f.is_standby = true; }), Level::failed, "Name the primary");
  EXPECT_FINDING(judged([](DatabaseFacts& f) { f.may_write = false; }), Level::failed, "OWNER TO");
  EXPECT_FINDING(judged([](DatabaseFacts& f) { f.has_durable_commits = false; }), Level::failed, "fsync");
  EXPECT_FINDING(judged([](DatabaseFacts& f) { f.round_trip = std::chrono::milliseconds(50); }), Level::warning,
                 "50.0 ms");
  EXPECT_FINDING(judged([](DatabaseFacts& f) { f.most_connections = 10; }), Level::warning, "max_connections");
}

TEST(Database, SaysWhoMayUseASchema) {
  const int known = metadata::schema_steps(sql::Dialect::postgresql).back().version;
  const auto judged = [](const metadata::SchemaState& state) {
    Findings findings;
    judge_schema(state, sql::Dialect::postgresql, findings);
    return findings;
  };
  EXPECT_FINDING(judged({}), Level::ok, "no tables yet");
  EXPECT_FINDING(judged({known, known - 1, known - 1}), Level::ok, "or newer may write it");
  EXPECT_FINDING(judged({known - 1, known - 1, known - 1}), Level::warning, "vedette migrate");
  EXPECT_FINDING(judged({known + 2, known, known + 1}), Level::failed, "Start a newer one");
  EXPECT_EQ(judged({known + 1, known, known}).worst(), Level::ok);
}

TEST(Database, StatementPoolingIsToldButTransactionsAreWell) {
  Findings statement, transaction;
  judge_pooling(Pooling::statement, statement);
  judge_pooling(Pooling::transaction, transaction);
  EXPECT_FINDING(statement, Level::failed, "pool_mode");
  EXPECT_FINDING(transaction, Level::ok, "transaction mode");
}

// tests/postgresql.py starts the servers.
TEST(Shared, WhatAServerSaysAndHowAPoolerBehavesIsFoundOut) {
  const char* direct = std::getenv("VEDETTE_TEST_POSTGRESQL");
  const char* pooler = std::getenv("VEDETTE_TEST_PGBOUNCER");
  if (direct == nullptr || pooler == nullptr) GTEST_SKIP() << "there is no PostgreSQL";
  for (const auto& [url, pooling] : {std::pair{direct, Pooling::none}, std::pair{pooler, Pooling::transaction}}) {
    const Connect connect = [&, address = url] { return connect_postgresql(address, seconds(10)); };
    const auto facts = ask_database(*connect());
    EXPECT_GE(facts.version, 150'000);
    EXPECT_EQ(facts.encoding, "UTF8");
    EXPECT_FALSE(facts.is_standby);
    EXPECT_TRUE(facts.may_write);
    EXPECT_GT(facts.most_connections, 0);
    EXPECT_GT(facts.round_trip.count(), 0);
    EXPECT_EQ(find_pooling(connect), pooling);
  }
}

class Keys : public testing::Test {
 protected:
  Keys() { EXPECT_TRUE(write_file_atomically(file_, as_text(master_), 0600)); }
  AccessKey key(const std::string& id, std::chrono::days age) {
    return {id, "123456789012", "ann", std::string(as_text(seal(master_, "secret", id))), true, now_ - age};
  }
  Findings judged(const std::vector<AccessKey>& keys) {
    Findings findings;
    judge_keys(keys, file_, now_, findings);
    return findings;
  }
  const TemporaryFolder folder_;
  const fs::path file_ = folder_.path() / "master-key";
  const Bytes master_ = random_bytes(32);
  const Timestamp now_ = SystemClock().now();
};

TEST_F(Keys, OldOnesAreNamedWithTheirUsers) {
  using std::chrono::days;
  EXPECT_FINDING(judged({key("AKIA1", days(10)), key("AKIA2", days(300))}), Level::ok, "was made 300 days ago");
  EXPECT_FINDING(judged({key("AKIA1", days(10)), key("AKIA2", days(400))}), Level::warning,
                 "1 of 2 access keys are older than a year: AKIA2 of ann (400 days)");
  auto revoked = key("AKIA2", days(400));
  revoked.is_active = false;
  EXPECT_EQ(judged({key("AKIA1", days(10)), revoked}).worst(), Level::ok);
  EXPECT_FINDING(judged({revoked}), Level::warning, "no access key");
}

TEST_F(Keys, TheMasterKeyMustOpenThem) {
  const auto sealed = key("AKIA1", std::chrono::days(1));
  EXPECT_TRUE(write_file_atomically(file_, as_text(random_bytes(32)), 0600));
  EXPECT_FINDING(judged({sealed}), Level::failed, "is not the key that sealed");
  EXPECT_TRUE(write_file_atomically(file_, "short", 0600));
  EXPECT_FINDING(judged({sealed}), Level::failed, "32 bytes");
  fs::remove(file_);
  EXPECT_FINDING(judged({sealed}), Level::failed, "cannot be read");
}

TEST(Nodes, ThatLiveAreAskedAndOthersAreNot) {
  const Timestamp now{seconds(1'000'000)};
  const auto node = [&](const std::string& id, seconds silent) {
    ServerNode n;
    n.id = id, n.address = "http://" + id, n.version = "1", n.seen = now - silent, n.objects = "s3://b/p";
    return n;
  };
  std::map<std::string, Result<int>> answers = {{"http://a/healthz", 200}, {"http://b/healthz", 200}};
  const auto judged = [&](const std::vector<ServerNode>& nodes) {
    Findings findings;
    judge_nodes(
        nodes, now, "s3://b/p", [&](const std::string& url) { return answers.at(url); }, findings);
    return findings;
  };
  EXPECT_FINDING(judged({}), Level::ok, "No node lives");
  EXPECT_FINDING(judged({node("a", seconds(1)), node("b", seconds(2)), node("dead", seconds(60))}), Level::ok,
                 "It answers at http://a.");
  answers.at("http://b/healthz") = fail(ErrorKind::unavailable, "No route to host.");
  EXPECT_FINDING(judged({node("a", seconds(1)), node("b", seconds(2))}), Level::failed, "No route to host.");
  answers.at("http://b/healthz") = 404;
  EXPECT_FINDING(judged({node("b", seconds(2))}), Level::failed, "no Vedette: it says 404");
  auto other = node("a", seconds(1));
  other.objects = "folder";
  EXPECT_FINDING(judged({other}), Level::failed, "the same --objects");
  other = node("a", seconds(1));
  other.address.clear();
  EXPECT_FINDING(judged({other}), Level::warning, "--node-address");
}

/// A store that does one thing wrong.
class FaultyStore : public ForwardingStore {
 public:
  enum class Fault { none, no_bucket, away, stale_reads, stale_listings, lost_metadata, wrong_ranges, ghosts };
  FaultyStore(ObjectStore& good, Fault fault) : ForwardingStore(good), fault_(fault) {}

  Result<bool> has_bucket(const std::string& bucket) override {
    if (fault_ == Fault::away) return fail(ErrorKind::unavailable, "It does not answer.");
    return fault_ == Fault::no_bucket ? Result<bool>(false) : inner_.has_bucket(bucket);
  }
  Result<ObjectInfo> put(const std::string& bucket, const std::string& key, std::unique_ptr<StagedObject> content,
                         const ObjectAttributes& attributes, const PutCondition& condition) override {
    if (auto old = inner_.head(bucket, key, std::nullopt); old && fault_ == Fault::stale_reads) return old;
    auto kept = attributes;
    if (fault_ == Fault::lost_metadata) kept.user_metadata.clear();
    return inner_.put(bucket, key, std::move(content), kept, condition);
  }
  Result<std::unique_ptr<ObjectReader>> get(const std::string& bucket, const std::string& key,
                                            const std::optional<std::string>& version_id) override {
    auto reader = inner_.get(bucket, key, version_id);
    if (!reader || fault_ != Fault::wrong_ranges) return reader;
    return std::unique_ptr<ObjectReader>(std::make_unique<ShiftedReader>(std::move(*reader)));
  }
  Result<std::vector<ObjectInfo>> list(const std::string& bucket, const ListRequest& request) override {
    return fault_ == Fault::stale_listings ? std::vector<ObjectInfo>() : inner_.list(bucket, request);
  }
  Result<Removed> remove(const std::string& bucket, const std::string& key,
                         const std::optional<std::string>& version_id) override {
    // It leaves once what it should remove.
    if (fault_ == Fault::ghosts && !std::exchange(has_refused_, true)) return Removed();
    return inner_.remove(bucket, key, version_id);
  }

 private:
  class ShiftedReader : public ObjectReader {
   public:
    explicit ShiftedReader(std::unique_ptr<ObjectReader> good) : good_(std::move(good)) {}
    [[nodiscard]] const ObjectInfo& info() const override { return good_->info(); }
    Result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> out) override {
      return good_->read(offset > 0 ? offset - 1 : 0, out);
    }

   private:
    std::unique_ptr<ObjectReader> good_;
  };
  const Fault fault_;
  bool has_refused_ = false;
};

TEST(Objects, EachFaultOfAStoreIsFoundAndNothingIsLeftBehind) {
  using Fault = FaultyStore::Fault;
  const std::map<Fault, const char*> faults = {{Fault::no_bucket, "no bucket"},
                                               {Fault::away, "It does not answer."},
                                               {Fault::stale_reads, "still read as it was before"},
                                               {Fault::stale_listings, "does not show what was just written"},
                                               {Fault::lost_metadata, "metadata"},
                                               {Fault::wrong_ranges, "A range of an object"},
                                               {Fault::ghosts, "still there"}};
  const TemporaryFolder folder;
  const SystemClock clock;
  const auto good = open_filesystem_objects(folder.path(), clock);
  const auto judged = [&](Fault fault) {
    FaultyStore store(*good, fault);
    Findings findings;
    check_objects(store, findings);
    EXPECT_TRUE(good->list(kSystemBucket, {})->empty()) << "something was left behind";
    return findings;
  };
  EXPECT_FINDING(judged(Fault::none), Level::ok, "sent in parts");
  for (const auto& [fault, words] : faults) EXPECT_FINDING(judged(fault), Level::failed, words);
}

TEST(References, ToObjectsThatAreGoneAreNamed) {
  const TemporaryFolder folder;
  const SystemClock clock;
  const auto objects = open_filesystem_objects(folder.path() / "objects", clock);
  const auto metadata = open_sqlite_metadata(folder.path() / "metadata.sqlite");
  for (const char* bucket : {"a", "a-b"}) ASSERT_TRUE(objects->create_bucket(bucket));
  ASSERT_TRUE(put_bytes(*objects, "a", "1.png", "x", "image/png"));
  ASSERT_TRUE(put_bytes(*objects, "a", "2.png", "x", "image/png"));
  ASSERT_TRUE(put_bytes(*objects, "a-b", "1.png", "x", "image/png"));
  const auto judged = [&](std::vector<std::string> references) {
    Findings findings;
    // They come one by one, as from pages.
    const NextPictures next = [&](const std::string& after) {
      const auto found = std::ranges::upper_bound(references, after);
      return found == references.end() ? std::vector<std::string>() : std::vector{*found};
    };
    check_references(*metadata, next, *objects, findings);
    return findings;
  };
  EXPECT_FINDING(judged({"s3://a-b/1.png", "s3://a/1.png", "s3://a/2.png"}), Level::ok, "All 3 pictures");
  EXPECT_FINDING(judged({"s3://a/0.png", "s3://a/1.png", "s3://a/3.png", "s3://none/1.png"}), Level::failed,
                 "3 of 4 pictures of datasets are missing or damaged: s3://a/0.png, s3://a/3.png, s3://none/1.png (");

  const Scope scope{"123456789012", "us-east-1"};
  metadata->write([&](UnitOfWork& work) {
    work.projects().insert(scope, {"p", work.now()});
    Model model;
    model.uid = "uid", model.project = "p", model.version = 1, model.status = ModelStatus::trained;
    work.models().insert(scope, model);
  });
  EXPECT_FINDING(judged({}), Level::failed, "1 of 1 trained models are missing or damaged: arn:aws:lookoutvision");
}

TEST(Doctor, OptionsThatDoNotFitTogetherAreToldAlone) {
  ServerSettings settings;
  settings.listen = "0.0.0.0:8420";
  Findings findings;
  examine(settings, Depth::usual, findings);
  EXPECT_FINDING(findings, Level::failed, "plain HTTP is offered on loopback only");
}

TEST(Doctor, AnEmptyFolderIsWellAndStaysEmpty) {
  const TemporaryFolder folder;
  ServerSettings settings;
  settings.data = (folder.path() / "new").string();
  Findings findings;
  examine(settings, Depth::usual, findings);
  EXPECT_NE(findings.worst(), Level::failed) << findings.said();
  EXPECT_FALSE(fs::exists(settings.data));
}

}  // namespace
}  // namespace vedette::doctor
