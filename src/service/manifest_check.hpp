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
  std::string classes;                ///< the text that ClassTally::describe() returns for the lines
};

struct ManifestCheck {
  ObjectStore& objects;
  const Caller& caller;      ///< the user with whose rights objects are read
  Timestamp now;             ///< the creation date for lines without one
  std::string bucket;        ///< the bucket of all images; if empty, the bucket of the first one
  std::int64_t most_images;  ///< the most images that the lines may name; reading ends at one more
  const std::atomic<bool>& cancelled;
  /// Is called about once per `report_every`, on whichever thread is at hand but only on one at a time. It may block;
  /// the checks go on meanwhile.
  std::function<void(std::size_t done, std::size_t all)> progress;
  std::chrono::steady_clock::duration report_every = std::chrono::seconds(1);
};

/// Hands the text of a manifest, in pieces of any size, to a function. Returns the error of that function, or its own
/// error if it cannot read the manifest.
using ManifestSource = std::function<Result<void>(const std::function<Result<void>(std::string_view piece)>& add)>;

/// Turns the lines of a manifest into entries, without ever holding the whole manifest in memory. Every object that the
/// lines name must exist, and the caller must have the right to read it. Only the first bytes of each picture are read,
/// and many pictures are read at once. Fails with invalid_input, naming the line, if a line is wrong, and with
/// invalid_input if there are too many pictures; fails with unavailable if the store does not answer or the check is
/// cancelled.
Result<CheckedManifest> check_manifest(const ManifestCheck& check, const ManifestSource& read);

/// Returns what the owner of the dataset should know: " 3 cannot be used for a training: …", which names them
/// (base/listing), " None of the 8 lines is labelled …", both, or an empty text.
std::string describe_troubles(const CheckedManifest& manifest);

}  // namespace vedette
