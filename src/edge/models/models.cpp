#include "edge/models/models.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/log.hpp"
#include "base/text.hpp"
#include "edge/models/component.hpp"
#include "vision/image/raw_pixels.hpp"

namespace vedette {
namespace fs = std::filesystem;
namespace {

constexpr std::array<std::string_view, 5> kStatusNames = {"STOPPED", "STARTING", "RUNNING", "FAILED", "STOPPING"};

Error no_component(const std::string& name) {
  return not_found("MODEL", name, "There is no model component with the name " + name.substr(0, 128) + ".");
}

Error wrong_state(const std::string& name, ComponentStatus status) {
  return conflict("MODEL", name,
                  "The edge agent can't perform the operation. The model is " + std::string(to_text(status)) + ".");
}

Result<void> check_size(const Manifest& manifest, int height, int width) {
  if (height == manifest.image_height && width == manifest.image_width) return {};
  return invalid_input(fmt::format("The image has {}x{} pixels, but the model was trained with {}x{}.", width, height,
                                   manifest.image_width, manifest.image_height));
}

/// Judges a picture in full size, which is reduced as the model wants it.
Result<Verdict> judge_whole(const Engine& engine, const RgbImage& whole, const JudgeOptions& options) {
  auto picture =
      read_raw_pixels(whole.height, whole.width, least_size(engine.manifest()), [&](std::size_t offset, auto out) {
        std::copy_n(whole.pixels.data() + offset, out.size(), out.data());
        return Result<void>();
      });
  if (!picture) return picture.error();
  picture->used_bits = whole.used_bits;
  picture->beyond_range = whole.beyond_range;
  return judge(engine, *picture, options);
}

}  // namespace

std::string_view to_text(ComponentStatus status) {
  return kStatusNames.at(static_cast<std::size_t>(status));
}

/// Holds the model of a running component, so that neither a stop nor a switch frees it.
class Components::Use {
 public:
  Use(Components& components, std::shared_ptr<Component> component)
      : model(component->model), lane(component->lane), components_(components), component_(std::move(component)) {}
  ~Use() {
    model = nullptr;
    {
      const MutexLock lock(components_.mutex_);
      --component_->calls;
    }
    components_.changed_.notify_all();
  }
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;

  void count(const Result<Verdict>& verdict, double seconds) {
    const MutexLock lock(components_.mutex_);
    if (verdict) {
      ++component_->judged;
      component_->anomalous += verdict->is_anomalous ? 1 : 0;
      component_->judging_seconds += seconds;
    } else {
      ++component_->refused;
    }
  }

  Model model;
  const std::shared_ptr<ComputePool::Lane> lane;

 private:
  Components& components_;
  const std::shared_ptr<Component> component_;
};

Components::Components(ComponentsOptions options) : options_(std::move(options)), pool_(options_.compute) {
  auto remembered = read_remembered_versions(options_.state_file);
  if (remembered) {
    remembered_ = std::move(*remembered);
  } else {
    log::warning("the chosen versions are lost, so that the newest ones count",
                 {{"reason", remembered.error().message}});
  }
  look();
  loader_ = std::thread([this] { loop(); });
}

Components::~Components() {
  MutexLock lock(mutex_);
  stopping_ = true;
  changed_.notify_all();
  changed_.wait(lock.standard(), [this]() REQUIRES(mutex_) {
    return std::all_of(components_.begin(), components_.end(), [](const auto& c) { return c.second->calls == 0; });
  });
  lock.unlock();
  loader_.join();
}

void Components::look() {
  std::map<std::string, fs::path> folders;
  std::error_code code;
  for (fs::directory_iterator it(options_.folder, code), end; !code && it != end; it.increment(code)) {
    const auto name = it->path().filename().string();
    if (std::error_code ignored; !name.starts_with('.') && is_utf8(name) && it->is_directory(ignored))
      folders[name] = it->path();
  }
  if (code) log::warning("the folder of the models cannot be read", {{"reason", code.message()}});
  const MutexLock lock(mutex_);
  for (const auto& [name, folder] : folders) {
    auto& component = components_[name];
    if (component) continue;
    component = std::make_shared<Component>();
    component->folder = folder;
    if (const auto it = remembered_.find(name); it != remembered_.end())
      component->last_version = it->second.running.value_or("");
  }
  // A component that runs stays, even if its folder is gone.
  if (!code)
    std::erase_if(components_, [&](const auto& entry) {
      return !folders.contains(entry.first) && entry.second->calls == 0 &&
             (entry.second->status == ComponentStatus::stopped || entry.second->status == ComponentStatus::failed);
    });
}

std::shared_ptr<Components::Component> Components::find(const std::string& name) {
  const auto it = components_.find(name);
  return it == components_.end() ? nullptr : it->second;
}

ComponentState Components::state_of(const std::string& name, const Component& component) const {
  ComponentState out;
  out.name = name;
  out.status = component.status;
  out.version = component.model ? component.model->version : component.last_version;
  const auto version = out.version.empty() ? std::string() : " Its version is " + out.version + ".";
  switch (component.status) {
    case ComponentStatus::stopped:
      out.message = "The model is stopped.";
      break;
    case ComponentStatus::starting:
      out.message = "The model is starting.";
      break;
    case ComponentStatus::running:
      out.message = "The model is running." + version;
      if (!component.update_fault.empty()) out.message += " " + component.update_fault;
      break;
    case ComponentStatus::failed:
      out.message = component.reason;
      break;
    case ComponentStatus::stopping:
      out.message = "The model is stopping.";
      break;
  }
  if (component.model) {
    out.model_sha256 = component.model->sha256;
    out.memory_bytes = component.model->engine->memory().bytes();
  }
  out.judged = component.judged;
  out.anomalous = component.anomalous;
  out.refused = component.refused;
  out.switches = component.switches;
  out.judging_seconds = component.judging_seconds;
  return out;
}

std::vector<ComponentState> Components::list() {
  look();
  std::vector<ComponentState> out;
  const MutexLock lock(mutex_);
  for (const auto& [name, component] : components_) out.push_back(state_of(name, *component));
  return out;
}

Result<ComponentState> Components::describe(const std::string& name) {
  look();
  const MutexLock lock(mutex_);
  const auto component = find(name);
  if (!component) return no_component(name);
  return state_of(name, *component);
}

Result<void> Components::start(const std::string& name) {
  look();
  fs::path folder;
  RememberedVersion remembered;
  {
    const MutexLock lock(mutex_);
    const auto component = find(name);
    if (!component) return no_component(name);
    folder = component->folder;
    if (const auto known = remembered_.find(name); known != remembered_.end()) remembered = known->second;
  }
  const auto versions = versions_to_try(list_versions(folder), remembered);
  if (!versions.empty())
    if (auto ok = check_room(versions.front()); !ok) return ok;
  {
    const MutexLock lock(mutex_);
    const auto component = find(name);
    if (!component) return no_component(name);
    if (component->status != ComponentStatus::stopped && component->status != ComponentStatus::failed)
      return wrong_state(name, component->status);
    component->status = ComponentStatus::starting;
    component->failed.clear();
  }
  changed_.notify_all();
  return {};
}

Result<void> Components::stop(const std::string& name) {
  Model freed;  // declared before the lock, so that the engine is freed after the lock is released
  {
    MutexLock lock(mutex_);
    const auto component = find(name);
    if (!component) return no_component(name);
    if (component->status != ComponentStatus::running) return wrong_state(name, component->status);
    component->status = ComponentStatus::stopping;
    changed_.wait(lock.standard(), [&] { return component->calls == 0; });
    std::swap(freed, component->model);
    component->lane = nullptr;
    component->status = ComponentStatus::stopped;
    component->update_fault.clear();
  }
  log::info("model stopped", {{"component", name}});
  return {};
}

Result<void> Components::choose(const std::string& name, const std::string& version) {
  look();
  {
    const MutexLock lock(mutex_);
    const auto component = find(name);
    if (!component) return no_component(name);
    remembered_[name].chosen = version;
    component->failed.clear();
  }
  changed_.notify_all();
  return remember();
}

Result<void> Components::remember() {
  writing_.acquire();
  const std::unique_ptr<decltype(writing_), void (*)(decltype(writing_)*)> turn(&writing_,
                                                                                [](auto* s) { s->release(); });
  std::map<std::string, RememberedVersion> versions;
  {
    const MutexLock lock(mutex_);
    versions = remembered_;
  }
  return remember_versions(options_.state_file, versions);
}

void Components::wait_until_settled() {
  MutexLock lock(mutex_);
  // A version is tried once it looks the same twice, and the loader may be in the midst of a look now.
  const auto enough = idle_looks_ + 3;
  changed_.wait(lock.standard(), [&]() REQUIRES(mutex_) { return idle_looks_ >= enough || stopping_; });
}

Result<Judged> Components::judge_with(const std::string& name, const std::stop_token& abandoned, const Work& work) {
  const Underway::Work underway(underway_);
  std::shared_ptr<Component> component;
  std::optional<Use> use;
  {
    const MutexLock lock(mutex_);
    component = find(name);
    if (!component) return no_component(name);
    if (component->status != ComponentStatus::running || stopping_) {
      ++component->refused;
      return wrong_state(name, component->status);
    }
    ++component->calls;
    use.emplace(*this, component);
  }
  Result<Verdict> verdict = internal_error("nobody judged the picture");
  double seconds = 0;
  const auto ran = pool_.run(
      use->lane,
      [&](int threads) {
        const auto start = std::chrono::steady_clock::now();
        const auto& model = *use->model;
        verdict = work(model, {.with_places = model.corrections != nullptr,
                               .with_mask_png = false,
                               .threads = threads,
                               .abandoned = abandoned});
        if (verdict && model.corrections)
          correct(*verdict, model.engine->manifest(), model.engine->manifest().threshold, *model.corrections);
        seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      },
      abandoned);
  if (!ran) verdict = ran.error();
  use->count(verdict, seconds);
  if (!verdict) return verdict.error();
  return Judged{std::move(*verdict), use->model};
}

Result<Judged> Components::judge(const std::string& name, int height, int width, const ReadPixels& read,
                                 std::stop_token abandoned) {
  return judge_with(name, abandoned, [&](const ComponentModel& model, const JudgeOptions& options) -> Result<Verdict> {
    const auto& manifest = model.engine->manifest();
    if (auto ok = check_size(manifest, height, width); !ok) return ok.error();
    const auto picture = read_raw_pixels(height, width, least_size(manifest), read);
    if (!picture) return picture.error();
    return vedette::judge(*model.engine, *picture, options);
  });
}

Result<Judged> Components::judge_made(const std::string& name, int height, int width, const MakePicture& make,
                                      std::stop_token abandoned) {
  return judge_with(name, abandoned, [&](const ComponentModel& model, const JudgeOptions& options) -> Result<Verdict> {
    const auto& manifest = model.engine->manifest();
    if (auto ok = check_size(manifest, height, width); !ok) return ok.error();
    const auto made = make(manifest.sample_bits);
    if (!made) return made.error();
    return judge_whole(*model.engine, **made, options);
  });
}

Result<Judged> Components::judge(const std::string& name, const RgbImage& picture, std::stop_token abandoned) {
  const auto make = [&](int) { return Result<const RgbImage*>(&picture); };
  return judge_made(name, picture.height, picture.width, make, std::move(abandoned));
}

Result<Judged> Components::judge(const std::string& name, std::span<const std::uint8_t> file, RgbImage* whole,
                                 std::stop_token abandoned) {
  return judge_with(name, abandoned, [&](const ComponentModel& model, const JudgeOptions& options) -> Result<Verdict> {
    if (!whole) return vedette::judge(*model.engine, file, options);
    const auto& manifest = model.engine->manifest();
    const auto header = read_image_header(file);
    if (!header) return header.error();
    if (auto ok = check_size(manifest, header->height, header->width); !ok) return ok.error();
    // The file is decoded once. Only rows of a PNG file become the same when they are reduced afterwards; one whose rows
    // come in passes is never reduced, as byte 28 tells (PNG, section 11.2.2).
    const bool is_in_rows = header->format == ImageFormat::png && file[28] == 0;
    auto picture = is_in_rows
                       ? decode_image(file, {}, {}, {.sample_bits = manifest.sample_bits, .abandoned = abandoned})
                       : model.engine->decode(file, abandoned);
    if (!picture) return picture.error();
    auto verdict =
        is_in_rows ? judge_whole(*model.engine, *picture, options) : vedette::judge(*model.engine, *picture, options);
    if (picture->height == header->height && picture->width == header->width) *whole = std::move(*picture);
    return verdict;
  });
}

}  // namespace vedette
