#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "api_client.hpp"
#include "base/result.hpp"

namespace vedette {

/// Names a picture or mask as a manifest does: by the type of the dataset ("train" or "test"), and by s3://bucket/key
/// or a path.
using Reference = std::pair<std::string, std::string>;

/// Decides which kept file each reference means. Paths are compared by their parts, from the end. A file fits if its
/// whole path is the end of the reference's key, or if the key is the end of its path. A file that shares only the end
/// of at least two parts with the key fits as well if the folder of the reference was moved as a whole: none of its
/// references fits otherwise, all that share so much agree on one new place, and nothing else is at home there. Of the
/// files that fit, the one that shares most counts; among equal ones the one with exactly the key, then the only one
/// below a folder of the reference's type. Where more than one file remains, or several different references mean one
/// file equally well, none is taken: another picture of the same name would be worse than none.
std::map<Reference, std::string> match_files(const std::set<Reference>& references,
                                             const std::vector<std::string>& names);

/// Gives access to the files that a customer kept from the old service, in a folder or in a bucket of the server. They
/// are manifests, pictures, masks and old evaluation files, in any of the layouts that published tools left behind.
/// Only one thread may use it.
class ImportSource {
 public:
  virtual ~ImportSource() = default;
  /// Throws std::runtime_error if `location` is neither a folder nor s3://bucket/prefix.
  static std::unique_ptr<ImportSource> open(const std::string& location, ApiClient& client);

  /// Returns the relative names of all files, sorted.
  [[nodiscard]] const std::vector<std::string>& names() const { return names_; }
  virtual std::string read(const std::string& name) = 0;
  /// Makes the file an object of the bucket, unless it is there already. Returns its key. Fails if the file cannot be
  /// read or is too large. Throws std::runtime_error if another object has the key.
  virtual Result<std::string> to_object(const std::string& name, const std::string& bucket,
                                        const std::string& prefix) = 0;
  /// Returns the bucket that holds the files already, if there is one.
  [[nodiscard]] virtual std::optional<std::string> own_bucket() const { return std::nullopt; }

  /// Returns the kept files that the references of all manifests of a project mean. References without a file are
  /// missing from the answer.
  [[nodiscard]] std::map<Reference, std::string> find(const std::set<Reference>& references) const;
  /// Returns train.manifest or test.manifest: datasets/<type>.manifest, manifests/<type>.manifest or <type>.manifest,
  /// or with training or validation in the name, as published helpers call them.
  [[nodiscard]] std::optional<std::string> find_manifest(const std::string& type) const;
  /// Returns EvaluationManifest-<project>-<version>.json (or …Result…) of the highest version.
  [[nodiscard]] std::optional<std::string> find_evaluation(const std::string& kind) const;

 protected:
  void set_names(std::vector<std::string> names);

 private:
  std::vector<std::string> names_;
};

}  // namespace vedette
