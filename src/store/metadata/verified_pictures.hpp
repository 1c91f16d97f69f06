#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "domain/domain.hpp"

namespace vedette {

/// A picture of which a person said what it shows. It corrects one model (vision/verdict/corrections.hpp).
struct VerifiedPicture {
  std::string source_ref;
  std::string example;  ///< what the model saw, with what the person says (vision/infer/examples.hpp)
  std::string user;     ///< who said it
  Timestamp time{};
};

class VerifiedPictureRepository {
 public:
  virtual ~VerifiedPictureRepository() = default;
  /// Two equal revisions of a model have the same pictures.
  struct Revision {
    std::int64_t count = 0, newest = 0;
    bool operator==(const Revision&) const = default;
  };
  virtual Revision revision(const std::string& model_uid) = 0;
  /// Returns the pictures in the order in which they were put.
  virtual std::vector<VerifiedPicture> list(const std::string& model_uid) = 0;
  /// Puts a picture last. It takes the place of an earlier one of the same name.
  virtual void put(const std::string& model_uid, const VerifiedPicture& picture) = 0;
  virtual bool remove(const std::string& model_uid, const std::string& source_ref) = 0;
};

}  // namespace vedette
