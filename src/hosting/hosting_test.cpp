#include "hosting/hosting.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <latch>

#include "base/files.hpp"
#include "base/text.hpp"
#include "store/metadata/repeating_store.hpp"
#include "store/metadata/sqlite/sqlite_metadata.hpp"
#include "store/objects/filesystem/filesystem_objects.hpp"
#include "store/objects/forwarding_store.hpp"
#include "vision/verdict/tiny_model.hpp"
#include "vision/verdict/verdict.hpp"

namespace vedette {
namespace {

constexpr int kSide = kTinySide;

Bytes picture(std::uint8_t red, int side = kSide) {
  return *encode_png(red_picture(red, side));
}

class HostedModels : public testing::Test {
 protected:
  Model add(const std::string& uid, double threshold, std::size_t bytes = 1 << 20, float weight = 0.3F) {
    const auto folder = folder_.path() / ("model-" + uid);
    EXPECT_TRUE(write_tiny_model(folder, threshold, bytes, weight));
    EXPECT_TRUE(ModelFiles(*objects_).put(uid, folder));
    Model model;
    model.project = uid;
    model.uid = uid;
    model.status = ModelStatus::starting_hosting;
    model.min_inference_units = 1;
    metadata_->write([&](UnitOfWork& work) {
      work.projects().insert(kScope, {uid, {}});
      model.version = work.projects().next_model_version(kScope, uid);
      work.models().insert(kScope, model);
    });
    return model;
  }
  ModelStatus status(const Model& model) {
    return metadata_->read()->models().find(kScope, model.project, model.version)->status;
  }

  inline static const Scope kScope{"123456789012", "us-east-1"};
  SystemClock clock_;
  TemporaryFolder folder_;
  std::unique_ptr<MetadataStore> metadata_ =
      std::make_unique<RepeatingStore>(open_sqlite_metadata(folder_.path() / "m.sqlite", clock_));
  std::unique_ptr<BucketStore> objects_ = open_filesystem_objects(folder_.path() / "objects", clock_);
};

TEST_F(HostedModels, FollowTheDesiredStateAndJudgePictures) {
  const auto model = add("one", 0.9);
  Hosting hosting(*metadata_, *objects_, {folder_.path() / "cache", {}, 0});
  EXPECT_FALSE(hosting.state("one"));
  EXPECT_FALSE(hosting.stream("one"));
  hosting.reconcile();
  EXPECT_EQ(hosting.stream("one")->kind, StreamState::Kind::unknown);  // The model was trained before looks were kept.
  EXPECT_EQ(status(model), ModelStatus::hosted);
  EXPECT_TRUE(std::filesystem::exists(folder_.path() / "cache" / "one"));
  ASSERT_TRUE(hosting.state("one"));
  EXPECT_EQ(hosting.state("one")->in_service, 1);
  const auto lease = hosting.lease(model);
  ASSERT_TRUE(lease) << lease.error().message;
  const auto bad = hosting.judge(*lease, picture(250)), good = hosting.judge(*lease, picture(20));
  ASSERT_TRUE(bad && good);
  EXPECT_GT(bad->anomaly_score, good->anomaly_score);
  std::string stages;
  for (const auto& stage : bad->stages) stages += std::string(stage.name) + " ";
  EXPECT_EQ(stages, "queue decode resize network mask ");
  EXPECT_EQ(hosting.judge(*lease, picture(20, 2 * kSide)).error().kind, ErrorKind::invalid_input);
  EXPECT_EQ(hosting.judge(*lease, Bytes{1, 2, 3}).error().kind, ErrorKind::invalid_input);

  metadata_->write([&](UnitOfWork& work) {
    ASSERT_TRUE(work.models().move("one", ModelStatus::hosted, ModelStatus::stopping_hosting, ""));
  });
  hosting.reconcile();
  EXPECT_EQ(status(model), ModelStatus::trained);
  EXPECT_FALSE(hosting.state("one"));
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "cache" / "one"));
  EXPECT_TRUE(hosting.judge(*lease, picture(20)));  // the lease outlives the stop
}

TEST_F(HostedModels, SharedWeightsCountOnce) {
  constexpr std::size_t size = 4 << 20;
  std::vector<Model> models;
  for (const auto* uid : {"a", "b", "c"}) models.push_back(add(uid, 0.9, size));
  Hosting hosting(*metadata_, *objects_, {folder_.path() / "cache", {}, 2 * size});
  hosting.reconcile();
  std::vector<std::weak_ptr<const Engine>> held;
  for (const auto& model : models) held.push_back(hosting.lease(model)->engine);
  for (const auto& engine : held) EXPECT_FALSE(engine.expired());
}

TEST_F(HostedModels, WhatWasUsedLeastLatelyGivesWayAndComesBack) {
  constexpr std::size_t size = 4 << 20;
  std::vector<Model> models;
  for (const auto* uid : {"a", "b", "c"})
    models.push_back(add(uid, 0.9, size, 0.1F * static_cast<float>(models.size() + 1)));
  Hosting hosting(*metadata_, *objects_, {folder_.path() / "cache", {}, 2 * size + size / 2});  // enough for two
  hosting.reconcile();
  for (const auto& model : models) {
    EXPECT_EQ(status(model), ModelStatus::hosted);
    EXPECT_TRUE(hosting.state(model.uid));
  }
  // Whether an engine stayed in memory is seen by comparing it with the engine of a later lease.
  const auto held = [&](const Model& model) { return std::weak_ptr<const Engine>(hosting.lease(model)->engine); };
  const auto b = held(models[1]), c = held(models[2]);
  EXPECT_FALSE(b.expired());
  const auto a = held(models[0]);  // model a is loaded again, and model b gives way
  EXPECT_TRUE(b.expired());
  EXPECT_FALSE(a.expired() || c.expired());
  hosting.reconcile();  // a pass loads no model that gave way
  EXPECT_FALSE(a.expired() || c.expired());
  const auto lease = hosting.lease(models[1]);
  ASSERT_TRUE(lease);
  EXPECT_TRUE(c.expired());
  EXPECT_TRUE(hosting.judge(*lease, picture(200)));
}

TEST_F(HostedModels, ATrainedModelIsLoadedToBeLookedAtAndGivesWayToTheNext) {
  auto one = add("one", 0.9), two = add("two", 0.9);
  for (auto* model : {&one, &two}) {
    metadata_->write([&](UnitOfWork& work) {
      ASSERT_TRUE(work.models().move(model->uid, ModelStatus::starting_hosting, ModelStatus::hosting_failed, ""));
    });
    model->status = ModelStatus::hosting_failed;
  }
  int loaded = 0;
  HostingOptions options{folder_.path() / "cache", {}, 0};
  options.load_engine = [&](const std::filesystem::path& folder, Engine::Check check, std::optional<Precision> known) {
    ++loaded;
    return Engine::load(folder, check, known);
  };
  Hosting hosting(*metadata_, *objects_, options);
  std::weak_ptr<const Engine> first;
  {
    const auto lease = hosting.lease_to_look(one);
    ASSERT_TRUE(lease) << lease.error().message;
    EXPECT_TRUE(hosting.judge(*lease, picture(250)));
    int threads = 0;
    EXPECT_TRUE(hosting.run(*lease, [&](int given) { threads = given; }));
    EXPECT_GT(threads, 0);
    first = lease->engine;
  }
  EXPECT_TRUE(hosting.lease_to_look(one));
  EXPECT_EQ(loaded, 1);
  EXPECT_FALSE(hosting.state("one"));  // It is not in service.
  hosting.reconcile();
  EXPECT_FALSE(first.expired());
  EXPECT_TRUE(std::filesystem::exists(folder_.path() / "cache" / "one"));

  EXPECT_TRUE(hosting.lease_to_look(two));
  EXPECT_TRUE(first.expired());
  hosting.reconcile();
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "cache" / "one"));
  hosting.forget("two");
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "cache" / "two"));
  EXPECT_TRUE(hosting.lease_to_look(two));  // It is fetched again.
  EXPECT_EQ(loaded, 3);
}

TEST_F(HostedModels, AModelInServiceIsLookedAtAsItIs) {
  auto model = add("one", 0.9);
  Hosting hosting(*metadata_, *objects_, {folder_.path() / "cache", {}, 0});
  hosting.reconcile();
  model.status = ModelStatus::hosted;
  const auto looked = hosting.lease_to_look(model), leased = hosting.lease(model);
  ASSERT_TRUE(looked && leased);
  EXPECT_EQ(looked->engine, leased->engine);
}

TEST_F(HostedModels, AModelWhoseFilesAreDamagedFails) {
  const auto model = add("one", 0.9);
  ASSERT_TRUE(put_bytes(*objects_, kSystemBucket, "models/one/manifest.json", "{}", "x"));
  Hosting hosting(*metadata_, *objects_, {folder_.path() / "cache", {}, 0});
  hosting.reconcile();
  EXPECT_EQ(status(model), ModelStatus::hosting_failed);
}

TEST_F(HostedModels, UnitsOfARunningModelAreChangedByTheNextPass) {
  auto model = add("one", 0.9);
  Hosting hosting(*metadata_, *objects_, {folder_.path() / "cache", {4, 1, {}, 48, std::chrono::steady_clock::now}, 0});
  hosting.reconcile();
  EXPECT_EQ(hosting.state("one")->desired, 1);
  metadata_->write([&](UnitOfWork& work) { work.models().set_units("one", 3, 5); });
  hosting.reconcile();
  EXPECT_EQ(hosting.state("one")->desired, 3);
}

/// A store that blocks every caller who lists the files of one model, as another service does if its network is down.
class StallingStore : public ForwardingStore {
 public:
  StallingStore(ObjectStore& store, std::string prefix) : ForwardingStore(store), prefix_(std::move(prefix)) {}
  void await_call() { called_.wait(); }
  void release() { released_.count_down(); }

  Result<std::vector<ObjectInfo>> list(const std::string& bucket, const ListRequest& request) override {
    if (request.prefix == prefix_) {
      if (++calls_ == 1) called_.count_down();
      released_.wait();
    }
    return inner_.list(bucket, request);
  }
  [[nodiscard]] int calls() const { return calls_; }

 private:
  const std::string prefix_;
  std::latch called_{1}, released_{1};
  std::atomic<int> calls_{0};
};

TEST_F(HostedModels, AModelThatIsFetchedSlowlyKeepsNobodyElseWaiting) {
  const auto slow = add("slow", 0.9), quick = add("quick", 0.9);
  StallingStore store(*objects_, "models/slow/");
  Hosting hosting(*metadata_, store, {folder_.path() / "cache", {}, 0});
  std::vector<std::future<Result<ModelLease>>> waiting;
  for (int i = 0; i < 2; ++i) waiting.push_back(std::async(std::launch::async, [&] { return hosting.lease(slow); }));
  store.await_call();
  auto other = std::async(std::launch::async, [&] {
    hosting.forget("another");
    return hosting.lease(quick);
  });
  EXPECT_EQ(other.wait_for(std::chrono::seconds(20)), std::future_status::ready);
  store.release();
  EXPECT_TRUE(other.get());
  // Both calls get the same engine, because it was fetched and loaded only once.
  const auto first = waiting[0].get(), second = waiting[1].get();
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->engine, second->engine);
  EXPECT_EQ(store.calls(), 1);
}

TEST_F(HostedModels, GoodFilesStayInTheCacheWhenTheyCannotBeFetchedAgain) {
  const auto model = add("one", 0.9);
  bool fails = false;
  HostingOptions options{folder_.path() / "cache", {}, 0};
  options.load_engine = [&](const auto& folder, auto check, auto precision) {
    return fails ? Result<std::shared_ptr<const Engine>>(internal_error("no more open files"))
                 : Engine::load(folder, check, precision);
  };
  ASSERT_TRUE(Hosting(*metadata_, *objects_, options).lease(model));
  ASSERT_TRUE(ModelFiles(*objects_).remove(model.uid));
  fails = true;
  EXPECT_FALSE(Hosting(*metadata_, *objects_, options).lease(model));
  fails = false;
  EXPECT_TRUE(Hosting(*metadata_, *objects_, options).lease(model));
}

TEST_F(HostedModels, EnginesAreFreedWhileOthersMayAskForModels) {
  Hosting* hosting = nullptr;
  std::vector<std::future<void>> asked;
  int freed = 0, answered = 0;
  HostingOptions options{folder_.path() / "cache", {}, 0};
  options.load_engine = [&](const auto& folder, auto check, auto precision) {
    auto engine = Engine::load(folder, check, precision);
    EXPECT_TRUE(engine);
    // While the engine is freed, another thread must still get an answer from the hosting.
    const auto on_free = [&, held = *engine](const Engine*) {
      if (!hosting) return;
      ++freed;
      asked.push_back(std::async(std::launch::async, [&] { (void)hosting->state("x"); }));
      answered += asked.back().wait_for(std::chrono::seconds(20)) == std::future_status::ready ? 1 : 0;
    };
    return Result<std::shared_ptr<const Engine>>(std::shared_ptr<const Engine>(engine->get(), on_free));
  };
  const auto stopped = add("stopped", 0.9), deleted = add("deleted", 0.9);
  Hosting hosted(*metadata_, *objects_, std::move(options));
  hosting = &hosted;
  hosted.reconcile();
  ASSERT_TRUE(hosted.state("stopped") && hosted.state("deleted"));
  hosted.forget("deleted");
  EXPECT_EQ(freed, 1);
  metadata_->write([&](UnitOfWork& work) {
    ASSERT_TRUE(work.models().move("stopped", ModelStatus::hosted, ModelStatus::stopping_hosting, ""));
  });
  hosted.reconcile();
  EXPECT_GE(freed, 2);
  EXPECT_EQ(answered, freed);
  hosting = nullptr;  // the hosting ends before its last engine does
}

/// Two or three nodes of one installation, on the same metadata and objects.
class SeveralNodes : public HostedModels {
 protected:
  Hosting& node(const std::string& id) {
    auto& hosting = hostings_[id];
    if (hosting) return *hosting;
    HostingOptions options{folder_.path() / ("cache-" + id), {2, 1, {}, 48, {}}, 0};
    options.compute.now = [this] { return std::chrono::steady_clock::now() + std::chrono::seconds(later_); };
    options.node = id;
    options.live_nodes = [this] { return live_; };
    options.load_engine = [this, id](const auto& folder, auto check, auto precision) {
      return failing_.contains(id) ? Result<std::shared_ptr<const Engine>>(internal_error("no memory is left"))
                                   : Engine::load(folder, check, precision);
    };
    hosting = std::make_unique<Hosting>(*metadata_, *objects_, options);
    return *hosting;
  }
  void pass() {
    for (const auto& live : live_) node(live.id).reconcile();
  }
  /// The nodes that have the model in memory.
  std::string holders(const std::string& uid) {
    std::string out;
    for (const auto& [id, hosting] : hostings_)
      if (hosting->state(uid)) out += id;
    return out;
  }
  void stop(const Model& model) {
    EXPECT_TRUE(metadata_->write([&](UnitOfWork& work) {
      return work.models().move(model.uid, ModelStatus::hosted, ModelStatus::stopping_hosting, "");
    }));
  }
  void set_units(const std::string& uid, std::int64_t minimum, std::int64_t maximum) {
    metadata_->write([&](UnitOfWork& work) { work.models().set_units(uid, minimum, maximum); });
  }

  std::vector<HostNode> live_ = {{"a", 2, false}, {"b", 2, false}};
  std::set<std::string> failing_;
  std::atomic<int> later_{0};
  std::map<std::string, std::unique_ptr<Hosting>> hostings_;
};

TEST_F(SeveralNodes, AModelOfOneUnitLivesOnOneAndMovesWhenThatOneDies) {
  const auto model = add("one", 0.9);
  pass();
  EXPECT_EQ(status(model), ModelStatus::hosted);
  const auto first = holders("one");
  ASSERT_EQ(first.size(), 1U);
  const std::string other = first == "a" ? "b" : "a";
  pass();
  EXPECT_EQ(node(other).better_nodes(model), std::vector<std::string>{first});
  EXPECT_TRUE(node(first).better_nodes(model).empty());
  EXPECT_TRUE(node(first).other_hosts(model).empty());
  EXPECT_EQ(node(first).units_of_all_nodes("one")->in_service, 1);
  EXPECT_FALSE(node(other).units_of_all_nodes("one"));

  std::erase_if(live_, [&](const auto& n) { return n.id == first; });
  hostings_.erase(first);
  pass();
  EXPECT_EQ(holders("one"), other);
  EXPECT_TRUE(node(other).better_nodes(model).empty());
}

TEST_F(SeveralNodes, AModelMovesToANodeThatComesOnlyAfterThatOneHasLoadedIt) {
  // One of these models belongs to the node that comes.
  std::vector<Model> models;
  for (const auto* uid : {"k", "l", "m", "n", "o", "p"}) models.push_back(add(uid, 0.9));
  const auto all = live_;
  live_.pop_back();
  pass();
  live_ = all;
  std::vector<Model> moving;
  for (const auto& model : models) {
    EXPECT_EQ(holders(model.uid), "a");
    if (spread_units(model.uid, 1, live_)[1] == 1) moving.push_back(model);
  }
  ASSERT_FALSE(moving.empty());
  node("a").reconcile();
  for (const auto& model : moving) EXPECT_TRUE(node("a").better_nodes(model).empty());
  pass();  // b loads them
  for (const auto& model : moving) EXPECT_EQ(holders(model.uid), "ab");
  pass();  // a lets them go; for a while calls that were sent there before still find them
  for (const auto& model : moving) {
    EXPECT_EQ(holders(model.uid), "ab");
    EXPECT_EQ(node("b").units_of_all_nodes(model.uid)->in_service, 1);
    EXPECT_TRUE(node("b").other_hosts(model).empty());
  }
}

TEST_F(SeveralNodes, UnitsReachBeyondOneNode) {
  const auto model = add("one", 0.9);
  set_units("one", 4, 4);
  pass();
  pass();
  EXPECT_EQ(holders("one"), "ab");
  EXPECT_EQ(node("a").state("one")->in_service, 2);
  EXPECT_EQ(node("b").state("one")->in_service, 2);
  pass();
  EXPECT_EQ(node("a").units_of_all_nodes("one")->in_service, 4);
  EXPECT_FALSE(node("b").units_of_all_nodes("one"));  // only one node counts
  EXPECT_EQ(node("a").other_hosts(model), std::vector<std::string>{"b"});

  // A node without units of its own until pictures wait judges them all the same.
  set_units("one", 1, 4);
  pass();
  later_ = 10;
  EXPECT_EQ(node("a").state("one")->desired + node("b").state("one")->desired, 1);
  for (const auto* id : {"a", "b"}) {
    const auto lease = node(id).lease(model);
    ASSERT_TRUE(lease);
    EXPECT_TRUE(node(id).judge(*lease, picture(20)));
  }
  stop(model);
  node("a").reconcile();
  EXPECT_EQ(status(model), ModelStatus::stopping_hosting);  // b still has it
  node("b").reconcile();
  EXPECT_EQ(status(model), ModelStatus::trained);
  EXPECT_EQ(holders("one"), "");
}

TEST_F(SeveralNodes, ANodeThatDrainsKeepsItsModelsUntilAnotherHasThem) {
  const auto model = add("one", 0.9);
  pass();
  const auto first = holders("one");
  for (auto& n : live_) n.is_draining = n.id == first;
  node(first).reconcile();
  EXPECT_FALSE(node(first).has_let_go());
  EXPECT_TRUE(node(first).better_nodes(model).empty());
  pass();
  pass();
  pass();
  EXPECT_TRUE(node(first).has_let_go());
  const std::string other = first == "a" ? "b" : "a";
  EXPECT_EQ(node(other).units_of_all_nodes("one")->in_service, 1);
  // The last node has nobody to give its models to.
  for (auto& n : live_) n.is_draining = true;
  pass();
  EXPECT_TRUE(node(other).has_let_go());
  EXPECT_TRUE(node(other).state("one"));
}

TEST_F(SeveralNodes, HostingFailsOnlyIfNoNodeCanLoadTheModel) {
  const auto one = add("one", 0.9), two = add("two", 0.9);
  failing_ = {"a"};
  pass();
  pass();
  for (const auto& model : {one, two}) {
    EXPECT_EQ(status(model), ModelStatus::hosted);
    EXPECT_EQ(holders(model.uid), "b");
  }
  stop(one);
  pass();
  EXPECT_EQ(status(one), ModelStatus::trained);
  failing_ = {"a", "b"};
  ASSERT_TRUE(metadata_->write([](UnitOfWork& work) {
    return work.models().move("one", ModelStatus::trained, ModelStatus::starting_hosting, "");
  }));
  pass();
  pass();
  EXPECT_EQ(status(one), ModelStatus::hosting_failed);
  EXPECT_EQ(status(two), ModelStatus::hosted);
}

TEST_F(SeveralNodes, ACallForAModelThatNobodyHasGoesToItsNode) {
  auto model = add("one", 0.9);
  for (const auto& live : live_) node(live.id).reconcile();
  const auto first = holders("one");
  const std::string other = first == "a" ? "b" : "a";
  node(other).reconcile();
  metadata_->write([](UnitOfWork& work) { work.model_hosts().remove_model("one"); });
  node(other).reconcile();
  EXPECT_EQ(node(other).better_nodes(model), std::vector<std::string>{first});
  // If it comes here all the same, because that one does not answer, it is loaded here.
  model.status = ModelStatus::hosted;
  const auto lease = node(other).lease(model);
  ASSERT_TRUE(lease);
  EXPECT_TRUE(node(other).judge(*lease, picture(20)));
}

}  // namespace
}  // namespace vedette
