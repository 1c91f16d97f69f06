#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <variant>

#include "base/result.hpp"
#include "base/text.hpp"
#include "edge/frames/frame.hpp"

/// Where the agent's pictures come from besides calls: folders that are watched, and cameras, each in a program of its
/// own that may crash or hang without harm to the agent.
namespace vedette {

/// There is no picture although a part was there: the trigger's picture did not come, or not whole.
struct NoPicture {
  std::string reason;  ///< for people
};

/// What a source gives for one part. Times are nanoseconds since the Unix epoch; 0 means unknown.
struct SourcePicture {
  std::string source;      ///< the source's name in the configuration
  std::string trigger_id;  ///< what the trigger said of the part; of a folder: the file's name
  std::int64_t triggered_at = 0;
  std::int64_t pictured_at = 0;  ///< of a file: when it was last written
  /// Pixels, or the bytes of a picture file (PNG or JPEG, not looked into yet), or why there is nothing.
  std::variant<Frame, Bytes, NoPicture> content;
  bool is_repeated = false;  ///< whether the callback has had it before, and failed
};

/// Takes what a source gives, and returns when the record of it is durable, or fails if it could not be made so (a full
/// disk): a folder's file then stays and comes again later. Sources call it from threads of their own, one call at a
/// time per source; it may block, and frames that come meanwhile are dropped and counted.
using PictureCallback = std::function<Result<void>(SourcePicture)>;

enum class SourceCondition {
  starting,  ///< It has not given anything yet, or is being started again.
  online,    ///< It works.
  offline,   ///< It has failed; `reason` says how. It is tried again by itself.
};
std::string_view to_text(SourceCondition condition);

/// How a source does. Counters count from the start of the agent.
struct SourceState {
  SourceCondition condition = SourceCondition::starting;
  std::string reason;             ///< for people; empty while the source is online
  std::uint64_t pictures = 0;     ///< given to the callback
  std::uint64_t no_pictures = 0;  ///< triggers without a picture
  std::uint64_t incomplete = 0;   ///< frames that did not come whole
  std::uint64_t unused = 0;       ///< frames that came while the agent was busy, or that nobody had asked for
  std::uint64_t ignored = 0;      ///< files that are no picture by their name, their size or their kind
  std::uint64_t restarts = 0;     ///< of the camera program
};

/// Told of every change of a source's condition, on a thread of the source. It must not block.
using StateCallback = std::function<void(const std::string& source, const SourceState& state)>;

/// A source. Any thread may call the functions of it.
class Source {
 public:
  virtual ~Source() = default;  ///< Stops it as stop() does.
  [[nodiscard]] virtual const std::string& name() const = 0;
  /// Starts to give pictures. Call it once. A camera that is away or a folder that cannot be read is no error: the
  /// source is offline then, and is tried again.
  virtual Result<void> start(PictureCallback on_picture, StateCallback on_state) = 0;
  /// Ends it. No callback runs once this has returned. The callback itself must not call it.
  virtual void stop() = 0;
  /// Asks for the picture of a part now. The answer comes through the callback: the picture, or NoPicture if none came
  /// in time. Does not block. Fails with unsupported if this source takes no triggers, and with invalid_input if the id
  /// has more than kMostTriggerId bytes, is not UTF-8 or holds control characters.
  virtual Result<void> trigger(const std::string& id) = 0;
  [[nodiscard]] virtual SourceState state() const = 0;
};

/// What sources need of the program that they run in.
struct SourceSurroundings {
  std::filesystem::path camera_program;  ///< vedette-edge-camera
  std::filesystem::path data_folder;     ///< where a source may remember what it has given; one file per source
};

/// Returns vedette-edge-camera beside the running program if it is there, otherwise its bare name.
std::filesystem::path find_camera_program();

/// Makes one source from a member of "sources" in the configuration (docs/edge-cameras.md lists the members). Fails with
/// invalid_input, which names the member at fault.
Result<std::unique_ptr<Source>> make_source(const nlohmann::json& settings, const SourceSurroundings& surroundings);

}  // namespace vedette
