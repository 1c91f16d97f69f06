#include <fmt/format.h>

#include <algorithm>
#include <new>
#include <set>

#include "base/digest.hpp"
#include "base/files.hpp"
#include "base/log.hpp"
#include "base/parallel.hpp"
#include "base/priority.hpp"
#include "edge/models/component.hpp"

/// How the components of a station are loaded: one at a time, on a thread of its own, since that takes all cores of a
/// unit, and memory.
namespace vedette {
namespace {

constexpr std::uint64_t kMostManifestBytes = std::uint64_t{64} << 20;

std::string in_megabytes(std::size_t bytes) {
  return fmt::format("{:.0f} MB", static_cast<double>(bytes) / 1e6);
}

/// Counts what engines have in memory; weights that several have in common count once.
class MemoryCount {
 public:
  void add(const Engine& engine) {
    const auto memory = engine.memory();
    bytes_ += memory.own;
    for (const auto& [address, bytes] : memory.weights)
      if (counted_.insert(address).second) bytes_ += bytes;
  }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  std::size_t bytes_ = 0;
  std::set<const void*> counted_;
};

std::string describe_version(const std::string& version) {
  return version.empty() ? "The changed model" : "Version " + version;
}

}  // namespace

Result<void> Components::check_room(const ComponentVersion& version) {
  if (options_.memory == 0) return {};
  MemoryCount count;
  std::vector<Model> models;
  {
    const MutexLock lock(mutex_);
    for (const auto& [name, component] : components_)
      if (component->model) models.push_back(component->model);
  }
  std::set<std::string> blobs;  // those that are in memory already
  for (const auto& model : models) {
    count.add(*model->engine);
    for (const auto& [tensor, blob] : model->engine->manifest().tensors) blobs.insert(blob);
  }
  std::uintmax_t shared = 0;
  for (const auto& blob : blobs) {
    std::error_code code;
    const auto bytes = std::filesystem::file_size(version.folder / "blobs" / (blob + ".safetensors"), code);
    if (!code) shared += bytes;
  }
  const auto needed = count.bytes() + version.blob_bytes - std::min(version.blob_bytes, shared);
  if (needed <= options_.memory) return {};
  return fail(ErrorKind::quota_exceeded,
              fmt::format("There is not enough memory: with this model, all models would need more than {}, and {} "
                          "are allowed.",
                          in_megabytes(needed), in_megabytes(options_.memory)));
}

Result<void> Components::check_memory(const Engine& engine) {
  if (options_.memory == 0) return {};
  std::vector<Model> models;
  {
    const MutexLock lock(mutex_);
    for (const auto& [name, component] : components_)
      if (component->model) models.push_back(component->model);
  }
  MemoryCount count;
  count.add(engine);
  for (const auto& model : models) count.add(*model->engine);
  if (count.bytes() <= options_.memory) return {};
  return fail(ErrorKind::quota_exceeded,
              fmt::format("There is not enough memory: with this model, all models need {}, and {} are allowed.",
                          in_megabytes(count.bytes()), in_megabytes(options_.memory)));
}

Result<Components::Model> Components::load(const ComponentVersion& version) {
  if (auto ok = check_room(version); !ok) return ok.error();
  bool is_alone = true;
  {
    const MutexLock lock(mutex_);
    for (const auto& [name, component] : components_) is_alone = is_alone && !component->model;
  }
  auto model = std::make_shared<ComponentModel>();
  model->version = version.name;
  Result<void> outcome;
  const auto work = [&]() -> Result<void> {
    const auto manifest = read_file(version.folder / "manifest.json", kMostManifestBytes);
    if (!manifest)
      return manifest.error().kind == ErrorKind::not_found ? invalid_input("Its folder holds no manifest.json.")
                                                           : manifest.error();
    model->sha256 = sha256_hex(as_text(*manifest));
    // The engine plans its steps for the number of threads that a picture gets when no other picture waits.
    const ThreadCount count(options_.compute.unit_cores);
    auto engine = options_.load_engine(version.folder, Engine::Check::all, {});
    if (!engine) return engine.error();
    model->engine = std::move(*engine);
    auto corrections = read_corrections(version.folder, model->engine->manifest().threshold);
    if (!corrections) return corrections.error();
    model->corrections = std::move(*corrections);
    return check_memory(*model->engine);
  };
  // The threads that help this one end with it, and its priority is its own: pictures do not wait for a model that is
  // loaded beside others.
  std::thread([&] {
    if (!is_alone) lower_thread_priority();
    try {
      outcome = work();
    } catch (const std::bad_alloc&) {
      outcome = fail(ErrorKind::quota_exceeded, "There is not enough memory on this machine.");
    } catch (const std::exception& e) {
      outcome = internal_error(e.what());
    }
  }).join();
  if (!outcome) return outcome.error();
  return Model(std::move(model));
}

void Components::loop() {
  while (true) {
    const bool has_done = start_one() || switch_one();
    MutexLock lock(mutex_);
    if (stopping_) return;
    if (has_done) continue;
    ++idle_looks_;
    changed_.notify_all();
    changed_.wait_for(lock.standard(), options_.look_interval, [this]() REQUIRES(mutex_) {
      return stopping_ || std::any_of(components_.begin(), components_.end(), [](const auto& entry) {
               return entry.second->status == ComponentStatus::starting;
             });
    });
  }
}

bool Components::start_one() {
  std::string name;
  std::shared_ptr<Component> component;
  RememberedVersion remembered;
  {
    const MutexLock lock(mutex_);
    const auto it = std::find_if(components_.begin(), components_.end(),
                                 [](const auto& entry) { return entry.second->status == ComponentStatus::starting; });
    if (it == components_.end()) return false;
    name = it->first;
    component = it->second;
    if (const auto known = remembered_.find(name); known != remembered_.end()) remembered = known->second;
  }
  const auto start = std::chrono::steady_clock::now();
  const auto versions = versions_to_try(list_versions(component->folder), remembered);
  std::string fault;
  if (!remembered.chosen.empty() && (versions.empty() || versions.front().name != remembered.chosen))
    fault = "Version " + remembered.chosen + " was chosen and is not there.";
  if (versions.empty() && fault.empty()) fault = "The component's folder holds no model.";
  for (const auto& version : versions) {
    auto model = load(version);
    if (!model) {
      if (!fault.empty()) fault += " ";
      fault += version.name.empty() ? "The model could not be loaded: " + model.error().message
                                    : describe_version(version.name) + " could not be loaded: " + model.error().message;
      log::error("model cannot be loaded",
                 {{"component", name}, {"version", version.name}, {"reason", model.error().message}});
      const MutexLock lock(mutex_);
      component->failed[version.name] = version.fingerprint;
      continue;
    }
    const auto ms =
        std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start).count();
    const auto& engine = *(*model)->engine;
    log::info("model started", {{"component", name},
                                {"version", version.name},
                                {"load_ms", std::to_string(ms)},
                                {"bytes", std::to_string(engine.memory().bytes())},
                                {"precision", std::string(to_text(engine.precision()))}});
    auto lane = pool_.open({1, std::max(1, options_.compute.cores)}, engine.seconds_per_picture());
    {
      const MutexLock lock(mutex_);
      component->lane = std::move(lane);
      component->model = std::move(*model);
      component->fingerprint = version.fingerprint;
      component->last_version = version.name;
      component->update_fault = fault;
      component->status = ComponentStatus::running;
      remembered_[name].running = version.name;
    }
    changed_.notify_all();
    if (remembered.running != version.name)
      if (auto ok = remember(); !ok)
        log::warning("the version that runs cannot be remembered", {{"reason", ok.error().message}});
    return true;
  }
  {
    const MutexLock lock(mutex_);
    component->status = ComponentStatus::failed;
    component->reason = fault;
  }
  changed_.notify_all();
  return true;
}

bool Components::switch_one() {
  struct Running {
    std::string name;
    std::shared_ptr<Component> component;
    std::string chosen, version, fingerprint;
  };
  std::vector<Running> all;
  {
    const MutexLock lock(mutex_);
    for (const auto& [name, component] : components_)
      if (component->status == ComponentStatus::running) {
        const auto known = remembered_.find(name);
        all.push_back({name, component, known == remembered_.end() ? "" : known->second.chosen,
                       component->model->version, component->fingerprint});
      }
  }
  for (const auto& running : all) {
    auto& component = *running.component;
    const auto versions = list_versions(running.component->folder);
    std::optional<ComponentVersion> target;
    {
      const MutexLock lock(mutex_);
      for (const auto& version : versions) {
        // A version that is still being copied changes from one look to the next.
        const bool is_still = component.seen[version.name] == version.fingerprint;
        component.seen[version.name] = version.fingerprint;
        const bool is_wanted = running.chosen.empty()
                                   ? version.name == running.version || is_newer(version.name, running.version)
                                   : version.name == running.chosen;
        const bool is_running = version.name == running.version && version.fingerprint == running.fingerprint;
        if (target || !is_wanted || !is_still) continue;
        if (const auto failed = component.failed.find(version.name);
            !is_running && failed != component.failed.end() && failed->second == version.fingerprint)
          continue;
        target = version;
      }
      if (!target && !running.chosen.empty() && running.chosen != running.version &&
          std::none_of(versions.begin(), versions.end(), [&](const auto& v) { return v.name == running.chosen; }))
        component.update_fault = "Version " + running.chosen + " was chosen and is not there.";
    }
    if (!target || (target->name == running.version && target->fingerprint == running.fingerprint)) continue;
    const auto& name = running.name;
    log::info("a new version is tried", {{"component", name}, {"version", target->name}});
    auto model = load(*target);
    if (!model) {
      log::error("a new version cannot be used, the old one stays",
                 {{"component", name}, {"version", target->name}, {"reason", model.error().message}});
      const MutexLock lock(mutex_);
      component.failed[target->name] = target->fingerprint;
      component.update_fault = describe_version(target->name) + " could not be used: " + model.error().message;
      return true;
    }
    Model old;  // declared before the lock, so that the engine is freed after the lock is released
    {
      const MutexLock lock(mutex_);
      // Somebody may have stopped the component or chosen another version meanwhile.
      const auto known = remembered_.find(name);
      if (component.status != ComponentStatus::running ||
          (known == remembered_.end() ? std::string() : known->second.chosen) != running.chosen)
        return true;
      old = std::exchange(component.model, *model);
      component.fingerprint = target->fingerprint;
      component.last_version = target->name;
      component.update_fault.clear();
      ++component.switches;
      remembered_[name].running = target->name;
    }
    changed_.notify_all();
    log::info("model switched", {{"component", name}, {"from", old->version}, {"to", target->name}});
    if (auto ok = remember(); !ok)
      log::warning("the version that runs cannot be remembered", {{"reason", ok.error().message}});
    return true;
  }
  return false;
}

}  // namespace vedette
