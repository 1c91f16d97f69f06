#pragma once

#include <functional>
#include <string>

#include "server/settings.hpp"

/// Looks at everything that a server depends on, before its first start and while it runs: clock, database, object store, files,
/// certificate, keys, machine, and the other nodes. It changes nothing that lasts.
namespace vedette::doctor {

enum class Level {
  ok,
  warning,  ///< The server works, but somebody should look at it.
  failed,   ///< The server does not start, or does not do what it promises.
};
const char* to_text(Level level);

struct Finding {
  std::string check;  ///< what was looked at, in a word or two: "clock", "database"
  Level level = Level::ok;
  std::string message;  ///< whole sentences: what was found, and if it is not ok the cause and the cure
};
using Report = std::function<void(const Finding&)>;

enum class Depth {
  usual,
  references,  ///< also looks for each object that the metadata name, and reads all models
};
/// Looks at everything that a server with these settings depends on, and reports each finding as soon as it is made. Every
/// wait has an end: a part that does not answer is a finding.
void examine(const ServerSettings& settings, Depth depth, const Report& report);

}  // namespace vedette::doctor
