#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "store/metadata/metadata.hpp"
#include "store/objects/objects.hpp"
#include "vision/infer/infer.hpp"

/// Models in memory: start, lease, stop, admission. Hosting is desired state in the metadata: StartModel and StopModel
/// write it, this node follows it, also after a restart.
namespace vedette {

/// Holding one keeps the model in memory, even if it is stopped meanwhile.
using ModelLease = std::shared_ptr<const Engine>;

/// Where the artifact of a model lies in kSystemBucket: every key begins with this.
std::string artifact_prefix(const std::string& model_uid);

/// Runs picture work on its own threads, a few waiting at most. Thread-safe.
class ComputePool {
 public:
  /// One worker that uses `threads` threads per picture: the shortest time for one picture. At most `most_waiting`
  /// wait.
  ComputePool(int threads, std::size_t most_waiting);
  ~ComputePool();
  ComputePool(const ComputePool&) = delete;
  ComputePool& operator=(const ComputePool&) = delete;
  /// Runs the work and waits for it. Fails with throttled, at once, if too many wait already.
  Result<Detection> run(std::function<Result<Detection>()> work);

 private:
  void loop(int threads);
  const std::size_t most_waiting_;
  std::mutex mutex_;  // guards waiting_, stopping_
  std::condition_variable changed_;
  std::deque<std::packaged_task<Result<Detection>()>> waiting_;
  bool stopping_ = false;
  std::thread worker_;
};

class Hosting {
 public:
  /// Artifacts are unpacked below `cache_folder`.
  Hosting(MetadataStore& metadata, ObjectStore& objects, std::filesystem::path cache_folder, int threads);
  ~Hosting();
  Hosting(const Hosting&) = delete;
  Hosting& operator=(const Hosting&) = delete;

  void start();  ///< begins to follow the desired state
  void wake();   ///< it may have changed; any thread
  void stop();

  /// The model, loaded if the desired state says hosted and this node has not got to it yet (it blocks for that).
  /// Fails with internal if it cannot be loaded.
  Result<ModelLease> lease(const std::string& model_uid);
  /// Decodes and judges one picture on the compute pool.
  Result<Detection> detect(const ModelLease& model, std::span<const std::uint8_t> image_bytes);
  /// The model is deleted: drops it from memory and from the cache folder. Leases stay valid.
  void forget(const std::string& model_uid);
  /// One pass over the desired state. For tests and for start().
  void reconcile();

 private:
  Result<ModelLease> load(const std::string& model_uid);
  void loop();

  MetadataStore& metadata_;
  ObjectStore& objects_;
  const std::filesystem::path cache_folder_;
  ComputePool pool_;
  std::mutex loading_;  // held while a model is loaded, so that it is loaded once
  std::mutex mutex_;    // guards models_, stopping_, woken_
  std::condition_variable changed_;
  std::map<std::string, ModelLease> models_;  // by uid
  bool stopping_ = false, woken_ = false;
  std::thread thread_;
};

}  // namespace vedette
