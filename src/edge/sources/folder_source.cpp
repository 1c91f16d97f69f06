#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <map>
#include <thread>
#include <utility>
#include <vector>

#include "base/log.hpp"
#include "base/mutex.hpp"
#include "edge/frames/settings_reader.hpp"
#include "edge/sources/folder_memory.hpp"
#include "edge/sources/kinds.hpp"

namespace vedette {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;
using SteadyTime = std::chrono::steady_clock::time_point;

constexpr std::int64_t kMostFileBytes = 64 << 20;
constexpr std::size_t kMostWaiting = 100'000;  ///< names; what is beyond is found by another look at the folder
constexpr auto kRetry = seconds(2);  ///< of a folder that is away, and of a picture that could not be recorded
constexpr const char* kDone = "done";

/// What becomes of a file that has been judged.
enum class After { keep, move, remove };

struct FolderSettings {
  std::string name;
  fs::path folder;
  After after = After::move;
  bool takes_existing = true;
  milliseconds quiet{2000};
  milliseconds rescan{0};
};

/// An open file or folder.
class Descriptor {
 public:
  explicit Descriptor(int number = -1) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  [[nodiscard]] int get() const { return number_; }
  explicit operator bool() const { return number_ >= 0; }

 private:
  int number_;
};

FileIdentity identity_of(const struct stat& about) {
  return {about.st_ino, about.st_size, about.st_mtim.tv_sec * 1'000'000'000 + about.st_mtim.tv_nsec};
}

/// Hidden and temporary names, and whatever is no picture by its name.
bool is_picture_name(const std::string& name) {
  if (name.empty() || name.front() == '.') return false;
  const auto lower = to_lower(name);
  return lower.ends_with(".png") || lower.ends_with(".jpg") || lower.ends_with(".jpeg");
}

/// Names may hold any bytes but '/'. As a trigger's id they are plain text.
std::string plain_id(const std::string& name) {
  const bool is_plain =
      is_utf8(name) && std::none_of(name.begin(), name.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; });
  return is_plain ? name : uri_encode(name);
}

/// Watches one folder. One thread reads what the kernel tells of it, and gives the files to the callback.
class FolderSource final : public Source {
 public:
  FolderSource(FolderSettings settings, FolderMemory memory)
      : settings_(std::move(settings)), memory_(std::move(memory)) {}
  ~FolderSource() override { end(); }
  FolderSource(const FolderSource&) = delete;
  FolderSource& operator=(const FolderSource&) = delete;

  [[nodiscard]] const std::string& name() const override { return settings_.name; }

  Result<void> start(PictureCallback on_picture, StateCallback on_state) override {
    on_picture_ = std::move(on_picture);
    on_state_ = std::move(on_state);
    thread_ = std::thread(log::carried([this] { run(); }));
    return {};
  }
  void stop() override { end(); }
  Result<void> trigger(const std::string& /*id*/) override {
    return fail(ErrorKind::unsupported, "A folder takes no triggers: it gives the files that come.");
  }
  [[nodiscard]] SourceState state() const override {
    const MutexLock lock(mutex_);
    return state_;
  }

 private:
  void end() {
    is_stopping_ = true;
    wake_.wake();
    if (thread_.joinable()) thread_.join();
  }

  void run() {
    const log::Scope scope(log::Context({{"source", settings_.name}}));
    bool is_first = true;
    while (!is_stopping_) {
      auto opened = open();
      if (opened) {
        waiting_.clear();
        later_.clear();
        // Whatever comes from here on is given: between this look and the watch, the second look finds it.
        if (std::exchange(is_first, false) && !settings_.takes_existing) look(true);
        opened = begin_events();
      }
      if (opened) {
        look(false);
        tell(SourceCondition::online, "");
        opened = watch();
      }
      if (is_stopping_) break;
      tell(SourceCondition::offline, opened.error().message);
      wait_readable(wake_.descriptor(), -1, kRetry);
    }
  }

  Result<void> open() {
    folder_ = Descriptor(::open(settings_.folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder_) return trouble("The folder cannot be opened");
    if (settings_.after == After::move) {
      if (::mkdirat(folder_.get(), kDone, 0755) != 0 && errno != EEXIST)
        return trouble("The folder for finished files cannot be made");
      done_ = Descriptor(::openat(folder_.get(), kDone, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (!done_) return trouble("The folder for finished files cannot be opened");
    }
    return {};
  }

  Result<void> begin_events() {
    events_ = Descriptor(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    // The watch is on the folder that is open, whatever the path names by now.
    const auto path = fmt::format("/proc/self/fd/{}", folder_.get());
    if (!events_ || ::inotify_add_watch(events_.get(), path.c_str(), IN_CLOSE_WRITE | IN_MOVED_TO | IN_ONLYDIR) < 0)
      return trouble("The folder cannot be watched");
    return {};
  }

  static Error trouble(const char* what) {
    return fail(ErrorKind::unavailable, fmt::format("{}: {}.", what, std::strerror(errno)));
  }

  /// Looks at what lies in the folder. Files that were written a moment ago may not be whole: they wait, unless the
  /// kernel tells that they were closed.
  void look(bool only_remember) {
    next_look_ = settings_.rescan.count() > 0 ? std::chrono::steady_clock::now() + settings_.rescan : SteadyTime::max();
    must_look_ = false;
    const int copy = ::openat(folder_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR* const listing = copy >= 0 ? ::fdopendir(copy) : nullptr;
    if (listing == nullptr) {
      if (copy >= 0) ::close(copy);
      return;
    }
    struct Found {
      std::int64_t written_at;
      std::string name;
    };
    std::vector<Found> found;
    while (const dirent* const entry = ::readdir(listing)) {
      const std::string name(static_cast<const char*>(entry->d_name));
      struct stat about {};
      if (!is_picture_name(name) || ::fstatat(folder_.get(), name.c_str(), &about, AT_SYMLINK_NOFOLLOW) != 0 ||
          !S_ISREG(about.st_mode))
        continue;
      const auto identity = identity_of(about);
      if (only_remember)
        remember(name, identity);
      else if (!is_known(name, identity))
        found.push_back({identity.written_at, name});
    }
    ::closedir(listing);
    std::sort(found.begin(), found.end(), [](const Found& a, const Found& b) {
      return std::pair(a.written_at, std::string_view(a.name)) < std::pair(b.written_at, std::string_view(b.name));
    });
    const auto now = wall_clock_now();
    for (auto& file : found) {
      const auto age = nanoseconds(now - file.written_at);
      if (age < settings_.quiet && age > -settings_.quiet)
        later_[std::move(file.name)] = std::chrono::steady_clock::now() + settings_.quiet;
      else
        wait_for(std::move(file.name));
    }
    report(memory_.forget([this](const std::string& name) {
      struct stat about {};
      return ::fstatat(folder_.get(), name.c_str(), &about, AT_SYMLINK_NOFOLLOW) == 0;
    }));
  }

  void wait_for(std::string name) {
    if (waiting_.size() >= kMostWaiting)
      must_look_ = true;
    else
      waiting_.push_back(std::move(name));
  }

  Result<void> watch() {
    while (!is_stopping_) {
      const auto now = std::chrono::steady_clock::now();
      auto next = std::min(next_look_, now + kRetry);
      for (const auto& entry : later_) next = std::min(next, entry.second);
      if (waiting_.empty() && !must_look_)
        wait_readable(events_.get(), wake_.descriptor(), std::chrono::ceil<milliseconds>(next - now));
      wake_.clear();
      if (auto ok = read_events(); !ok) return ok.error();
      if (!is_still_there()) return fail(ErrorKind::unavailable, "The folder has gone.");
      take_due();
      if (waiting_.empty() && (must_look_ || std::chrono::steady_clock::now() >= next_look_)) look(false);
      // A few at a time, so that the kernel's queue of events stays short.
      const auto some = std::min<std::size_t>(waiting_.size(), 16);
      for (std::size_t i = 0; i < some && !is_stopping_; ++i) give(waiting_[i]);
      waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(some));
    }
    return {};
  }

  /// Whether the path still names the open folder. The kernel tells of the end of a folder only when nobody has it open.
  [[nodiscard]] bool is_still_there() const {
    struct stat open {
    }, named{};
    return ::fstat(folder_.get(), &open) == 0 && ::stat(settings_.folder.c_str(), &named) == 0 &&
           open.st_ino == named.st_ino && open.st_dev == named.st_dev;
  }

  Result<void> read_events() {
    alignas(inotify_event) std::array<char, 65536> buffer;
    while (true) {
      const auto length = ::read(events_.get(), buffer.data(), buffer.size());
      if (length <= 0) return {};
      for (std::size_t at = 0; at < static_cast<std::size_t>(length);) {
        inotify_event event{};
        std::memcpy(&event, buffer.data() + at, sizeof(event));
        const char* const name = buffer.data() + at + sizeof(event);
        at += sizeof(event) + event.len;
        if ((event.mask & (IN_IGNORED | IN_UNMOUNT)) != 0) return fail(ErrorKind::unavailable, "The folder has gone.");
        if ((event.mask & IN_Q_OVERFLOW) != 0) {
          log::warning("events of a folder lost, looking at it anew");
          must_look_ = true;
        }
        if ((event.mask & (IN_CLOSE_WRITE | IN_MOVED_TO)) == 0 || (event.mask & IN_ISDIR) != 0 || event.len == 0)
          continue;
        std::string file(name);
        later_.erase(file);
        if (is_picture_name(file))
          wait_for(std::move(file));
        else
          ignore();
      }
    }
  }

  void take_due() {
    const auto now = std::chrono::steady_clock::now();
    for (auto entry = later_.begin(); entry != later_.end();) {
      if (entry->second > now) {
        ++entry;
        continue;
      }
      wait_for(entry->first);
      entry = later_.erase(entry);
    }
  }

  void ignore() {
    const MutexLock lock(mutex_);
    ++state_.ignored;
  }

  [[nodiscard]] bool is_known(const std::string& name, const FileIdentity& identity) const {
    return memory_.has(name, identity);
  }
  void remember(const std::string& name, const FileIdentity& identity) { report(memory_.add(name, identity)); }
  static void report(const Result<void>& done) {
    if (!done) log::warning("trouble with a folder", {{"reason", done.error().message}});
  }

  /// Gives one file, if it is one, and has not been given yet.
  void give(const std::string& name) {
    // No name can lead out of the folder, nor make this wait: no links, and no pipes.
    const Descriptor file(
        ::openat(folder_.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    struct stat about {};
    if (!file) {
      if (errno != ENOENT) return ignore();
      unrecorded_.erase(name);
      return;
    }
    if (::fstat(file.get(), &about) != 0 || !S_ISREG(about.st_mode)) return ignore();
    const auto identity = identity_of(about);
    if (is_known(name, identity)) return;
    if (about.st_size == 0) return ignore();  // Some programs make a file first and fill it later.
    if (about.st_size > kMostFileBytes) {
      log::warning("file ignored", {{"file", plain_id(name)}, {"reason", "It has more than 64 MiB."}});
      remember(name, identity);
      return ignore();
    }
    auto bytes = read(file.get(), static_cast<std::size_t>(about.st_size));
    if (!bytes) {
      later_[name] = std::chrono::steady_clock::now() + kRetry;
      return report(bytes.error());
    }
    const auto failed = unrecorded_.find(name);
    const bool is_repeated = failed != unrecorded_.end() && failed->second == identity;
    SourcePicture picture{.source = settings_.name,
                          .trigger_id = plain_id(name),
                          .pictured_at = identity.written_at,
                          .content = std::move(*bytes),
                          .is_repeated = is_repeated};
    if (auto ok = on_picture_(std::move(picture)); !ok) {
      log::warning("picture not recorded, it comes again", {{"reason", ok.error().message}});
      later_[name] = std::chrono::steady_clock::now() + kRetry;
      // The agent ends, and has not looked at it.
      if (!is_stopping_) unrecorded_[name] = identity;
      return;
    }
    unrecorded_.erase(name);
    {
      const MutexLock lock(mutex_);
      ++state_.pictures;
    }
    finish(name, identity);
  }

  static Result<Bytes> read(int file, std::size_t size) {
    Bytes bytes(size);
    for (std::size_t have = 0; have < size;) {
      const auto got = ::read(file, bytes.data() + have, size - have);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return trouble("A file cannot be read");
      if (got == 0) {
        bytes.resize(have);  // It has shrunk meanwhile.
        break;
      }
      have += static_cast<std::size_t>(got);
    }
    return bytes;
  }

  void finish(const std::string& name, const FileIdentity& identity) {
    if (settings_.after == After::keep) return remember(name, identity);
    struct stat about {};
    // A file that was written anew meanwhile is another picture, of which the kernel tells as well.
    if (::fstatat(folder_.get(), name.c_str(), &about, AT_SYMLINK_NOFOLLOW) != 0 || !(identity_of(about) == identity))
      return;
    if (settings_.after == After::remove) {
      if (::unlinkat(folder_.get(), name.c_str(), 0) != 0) stuck(name, identity);
      return;
    }
    for (int copy = 0; copy < 10'000; ++copy) {
      const auto target = copy == 0 ? name : fmt::format("{}.{}", copy, name);
      if (::renameat2(folder_.get(), name.c_str(), done_.get(), target.c_str(), RENAME_NOREPLACE) == 0) return;
      if (errno != EEXIST) break;
    }
    stuck(name, identity);
  }

  /// A file that cannot be put away would come again with every look at the folder.
  void stuck(const std::string& name, const FileIdentity& identity) {
    log::warning("a file that was judged cannot be put away",
                 {{"file", plain_id(name)}, {"reason", std::strerror(errno)}});
    remember(name, identity);
  }

  void tell(SourceCondition condition, const std::string& reason) {
    SourceState told;
    {
      const MutexLock lock(mutex_);
      if (state_.condition == condition && state_.reason == reason) return;
      state_.condition = condition;
      state_.reason = reason;
      told = state_;
    }
    if (condition == SourceCondition::offline) log::warning("folder away", {{"reason", reason}});
    if (on_state_) on_state_(settings_.name, told);
  }

  const FolderSettings settings_;
  PictureCallback on_picture_;
  StateCallback on_state_;
  std::thread thread_;
  std::atomic<bool> is_stopping_ = false;
  WakeUp wake_;

  // Only the thread uses these.
  FolderMemory memory_;
  Descriptor folder_, done_, events_;
  std::vector<std::string> waiting_;                ///< names to give, in order
  std::map<std::string, SteadyTime> later_;         ///< names to give at a time, unless an event comes before
  std::map<std::string, FileIdentity> unrecorded_;  ///< files that were given, and whose records failed
  SteadyTime next_look_{};
  bool must_look_ = false;

  mutable Mutex mutex_;
  SourceState state_ GUARDED_BY(mutex_);
};

}  // namespace

Result<std::unique_ptr<Source>> make_folder_source(const nlohmann::json& settings,
                                                   const SourceSurroundings& surroundings) {
  SettingsReader reader(settings, "source");
  FolderSettings out;
  (void)reader.text("kind", "");
  (void)reader.text("model", "");
  out.name = reader.name("name");
  out.folder = reader.text("folder", "");
  if (!out.folder.is_absolute()) reader.refuse("folder", "must be a path that begins with /.");
  const auto after = reader.text("after", "move");
  if (after == "keep")
    out.after = After::keep;
  else if (after == "delete")
    out.after = After::remove;
  else if (after != "move")
    reader.refuse("after", "must be keep, move or delete.");
  out.takes_existing = reader.flag("existing", true);
  out.quiet = reader.milliseconds("quiet_ms", out.quiet, milliseconds(0), std::chrono::hours(1));
  out.rescan = reader.milliseconds("rescan_ms", out.rescan, milliseconds(0), std::chrono::hours(24));
  if (auto ok = reader.finish(); !ok) return ok.error();
  auto memory = FolderMemory::open(surroundings.data_folder / ("folder-" + out.name + ".given"));
  if (!memory) return memory.error();
  return std::unique_ptr<Source>(std::make_unique<FolderSource>(std::move(out), std::move(*memory)));
}

}  // namespace vedette
