#include "edge/server_link/channels.hpp"

#include <algorithm>
#include <fstream>
#include <system_error>

#include "base/digest.hpp"
#include "base/files.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "vision/artifact/archive.hpp"
#include "vision/artifact/artifact.hpp"

namespace vedette {
namespace fs = std::filesystem;
namespace {

constexpr const char* kMark = ".channel";  ///< In a version's folder: the SHA-256 of the archive that it came from.
constexpr const char* kArriving = ".arriving";
constexpr const char* kFollowed = ".followed";   ///< In a component's folder while it runs what a channel chose.
constexpr const char* kFetching = ".fetching-";  ///< In the folder of the models: with the archive's SHA-256 behind it.
constexpr const char* kLeaving = ".leaving-";    ///< In a component's folder: a version that is being removed.
constexpr std::uint64_t kPiece = 4ULL << 20;
constexpr std::uint64_t kLargestArchive = 4ULL << 30;
constexpr std::uint64_t kManifestLimit = 16ULL << 20;
constexpr std::size_t kKeptVersions = 3;
constexpr std::size_t kLongestName = 128;
constexpr std::chrono::minutes kPause{5};  ///< after a channel that will not work by itself

bool is_sha256(const std::string& text) {
  return text.size() == 64 &&
         std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

/// Returns the SHA-256 of the archive that a version came from, or an empty text.
std::string mark_of(const fs::path& version) {
  const auto text = read_file(version / kMark, 64);
  return text ? std::string(as_text(*text)) : std::string();
}

Result<std::string> hash_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  Hasher hasher(Hasher::Algorithm::sha256);
  std::vector<char> chunk(kPiece / 4);
  while (in) {
    in.read(chunk.data(), static_cast<std::streamsize>(chunk.size()));
    hasher.update(as_bytes(std::string_view(chunk.data(), static_cast<std::size_t>(in.gcount()))));
  }
  if (in.bad()) return fail(ErrorKind::unavailable, "The fetched archive cannot be read.");
  return to_hex(hasher.finish());
}

/// Fetches what is missing of the archive at the end of the file.
Result<void> fetch(const Channel& channel, const fs::path& file, ServerCalls& calls) {
  const auto slash = channel.archive.find('/', 5);
  if (!channel.archive.starts_with("s3://") || slash == std::string::npos || slash + 1 == channel.archive.size())
    return invalid_input("The channel names no archive: " + channel.archive);
  ServiceClient::Call call{.service = "s3",
                           .method = "GET",
                           .path = "/" + channel.archive.substr(5, slash - 5) + "/" +
                                   uri_encode(std::string_view(channel.archive).substr(slash + 1), true),
                           .query = "",
                           .headers = {},
                           .body = "",
                           .largest_answer = kPiece};
  std::error_code none;
  auto size = fs::exists(file, none) ? fs::file_size(file, none) : 0;
  std::ofstream out(file, std::ios::binary | std::ios::app);
  for (bool is_whole = false; !is_whole;) {
    if (size > kLargestArchive) return invalid_input("The archive is larger than 4 GiB.");
    call.headers = {{"range", "bytes=" + std::to_string(size) + "-" + std::to_string(size + kPiece - 1)}};
    const auto answer = calls.send(call);
    if (!answer) return answer.error();
    // Without a part the answer is the whole object.
    if (answer->status != 206) return fail(ErrorKind::unavailable, "The server does not send a part of the archive.");
    out.write(answer->body.data(), static_cast<std::streamsize>(answer->body.size()));
    size += answer->body.size();
    const auto total = std::ranges::find_if(answer->headers, [](const auto& h) { return h.first == "content-range"; });
    const auto end = total == answer->headers.end() ? std::string::npos : total->second.rfind('/');
    if (answer->body.empty() || end == std::string::npos)
      return fail(ErrorKind::unavailable, "The server does not say how large the archive is.");
    is_whole =
        parse_integer(std::string_view(total->second).substr(end + 1)).value_or(0) <= static_cast<std::int64_t>(size);
  }
  out.close();
  if (!out) return fail(ErrorKind::unavailable, "The archive cannot be written; the disk may be full.");
  return {};
}

/// Makes everything below a folder durable.
Result<void> sync_tree(const fs::path& folder) {
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (auto ok = sync_path(entry.path()); !ok) return ok;
  return sync_path(folder);
}

Result<void> unpack(const Channel& channel, const fs::path& archive, const fs::path& component) {
  const auto arriving = component / kArriving, place = component / channel.version;
  fs::remove_all(arriving);
  fs::create_directories(arriving);
  if (auto ok = read_archive(archive, arriving); !ok) return ok;
  const auto manifest = read_file(arriving / "manifest.json", kManifestLimit);
  if (!manifest) return invalid_input("The archive holds no model.");
  if (auto ok = parse_manifest(as_text(*manifest)); !ok) return ok.error();
  if (auto ok = write_file_atomically(arriving / kMark, channel.sha256); !ok) return ok;
  // The time of a version's folder says when it was last known to run; this one never ran.
  fs::last_write_time(arriving, std::chrono::file_clock::from_sys(std::chrono::sys_seconds{}));
  if (auto ok = sync_tree(arriving); !ok) return ok;
  fs::rename(arriving, place);
  return sync_path(component);
}

Result<void> install(const Channel& channel, const fs::path& models, ServerCalls& calls) {
  const auto component = models / channel.component, place = component / channel.version;
  const auto file = models / (kFetching + channel.sha256);
  if (fs::exists(place)) {
    if (mark_of(place) == channel.sha256) {
      fs::remove(file);  // A kill may have come between the rest and this.
      return {};
    }
    return conflict("MODEL", channel.version,
                    "The version " + channel.version + " of " + channel.component +
                        " lies in the models folder already, and is not the one that the server has.");
  }
  if (fs::exists(component / "manifest.json"))
    return conflict("MODEL", channel.component,
                    "The folder of " + channel.component +
                        " holds a model without a version; move it into a folder that is named after its version.");
  fs::create_directories(models);
  // A kill may have come between the fetch and the rest.
  auto hash = hash_of(file);
  if (!hash || *hash != channel.sha256) {
    if (auto ok = fetch(channel, file, calls); !ok) {
      // What is there already may be longer than the archive.
      if (ok.error().kind == ErrorKind::invalid_input) fs::remove(file);
      return ok;
    }
    hash = hash_of(file);
  }
  if (!hash) return hash.error();
  auto done = *hash == channel.sha256
                  ? unpack(channel, file, component)
                  : Result<void>(invalid_input("The archive of " + channel.component + " " + channel.version +
                                               " does not have the SHA-256 that the server told."));
  fs::remove(file);
  std::error_code none;
  fs::remove_all(component / kArriving, none);
  if (done) remove_old_versions(component, channel.version);
  return done;
}

/// Removes what was fetched of archives that no channel names any more.
void remove_unwanted_fetches(const fs::path& models, const std::vector<Channel>& channels) {
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(models, none)) {
    const auto name = entry.path().filename().string();
    if (name.starts_with(kFetching) &&
        std::ranges::none_of(channels, [&](const Channel& c) { return name == kFetching + c.sha256; }))
      fs::remove(entry.path(), none);
  }
}

}  // namespace

void note_running(const fs::path& component, const std::string& version) {
  std::error_code none;
  if (is_folder_name(version) && !mark_of(component / version).empty())
    fs::last_write_time(component / version, fs::file_time_type::clock::now(), none);
}

void remove_old_versions(const fs::path& component, const std::string& kept) {
  std::error_code none;
  std::vector<std::pair<fs::file_time_type, fs::path>> versions;
  std::vector<fs::path> leaving;
  for (const auto& entry : fs::directory_iterator(component, none)) {
    const auto name = entry.path().filename().string();
    if (name.starts_with(kLeaving))
      leaving.push_back(entry.path());
    else if (is_folder_name(name) && name != kept && !mark_of(entry.path()).empty())
      versions.emplace_back(fs::last_write_time(entry.path(), none), entry.path());
  }
  std::ranges::sort(versions, std::greater{});
  for (std::size_t i = kKeptVersions; i < versions.size(); ++i) {
    // Without its name it is no version any more, also if the removal is cut off.
    leaving.push_back(component / (kLeaving + versions[i].second.filename().string()));
    fs::rename(versions[i].second, leaving.back(), none);
  }
  for (const auto& folder : leaving) fs::remove_all(folder, none);
}

bool is_folder_name(const std::string& text) {
  return !text.empty() && text.size() <= kLongestName && text.front() != '.' && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
  });
}

Result<void> install_channel(const Channel& channel, const fs::path& models, ServerCalls& calls) {
  if (!is_folder_name(channel.component) || !is_folder_name(channel.version) || !is_sha256(channel.sha256))
    return invalid_input("The channel of " + channel.component + " is broken.");
  try {
    return install(channel, models, calls);
  } catch (const fs::filesystem_error& e) {
    return fail(ErrorKind::unavailable, "The models folder cannot be written: " + e.code().message() + ".");
  }
}

std::vector<std::string> ChannelFollower::let_go(const std::vector<Channel>& channels) {
  std::vector<std::string> problems;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(models_, none)) {
    const auto name = entry.path().filename().string();
    if (!fs::exists(entry.path() / kFollowed, none) ||
        std::ranges::find(channels, name, &Channel::component) != channels.end())
      continue;
    note_running(entry.path(), running_(name));
    if (auto done = choose_(name, ""); !done) {
      problems.push_back(name + ": " + done.error().message);
      continue;
    }
    fs::remove(entry.path() / kFollowed, none);
    log::info("channel removed", {{"component", name}});
  }
  return problems;
}

std::vector<std::string> ChannelFollower::follow(const std::vector<Channel>& channels) {
  const auto is_old = [&](const Channel& c) { return std::ranges::find(channels, c) == channels.end(); };
  std::erase_if(followed_, is_old);
  std::erase_if(failures_, [&](const Failure& f) { return is_old(f.channel); });
  remove_unwanted_fetches(models_, channels);
  auto problems = let_go(channels);
  for (const auto& channel : channels) {
    if (std::ranges::find(followed_, channel) != followed_.end()) continue;
    const auto now = std::chrono::steady_clock::now();
    const auto failed = std::ranges::find(failures_, channel, &Failure::channel);
    if (failed != failures_.end() && now < failed->until) {
      problems.push_back(failed->problem);
      continue;
    }
    if (failed != failures_.end()) failures_.erase(failed);
    note_running(models_ / channel.component, running_(channel.component));
    auto done = install_channel(channel, models_, calls_);
    // It is noted first, so that a kill does not hide that there is something to undo.
    if (done) done = write_file_atomically(models_ / channel.component / kFollowed, channel.version);
    if (done) done = choose_(channel.component, channel.version);
    if (done) {
      log::info("channel followed", {{"component", channel.component}, {"version", channel.version}});
      followed_.push_back(channel);
      continue;
    }
    log::warning("channel not followed",
                 {{"component", channel.component}, {"version", channel.version}, {"reason", done.error().message}});
    problems.push_back(channel.component + " " + channel.version + ": " + done.error().message);
    failures_.push_back({channel, problems.back(), is_passing(done.error().kind) ? now : now + kPause});
  }
  return problems;
}

}  // namespace vedette
