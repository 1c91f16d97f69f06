#include "vision/artifact/placement.hpp"

#include <unistd.h>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <system_error>

#include "base/file_tree.hpp"
#include "base/files.hpp"
#include "base/text.hpp"

namespace vedette {
namespace fs = std::filesystem;
namespace {

constexpr std::uint64_t kManifestLimit = 64ULL << 20;
constexpr std::uint64_t kFileLimit = 4ULL << 30;

/// Returns the file names of the blobs that a model's manifest names, or nothing if the folder holds no model.
std::optional<std::set<std::string>> blobs_of(const fs::path& folder) {
  const auto text = read_file(folder / "manifest.json", kManifestLimit);
  if (!text) return std::nullopt;
  const auto json = nlohmann::json::parse(as_text(*text), nullptr, false);
  if (!json.is_object() || !json.contains("format") || json["format"] != "vedette-model") return std::nullopt;
  const auto tensors = json.find("tensors");
  if (tensors == json.end() || !tensors->is_object()) return std::nullopt;
  std::set<std::string> out;
  for (const auto& [name, hash] : tensors->items()) {
    if (!hash.is_string()) return std::nullopt;
    const auto text_of = hash.get<std::string>();
    // This check makes sure that no name leads out of the folder.
    if (text_of.size() != 64 || !from_hex(text_of)) return std::nullopt;
    out.insert(text_of + ".safetensors");
  }
  return out;
}

/// Fails unless a file can be made in the folder.
Result<void> try_to_write(const fs::path& folder) {
  std::string name = (folder / ".vedette-XXXXXX").string();
  const int file = ::mkstemp(name.data());
  if (file < 0) return invalid_input("cannot write to " + to_name(folder) + ": " + std::strerror(errno));
  ::close(file);
  ::unlink(name.c_str());
  return {};
}

Result<void> copy_whole(const fs::path& from, const fs::path& to) {
  const auto content = read_file(from, kFileLimit);
  if (!content) return content.error();
  return write_file_atomically(to, as_text(*content));
}

}  // namespace

Result<fs::path> check_model_place(const fs::path& wanted) {
  std::error_code code;
  auto place = fs::absolute(wanted).lexically_normal();
  if (!place.has_filename()) place = place.parent_path();
  const auto named = [&wanted](const char* what) { return invalid_input(to_name(wanted) + what); };
  if (fs::is_symlink(fs::symlink_status(place, code)) && !fs::exists(place, code))
    return named(" is a link that leads nowhere; choose another folder");
  const auto status = fs::status(place, code);
  if (fs::exists(status)) {
    if (!fs::is_directory(status)) return named(" is a file, not a folder; choose another name");
    auto folder = fs::canonical(place, code);
    if (code) return named(" cannot be found");
    const bool is_empty = fs::is_empty(folder, code);
    if (code) return named(" cannot be read");
    if (!is_empty && !blobs_of(folder)) return named(" exists and holds no model; choose another folder");
    if (auto ok = try_to_write(folder); !ok) return ok.error();
    return folder;
  }
  auto parent = place.parent_path();
  while (!fs::exists(fs::symlink_status(parent, code)) && parent != parent.parent_path()) parent = parent.parent_path();
  const auto folder = fs::canonical(parent, code);
  if (code || !fs::is_directory(folder, code))
    return invalid_input(to_name(wanted) + " cannot be made: " + to_name(parent) + " is no folder");
  if (auto ok = try_to_write(folder); !ok) return ok.error();
  return (folder / place.lexically_relative(parent)).lexically_normal();
}

Result<void> place_model(const fs::path& model, const fs::path& place) {
  const auto blobs = blobs_of(model);
  if (!blobs) return invalid_input("there is no model in " + to_name(model));
  std::error_code code;
  const auto old = blobs_of(place);
  if (!old && fs::exists(place / "manifest.json", code))
    return invalid_input(to_name(place) + " has got another manifest.json meanwhile; it is left as it is");
  fs::create_directories(place / "blobs", code);
  if (code) return internal_error("cannot create " + to_name(place / "blobs") + ": " + code.message());
  for (const auto& name : *blobs)
    if (auto ok = copy_whole(model / "blobs" / name, place / "blobs" / name); !ok) return ok;
  if (auto ok = copy_whole(model / "manifest.json", place / "manifest.json"); !ok) return ok;
  if (fs::exists(model / "evaluation.json", code))
    if (auto ok = copy_whole(model / "evaluation.json", place / "evaluation.json"); !ok) return ok;
  if (!old) return {};
  for (const auto& name : *old)
    if (!blobs->contains(name)) fs::remove(place / "blobs" / name, code);
  return {};
}

}  // namespace vedette
