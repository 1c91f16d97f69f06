#include "hosting/hosting.hpp"

#include <set>

#include "base/log.hpp"
#include "vision/image/image.hpp"
#include "vision/infer/graph.hpp"

namespace vedette {
namespace fs = std::filesystem;
namespace {

constexpr std::chrono::seconds kReconcileInterval{2};
constexpr std::size_t kMostWaiting =
    12;  // below the request pool's size, so that waiting pictures leave threads for others
constexpr const char* kHostedMessage = "The model is running.";

}  // namespace

std::string artifact_prefix(const std::string& model_uid) {
  return "models/" + model_uid + "/";
}

ComputePool::ComputePool(int threads, std::size_t most_waiting)
    : most_waiting_(most_waiting), worker_([this, threads] { loop(threads); }) {}

ComputePool::~ComputePool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  worker_.join();
}

Result<Detection> ComputePool::run(std::function<Result<Detection>()> work) {
  std::packaged_task<Result<Detection>()> task(std::move(work));
  auto answer = task.get_future();
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return fail(ErrorKind::unavailable, "The server is stopping.");
    if (waiting_.size() >= most_waiting_) {
      auto error = fail(ErrorKind::throttled, "More images arrive than the model's inference units can take.");
      error.retry_after_seconds = 1;
      return error;
    }
    waiting_.push_back(std::move(task));
  }
  changed_.notify_one();
  return answer.get();
}

void ComputePool::loop(int threads) {
  set_inference_threads(threads);
  while (true) {
    std::packaged_task<Result<Detection>()> task;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      task = std::move(waiting_.front());
      waiting_.pop_front();
    }
    task();
  }
}

Hosting::Hosting(MetadataStore& metadata, ObjectStore& objects, fs::path cache_folder, int threads)
    : metadata_(metadata), objects_(objects), cache_folder_(std::move(cache_folder)), pool_(threads, kMostWaiting) {}

Hosting::~Hosting() {
  stop();
}

void Hosting::start() {
  thread_ = std::thread([this] { loop(); });
}

void Hosting::wake() {
  {
    const std::lock_guard lock(mutex_);
    woken_ = true;
  }
  changed_.notify_all();
}

void Hosting::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Hosting::loop() {
  while (true) {
    try {
      reconcile();
    } catch (const std::exception& e) {
      log::error("hosting", {{"reason", e.what()}});
    }
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, kReconcileInterval, [this] { return stopping_ || woken_; });
    woken_ = false;
    if (stopping_) return;
  }
}

void Hosting::reconcile() {
  const auto wanted = metadata_.read()->models().list_in_states(
      {ModelStatus::starting_hosting, ModelStatus::hosted, ModelStatus::stopping_hosting});
  const auto move = [&](const Model& model, ModelStatus to, const std::string& message) {
    auto work = metadata_.write();
    if (work->models().move(model.uid, model.status, to, message)) work->commit();
  };
  std::set<std::string> keep;
  for (const auto& [scope, model] : wanted) {
    if (model.status == ModelStatus::stopping_hosting) {
      move(model, ModelStatus::trained, "The model is trained.");
      log::info("model stopped", {{"model", model_arn(scope, model.project, model.version)}});
      continue;
    }
    keep.insert(model.uid);
    const auto start = std::chrono::steady_clock::now();
    const auto before = [&] {
      const std::lock_guard lock(mutex_);
      return models_.contains(model.uid);
    }();
    auto loaded = lease(model.uid);
    if (!loaded && loaded.error().kind == ErrorKind::unavailable) {
      // The object store does not answer: asked again until it does.
      log::warning("model waits",
                   {{"model", model_arn(scope, model.project, model.version)}, {"reason", loaded.error().message}});
      continue;
    }
    if (!loaded) {
      log::error("model cannot be hosted",
                 {{"model", model_arn(scope, model.project, model.version)}, {"reason", loaded.error().message}});
      move(model, ModelStatus::hosting_failed, "The model could not be started; the server's log says why.");
      continue;
    }
    if (model.status == ModelStatus::starting_hosting) move(model, ModelStatus::hosted, kHostedMessage);
    if (!before) {
      const auto ms =
          std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start).count();
      log::info("model hosted", {{"model", model_arn(scope, model.project, model.version)},
                                 {"load_ms", std::to_string(ms)},
                                 {"bytes", std::to_string((*loaded)->approximate_bytes())}});
    }
  }
  const std::lock_guard lock(mutex_);
  std::erase_if(models_, [&](const auto& entry) { return !keep.contains(entry.first); });
}

Result<ModelLease> Hosting::lease(const std::string& uid) {
  const auto find = [&]() -> ModelLease {
    const std::lock_guard lock(mutex_);
    const auto it = models_.find(uid);
    return it == models_.end() ? nullptr : it->second;
  };
  if (auto model = find()) return model;
  const std::lock_guard one_at_a_time(loading_);
  if (auto model = find()) return model;
  auto loaded = load(uid);
  if (!loaded)
    return loaded.error().kind == ErrorKind::unavailable ? loaded.error() : internal_error(loaded.error().message);
  const std::lock_guard lock(mutex_);
  models_[uid] = *loaded;
  return loaded;
}

void Hosting::forget(const std::string& uid) {
  {
    const std::lock_guard lock(mutex_);
    models_.erase(uid);
  }
  std::error_code ignored;
  fs::remove_all(cache_folder_ / uid, ignored);
}

Result<ModelLease> Hosting::load(const std::string& uid) {
  const auto folder = cache_folder_ / uid;
  // A former download may have been cut off: what does not load is fetched again.
  if (fs::exists(folder / "manifest.json")) {
    if (auto engine = Engine::load(folder)) return ModelLease(*engine);
  }
  std::error_code ignored;
  fs::remove_all(folder, ignored);
  fs::create_directories(folder);
  const auto prefix = artifact_prefix(uid);
  auto objects = objects_.list(kSystemBucket, {prefix, "", 1000});
  if (!objects) return objects.error();
  if (objects->empty()) return internal_error("The model's files are not in the object store.");
  for (const auto& object : *objects) {
    const fs::path path = folder / object.key.substr(prefix.size());
    fs::create_directories(path.parent_path());
    if (auto ok = get_to_file(objects_, kSystemBucket, object.key, path); !ok) return ok.error();
  }
  auto engine = Engine::load(folder);
  if (!engine) return engine.error();
  return ModelLease(*engine);
}

Result<Detection> Hosting::detect(const ModelLease& model, std::span<const std::uint8_t> image_bytes) {
  return pool_.run([&]() -> Result<Detection> {
    auto image = decode_image(image_bytes);
    if (!image) return image.error();
    return model->detect(*image);
  });
}

}  // namespace vedette
