#include "doctor.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/timex.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <utility>

#include "base/files.hpp"
#include "edge/models/versions.hpp"
#include "edge/station/config.hpp"
#include "line.hpp"
#include "vision/infer/infer.hpp"

namespace vedette {
namespace {

namespace fs = std::filesystem;
using Level = DoctorFinding::Level;
using Findings = std::vector<DoctorFinding>;

constexpr std::uint64_t kMostConfigBytes = 1 << 20;
constexpr std::uintmax_t kLeastRoom = std::uintmax_t{64} << 20;

/// Returns the folder itself or, if it is not there, the one above it that is.
fs::path existing(fs::path folder) {
  std::error_code code;
  folder = fs::absolute(folder);
  while (!fs::exists(folder, code) && folder.has_relative_path()) folder = folder.parent_path();
  return folder;
}

void look_at_socket(const fs::path& path, Findings& out) {
  if (path.empty()) return;
  const auto subject = "socket " + path.string();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.native().size() >= sizeof(address.sun_path)) {
    out.push_back({Level::problem, subject, "Its path is too long.", "Name a path of at most 107 bytes."});
    return;
  }
  std::memcpy(&address.sun_path[0], path.c_str(), path.native().size() + 1);
  const int file = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool is_used = ::connect(file, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  const int problem = errno;
  ::close(file);
  if (is_used) {
    out.push_back({Level::good, subject, "An agent serves there; a second one would refuse to start.", ""});
  } else if (problem == EACCES) {
    out.push_back({Level::problem, subject, "This user may not use it.",
                   "Become a member of the socket's group, or start the agent with --socket-group."});
  } else if (::access(existing(path.parent_path()).c_str(), W_OK) != 0) {
    out.push_back({Level::problem, subject, "This user may not make files in its folder.", "Name another --socket."});
  } else {
    out.push_back({Level::good, subject, "It is free.", ""});
  }
}

void look_at_models(const fs::path& folder, Findings& out) {
  std::vector<fs::path> components;
  std::error_code code;
  for (fs::directory_iterator it(folder, code), end; !code && it != end; it.increment(code))
    if (std::error_code ignored; !it->path().filename().string().starts_with('.') && it->is_directory(ignored))
      components.push_back(it->path());
  std::ranges::sort(components);
  if (code || components.empty())
    out.push_back({code ? Level::problem : Level::hint, "models " + folder.string(),
                   code ? "The folder cannot be read: " + code.message() + "." : "The folder holds no component.",
                   "Unpack a package there, as DIR/<component>/<version>/."});
  for (const auto& component : components) {
    const auto versions = list_versions(component);
    if (versions.empty())
      out.push_back({Level::problem, "model " + component.filename().string(), "Its folder holds no model.", ""});
    for (const auto& version : versions) {
      const auto subject = "model " + component.filename().string() + (version.name.empty() ? "" : " ") + version.name;
      const auto engine = Engine::load(version.folder, Engine::Check::all, {});
      const auto corrections = engine ? read_corrections(version.folder, (*engine)->manifest().threshold)
                                      : Result<std::shared_ptr<const Corrections>>(engine.error());
      if (!corrections) {
        out.push_back({Level::problem, subject, corrections.error().message, "Unpack the package again."});
        continue;
      }
      out.push_back({Level::good, subject,
                     fmt::format("It can be loaded ({:.0f} MB), and judges its golden sample as it should.",
                                 static_cast<double>((*engine)->memory().bytes()) / 1e6),
                     ""});
    }
  }
}

/// Looks whether a folder can be written to, and whether its disk has the room that it may come to need.
void look_at_folder(const std::string& what, const fs::path& folder, std::uintmax_t limit, Findings& out) {
  const auto subject = what + " " + folder.string();
  const auto there = existing(folder);
  if (::access(there.c_str(), W_OK | X_OK) != 0) {
    out.push_back({Level::problem, subject, "This user may not write to it.",
                   "Give " + there.string() + " to the user of the agent."});
    return;
  }
  std::error_code code;
  const auto room = fs::space(there, code).available;
  std::uintmax_t used = 0;
  for (fs::recursive_directory_iterator it(folder, code), end; !code && it != end; it.increment(code)) {
    std::error_code ignored;
    if (const auto size = it->file_size(ignored); !ignored) used += size;
  }
  const auto text = fmt::format("It can be written to; its disk has {:.1f} GB free.", static_cast<double>(room) / 1e9);
  if (room < kLeastRoom)
    out.push_back({Level::problem, subject, text, "Make room: at least 64 MiB are needed."});
  else if (room < limit - std::min(limit, used))
    out.push_back({Level::hint, subject, text + " That is less than its limit.", "Make room, or lower journal.bytes."});
  else
    out.push_back({Level::good, subject, text, ""});
}

void look_at_clock(Findings& out) {
  timex state{};
  if (::adjtimex(&state) == TIME_ERROR)
    out.push_back({Level::hint, "clock", "It is not synchronised, so that the times of records may be wrong.",
                   "Run an NTP client: timedatectl set-ntp true."});
  else
    out.push_back({Level::good, "clock", "It is synchronised.", ""});
}

std::optional<StationConfig> look_at_config(const fs::path& path, Findings& out) {
  const auto subject = "configuration " + path.string();
  const auto text = read_file(path, kMostConfigBytes);
  auto config = text ? parse_station_config(as_text(*text)) : Result<StationConfig>(text.error());
  if (!config) {
    out.push_back({Level::problem, subject, config.error().message, ""});
    return std::nullopt;
  }
  try {
    check_triggers(*config);
  } catch (const std::runtime_error& e) {
    out.push_back({Level::problem, subject, e.what(), ""});
    return std::nullopt;
  }
  out.push_back({Level::good, subject, "It can be read.", ""});
  return std::move(*config);
}

bool has_camera(const StationConfig& config) {
  return std::ranges::any_of(config.sources, [](const auto& source) {
    return nlohmann::json::parse(source.settings).value("kind", nlohmann::json()) != "folder";
  });
}

}  // namespace

std::vector<DoctorFinding> examine(const DoctorOptions& options) {
  Findings out;
  look_at_socket(options.socket, out);
  look_at_models(options.models, out);
  look_at_folder("state", options.state, 0, out);
  look_at_clock(out);
  if (options.config.empty()) return out;
  const auto config = look_at_config(options.config, out);
  if (!config) return out;
  look_at_folder("journal", journal_folder(*config, options.state), config->journal.bytes, out);
  if (has_camera(*config))
    for (auto& finding : check_cameras(CameraSurroundings::of_this_process())) out.push_back(std::move(finding));
  return out;
}

}  // namespace vedette
