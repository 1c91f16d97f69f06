#pragma once

#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "edge/server_link/server_calls.hpp"

namespace vedette {

/// Which version of a component the server wants the station to run.
struct Channel {
  std::string component, version;
  std::string archive;  ///< s3://bucket/key
  std::string sha256;   ///< of the archive, 64 hexadecimal digits
  bool operator==(const Channel&) const = default;
};

/// Whether a text can be the name of a component or of a version: it is the name of a folder, which is not hidden.
bool is_folder_name(const std::string& text);

/// Notes, as the time of its folder, that a version of a component runs now, if it came from a channel.
void note_running(const std::filesystem::path& component, const std::string& version);
/// Removes the versions of a component that came from channels, but for `kept` and the three that ran last. So the version
/// that runs stays, as does the one before it, however many versions came meanwhile that could not run.
void remove_old_versions(const std::filesystem::path& component, const std::string& kept);

/// Puts the version of a channel into the folder of the models, as <component>/<version>/, unless it is there. The
/// archive is fetched piece by piece into a hidden file, where a fetch that was cut off goes on; it is compared with its
/// SHA-256, unpacked, and gets its name in one step, so that a kill leaves the version there whole or not at all. Then
/// versions that came from channels are removed, but for the three that ran last and this one.
/// Fails with unavailable and the like if the archive cannot be fetched; with invalid_input if it is not what the channel
/// says or holds no model; with conflict if something else lies at its place.
Result<void> install_channel(const Channel& channel, const std::filesystem::path& models, ServerCalls& calls);

/// Follows the channels of a station. Only one thread may use it.
class ChannelFollower {
 public:
  /// Has a component run a version; an empty version means the newest.
  using Choose = std::function<Result<void>(const std::string& component, const std::string& version)>;
  /// Returns the version of a component that runs or ran last; empty if there is none.
  using Running = std::function<std::string(const std::string& component)>;
  ChannelFollower(std::filesystem::path models, Choose choose, Running running, const ServerLinkOptions& options,
                  const std::atomic<bool>& cancelled)
      : models_(std::move(models)),
        choose_(std::move(choose)),
        running_(std::move(running)),
        calls_(options, cancelled) {}
  /// Puts the versions of these channels into the models folder, and has the components run them; what was done before
  /// is not done again. A component whose channel was removed, also while this program did not run, goes back to its
  /// newest version (an empty version is chosen). Returns why channels could not be followed. Of these, those whose fault does not pass by itself
  /// are tried again after five minutes. What was fetched for other channels is removed.
  std::vector<std::string> follow(const std::vector<Channel>& channels);

 private:
  /// Has the components that follow no channel any more run their newest versions.
  std::vector<std::string> let_go(const std::vector<Channel>& channels);

  struct Failure {
    Channel channel;
    std::string problem;
    std::chrono::steady_clock::time_point until;  ///< when it is tried again
  };
  const std::filesystem::path models_;
  const Choose choose_;
  const Running running_;
  ServerCalls calls_;
  std::vector<Channel> followed_;  ///< those that are installed and chosen
  std::vector<Failure> failures_;
};

}  // namespace vedette
