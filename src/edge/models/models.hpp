#pragma once

#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <semaphore>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/mutex.hpp"
#include "base/result.hpp"
#include "compute/compute_pool.hpp"
#include "edge/models/underway.hpp"
#include "edge/models/versions.hpp"
#include "vision/infer/infer.hpp"
#include "vision/verdict/verdict.hpp"

/// The models of a station: the model components of a folder, which are started, judge pictures, are stopped, and give
/// way to their newer versions while the line runs.
///
/// DIR/<component>/ is a component. It is a model's folder itself, as `vedette train --out` or an unpacked package has
/// it, or it holds one such folder per version: DIR/<component>/<version>/. The model may also lie one folder deeper,
/// where packages are unpacked below the name of their archive. Names that begin with a dot are ignored.
namespace vedette {

/// The states of a component, with the numbers that they have in the EdgeAgent service.
enum class ComponentStatus : std::uint8_t { stopped = 0, starting = 1, running = 2, failed = 3, stopping = 4 };
/// "STOPPED", "STARTING", …
std::string_view to_text(ComponentStatus status);

/// What is known of one component. It is a plain value.
struct ComponentState {
  std::string name;
  ComponentStatus status = ComponentStatus::stopped;
  std::string message;       ///< for people: why a start failed, or why a newer version does not run
  std::string version;       ///< the version that runs or ran last; empty if the component has no versions
  std::string model_sha256;  ///< of the manifest of the model that runs; empty unless the component is running
  std::uint64_t judged = 0;  ///< pictures judged since the program began
  std::uint64_t anomalous = 0;
  std::uint64_t refused = 0;     ///< calls that got no verdict
  std::uint64_t switches = 0;    ///< how often another version took over while the component ran
  double judging_seconds = 0;    ///< time that judging all pictures took, without the time in the queue
  std::size_t memory_bytes = 0;  ///< what the running model has in memory; weights that models share count in each
};

/// The model that gave a verdict.
struct ComponentModel {
  std::shared_ptr<const Engine> engine;
  std::shared_ptr<const Corrections> corrections;  ///< null if the package has none
  std::string version;                             ///< empty if the component has no versions
  std::string sha256;                              ///< of manifest.json, 64 hexadecimal digits
};

/// A verdict and the model that gave it.
struct Judged {
  Verdict verdict;  ///< without mask_png
  std::shared_ptr<const ComponentModel> model;
};

struct ComponentsOptions {
  std::filesystem::path folder;  ///< holds the components; this module never writes to it
  /// Holds which version of each component is chosen. It is written atomically, and made with the folders above it when
  /// that is first needed.
  std::filesystem::path state_file;
  std::size_t memory = 0;  ///< bytes that all models may take; 0 means no limit
  ComputeOptions compute;
  std::chrono::milliseconds look_interval{1000};  ///< how often the folder is looked at for new versions
  /// Makes an engine from a model's folder. Tests set their own function.
  std::function<decltype(Engine::load)> load_engine = Engine::load;
};

/// All components of a station. Any thread may call its functions. It holds no lock while files are read, a model is
/// loaded or judges, or an engine is freed.
class Components {
 public:
  explicit Components(ComponentsOptions options);
  ~Components();  ///< waits for running calls
  Components(const Components&) = delete;
  Components& operator=(const Components&) = delete;

  /// Returns all components by name, after looking at the folder.
  std::vector<ComponentState> list();
  /// Fails with not_found if there is no such component.
  Result<ComponentState> describe(const std::string& name);
  /// Begins to load a component and returns: it is STARTING from now on, and becomes RUNNING or FAILED. Its newest
  /// version is loaded, or the one that was chosen; if that cannot be used, the version that ran last. Fails with
  /// not_found; with conflict unless the component is STOPPED or FAILED; and with quota_exceeded if the model's files
  /// alone exceed the memory that is left.
  Result<void> start(const std::string& name);
  /// Refuses new pictures, waits for those that are being judged, and frees the model: the component is STOPPED when
  /// this returns. Fails with not_found, and with conflict unless the component is RUNNING.
  Result<void> stop(const std::string& name);
  /// Chooses the version that a component is to have, whether or not it is there already; an empty name chooses the
  /// newest, whatever that is, as for a component for which nothing was chosen. A running component switches to it in
  /// the background. The choice survives a kill of the program. Fails with not_found, and with internal if the choice
  /// cannot be written.
  Result<void> choose(const std::string& name, const std::string& version);
  /// Returns for how long the picture has been waiting or judged that came first of those without a verdict; 0 if there
  /// is none.
  [[nodiscard]] std::chrono::steady_clock::duration longest_call() const { return underway_.longest(); }
  /// Waits until nothing is being loaded any more and every version that lies in the folder now has been tried.
  void wait_until_settled();

  /// Reads `out.size()` bytes of pixels from `offset` on. Several threads may call it at the same time.
  using ReadPixels = std::function<Result<void>(std::size_t offset, std::span<std::uint8_t> out)>;

  /// Judges a picture of packed 8-bit RGB pixels, when it is the model's turn on the cores. `read` is called then, for
  /// every byte once; its errors are returned. The verdict is that of the server's DetectAnomalies for a PNG file with
  /// these pixels, bit for bit. The model cannot be freed before the verdict is there: a switch of versions or a stop
  /// drops no call.
  /// Fails with not_found; with conflict unless the component is RUNNING; with invalid_input if the size is not that of
  /// the training pictures; with throttled as ComputePool::run does; with unavailable once `abandoned` is requested.
  Result<Judged> judge(const std::string& name, int height, int width, const ReadPixels& read,
                       std::stop_token abandoned = {});
  /// Makes a picture for the model that is about to judge it, whose manifest says how deep samples are read
  /// (DecodeRules::sample_bits). The picture must stay as it is until the verdict is there.
  using MakePicture = std::function<Result<const RgbImage*>(int sample_bits)>;
  /// Judges a picture that is made when it is the model's turn. `make` is called at most once; its errors are returned.
  Result<Judged> judge_made(const std::string& name, int height, int width, const MakePicture& make,
                            std::stop_token abandoned = {});
  /// Judges a picture that is in memory.
  Result<Judged> judge(const std::string& name, const RgbImage& picture, std::stop_token abandoned = {});
  /// Judges a JPEG or PNG file. `whole` gets the decoded picture in full size, if it is not null and the picture was
  /// decoded in full size: it is not if a model ran that wants a JPEG file reduced, and if none ran.
  Result<Judged> judge(const std::string& name, std::span<const std::uint8_t> file, RgbImage* whole = nullptr,
                       std::stop_token abandoned = {});

 private:
  struct Component;
  class Use;
  using Model = std::shared_ptr<const ComponentModel>;
  using Work = std::function<Result<Verdict>(const ComponentModel&, const JudgeOptions&)>;
  /// Has the work done when it is the component's turn, and lets the model's corrections speak.
  Result<Judged> judge_with(const std::string& name, const std::stop_token& abandoned, const Work& work);
  /// Returns the component, or nothing.
  std::shared_ptr<Component> find(const std::string& name) REQUIRES(mutex_);
  [[nodiscard]] ComponentState state_of(const std::string& name, const Component& component) const REQUIRES(mutex_);
  /// Compares the components with the folder.
  void look();
  /// Writes which versions run and are chosen.
  Result<void> remember();
  /// Fails with quota_exceeded if these blobs cannot fit beside the models in memory.
  Result<void> check_room(const ComponentVersion& version);
  /// Fails with quota_exceeded if this engine is too much beside the others.
  Result<void> check_memory(const Engine& engine);
  Result<Model> load(const ComponentVersion& version);
  void loop();
  bool start_one();   ///< loads a component that is STARTING; returns false if none is
  bool switch_one();  ///< tries a version that a running component ought to have; returns false if there is none

  const ComponentsOptions options_;
  ComputePool pool_;
  Underway underway_;
  Mutex mutex_;  // guards what the components hold, too
  std::condition_variable changed_;
  std::map<std::string, std::shared_ptr<Component>> components_ GUARDED_BY(mutex_);
  std::map<std::string, RememberedVersion> remembered_ GUARDED_BY(mutex_);
  std::uint64_t idle_looks_ GUARDED_BY(mutex_) = 0;  // how often the loader found nothing to do
  bool stopping_ GUARDED_BY(mutex_) = false;
  /// Lets one thread at a time write the state file. It guards no data, so it is not a mutex.
  std::counting_semaphore<1> writing_{1};
  std::thread loader_;
};

}  // namespace vedette
