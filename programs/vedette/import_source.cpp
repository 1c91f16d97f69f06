#include "import_source.hpp"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <stdexcept>

#include "base/digest.hpp"
#include "base/file_tree.hpp"
#include "base/files.hpp"
#include "base/text.hpp"
#include "manifest/manifest.hpp"

namespace vedette {
namespace fs = std::filesystem;
namespace {

// No file may have more bytes than this; manifests can be large, and pictures are far smaller.
constexpr std::uint64_t kLargestFile = 1'000'000'000;

std::string last_part(const std::string& name) {
  return name.substr(name.rfind('/') + 1);
}

const char* type_of(const std::string& name) {
  const auto lower = to_lower(name);
  if (lower.ends_with(".png")) return "image/png";
  if (lower.ends_with(".jpg") || lower.ends_with(".jpeg")) return "image/jpeg";
  return "binary/octet-stream";
}

class FolderSource : public ImportSource {
 public:
  FolderSource(fs::path root, ApiClient& client) : root_(std::move(root)), client_(client) {
    std::vector<std::string> names, others;
    const auto tree = list_files(root_);
    for (const auto& file : tree.files) {
      auto name = file.lexically_relative(root_).generic_string();
      is_utf8(name) ? names.push_back(std::move(name)) : others.push_back(to_name(file));
    }
    for (const auto& link : tree.dangling)
      std::fprintf(stderr, "warning: %s is a link that leads nowhere\n", to_name(link).c_str());
    for (const auto& closed : tree.unreadable)
      std::fprintf(stderr, "warning: the folder %s cannot be read\n", to_name(closed).c_str());
    if (!others.empty())
      std::fprintf(stderr,
                   "warning: the names of %zu files are not UTF-8, so that no manifest can mean them; the first: %s\n",
                   others.size(), others[0].c_str());
    set_names(std::move(names));
  }
  std::string read(const std::string& name) override {
    const auto bytes = read_file(root_ / name, kLargestFile);
    if (!bytes) throw std::runtime_error(bytes.error().message);
    return std::string(as_text(*bytes));
  }
  Result<std::string> to_object(const std::string& name, const std::string& bucket,
                                const std::string& prefix) override {
    const auto key = prefix + name;
    const auto content = read_file(root_ / name, kLargestFile);
    if (!content) return content.error();
    Hasher md5(Hasher::Algorithm::md5);
    md5.update(*content);
    // If an earlier import was cut off, what it has sent is not sent again. An object that somebody else has put there
    // stays.
    const auto there = client_.etag(bucket, key);
    if (there && *there != to_hex(md5.finish()))
      throw std::runtime_error("s3://" + bucket + "/" + key + " is there already and is not what " + name +
                               " holds; nothing was overwritten. Choose another --bucket, or remove that object");
    if (!there) client_.put_object(bucket, key, as_text(*content), type_of(name));
    return key;
  }

 private:
  const fs::path root_;
  ApiClient& client_;
};

class BucketSource : public ImportSource {
 public:
  BucketSource(std::string bucket, const std::string& prefix, ApiClient& client)
      : bucket_(std::move(bucket)), client_(client) {
    set_names(client_.list_keys(bucket_, prefix));
  }
  std::string read(const std::string& name) override { return client_.get_object(bucket_, name); }
  Result<std::string> to_object(const std::string& name, const std::string&, const std::string&) override {
    return name;
  }
  [[nodiscard]] std::optional<std::string> own_bucket() const override { return bucket_; }

 private:
  const std::string bucket_;
  ApiClient& client_;
};

}  // namespace

std::unique_ptr<ImportSource> ImportSource::open(const std::string& location, ApiClient& client) {
  if (location.starts_with("s3://")) {
    const auto rest = location.substr(5);
    const auto slash = rest.find('/');
    return std::make_unique<BucketSource>(rest.substr(0, slash),
                                          slash == std::string::npos ? "" : rest.substr(slash + 1), client);
  }
  if (std::error_code code; !fs::is_directory(location, code))
    throw std::runtime_error(location + " is neither a folder nor s3://bucket/prefix");
  return std::make_unique<FolderSource>(location, client);
}

void ImportSource::set_names(std::vector<std::string> names) {
  names_ = std::move(names);
  std::sort(names_.begin(), names_.end());
}

std::map<Reference, std::string> ImportSource::find(const std::set<Reference>& references) const {
  return match_files(references, names_);
}

std::optional<std::string> ImportSource::find_manifest(const std::string& type) const {
  const std::string other = type == "train" ? "training" : "validation";
  for (const auto& ending :
       {"datasets/" + type + ".manifest", "manifests/" + type + ".manifest", type + ".manifest", other + ".manifest"})
    for (const auto& name : names_)
      if (name == ending || name.ends_with("/" + ending)) return name;
  return std::nullopt;
}

std::optional<std::string> ImportSource::find_evaluation(const std::string& kind) const {
  std::optional<std::string> best;
  std::int64_t best_version = -1;
  for (const auto& name : names_) {
    const auto file = last_part(name);
    if (file.find("Evaluation" + kind + "-") == std::string::npos || !file.ends_with(".json")) continue;
    const auto stem = file.substr(0, file.size() - 5);
    const auto version = parse_integer(std::string_view(stem).substr(stem.rfind('-') + 1)).value_or(0);
    if (version > best_version) best = name, best_version = version;
  }
  return best;
}

}  // namespace vedette
