#include "store/model_files/model_files.hpp"

#include <algorithm>
#include <fstream>
#include <limits>

#include "base/digest.hpp"
#include "base/text.hpp"

namespace vedette {
namespace fs = std::filesystem;
namespace {

constexpr const char* kManifest = "manifest.json";
constexpr const char* kEvaluation = "evaluation.json";
constexpr const char* kExamples = "examples.json";
constexpr std::string_view kBlobs = "blobs/", kBlobEnding = ".safetensors";
constexpr const char* kDigest = "sha256";  // the key of user metadata that holds the SHA-256 of the content
constexpr std::int64_t kMostFiles = 4096;
constexpr std::uint64_t kMostEvaluationBytes = 64ULL << 20;
constexpr std::uint64_t kMostManifestBytes = 64ULL << 20;
constexpr std::uint64_t kMostFileBytes = 4ULL << 30;

std::string key_of(const std::string& uid, const std::string& name) {
  return "models/" + uid + "/" + name;
}

/// Returns the digest that a blob's name contains, or an empty text if the name is not a blob's.
std::string digest_in(std::string_view name) {
  if (!name.starts_with(kBlobs) || !name.ends_with(kBlobEnding)) return {};
  const auto digest = name.substr(kBlobs.size(), name.size() - kBlobs.size() - kBlobEnding.size());
  const auto is_digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  return digest.size() == 64 && std::all_of(digest.begin(), digest.end(), is_digit) ? std::string(digest) : "";
}

bool is_of_artifact(std::string_view name) {
  return name == kManifest || !digest_in(name).empty();
}

/// Returns whether the folder holds a regular file of this name. A link to another file is an error.
Result<bool> holds(const fs::path& folder, const std::string& name) {
  std::error_code code;
  const auto status = fs::symlink_status(folder / name, code);
  if (!fs::exists(status)) return false;
  if (!fs::is_regular_file(status)) return internal_error("The model's file " + name + " is not a plain file.");
  return true;
}

/// Lists the model's files in a folder in the order in which they must be put: manifest.json is the last.
Result<std::vector<std::string>> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code code;
  if (!fs::is_directory(fs::symlink_status(folder, code))) return internal_error("The model's folder is not a folder.");
  if (fs::is_symlink(fs::symlink_status(folder / "blobs", code)))
    return internal_error("The model's folder of blobs is a link.");
  for (const auto& entry : fs::directory_iterator(folder / "blobs", code)) {
    auto name = std::string(kBlobs) + entry.path().filename().string();
    if (digest_in(name).empty()) continue;
    const auto is_there = holds(folder, name);
    if (!is_there) return is_there.error();
    names.push_back(std::move(name));
    if (static_cast<std::int64_t>(names.size()) > kMostFiles - 3)
      return internal_error("The model has more than " + std::to_string(kMostFiles) + " files.");
  }
  for (const char* name : {kEvaluation, kExamples, kManifest}) {
    const auto is_there = holds(folder, name);
    if (!is_there) return is_there.error();
    if (*is_there) names.emplace_back(name);
  }
  if (names.empty() || names.back() != kManifest) return internal_error("The model has no manifest.json.");
  return names;
}

}  // namespace

Result<void> ModelFiles::put(const std::string& uid, const fs::path& folder) {
  const auto names = names_in(folder);
  if (!names) return names.error();
  if (auto ok = remove(uid); !ok) return ok;
  auto outcome = put_all(uid, folder, *names);
  // If the removal fails as well, the files that stay behind are invisible without manifest.json, and the next put() or
  // remove() deletes them.
  if (!outcome) (void)remove(uid).has_value();
  return outcome;
}

Result<void> ModelFiles::put_all(const std::string& uid, const fs::path& folder,
                                 const std::vector<std::string>& names) {
  for (const auto& name : names) {
    auto staged = stage_file(objects_, folder / name);
    if (!staged) return staged.error();
    if (auto ok = put_file(uid, name, std::move(*staged)); !ok) return ok;
  }
  return {};
}

Result<void> ModelFiles::put_file(const std::string& uid, const std::string& name,
                                  std::unique_ptr<StagedObject> content) {
  const auto digest = content->finish();
  if (!digest) return digest.error();
  if (const auto wanted = digest_in(name); !wanted.empty() && wanted != *digest)
    return internal_error("The model's file " + name + " is not what its name says.");
  const auto info = objects_.put(kSystemBucket, key_of(uid, name), std::move(content),
                                 {"application/octet-stream", {{kDigest, *digest}}, {}, {}}, {});
  return info ? Result<void>() : info.error();
}

Result<void> ModelFiles::publish(const std::string& uid, const std::string& run) {
  const auto from = unfinished(uid, run);
  auto files = list(from);
  if (!files) return files.error();
  if (files->empty()) return fail(ErrorKind::not_found, "The run left no model in the object store.");
  std::stable_partition(files->begin(), files->end(), [](const auto& file) { return file.name != kManifest; });
  for (const auto& file : *files) {
    auto staged = objects_.stage();
    if (!staged) return staged.error();
    if (auto ok = read(from, file.name, kMostFileBytes, [&](auto chunk) { return (*staged)->write(chunk); }); !ok)
      return ok;
    if (auto ok = put_file(uid, file.name, std::move(*staged)); !ok) return ok;
  }
  return {};
}

Result<void> ModelFiles::remove_unfinished(const std::string& uid) {
  return remove_prefix(objects_, kSystemBucket, key_of(uid, "unfinished/"));
}

Result<std::vector<ModelFile>> ModelFiles::list(const std::string& uid) {
  const auto prefix = key_of(uid, "");
  const auto objects = objects_.list(kSystemBucket, {prefix, "", kMostFiles});
  if (!objects) return objects.error();
  std::vector<ModelFile> out;
  for (const auto& object : *objects) {
    auto name = object.key.substr(prefix.size());
    // A name that no file of a model can have could lead out of the folder that fetch() writes to.
    if (is_of_artifact(name) || name == kEvaluation || name == kExamples)
      out.push_back({std::move(name), object.size_bytes});
  }
  const bool is_published =
      std::any_of(out.begin(), out.end(), [](const auto& file) { return file.name == kManifest; });
  if (!is_published) out.clear();
  return out;
}

Result<void> ModelFiles::read(const std::string& uid, const std::string& name, std::uint64_t most_bytes,
                              const std::function<Result<void>(std::span<const std::uint8_t>)>& use) {
  auto reader = objects_.get(kSystemBucket, key_of(uid, name), std::nullopt);
  if (!reader) return reader.error();
  const auto& info = (*reader)->info();
  if (info.size_bytes > most_bytes) return internal_error("The model's file " + name + " is too large.");
  // Models that earlier versions of Vedette stored have no digest in their user metadata, but the names of their blobs
  // contain it.
  auto wanted = digest_in(name);
  for (const auto& [key, value] : info.attributes.user_metadata)
    if (key == kDigest && wanted.empty()) wanted = value;
  Hasher hasher(Hasher::Algorithm::sha256);
  auto ok = for_each_chunk(**reader, 0, info.size_bytes, [&](auto chunk) {
    hasher.update(chunk);
    return use(chunk);
  });
  if (!ok) return ok;
  if (!wanted.empty() && to_hex(hasher.finish()) != wanted)
    return internal_error("The model's file " + name + " is damaged in the object store.");
  return {};
}

Result<void> ModelFiles::fetch(const std::string& uid, const fs::path& folder) {
  auto files = list(uid);
  if (!files) return files.error();
  if (files->empty()) return fail(ErrorKind::not_found, "The model's files are not in the object store.");
  std::erase_if(*files, [](const auto& file) { return !is_of_artifact(file.name); });
  std::stable_partition(files->begin(), files->end(), [](const auto& file) { return file.name != kManifest; });
  std::error_code code;
  fs::create_directories(folder / "blobs", code);
  if (code) return internal_error("cannot make a folder for the model: " + code.message());
  for (const auto& file : *files) {
    // The manifest gets its final name only when it is complete and verified.
    const auto path = folder / (file.name == kManifest ? "manifest.json.part" : file.name);
    const auto unwritten = [&] { return internal_error("cannot write " + path.filename().string()); };
    std::ofstream out(path, std::ios::binary | std::ios::trunc);
    auto ok = read(uid, file.name, kMostFileBytes, [&](auto chunk) -> Result<void> {
      out.write(reinterpret_cast<const char*>(chunk.data()), static_cast<std::streamsize>(chunk.size()));
      return out ? Result<void>() : Result<void>(unwritten());
    });
    if (!ok) return ok;
    out.close();
    if (!out) return unwritten();
    if (file.name == kManifest) fs::rename(path, folder / kManifest, code);
    if (code) return unwritten();
  }
  return {};
}

Result<std::string> ModelFiles::manifest(const std::string& uid) {
  std::string text;
  auto ok = read(uid, kManifest, kMostManifestBytes, [&](auto chunk) -> Result<void> {
    text += as_text(chunk);
    return {};
  });
  if (!ok) return ok.error();
  return text;
}

Result<std::string> ModelFiles::evaluation(const std::string& uid) {
  return text_beside(uid, kEvaluation);
}

Result<std::string> ModelFiles::examples(const std::string& uid) {
  return text_beside(uid, kExamples);
}

Result<std::string> ModelFiles::text_beside(const std::string& uid, const std::string& name) {
  const auto files = list(uid);
  if (!files) return files.error();
  if (std::none_of(files->begin(), files->end(), [&](const auto& file) { return file.name == name; }))
    return fail(ErrorKind::not_found, "No " + name + " is stored with the model.");
  std::string text;
  auto ok = read(uid, name, kMostEvaluationBytes, [&](auto chunk) -> Result<void> {
    text += as_text(chunk);
    return {};
  });
  if (!ok) return ok.error();
  return text;
}

Result<void> ModelFiles::remove(const std::string& uid) {
  if (auto removed = objects_.remove(kSystemBucket, key_of(uid, kManifest), std::nullopt); !removed)
    return removed.error();
  return remove_prefix(objects_, kSystemBucket, key_of(uid, ""));
}

}  // namespace vedette
