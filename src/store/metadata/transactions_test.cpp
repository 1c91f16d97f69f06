// What transactions promise, whatever database is behind them.
#include <array>
#include <barrier>
#include <random>
#include <set>
#include <stdexcept>
#include <thread>

#include "store/metadata/backends.hpp"
#include "store/metadata/repeating_store.hpp"
#include "store/sql/sql.hpp"

namespace vedette {
namespace {

class Transactions : public MetadataSuite {
 protected:
  bool has(const std::string& project) { return store_->read()->projects().find(kScope, project).has_value(); }
  std::size_t projects() { return store_->read()->projects().list(kScope, "", 1000).size(); }

  /// Runs a function on several threads, all of which begin at the same time.
  template <typename Function>
  static void run_at_once(int threads, Function function) {
    std::barrier begin(threads);
    std::vector<std::jthread> running;
    for (int i = 0; i < threads; ++i)
      running.emplace_back([&, i] {
        begin.arrive_and_wait();
        function(i);
      });
  }
};

TEST_P(Transactions, AreUndoneIfTheirFunctionFails) {
  const auto refused = store_->write([](UnitOfWork& work) -> Result<int> {
    EXPECT_TRUE(work.projects().insert(kScope, {"q", at(2)}));
    EXPECT_TRUE(work.projects().find(kScope, "q"));
    return invalid_input("no");
  });
  EXPECT_EQ(refused.error().message, "no");
  EXPECT_FALSE(has("q"));
  EXPECT_THROW(store_->write([](UnitOfWork& work) {
    work.projects().insert(kScope, {"q", at(2)});
    throw std::runtime_error("broken");
  }),
               std::runtime_error);
  EXPECT_FALSE(has("q"));
  EXPECT_EQ(store_->write([](UnitOfWork& work) {
    work.projects().insert(kScope, {"q", at(2)});
    work.roll_back_at_end();
    return 7;
  }),
            7);
  EXPECT_FALSE(has("q"));
}

TEST_P(Transactions, AreKeptWhateverElseTheirFunctionReturns) {
  EXPECT_FALSE(store_->write([](UnitOfWork& work) { return !work.projects().insert(kScope, {"a", at(2)}); }));
  EXPECT_FALSE(store_->write([](UnitOfWork& work) -> std::optional<int> {
    work.projects().insert(kScope, {"b", at(2)});
    return std::nullopt;
  }));
  EXPECT_EQ(*store_->write([](UnitOfWork& work) -> Result<int> {
    work.projects().insert(kScope, {"c", at(2)});
    return 3;
  }),
            3);
  EXPECT_TRUE(has("a") && has("b") && has("c"));
}

TEST_P(Transactions, RunAgainIfSomethingGotInTheirWay) {
  int runs = 0;
  store_->write([&](UnitOfWork& work) {
    EXPECT_TRUE(work.projects().insert(kScope, {"q", at(2)}));
    if (++runs == 1) throw sql::SerializationConflict("another transaction");
    if (runs == 2) throw sql::DatabaseUnavailable("the connection is lost");
  });
  EXPECT_EQ(runs, 3);
  EXPECT_TRUE(has("q"));
  EXPECT_THROW(store_->write([&](UnitOfWork& work) {
    ++runs;
    work.projects().insert(kScope, {"r", at(2)});
    throw sql::DatabaseError("a bug");
  }),
               sql::DatabaseError);
  EXPECT_EQ(runs, 4);
  EXPECT_FALSE(has("r"));
}

TEST_P(Transactions, ViewsRunAgainIfTheConnectionIsLost) {
  int runs = 0;
  EXPECT_EQ(store_->read([&](UnitOfWork& view) {
    if (++runs == 1) throw sql::DatabaseUnavailable("the connection is lost");
    return view.projects().list(kScope, "", 10).size();
  }),
            1U);
  EXPECT_EQ(runs, 2);
}

TEST_P(Transactions, ViewsCannotWriteAndLeaveNothingBehind) {
  {
    const auto view = store_->read();
    EXPECT_THROW(view->projects().insert(kScope, {"q", at(2)}), sql::DatabaseError);
  }
  EXPECT_FALSE(has("q"));
  EXPECT_TRUE(store_->write([](UnitOfWork& work) { return work.projects().insert(kScope, {"q", at(2)}); }));
  EXPECT_TRUE(has("q"));
}

TEST_P(Transactions, LooksSeeWhatIsCommittedAndCannotWrite) {
  EXPECT_FALSE(store_->look()->projects().find(kScope, "q"));
  EXPECT_THROW(store_->look()->projects().insert(kScope, {"q", at(2)}), sql::DatabaseError);
  EXPECT_FALSE(has("q"));
  store_->write([](UnitOfWork& work) { work.projects().insert(kScope, {"q", at(2)}); });
  EXPECT_TRUE(store_->look()->projects().find(kScope, "q"));
  int runs = 0;
  EXPECT_EQ(store_->look([&](UnitOfWork& view) {
    if (++runs == 1) throw sql::DatabaseUnavailable("the connection is lost");
    return view.projects().count(kScope.account);
  }),
            2);
}

TEST_P(Transactions, AViewStaysAsItIsWhileOthersWrite) {
  const auto view = store_->read();
  EXPECT_EQ(view->projects().count(kScope.account), 1);
  store_->write([](UnitOfWork& work) { work.projects().insert(kScope, {"q", at(2)}); });
  EXPECT_EQ(view->projects().count(kScope.account), 1);
  EXPECT_FALSE(view->projects().find(kScope, "q"));
  EXPECT_EQ(projects(), 2U);
}

TEST_P(Transactions, NoUpdateIsLost) {
  constexpr int kThreads = 4, kEach = 25;
  std::vector<std::vector<std::int64_t>> got(kThreads);
  run_at_once(kThreads, [&](int thread) {
    for (int i = 0; i < kEach; ++i)
      got[thread].push_back(
          store_->write([](UnitOfWork& work) { return work.projects().next_model_version(kScope, "p"); }));
  });
  std::set<std::int64_t> numbers;
  for (const auto& some : got) numbers.insert(some.begin(), some.end());
  EXPECT_EQ(numbers.size(), static_cast<std::size_t>(kThreads * kEach));
  EXPECT_EQ(*numbers.rbegin(), kThreads * kEach);
}

// Each of two writers looks whether the other one's project is there, and inserts its own if it is not. Only one may
// find nothing.
TEST_P(Transactions, TwoWritersDoNotOverlookEachOther) {
  for (int round = 0; round < 25; ++round) {
    const auto name = [&](int side) { return "skew-" + std::to_string(round) + (side == 0 ? "-a" : "-b"); };
    run_at_once(2, [&](int side) {
      store_->write([&](UnitOfWork& work) {
        if (!work.projects().find(kScope, name(1 - side))) work.projects().insert(kScope, {name(side), at(2)});
      });
    });
    EXPECT_NE(has(name(0)), has(name(1))) << round;
  }
}

// A quota is a count that others may change while it is taken.
TEST_P(Transactions, ACountHoldsUntilTheCommit) {
  for (int round = 0; round < 10; ++round) {
    const Scope scope{"account-" + std::to_string(round), "r"};
    run_at_once(4, [&](int thread) {
      store_->write([&](UnitOfWork& work) {
        if (work.projects().count(scope.account) < 2)
          work.projects().insert(scope, {"p" + std::to_string(thread), at(2)});
      });
    });
    EXPECT_EQ(store_->read()->projects().count(scope.account), 2) << round;
  }
}

TEST_P(Transactions, EachJobIsClaimedOnce) {
  constexpr int kJobs = 24, kThreads = 4;
  store_->write([](UnitOfWork& work) {
    for (int i = 0; i < kJobs; ++i) work.jobs().insert({"k", std::to_string(i), work.now()});
  });
  std::vector<std::vector<std::int64_t>> claimed(kThreads);
  run_at_once(kThreads, [&](int thread) {
    while (true) {
      const auto job = store_->write([&](UnitOfWork& work) {
        auto found = work.jobs().find_ready("k", work.now(), Timestamp::max());
        if (found)
          work.jobs().set_lease(found->id,
                                {"w" + std::to_string(thread), 1, work.now() + std::chrono::seconds(30), 1, 0});
        return found;
      });
      if (!job) return;
      claimed[thread].push_back(job->id);
    }
  });
  std::set<std::int64_t> ids;
  std::size_t count = 0;
  for (const auto& some : claimed) ids.insert(some.begin(), some.end()), count += some.size();
  EXPECT_EQ(count, static_cast<std::size_t>(kJobs));
  EXPECT_EQ(ids.size(), count);
}

TEST_P(Transactions, HaveOneTimeEach) {
  Timestamp last{};
  for (int i = 0; i < 3; ++i) {
    const auto [first, second] = store_->write([](UnitOfWork& work) {
      const auto before = work.now();
      work.projects().count(kScope.account);
      return std::pair(before, work.now());
    });
    EXPECT_EQ(first, second);
    EXPECT_GE(first, last);
    last = first;
  }
  EXPECT_GE(store_->read()->now(), last);
}

// Several filters at once are compared with a list that is gone through by hand.
TEST_P(Transactions, FiltersMeanTogetherWhatTheyMeanAlone) {
  std::mt19937 random(20);  // NOLINT: the same entries in each run
  const auto pick = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  std::vector<DatasetEntry> entries;
  for (int i = 0; i < 300; ++i) {
    const int label = pick(3);
    entries.push_back({"s3://b/" + std::string(1, static_cast<char>('a' + pick(4))) + "%_" + std::to_string(i),
                       label == 2 ? std::nullopt : std::optional(label == 1), at(100 + pick(20)), "{}"});
  }
  store_->write([&](UnitOfWork& work) {
    Dataset dataset;
    dataset.project = "p";
    dataset.uid = "d";
    work.datasets().insert(kScope, dataset);
    work.datasets().replace_entries("d", entries);
  });
  const auto view = store_->read();
  std::size_t found = 0;
  for (int query = 0; query < 400; ++query) {
    EntryFilter f;
    int filters = 0;
    while (filters < 2) {
      f = {};
      filters = 0;
      if (pick(2)) f.is_labeled = pick(2) == 1, ++filters;
      if (pick(2)) f.is_anomalous = pick(2) == 1, ++filters;
      if (pick(2)) f.created_before = at(100 + pick(21)), ++filters;
      if (pick(2)) f.created_after = at(99 + pick(21)), ++filters;
      if (pick(2)) f.source_ref_contains = std::array{"/a", "/b%", "_", "%_1", "A", "9"}[pick(6)], ++filters;
    }
    std::vector<std::string> wanted;
    for (const auto& e : entries)
      if ((!f.is_labeled || e.is_anomalous.has_value() == *f.is_labeled) &&
          (!f.is_anomalous || e.is_anomalous == *f.is_anomalous) &&
          (!f.created_before || e.created < *f.created_before) && (!f.created_after || e.created > *f.created_after) &&
          (!f.source_ref_contains || e.source_ref.find(*f.source_ref_contains) != std::string::npos))
        wanted.push_back(e.source_ref);
    // The pages are small, so that they end in the midst of what is found.
    std::vector<std::string> got;
    std::int64_t position = 0;
    const std::int64_t limit = 1 + pick(40);
    while (true) {
      const auto page = view->datasets().list_entries("d", f, position, limit);
      for (const auto& e : page) got.push_back(e.entry.source_ref);
      if (static_cast<std::int64_t>(page.size()) < limit) break;
      position = page.back().position;
    }
    ASSERT_EQ(got, wanted) << query;
    found += got.size();
  }
  EXPECT_GT(found, 1000U);
}

INSTANTIATE_TEST_SUITE_P(Backends, Transactions, testing::ValuesIn(backends()),
                         [](const auto& backend) { return backend.param.name; });

TEST(RunRepeatedly, EndsWithTheLastErrorOnceItsPatienceIsOver) {
  int runs = 0;
  EXPECT_THROW(sql::run_repeatedly(
                   [&] {
                     ++runs;
                     throw sql::SerializationConflict("another transaction");
                   },
                   std::chrono::milliseconds(20)),
               sql::SerializationConflict);
  EXPECT_GT(runs, 1);
  EXPECT_THROW(sql::run_repeatedly([&] { throw sql::CommitInDoubt("lost"); }), sql::CommitInDoubt);
}

TEST(SqliteTime, IsThatOfTheClock) {
  TemporaryFolder folder;
  FakeClock clock{Timestamp{std::chrono::hours(1)}};
  const auto store = open_sqlite_metadata(folder.path() / "m.sqlite", clock);
  clock.advance(std::chrono::seconds(5));
  EXPECT_EQ(store->read()->now(), clock.now());
  EXPECT_EQ(store->write([](UnitOfWork& work) { return work.now(); }), clock.now());
}

// The store that finds functions which cannot run twice must notice one.
TEST(RepeatingStore, RunsFunctionsTwiceAndKeepsTheSecondRun) {
  TemporaryFolder folder;
  RepeatingStore store(open_sqlite_metadata(folder.path() / "m.sqlite"));
  std::string name = "a name that does not fit into the object itself";
  std::vector<std::string> inserted;
  store.write([&](UnitOfWork& work) {
    const auto moved = std::move(name);
    inserted.push_back(moved);
    EXPECT_TRUE(work.projects().insert({"1", "r"}, {moved, {}}));
  });
  EXPECT_EQ(inserted, (std::vector<std::string>{"a name that does not fit into the object itself", ""}));
  EXPECT_TRUE(store.read()->projects().find({"1", "r"}, ""));
  EXPECT_EQ(store.read()->projects().count("1"), 1);
}

}  // namespace
}  // namespace vedette
