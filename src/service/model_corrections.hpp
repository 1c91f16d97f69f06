#pragma once

#include <map>
#include <memory>
#include <semaphore>
#include <string>

#include "base/mutex.hpp"
#include "store/metadata/metadata.hpp"
#include "store/objects/objects.hpp"
#include "vision/verdict/corrections.hpp"

namespace vedette {

/// Returns the verified pictures as examples, in the same order.
Result<std::vector<Example>> parse_verified(const std::vector<VerifiedPicture>& verified);

/// Loads the corrections of a model: the pictures that people verified, and those of its training. Fails with not_found
/// if the training kept no examples, and with unavailable if the object store does not answer.
Result<std::shared_ptr<const Corrections>> load_corrections(ObjectStore& objects, const std::string& model_uid,
                                                            const std::vector<VerifiedPicture>& verified,
                                                            double threshold);

/// Keeps the corrections of models in memory. Thread-safe.
class ModelCorrections {
 public:
  ModelCorrections(MetadataStore& metadata, ObjectStore& objects) : metadata_(metadata), objects_(objects) {}
  using Revision = VerifiedPictureRepository::Revision;
  /// Returns the corrections of a model that has some. `revision` is that of its pictures now and `threshold` the one in
  /// force; if either has changed since the last call, the corrections are loaded, which takes a fraction of a second.
  /// Calls that come meanwhile wait for it.
  Result<std::shared_ptr<const Corrections>> of(const std::string& model_uid, const Revision& revision,
                                                double threshold);

 private:
  struct Kept {
    Revision revision;
    double threshold = 0;
    std::shared_ptr<const Corrections> corrections;
    std::uint64_t last_used = 0;
  };
  /// Returns the corrections if they are in memory.
  std::shared_ptr<const Corrections> find(const std::string& model_uid, const Revision& revision, double threshold);

  MetadataStore& metadata_;
  ObjectStore& objects_;
  /// Lets one call at a time load. It guards no data, so it is not a mutex.
  std::counting_semaphore<1> loading_{1};
  Mutex mutex_;
  std::uint64_t uses_ GUARDED_BY(mutex_) = 0;
  std::map<std::string, Kept> kept_ GUARDED_BY(mutex_);
};

}  // namespace vedette
