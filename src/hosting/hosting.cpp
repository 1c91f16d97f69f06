#include "hosting/hosting.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/parallel.hpp"
#include "vision/verdict/verdict.hpp"

namespace vedette {
namespace fs = std::filesystem;
namespace {

/// The folder beside a model's own that its files are fetched into. A uid has no dot.
fs::path being_fetched(const fs::path& folder) {
  return folder.string() + ".new";
}

}  // namespace

/// Gives the right to work on the files of one model in the cache folder. While one thread has it, other threads wait
/// for it or do without.
class Hosting::FilesTurn {
 public:
  /// Waits until no other thread works on the model's files, and takes the turn.
  FilesTurn(Hosting& hosting, const std::string& uid) : hosting_(hosting), uid_(uid) {
    MutexLock lock(hosting_.mutex_);
    hosting_.freed_.wait(lock.standard(), [&]() REQUIRES(hosting_.mutex_) { return !hosting_.busy_.contains(uid_); });
    hosting_.busy_.insert(uid_);
  }
  ~FilesTurn() {
    if (!has_it_) return;
    {
      const MutexLock lock(hosting_.mutex_);
      hosting_.busy_.erase(uid_);
    }
    hosting_.freed_.notify_all();
  }
  FilesTurn(const FilesTurn&) = delete;
  FilesTurn& operator=(const FilesTurn&) = delete;
  /// Takes the turn only if no other thread has it.
  FilesTurn(Hosting& hosting, const std::string& uid, std::try_to_lock_t) : hosting_(hosting), uid_(uid) {
    const MutexLock lock(hosting_.mutex_);
    has_it_ = hosting_.busy_.insert(uid_).second;
  }
  explicit operator bool() const { return has_it_; }

 private:
  Hosting& hosting_;
  const std::string uid_;
  bool has_it_ = true;
};

Hosting::Hosting(MetadataStore& metadata, ObjectStore& objects, HostingOptions options)
    : metadata_(metadata), files_(objects), options_(std::move(options)), pool_(options_.compute) {}

Hosting::~Hosting() {
  stop();
}

void Hosting::start() {
  thread_ = std::thread([this] { loop(); });
}

void Hosting::wake() {
  {
    const MutexLock lock(mutex_);
    woken_ = true;
  }
  changed_.notify_all();
}

void Hosting::stop() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Hosting::drop_others(const std::set<std::string>& keep) {
  std::vector<Hosted> gone;  // declared before the lock, so that the engines are freed after the lock is released
  const MutexLock lock(mutex_);
  for (auto it = models_.begin(); it != models_.end();) {
    if (keep.contains(it->first)) {
      ++it;
    } else {
      gone.push_back(std::move(it->second));
      it = models_.erase(it);
    }
  }
}

void Hosting::reclaim(const std::set<std::string>& keep) {
  std::error_code ignored;
  std::vector<fs::path> unused;
  for (const auto& entry : fs::directory_iterator(options_.cache_folder, ignored))
    if (!keep.contains(entry.path().stem().string())) unused.push_back(entry.path());
  for (const auto& folder : unused)
    if (const FilesTurn turn(*this, folder.stem().string(), std::try_to_lock); turn) fs::remove_all(folder, ignored);
}

std::optional<ModelLease> Hosting::find(const std::string& uid, bool is_use) {
  const MutexLock lock(mutex_);
  const auto it = models_.find(uid);
  if (it == models_.end()) return std::nullopt;
  if (it->second.engine && is_use) it->second.last_used = ++uses_;
  return ModelLease{it->second.engine, it->second.lane, it->second.stream};
}

Result<ModelLease> Hosting::lease(const Model& model) {
  auto found = find(model.uid, true);
  if (found && found->engine) return *found;
  const FilesTurn turn(*this, model.uid);
  found = find(model.uid, true);
  if (found && found->engine) return *found;
  auto loaded = load(model.uid, known_precision(model.uid));
  if (!loaded && loaded.error().kind == ErrorKind::unavailable) return loaded.error();
  if (!loaded) {
    // A model that had given way to others and cannot come back is no longer known: the next pass over the desired state
    // tries once more and then says that the hosting failed.
    const MutexLock lock(mutex_);
    if (const auto it = models_.find(model.uid); it != models_.end() && !it->second.engine) models_.erase(it);
    return internal_error(loaded.error().message);
  }
  ModelLease lease{*loaded, found ? found->lane : pool_.open(first_units(model), (*loaded)->seconds_per_picture()),
                   found ? found->stream : std::make_shared<StreamMonitor>((*loaded)->manifest().looks)};
  Hosted hosted;
  hosted.engine = lease.engine;
  hosted.lane = lease.lane;
  hosted.stream = lease.stream;
  hosted.precision = lease.engine->precision();
  {
    const MutexLock lock(mutex_);
    hosted.last_used = ++uses_;
    std::swap(models_[model.uid], hosted);  // the former entry is freed after the lock is released
  }
  make_room(model.uid);
  // A model that came back after it had given way was reported before.
  if (!found) report(model);
  return lease;
}

std::optional<ModelLease> Hosting::find_looked_at(const std::string& uid) {
  const MutexLock lock(mutex_);
  if (!looked_at_ || looked_at_->uid != uid) return std::nullopt;
  looked_at_->last_used = std::chrono::steady_clock::now();
  return looked_at_->lease;
}

Result<ModelLease> Hosting::lease_to_look(const Model& model) {
  if (model.status == ModelStatus::hosted) return lease(model);
  if (auto found = find_looked_at(model.uid)) return *found;
  // However many models people look at, one at a time is loaded beside those in service.
  looking_.acquire();
  const std::unique_ptr<decltype(looking_), void (*)(decltype(looking_)*)> one(&looking_,
                                                                               [](auto* p) { p->release(); });
  const FilesTurn turn(*this, model.uid);
  if (auto found = find_looked_at(model.uid)) return *found;
  auto loaded = load(model.uid, {});
  if (!loaded && loaded.error().kind == ErrorKind::unavailable) return loaded.error();
  if (!loaded) return internal_error(loaded.error().message);
  LookedAt looked{model.uid,
                  {*loaded, pool_.open({1, 1}, (*loaded)->seconds_per_picture()), nullptr},
                  std::chrono::steady_clock::now()};
  auto lease = looked.lease;
  std::optional<LookedAt> former(std::move(looked));
  {
    const MutexLock lock(mutex_);
    std::swap(looked_at_, former);  // the former model is freed after the lock is released
  }
  make_room(model.uid);
  return lease;
}

void Hosting::make_room(const std::string& keep) {
  if (options_.memory == 0) return;
  // The list is declared before the lock, so that the engines are freed after it is released.
  std::vector<std::shared_ptr<const Engine>> gone;
  std::optional<LookedAt> closed;
  const MutexLock lock(mutex_);
  // Weights that several models share count once. They are freed with the last model that has them.
  struct Shared {
    std::size_t bytes = 0;
    int models = 0;
  };
  std::map<const void*, Shared> weights;
  std::size_t bytes = 0;
  const auto count = [&](const Engine& engine) {
    const auto memory = engine.memory();
    bytes += memory.own;
    for (const auto& [address, size] : memory.weights)
      if (weights.emplace(address, Shared{size, 0}).first->second.models++ == 0) bytes += size;
  };
  const auto discount = [&](const Engine& engine) {
    const auto memory = engine.memory();
    bytes -= std::min(bytes, memory.own);  // an engine's memory may have grown since it was counted
    for (const auto& [address, size] : memory.weights)
      if (--weights.at(address).models == 0) bytes -= size;
  };
  for (const auto& [uid, hosted] : models_)
    if (hosted.engine) count(*hosted.engine);
  if (looked_at_) count(*looked_at_->lease.engine);
  // Models in service come before one that somebody looks at.
  if (bytes > options_.memory && looked_at_ && looked_at_->uid != keep) {
    discount(*looked_at_->lease.engine);
    std::swap(looked_at_, closed);
  }
  while (bytes > options_.memory) {
    Hosted* oldest = nullptr;
    for (auto& [uid, hosted] : models_)
      if (uid != keep && hosted.engine && (!oldest || hosted.last_used < oldest->last_used)) oldest = &hosted;
    if (!oldest) return;
    discount(*oldest->engine);
    gone.push_back(std::move(oldest->engine));
    oldest->engine = nullptr;
  }
}

std::optional<Precision> Hosting::known_precision(const std::string& uid) {
  const MutexLock lock(mutex_);
  const auto it = models_.find(uid);
  return it == models_.end() ? std::nullopt : std::optional(it->second.precision);
}

std::string Hosting::to_prometheus() const {
  return fmt::format(
      "# HELP vedette_queue_milliseconds Mean time that the pictures of the last minute waited for their turn\n"
      "# TYPE vedette_queue_milliseconds gauge\nvedette_queue_milliseconds {:.3f}\n",
      pool_.mean_wait_milliseconds());
}

std::optional<ComputePool::LaneState> Hosting::state(const std::string& uid) {
  std::shared_ptr<ComputePool::Lane> lane;
  {
    const MutexLock lock(mutex_);
    const auto it = models_.find(uid);
    if (it == models_.end()) return std::nullopt;
    lane = it->second.lane;
  }
  return pool_.state(*lane);
}

std::optional<StreamState> Hosting::stream(const std::string& uid) {
  const MutexLock lock(mutex_);
  const auto it = models_.find(uid);
  return it == models_.end() ? std::nullopt : std::optional(it->second.stream->state());
}

void Hosting::forget(const std::string& uid) {
  {
    decltype(models_)::node_type gone;  // declared before the lock, so that the engine is freed after it is released
    std::optional<LookedAt> closed;
    const MutexLock lock(mutex_);
    gone = models_.extract(uid);
    if (looked_at_ && looked_at_->uid == uid) std::swap(looked_at_, closed);
  }
  // If another thread works on the files, the next pass over the desired state deletes them.
  std::error_code ignored;
  if (const FilesTurn turn(*this, uid, std::try_to_lock); turn) {
    fs::remove_all(options_.cache_folder / uid, ignored);
    fs::remove_all(being_fetched(options_.cache_folder / uid), ignored);
  }
}

Result<std::shared_ptr<const Engine>> Hosting::load_engine(const fs::path& folder, std::optional<Precision> known) {
  planning_.acquire();
  const std::unique_ptr<decltype(planning_), void (*)(decltype(planning_)*)> turn(&planning_,
                                                                                  [](auto* p) { p->release(); });
  // The engine plans its steps for the number of threads that a picture gets when no other picture waits.
  const ThreadCount count(options_.compute.unit_cores);
  auto engine = known ? options_.load_engine(folder, Engine::Check::nothing, known)
                      : options_.load_engine(folder, Engine::Check::all, {});
  end_helping_threads();
  return engine;
}

Result<std::shared_ptr<const Engine>> Hosting::load(const std::string& uid, std::optional<Precision> known) {
  const auto folder = options_.cache_folder / uid;
  // A former download may have been cut off, so a model that does not load from the cache is fetched again.
  if (fs::exists(folder / "manifest.json"))
    if (auto engine = load_engine(folder, known)) return engine;
  // The old files stay until the new ones are whole: they may be good, and the failure a passing one.
  const auto fetched = being_fetched(folder);
  std::error_code code;
  fs::remove_all(fetched, code);
  if (auto ok = files_.fetch(uid, fetched); !ok) return ok.error();
  fs::remove_all(folder, code);
  fs::rename(fetched, folder, code);
  if (code) return internal_error("The model's files cannot be put into the cache: " + code.message());
  return load_engine(folder, {});
}

Result<Verdict> Hosting::judge(const ModelLease& model, std::span<const std::uint8_t> image_bytes,
                               std::stop_token abandoned, bool with_places, std::optional<PicturePoint> place_at) {
  Result<Verdict> verdict = internal_error("nobody judged the picture");
  const auto arrived = std::chrono::steady_clock::now();
  const auto work = [&](int threads) {
    const std::chrono::duration<double, std::milli> queued = std::chrono::steady_clock::now() - arrived;
    verdict =
        vedette::judge(*model.engine, image_bytes,
                       {.with_places = with_places, .place_at = place_at, .threads = threads, .abandoned = abandoned});
    if (verdict) verdict->stages.insert(verdict->stages.begin(), {"queue", queued.count()});
  };
  if (auto ok = run(model, work, abandoned); !ok) return ok.error();
  return verdict;
}

Result<void> Hosting::run(const ModelLease& model, const std::function<void(int threads)>& work,
                          std::stop_token abandoned) {
  return pool_.run(model.lane, work, std::move(abandoned));
}

}  // namespace vedette
