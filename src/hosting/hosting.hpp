#pragma once

#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <semaphore>
#include <set>
#include <span>
#include <stop_token>
#include <string>
#include <thread>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "compute/compute_pool.hpp"
#include "store/metadata/metadata.hpp"
#include "store/objects/objects.hpp"
#include "vision/infer/infer.hpp"

/// Models in memory: start, lease, stop, admission. Hosting is desired state in the metadata: StartModel and StopModel write it, and this
/// node follows it, also after a restart. A hosted model that nobody asked for lately may leave the memory to others; it comes back with
/// the next picture.
namespace vedette {

struct Verdict;  // vision/verdict/verdict.hpp

/// A model ready to judge pictures, and its place among others. Whoever holds one keeps the model in memory, even if it is stopped
/// meanwhile.
struct ModelLease {
  std::shared_ptr<const Engine> engine;
  std::shared_ptr<ComputePool::Lane> lane;
};

/// Where the artifact of a model lies in kSystemBucket: every key of its files begins with this.
std::string artifact_prefix(const std::string& model_uid);

struct HostingOptions {
  std::filesystem::path cache_folder;  ///< artifacts are unpacked below it
  ComputeOptions compute;
  std::size_t memory = 0;  ///< bytes that models may take together; those that were used last stay. 0: no limit
  /// Makes an engine of an artifact's folder. Tests set their own.
  std::function<decltype(Engine::load)> load_engine = Engine::load;
};

/// Any thread may call its functions. No lock is held while files are read, written, fetched or deleted, while a model is planned, and
/// while an engine is freed.
class Hosting {
 public:
  Hosting(MetadataStore& metadata, ObjectStore& objects, HostingOptions options);
  ~Hosting();
  Hosting(const Hosting&) = delete;
  Hosting& operator=(const Hosting&) = delete;

  void start();  ///< begins to follow the desired state
  void wake();   ///< the desired state may have changed
  void stop();

  /// The model. If the desired state says that it is hosted and this node has not got to it yet, or if it gave way to others, it is loaded
  /// first; calls for the same model wait for the one that loads it. Fails with internal if it cannot be loaded, and with unavailable if
  /// the object store does not answer.
  Result<ModelLease> lease(const Model& model);
  /// Decodes and judges one picture on the compute pool (vision/verdict), on the threads that the pool gives it. Fails as ComputePool::run
  /// does, and with invalid_input if it is no picture for this model.
  Result<Verdict> judge(const ModelLease& model, std::span<const std::uint8_t> image_bytes,
                        std::stop_token abandoned = {});
  /// The model is deleted: drops it from memory and from the cache folder. Leases stay valid.
  void forget(const std::string& model_uid);
  /// What its units do; nothing if this node does not host it.
  std::optional<ComputePool::LaneState> state(const std::string& model_uid);
  /// One pass over the desired state. For tests and for start().
  void reconcile();

 private:
  struct Hosted {
    std::shared_ptr<const Engine> engine;  ///< null while others need the memory
    std::shared_ptr<ComputePool::Lane> lane;
    std::uint64_t last_used = 0;
    Precision precision = Precision::fp32;  ///< the one that its first loading found right
  };
  class FilesTurn;
  /// Loads from the cache folder; if that fails, fetches the files into it first. `known`: the precision that a check in this process
  /// chose before.
  Result<std::shared_ptr<const Engine>> load(const std::string& model_uid, std::optional<Precision> known);
  Result<std::shared_ptr<const Engine>> load_engine(const std::filesystem::path& folder,
                                                    std::optional<Precision> known);
  std::optional<Precision> known_precision(const std::string& model_uid);
  /// What is there of the model, with its units as they are now wanted.
  std::optional<ModelLease> find(const Model& model, bool is_use);
  void make_room(const std::string& keep);
  /// Puts into the model's status message how many pictures per second a unit judges.
  void tell_speed(const Model& model, const ModelLease& lease);
  /// Drops models that are not hosted any more from memory.
  void drop_others(const std::set<std::string>& keep);
  /// Deletes the files of models that are not hosted any more; the object store has them.
  void reclaim(const std::set<std::string>& keep);
  void loop();

  MetadataStore& metadata_;
  ObjectStore& objects_;
  const HostingOptions options_;
  ComputePool pool_;
  /// One model at a time is planned and checked: that takes all cores of a unit, and memory. This is no mutex and guards nothing.
  std::counting_semaphore<1> planning_{1};
  std::mutex mutex_;  // guards models_, busy_, uses_, stopping_, woken_
  std::condition_variable changed_, freed_;
  std::map<std::string, Hosted> models_;  // by uid
  std::set<std::string> busy_;            // uids of models whose files somebody reads, writes or deletes
  std::uint64_t uses_ = 0;
  bool stopping_ = false, woken_ = false;
  std::thread thread_;
};

}  // namespace vedette
