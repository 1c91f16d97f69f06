#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/auth.hpp"
#include "domain/domain.hpp"
#include "store/objects/objects.hpp"

namespace vedette {

struct CheckedManifest {
  std::vector<DatasetEntry> entries;
  std::vector<std::string> unusable;  ///< pictures that no training can use and why, in the order of their lines
  std::string classes;                ///< ClassTally::describe() of its lines
};

struct ManifestCheck {
  ObjectStore& objects;
  const Caller& caller;      ///< whose rights count
  Timestamp now;             ///< creation date of lines without one
  std::string bucket;        ///< where the images must be; empty: the first one decides
  std::int64_t most_images;  ///< that the lines may name; one more, and reading ends
  const std::atomic<bool>& cancelled;
  /// Called about every `report_every` and by one thread at a time, whichever; it may block, and the checks go on meanwhile.
  std::function<void(std::size_t done, std::size_t all)> progress;
  std::chrono::steady_clock::duration report_every = std::chrono::seconds(1);
};

/// Hands the text of a manifest, in pieces of any size, to a function. Returns that function's error, or its own.
using ManifestSource = std::function<Result<void>(const std::function<Result<void>(std::string_view piece)>& add)>;

/// Turns the lines of a manifest into entries; the manifest itself is never in memory as a whole. Every object that the
/// lines name must exist, and the caller must have the right to read it. Of pictures only the first bytes are read, of
/// many pictures at once. Fails with invalid_input naming the line, or if there are too many pictures; with unavailable
/// if the store does not answer or the check is cancelled.
Result<CheckedManifest> check_manifest(const ManifestCheck& check, const ManifestSource& read);

/// What the owner should know: " 3 cannot be used for a training: …", which names them (base/listing), " None of the 8 lines is labelled …", both, or nothing.
std::string describe_troubles(const CheckedManifest& manifest);

}  // namespace vedette
