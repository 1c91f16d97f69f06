#include "edge/models/versions.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/files.hpp"
#include "base/text.hpp"

namespace vedette {
namespace fs = std::filesystem;
namespace {

using Json = nlohmann::json;

constexpr std::uint64_t kMostStateBytes = 1 << 20;
constexpr std::size_t kMostFiles = 4096;  // of one model
constexpr const char* kManifestFile = "manifest.json";

bool is_hidden(const fs::path& path) {
  return path.filename().string().starts_with('.');
}

/// Returns the folders below a folder, sorted by name, without hidden ones. A folder that cannot be read has none.
std::vector<fs::path> list_folders(const fs::path& folder) {
  std::vector<fs::path> out;
  std::error_code code;
  for (fs::directory_iterator it(folder, code), end; !code && it != end; it.increment(code))
    if (std::error_code ignored; !is_hidden(it->path()) && it->is_directory(ignored)) out.push_back(it->path());
  std::sort(out.begin(), out.end());
  return out;
}

bool holds_model(const fs::path& folder) {
  std::error_code ignored;
  return fs::exists(folder / kManifestFile, ignored);
}

/// Returns the folder of the model of a version, which may lie one folder deeper.
fs::path model_folder_of(const fs::path& version) {
  if (holds_model(version)) return version;
  const auto folders = list_folders(version);
  const auto found = std::find_if(folders.begin(), folders.end(), holds_model);
  return found == folders.end() ? version : *found;
}

/// Adds name, size, number and time of change of each file in a folder.
void add_files(const fs::path& folder, ComponentVersion& version, bool are_blobs) {
  std::vector<fs::path> files;
  std::error_code code;
  for (fs::directory_iterator it(folder, code), end; !code && it != end && files.size() < kMostFiles;
       it.increment(code))
    files.push_back(it->path());
  std::sort(files.begin(), files.end());
  for (const auto& file : files) {
    struct stat info {};
    if (::stat(file.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) continue;
    version.fingerprint += file.filename().string() + ':' + std::to_string(info.st_size) + ':' +
                           std::to_string(info.st_ino) + ':' + std::to_string(info.st_mtim.tv_sec) + '.' +
                           std::to_string(info.st_mtim.tv_nsec) + '\n';
    if (are_blobs) version.blob_bytes += static_cast<std::uintmax_t>(info.st_size);
  }
}

ComponentVersion describe_version(std::string name, const fs::path& folder) {
  ComponentVersion out{std::move(name), model_folder_of(folder), {}, 0};
  add_files(out.folder, out, false);
  add_files(out.folder / "blobs", out, true);
  return out;
}

}  // namespace

bool is_newer(std::string_view a, std::string_view b) {
  const auto left = split(a, '.'), right = split(b, '.');
  for (std::size_t i = 0; i < std::min(left.size(), right.size()); ++i) {
    const auto x = parse_integer(left[i]), y = parse_integer(right[i]);
    if (x && y && *x != *y) return *x > *y;
    if (x.has_value() != y.has_value()) return x.has_value();
    if (!x && left[i] != right[i]) return left[i] > right[i];
  }
  return left.size() != right.size() ? left.size() > right.size() : a > b;
}

std::vector<ComponentVersion> list_versions(const fs::path& component) {
  if (holds_model(component)) return {describe_version("", component)};
  std::vector<ComponentVersion> out;
  for (const auto& folder : list_folders(component)) out.push_back(describe_version(folder.filename(), folder));
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return is_newer(a.name, b.name); });
  return out;
}

std::vector<ComponentVersion> versions_to_try(std::vector<ComponentVersion> versions,
                                              const RememberedVersion& remembered) {
  if (remembered.chosen.empty()) return versions;
  std::erase_if(versions, [&](const auto& version) {
    return version.name != remembered.chosen && version.name != remembered.running;
  });
  std::stable_partition(versions.begin(), versions.end(),
                        [&](const auto& version) { return version.name == remembered.chosen; });
  return versions;
}

Result<std::map<std::string, RememberedVersion>> read_remembered_versions(const fs::path& file) {
  std::map<std::string, RememberedVersion> out;
  const auto text = read_file(file, kMostStateBytes);
  if (!text && text.error().kind == ErrorKind::not_found) return out;
  if (!text) return text.error();
  const auto json = Json::parse(text->begin(), text->end(), nullptr, false);
  const auto damaged = invalid_input(file.string() + " is damaged.");
  if (!json.is_object() || !json.contains("components") || !json["components"].is_object()) return damaged;
  for (const auto& [name, entry] : json["components"].items()) {
    if (!entry.is_object()) return damaged;
    RememberedVersion version;
    for (const auto& [member, value] : entry.items()) {
      if (!value.is_string()) return damaged;
      if (member == "chosen") version.chosen = value.get<std::string>();
      if (member == "running") version.running = value.get<std::string>();
    }
    out[name] = std::move(version);
  }
  return out;
}

Result<void> remember_versions(const fs::path& file, const std::map<std::string, RememberedVersion>& versions) {
  auto components = Json::object();
  for (const auto& [name, version] : versions) {
    auto entry = Json::object();
    if (!version.chosen.empty()) entry["chosen"] = version.chosen;
    if (version.running) entry["running"] = *version.running;
    components[name] = std::move(entry);
  }
  std::error_code code;
  fs::create_directories(file.parent_path(), code);
  if (code) return internal_error("The folder " + file.parent_path().string() + " cannot be made: " + code.message());
  return write_file_atomically(
      file, Json{{"components", components}}.dump(2, ' ', false, Json::error_handler_t::replace) + '\n');
}

}  // namespace vedette
