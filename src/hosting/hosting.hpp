#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <semaphore>
#include <set>
#include <span>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.hpp"
#include "base/mutex.hpp"
#include "base/random.hpp"
#include "base/result.hpp"
#include "compute/compute_pool.hpp"
#include "hosting/placement.hpp"
#include "store/metadata/metadata.hpp"
#include "store/model_files/model_files.hpp"
#include "store/objects/objects.hpp"
#include "vision/infer/drift.hpp"
#include "vision/infer/infer.hpp"

/// Keeps models in memory: it starts, leases and stops them, and admits pictures to them. The metadata hold the desired
/// state: StartModel and StopModel write it, and this node follows it, also after a restart. If there are several nodes,
/// each hosts those models that `hosting/placement.hpp` gives it, with its share of their units. A hosted model that
/// nobody asked for lately may give its memory to other models; it is loaded again for the next picture.
namespace vedette {

struct Verdict;  // vision/verdict/verdict.hpp

/// A model that is ready to judge pictures, and its lane in the compute pool. The model stays in memory as long as the
/// lease lives, even if it is stopped meanwhile.
struct ModelLease {
  std::shared_ptr<const Engine> engine;
  std::shared_ptr<ComputePool::Lane> lane;
  std::shared_ptr<StreamMonitor> stream;  ///< Compares what this node judges with the model's training.
};

struct HostingOptions {
  std::filesystem::path cache_folder;  ///< artifacts are unpacked below it
  ComputeOptions compute;
  std::size_t memory = 0;     ///< bytes that all models may take; those used last stay in memory; 0 means no limit
  std::string node = "here";  ///< this node's id
  /// Returns the nodes that are alive, this one among them. If it is empty, this node is the only one.
  std::function<std::vector<HostNode>()> live_nodes = {};
  /// Makes an engine from an artifact's folder. Tests set their own function.
  std::function<decltype(Engine::load)> load_engine = Engine::load;
};

/// Hosts the models of this node. Any thread may call its functions. It holds no lock while files are read, written,
/// fetched or deleted, while a model is planned, or while an engine is freed.
class Hosting {
 public:
  Hosting(MetadataStore& metadata, ObjectStore& objects, HostingOptions options);
  ~Hosting();
  Hosting(const Hosting&) = delete;
  Hosting& operator=(const Hosting&) = delete;

  void start();  ///< begins to follow the desired state in a thread of its own
  void wake();   ///< tells that thread that the desired state may have changed
  void stop();

  /// Returns a lease of the model. If the model is hosted by the desired state but not in memory, because this node has
  /// not loaded it yet or because it gave way to others, it is loaded first; other calls for the same model wait for
  /// that. Fails with internal if the model cannot be loaded, and with unavailable if the object store does not answer.
  Result<ModelLease> lease(const Model& model);
  /// Returns a lease for looking at the results of a trained model, which need not be in service. A model that is in
  /// service is leased as lease() does. Another one is loaded, with one unit of its own, and compares no stream. It
  /// stays in memory beside those in service until another one is looked at, or nobody has for five minutes. Fails as
  /// lease() does.
  Result<ModelLease> lease_to_look(const Model& model);
  /// Runs `work` on the compute pool when it is the model's turn, with the number of threads that the pool gives it.
  /// Fails as ComputePool::run does.
  Result<void> run(const ModelLease& model, const std::function<void(int threads)>& work,
                   std::stop_token abandoned = {});
  /// Decodes and judges one picture (vision/verdict) on the compute pool, with as many threads as the pool gives it.
  /// Fails as ComputePool::run does, and with invalid_input if the bytes are not a picture that this model can take.
  Result<Verdict> judge(const ModelLease& model, std::span<const std::uint8_t> image_bytes,
                        std::stop_token abandoned = {}, bool with_places = false,
                        std::optional<PicturePoint> place_at = {});
  /// Drops a model that was deleted from memory and from the cache folder. Leases stay valid.
  void forget(const std::string& model_uid);
  /// Returns the other nodes to which a call for a hosted model should be passed on, the best one first: those that have
  /// it in memory or, if none has, are about to. The more units a node has for the model, the more often it comes first.
  /// Returns nothing if this node has the model, or should have it.
  std::vector<std::string> better_nodes(const Model& model);
  /// Returns the other nodes that have the model in memory, in the same order, whether or not this one has it.
  std::vector<std::string> other_hosts(const Model& model);
  /// Returns what the model's units are doing at this node, or nothing if this node does not host the model.
  std::optional<ComputePool::LaneState> state(const std::string& model_uid);
  struct Units {
    int desired = 0, in_service = 0;  ///< as in ComputePool::LaneState
  };
  /// Returns the units of all nodes together. Only one of the nodes that host the model gets an answer, so that whoever
  /// counts them counts them once.
  std::optional<Units> units_of_all_nodes(const std::string& model_uid);
  /// Returns whether this node is draining and the others have taken over all that it hosted.
  bool has_let_go();
  /// Returns whether the pictures that this node judged of late look like the model's training, or nothing if this node
  /// does not host the model.
  std::optional<StreamState> stream(const std::string& model_uid);
  /// Returns how long the pictures of the last minute waited for their turn, in the text exposition format of Prometheus.
  [[nodiscard]] std::string to_prometheus() const;
  /// Makes one pass over the desired state. Only tests and the thread of start() call it.
  void reconcile();

 private:
  struct Hosted {
    std::shared_ptr<const Engine> engine;  ///< null while the model gives way to others
    std::shared_ptr<ComputePool::Lane> lane;
    std::shared_ptr<StreamMonitor> stream;
    std::uint64_t last_used = 0;
    Precision precision = Precision::fp32;  ///< the precision that the first loading of the model chose
    /// When the record was withdrawn. Calls that were passed on just before still find the model for a while.
    std::chrono::steady_clock::time_point let_go_at;
  };
  /// What the latest pass saw of the installation.
  struct Seen {
    std::vector<HostNode> nodes;
    std::map<std::string, std::vector<ModelHost>> hosts;  ///< by model
  };
  /// A model that is looked at and not in service.
  struct LookedAt {
    std::string uid;
    ModelLease lease;
    std::chrono::steady_clock::time_point last_used;
  };
  class FilesTurn;
  /// Returns the lease of the model if it is the one that is looked at.
  std::optional<ModelLease> find_looked_at(const std::string& uid);
  /// Loads the model from the cache folder; if that fails, fetches the files into the folder first. `known` is the
  /// precision that an earlier check in this process chose.
  Result<std::shared_ptr<const Engine>> load(const std::string& model_uid, std::optional<Precision> known);
  Result<std::shared_ptr<const Engine>> load_engine(const std::filesystem::path& folder,
                                                    std::optional<Precision> known);
  std::optional<Precision> known_precision(const std::string& model_uid);
  /// Returns a lease of the model if it is in memory. The engine of one that gave way to others is null.
  std::optional<ModelLease> find(const std::string& model_uid, bool is_use);
  /// Returns the units of a model that this node has just loaded, until the next pass gives it its share.
  UnitRange first_units(const Model& model);
  void make_room(const std::string& keep);
  [[nodiscard]] std::vector<HostNode> live_nodes() const;
  /// Reads the models that the nodes have something to do with, and what the nodes report.
  std::vector<ScopedModel> look_around();
  /// Finds what this node has to do about a model that should be in service, and sets the units of its lane.
  HostTask task_of(const Model& model);
  /// Does that. Returns whether the model or its files are to stay here.
  bool follow(const ScopedModel& entry);
  /// Loads a model that this node should have, and reports how that went. Returns as follow() does.
  bool bring_up(const ScopedModel& entry);
  /// Reports that the model is loaded here. Returns whether it should still be in service.
  bool report(const Model& model);
  /// Drops a model that is being stopped.
  void stop_hosting(const ScopedModel& entry);
  /// Writes into the model's status message how many pictures per second one unit judges.
  void tell_speed(const Model& model, const ModelLease& lease);
  /// Tells the other nodes how many units the model has in service here.
  void tell_units(const std::string& model_uid);
  /// Orders the other nodes among `nodes` at random, so that each comes first as often as its share of the units says.
  std::vector<std::string> in_order(const Model& model, const std::vector<HostNode>& nodes);
  /// Drops from memory the models that are no longer hosted.
  void drop_others(const std::set<std::string>& keep);
  /// Deletes from the cache folder the files of models that are no longer hosted; the object store still has them.
  void reclaim(const std::set<std::string>& keep);
  void loop();

  MetadataStore& metadata_;
  ModelFiles files_;
  const HostingOptions options_;
  ComputePool pool_;
  /// Lets only one model at a time be planned and checked, since that takes all cores of a unit, and memory. It guards
  /// no data, so it is not a mutex.
  std::counting_semaphore<1> planning_{1};
  /// Lets only one model at a time be loaded to be looked at.
  std::counting_semaphore<1> looking_{1};
  Mutex mutex_;
  std::condition_variable changed_, freed_;
  /// The hosted models by uid, also those that gave way to others.
  std::map<std::string, Hosted> models_ GUARDED_BY(mutex_);
  std::optional<LookedAt> looked_at_ GUARDED_BY(mutex_);
  /// The uids of models whose files some thread reads, writes or deletes.
  std::set<std::string> busy_ GUARDED_BY(mutex_);
  std::uint64_t uses_ GUARDED_BY(mutex_) = 0;
  Seen seen_ GUARDED_BY(mutex_);
  Random random_ GUARDED_BY(mutex_){1};
  bool stopping_ GUARDED_BY(mutex_) = false;
  bool woken_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace vedette
