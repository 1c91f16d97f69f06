#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "auth/auth.hpp"
#include "base/result.hpp"
#include "store/objects/objects.hpp"

/// Finds the pictures that a call names for a job.
namespace vedette {

/// Names pictures in one bucket.
struct PictureChoice {
  std::string bucket;
  std::string prefix;             ///< If there are no keys, all objects whose keys begin with it are taken.
  std::vector<std::string> keys;  ///< not together with a prefix
};

/// Fails with invalid_input if there are both a prefix and keys, and with access_denied unless the reader may ask
/// where the bucket is and, if the choice has no keys, list it.
Result<void> authorize_search(const Caller& reader, const PictureChoice& choice);

/// Returns the keys that are meant, each once and in byte order, so that the same pictures give the same result. Objects
/// that stand for folders, and those whose keys begin with `hidden` unless the prefix does, too, are left out. Stops
/// once more than `most` have been found, and returns those. Fails with invalid_input if there is no such bucket, if a key
/// is not UTF-8, or if more than 20,000 objects would have to be listed, and with access_denied unless the reader may read every object.
Result<std::vector<std::string>> find_pictures(ObjectStore& objects, const Caller& reader, const PictureChoice& choice,
                                               std::size_t most, const std::string& hidden = {});

}  // namespace vedette
