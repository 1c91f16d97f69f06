#include "service/manifest_check.hpp"

#include <fmt/format.h>

#include <chrono>
#include <map>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "base/listing.hpp"
#include "base/mutex.hpp"
#include "base/parallel.hpp"
#include "base/text.hpp"
#include "domain/limits.hpp"
#include "manifest/manifest.hpp"
#include "vision/image/image.hpp"

namespace vedette {
namespace {

// The checks wait rather than compute, and a store that is reached over a network answers this many at once.
constexpr int kChecksAtOnce = 16;
// The first number of bytes holds the header of nearly every picture; if profiles and thumbnails come before the
// header, the second number is read.
constexpr std::size_t kHeaderBytes = 32 << 10, kLongHeaderBytes = 1 << 20;

/// An object that a line of the manifest names.
struct Named {
  std::size_t line;
  S3Uri location;
  bool is_image;
};

Error at_line(std::size_t number, const std::string& reason) {
  return invalid_input("Line " + std::to_string(number) + " of the manifest: " + reason + ".");
}

/// Reads the lines and collects the objects that they name, each object once.
class LineReader {
 public:
  explicit LineReader(const ManifestCheck& check) : check_(check), bucket_(check.bucket) {}

  /// Reads the next line that is not empty, which has this number in the manifest.
  Result<void> add(std::string_view raw, std::size_t number) {
    if (check_.cancelled) return fail(ErrorKind::unavailable, "The import was interrupted.");
    auto line = parse_manifest_line(raw);
    if (!line) return at_line(number, line.error().message);
    if (line->source_ref.ends_with('/')) return {};  // published helper scripts write such lines, which name a folder
    classes.add(*line);
    if (auto ok = name(line->source_ref, number, true); !ok) return ok;
    if (line->mask_ref && line->is_anomalous.value_or(false))
      if (auto ok = name(*line->mask_ref, number, false); !ok) return ok;
    DatasetEntry entry{line->source_ref, line->is_anomalous, line->creation_date.value_or(check_.now),
                       std::move(line->text)};
    const auto [it, is_new] = position_.emplace(entry.source_ref, entries.size());
    if (is_new) {
      if (static_cast<std::int64_t>(entries.size()) == check_.most_images)
        return invalid_input("The manifest names more than " + std::to_string(check_.most_images) +
                             " images; at most " + std::to_string(check_.most_images) + " are allowed.");
      entries.push_back(std::move(entry));
    } else {
      entries[it->second] = std::move(entry);
    }
    return {};
  }

  std::vector<DatasetEntry> entries;
  std::vector<Named> named;
  ClassTally classes;

 private:
  Result<void> name(const std::string& uri, std::size_t line, bool is_image) {
    const char* what = is_image ? "the image" : "the mask";
    auto location = parse_s3_uri(uri);
    if (!location)
      return at_line(line, std::string(what) + " \"" + uri.substr(0, 200) + "\" is not of the form s3://bucket/key");
    if (bucket_.empty()) bucket_ = location->bucket;
    if (location->bucket != bucket_)
      return at_line(line, "all images must be in one bucket, but " + uri + " is not in " + bucket_);
    if (auto ok = authorize(check_.caller, "s3:GetObject", object_arn(location->bucket, location->key)); !ok)
      return at_line(line, ok.error().message);
    if (known_.insert(location->key).second) named.push_back({line, std::move(*location), is_image});
    return {};
  }

  const ManifestCheck& check_;
  std::string bucket_;
  // Maps each source-ref to its place, since a later line replaces an earlier one of the same picture.
  std::unordered_map<std::string, std::size_t> position_;
  std::unordered_set<std::string> known_;
};

/// Looks up the objects, many at once.
class ObjectCheck {
 public:
  ObjectCheck(const ManifestCheck& check, const std::vector<Named>& named) : check_(check), named_(named) {}

  Result<void> run() {
    run_parallel(named_.size(), kChecksAtOnce, [&](std::size_t i) { look_at(i); });
    if (check_.cancelled) return fail(ErrorKind::unavailable, "The import was interrupted.");
    const MutexLock lock(mutex_);
    if (failed_line_ != 0)
      return failure_.kind == ErrorKind::unavailable ? failure_ : at_line(failed_line_, failure_.message);
    if (missing_.empty()) return {};
    std::vector<std::string> texts;
    for (const auto& [line, text] : missing_)
      texts.push_back(texts.empty() ? text : fmt::format("line {}: {}", line, text));
    return at_line(missing_.begin()->first, list_some(texts));
  }

  /// Returns, after run(), which pictures no training can use and why, in the order of the lines.
  std::vector<std::string> unusable() {
    std::vector<std::string> out;
    const MutexLock lock(mutex_);
    for (auto& [line, text] : unusable_) out.push_back(std::move(text));
    return out;
  }

 private:
  void look_at(std::size_t i) {
    const auto& object = named_[i];
    {
      const MutexLock lock(mutex_);
      if (check_.cancelled || (failed_line_ != 0 && failed_line_ < object.line)) return;
    }
    std::string trouble;
    const auto ok = object.is_image ? check_image(object, trouble) : check_mask(object);
    if (const auto done = note(object, ok, trouble)) {
      // The mutex is free here, since the function may write to a database while other threads go on.
      check_.progress(*done, named_.size());
      const MutexLock lock(mutex_);
      is_reporting_ = false;
      last_report_ = std::chrono::steady_clock::now();
    }
  }

  /// Records what was found out about an object. If it is time to report, this returns how many objects have been
  /// looked at; then the caller reports, and no other thread does so until it is done.
  std::optional<std::size_t> note(const Named& object, const Result<void>& ok, const std::string& trouble) {
    const MutexLock lock(mutex_);
    ++done_;
    if (!ok && ok.error().kind == ErrorKind::not_found) {
      missing_.emplace(object.line,
                       (object.is_image ? "the image " : "the mask ") + uri_of(object) + " does not exist");
    } else if (!ok && (failed_line_ == 0 || object.line < failed_line_)) {
      failed_line_ = object.line;
      failure_ = ok.error();
    }
    if (!trouble.empty()) unusable_[object.line] = uri_of(object) + " " + trouble;
    if (is_reporting_ || std::chrono::steady_clock::now() - last_report_ < check_.report_every) return std::nullopt;
    is_reporting_ = true;
    return done_;
  }

  Result<void> check_image(const Named& object, std::string& trouble) {
    const auto& [bucket, key] = object.location;
    auto start = check_.objects.get_start(bucket, key, kHeaderBytes);
    if (!start) return start.error();
    if (start->info.size_bytes > kLargestImage) {
      trouble = fmt::format("has {} bytes; at most {} are possible", start->info.size_bytes, kLargestImage);
      return {};
    }
    if (start->info.size_bytes == 0) {
      trouble = "is an empty file";
      return {};
    }
    auto header = read_image_header(as_bytes(start->bytes));
    if (!header && start->info.size_bytes > start->bytes.size()) {
      start = check_.objects.get_start(bucket, key, kLongHeaderBytes);
      if (!start) return start.error();
      header = read_image_header(as_bytes(start->bytes));
    }
    const SizeLimits limits;
    if (!header) {
      trouble = "is no JPEG or PNG";
    } else if (std::min(header->width, header->height) < limits.minimum_side ||
               std::max(header->width, header->height) > limits.maximum_side) {
      trouble = fmt::format("has {}x{} pixels; each side must be {} to {}", header->width, header->height,
                            limits.minimum_side, limits.maximum_side);
    }
    return {};
  }

  Result<void> check_mask(const Named& object) {
    const auto info = check_.objects.head(object.location.bucket, object.location.key, std::nullopt);
    if (!info) return info.error();
    return {};
  }

  static std::string uri_of(const Named& object) {
    return "s3://" + object.location.bucket + "/" + object.location.key;
  }

  const ManifestCheck& check_;
  const std::vector<Named>& named_;
  Mutex mutex_;
  std::size_t done_ GUARDED_BY(mutex_) = 0;
  std::size_t failed_line_ GUARDED_BY(mutex_) = 0;
  // The texts are kept by line. A line names one picture and perhaps its mask.
  std::map<std::size_t, std::string> unusable_ GUARDED_BY(mutex_);
  std::multimap<std::size_t, std::string> missing_ GUARDED_BY(mutex_);
  Error failure_ GUARDED_BY(mutex_) = internal_error("");
  bool is_reporting_ GUARDED_BY(mutex_) = false;
  std::chrono::steady_clock::time_point last_report_ GUARDED_BY(mutex_) = std::chrono::steady_clock::now();
};

}  // namespace

Result<CheckedManifest> check_manifest(const ManifestCheck& check, const ManifestSource& read) {
  LineReader lines(check);
  ManifestLineFeed feed([&](std::string_view line, std::size_t number) { return lines.add(line, number); });
  if (auto ok = read([&](std::string_view piece) { return feed.add(piece); }); !ok) return ok.error();
  if (auto ok = feed.finish(); !ok) return ok.error();
  ObjectCheck objects(check, lines.named);
  if (auto ok = objects.run(); !ok) return ok.error();
  return CheckedManifest{std::move(lines.entries), objects.unusable(), lines.classes.describe()};
}

std::string describe_troubles(const CheckedManifest& manifest) {
  std::string out;
  if (!manifest.unusable.empty())
    out +=
        fmt::format(" {} cannot be used for a training: {}.", manifest.unusable.size(), list_some(manifest.unusable));
  if (!manifest.classes.empty()) out += " " + manifest.classes;
  return out;
}

}  // namespace vedette
