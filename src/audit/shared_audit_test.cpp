#include "audit/shared_audit.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <thread>

#include "audit/audit.hpp"
#include "audit/audit_files.hpp"
#include "audit/event_for_tests.hpp"
#include "base/random.hpp"
#include "store/metadata/backends.hpp"
#include "store/metadata/repeating_store.hpp"

namespace vedette {
namespace {

using Json = nlohmann::json;
using Names = std::vector<std::string>;
using std::chrono::seconds;

/// Fails as it is told: before a transaction, or after its commit as if the answer were lost.
class FailingStore : public MetadataStore {
 public:
  explicit FailingStore(MetadataStore& store) : store_(store) {}
  using MetadataStore::read;
  std::unique_ptr<UnitOfWork> read() override { return store_.read(); }
  void run_transaction(const std::function<bool(UnitOfWork&)>& function) override {
    if (is_away) throw std::runtime_error("the database is away");
    store_.run_transaction(function);
    if (loses_answers) throw std::runtime_error("the answer is lost");
  }
  bool is_away = false, loses_answers = false;

 private:
  MetadataStore& store_;
};

class SharedAudits : public testing::TestWithParam<Backend> {
 protected:
  /// One run of a node: its files outlive it. The thread does not run unless a test starts it.
  struct Run {
    Run(SharedAudits& suite, const std::string& node, int days_kept = 0)
        : shared(suite.store_, suite.clock_, {suite.folder_of(node), node, days_kept}),
          log(suite.folder_of(node), suite.clock_, days_kept, shared.taken()) {}
    void ship() {
      while (shared.ship_some()) continue;
    }
    SharedAudit shared;
    AuditLog log;
  };

  [[nodiscard]] std::filesystem::path folder_of(const std::string& node) const { return folder_.path() / node; }
  [[nodiscard]] std::filesystem::path today_of(const std::string& node) const {
    return folder_of(node) / "2020-09-13.jsonl";
  }
  static Names names(const AuditPage& page) {
    Names out;
    for (const auto& record : page.records) out.push_back(record.name);
    return out;
  }
  static Names found(AuditTrail& trail, AuditQuery query, std::size_t most = 1000) {
    query.account = kAccount;
    Names out;
    std::string place;
    do {
      const auto page = trail.read(query, place, most);
      EXPECT_TRUE(page);
      if (!page) break;
      EXPECT_LE(page->records.size(), most);
      for (auto& name : names(*page)) out.push_back(name);
      EXPECT_EQ(page->next.empty(), !page->searched_until);
      place = page->next;
    } while (!place.empty());
    return out;
  }

  TemporaryFolder folder_;
  RepeatingStore opened_{GetParam().open(folder_.path())};
  FailingStore store_{opened_};
  FakeClock clock_{Timestamp{seconds(1'600'000'000)}};  // 2020-09-13T12:26:40Z
};

TEST_P(SharedAudits, LinesOfAllNodesAreListedByTheirTimesWhoeverReads) {
  Run a(*this, "a"), b(*this, "b");
  Names expected;
  for (int i = 0; i < 20; ++i) {
    const auto name = std::to_string(i);
    (i % 3 == 0 ? a : b).log.write(event(name));
    expected.insert(expected.begin(), name);
    clock_.advance(std::chrono::hours(5));
  }
  b.ship();
  for (const std::size_t most : {1, 3, 100}) EXPECT_EQ(found(a.shared, {}, most), expected) << most;
  EXPECT_EQ(found(b.shared, {.start = Timestamp{seconds(1'600'000'000 + 5 * 3600)},
                             .end = Timestamp{seconds(1'600'000'000 + 15 * 3600)}}),
            (Names{"2", "1"}));
}

TEST_P(SharedAudits, PagesStayTheSameWhileLinesCome) {
  Run a(*this, "a"), b(*this, "b");
  for (int i = 0; i < 9; ++i) {
    a.log.write(event(std::to_string(i)));
    clock_.advance(seconds(2));
  }
  const auto first = a.shared.read({.account = kAccount}, "", 4);
  ASSERT_TRUE(first);
  EXPECT_EQ(names(*first), (Names{"8", "7", "6", "5"}));
  b.log.write(event("new"));
  b.ship();
  const auto second = b.shared.read({.account = kAccount}, first->next, 4);
  ASSERT_TRUE(second);
  EXPECT_EQ(names(*second), (Names{"4", "3", "2", "1"}));
}

TEST_P(SharedAudits, FindsWhatTheFilesFind) {
  Run a(*this, "a");
  Random random(7);
  const auto one_of = [&](std::initializer_list<const char*> values) {
    return std::string(*(values.begin() + static_cast<std::ptrdiff_t>(random.below(values.size()))));
  };
  for (int i = 0; i < 300; ++i) {
    auto each = event(one_of({"CreateModel", "ListProjects", "DescribeModel"}));
    each.user = one_of({"ann", "bob", "Zo\u00eb \"z\"", "ann%"});
    each.source = one_of({"lookoutvision.amazonaws.com", "vedette.amazonaws.com"});
    each.error_code = one_of({"", "", "AccessDeniedException"});
    each.error_message = R"(said "userName":"bob" or "readOnly":true)";
    each.is_read_only = random.below(2) == 0;
    each.access_key_id = one_of({"AKIA1", "AKIA2"});
    each.source_key_id = one_of({"", "AKIA1"});
    each.user_agent = std::string("a\0b", 3);
    each.request_parameters = audit_parameters({{"ProjectName", one_of({"p1", "p2"})}, {"Bytes", "\xff\xfe"}});
    each.request_id = std::to_string(i);
    if (random.below(20) == 0) each.account = "999999999999";
    a.log.write(each);
    clock_.advance(std::chrono::milliseconds(random.below(900'000)));
  }
  AuditFiles files(folder_of("a"));
  const auto compare = [&](AuditQuery query) {
    query.account = kAccount;
    const auto expected = files.read(query, "", 1000), got = a.shared.read(query, "", 1000);
    ASSERT_TRUE(expected && got);
    ASSERT_EQ(got->records.size(), expected->records.size());
    for (std::size_t i = 0; i < expected->records.size(); ++i)
      ASSERT_EQ(got->records[i].json, expected->records[i].json);
  };
  EXPECT_GT(found(a.shared, {}).size(), 200U);
  for (int i = 0; i < 60; ++i) {
    AuditQuery query;
    if (random.below(3) == 0) query.start = Timestamp{seconds(1'600'000'000 + random.below(200'000))};
    if (random.below(3) == 0)
      query.end = query.start.value_or(Timestamp{seconds(1'600'000'000)}) + seconds(random.below(100'000));
    if (random.below(2) == 0) query.user = one_of({"ann", "bob", "Zo\u00eb \"z\"", "ann%", "a", ""});
    if (random.below(2) == 0) query.name = one_of({"CreateModel", "ListProjects", "createmodel"});
    if (random.below(3) == 0) query.source = one_of({"vedette.amazonaws.com", "lookoutvision.amazonaws.com"});
    if (random.below(3) == 0) query.error_code = "AccessDeniedException";
    if (random.below(3) == 0) query.access_key_id = one_of({"AKIA1", "AKIA2"});
    if (random.below(3) == 0) query.resource = one_of({"p1", "p2", "p", "projectName"});
    if (random.below(3) == 0) query.has_failed = random.below(2) == 0;
    if (random.below(3) == 0) query.is_read_only = random.below(2) == 0;
    compare(query);
  }
  // All filters at once are as many texts as the database takes.
  compare({.user = "ann",
           .name = "CreateModel",
           .source = "vedette.amazonaws.com",
           .error_code = "AccessDeniedException",
           .access_key_id = "AKIA1",
           .resource = "p1",
           .has_failed = true,
           .is_read_only = false});
}

TEST_P(SharedAudits, WhatAKilledNodeHadNotBroughtComesWhenItStartsAgain) {
  {
    Run killed(*this, "a");
    killed.log.write(event("brought"));
    killed.ship();
    for (int i = 0; i < 3; ++i) {
      clock_.advance(std::chrono::hours(20));
      killed.log.write(event("left " + std::to_string(i)));
    }
  }
  Run other(*this, "b");
  EXPECT_EQ(found(other.shared, {}), Names{"brought"});
  Run again(*this, "a");
  EXPECT_EQ(found(again.shared, {}), (Names{"left 2", "left 1", "left 0", "brought"}));
}

TEST_P(SharedAudits, NoLineComesTwiceThoughNobodyKnowsWhetherItCame) {
  Run a(*this, "a");
  for (int i = 0; i < 1200; ++i) a.log.write(event(std::to_string(i)));
  store_.loses_answers = true;
  for (int i = 0; i < 3; ++i) EXPECT_THROW(a.shared.ship_some(), std::runtime_error);
  store_.loses_answers = false;
  Run again(*this, "a");
  EXPECT_TRUE(again.shared.ship_some());
  a.ship();
  again.ship();
  EXPECT_EQ(found(a.shared, {}).size(), 1200U);
}

TEST_P(SharedAudits, LinesWaitWhileTheDatabaseIsAwayAndTheirAgeIsTold) {
  Run a(*this, "a");
  const auto lag = [&] {
    const auto text = a.shared.to_prometheus();
    return text.substr(text.rfind(' ') + 1);
  };
  a.log.write(event("0"));
  a.ship();
  EXPECT_EQ(lag(), "0.000\n");
  store_.is_away = true;
  a.log.write(event("1"));
  clock_.advance(seconds(30));
  a.log.write(event("2"));
  EXPECT_THROW(a.shared.ship_some(), std::runtime_error);
  clock_.advance(seconds(12));
  EXPECT_EQ(lag(), "42.000\n");
  store_.is_away = false;
  EXPECT_EQ(found(a.shared, {}), (Names{"2", "1", "0"}));
  EXPECT_EQ(lag(), "0.000\n");
}

TEST_P(SharedAudits, AFileThatLostItsEndLosesNoNewLines) {
  for (const std::uintmax_t left : {0, 1, 700, 1400}) {
    const auto node = "node" + std::to_string(left);
    const auto count = [&](AuditTrail& trail, const std::string& what) {
      return found(trail, {.name = what + " of " + node}).size();
    };
    {
      Run run(*this, node);
      for (int i = 0; i < 5; ++i) run.log.write(event("old of " + node));
      run.ship();
    }
    // A power cut takes what the system had not written yet.
    ASSERT_GT(std::filesystem::file_size(today_of(node)), left);
    if (left > 0)
      std::filesystem::resize_file(today_of(node), left);
    else
      std::filesystem::remove(today_of(node));
    Run again(*this, node);
    for (int i = 0; i < 7; ++i) again.log.write(event("new of " + node));
    again.ship();
    EXPECT_EQ(count(again.shared, "old"), 5U) << left;
    EXPECT_EQ(count(again.shared, "new"), 7U) << left;
    AuditFiles files(folder_of(node));
    EXPECT_EQ(count(files, "new"), 7U) << left;
  }
}

TEST_P(SharedAudits, BrokenLinesArePassedOverAndAnUnfinishedOneIsWaitedFor) {
  const auto append = [&](const std::string& text) { std::ofstream(today_of("a"), std::ios::app) << text; };
  Run a(*this, "a");
  a.log.write(event("0"));
  append("\n[]\nnull\n\xff\n{\"eventTime\":\"soon\"}\n" + std::string(20 << 20, '"') + "\n");
  a.log.write(event("1"));
  auto last = Json{{"eventTime", "2020-09-13T12:26:41Z"},
                   {"recipientAccountId", kAccount},
                   {"eventName", "2"},
                   {"requestParameters", std::string(3 << 20, 'x')}}
                  .dump();
  append(last.substr(0, 2 << 20));
  EXPECT_EQ(found(a.shared, {}), (Names{"1", "0"}));
  append(last.substr(2 << 20) + "\n");
  EXPECT_EQ(found(a.shared, {}), (Names{"2", "1", "0"}));
  // A file that was torn and is never written again holds nothing up.
  append("{\"eventTime\":");
  clock_.advance(std::chrono::days(1));
  a.log.write(event("3"));
  EXPECT_EQ(found(a.shared, {}), (Names{"3", "2", "1", "0"}));
}

TEST_P(SharedAudits, ACallEndsAfterItsShareOfWorkAndSaysWhereItStands) {
  Run a(*this, "a");
  a.log.write(event("0"));
  std::ofstream out(today_of("a"), std::ios::app);
  const auto line = Json{{"eventTime", "2020-09-13T12:27:40Z"},
                         {"recipientAccountId", kAccount},
                         {"requestParameters", std::string(1 << 20, 'x')}}
                        .dump();
  for (int i = 0; i < 20; ++i) out << line << '\n';
  out.close();
  a.ship();
  const AuditQuery query{.account = kAccount, .name = "0"};
  const auto page = a.shared.read(query, "", 10);
  ASSERT_TRUE(page);
  EXPECT_TRUE(page->records.empty());
  ASSERT_NE(page->next, "");
  EXPECT_EQ(to_extended_iso8601(*page->searched_until), "2020-09-13T12:27:40.000Z");
  EXPECT_EQ(found(a.shared, query), Names{"0"});
}

TEST_P(SharedAudits, OldLinesAreRemovedInSteps) {
  {
    Run a(*this, "a");
    for (int i = 0; i < 1'100; ++i) a.log.write(event("0"));
    for (int day = 1; day <= 3; ++day) {
      clock_.advance(std::chrono::days(1));
      a.log.write(event(std::to_string(day)));
    }
    a.ship();
  }
  // The age is counted from three days after the last day before today, whatever the database's clock says now.
  Run keeps_all(*this, "b", 0), keeps_three(*this, "b", 3), keeps_six(*this, "b", 6);
  EXPECT_FALSE(keeps_all.shared.remove_some());
  EXPECT_FALSE(keeps_six.shared.remove_some());
  EXPECT_EQ(found(keeps_six.shared, {}).size(), 1'103U);
  EXPECT_TRUE(keeps_three.shared.remove_some());
  EXPECT_EQ(found(keeps_three.shared, {}).size(), 103U);
  EXPECT_FALSE(keeps_three.shared.remove_some());
  EXPECT_EQ(found(keeps_three.shared, {}), Names{"3"});
}

TEST_P(SharedAudits, TheThreadBringsLinesByItselfAndBeforeTheyAreRead) {
  Run a(*this, "a"), b(*this, "b");
  a.shared.start();
  b.log.write(event("of b"));
  b.shared.start();
  const auto deadline = std::chrono::steady_clock::now() + seconds(60);
  while (found(a.shared, {}).empty() && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  EXPECT_EQ(found(a.shared, {}), Names{"of b"});
  for (int i = 0; i < 3; ++i) {
    clock_.advance(seconds(1));
    a.log.write(event(std::to_string(i)));
    EXPECT_EQ(found(a.shared, {}).front(), std::to_string(i));
  }
}

TEST_P(SharedAudits, WhatIsWrittenLastComesWhenTheNodeEnds) {
  {
    Run a(*this, "a");
    a.shared.start();
    auto refused = event("refused");
    refused.error_code = "AccessDeniedException";
    for (int i = 0; i <= AuditLog::kMostRefusals; ++i) a.log.write(refused);
  }
  Run b(*this, "b");
  EXPECT_EQ(found(b.shared, {}).front(), "RefusedCallsLeftOut");
}

TEST_P(SharedAudits, OnlyPlacesAreTaken) {
  Run a(*this, "a");
  for (const char* text :
       {"x", "1/a/2020-09-13", "1/a/2020-09-1x/5", "x/a/2020-09-13/5", "1/a/2020-09-13/", "2020-09-13/5"}) {
    const auto page = a.shared.read({.account = kAccount}, text, 1);
    ASSERT_FALSE(page) << text;
    EXPECT_EQ(page.error().kind, ErrorKind::invalid_input);
  }
}

INSTANTIATE_TEST_SUITE_P(Backends, SharedAudits, testing::ValuesIn(backends()),
                         [](const auto& backend) { return backend.param.name; });

}  // namespace
}  // namespace vedette
