#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "api_client.hpp"

namespace vedette {

/// What a customer kept of the old service: a folder, or a bucket of the server. Holds manifests, images, masks and old
/// evaluation files, in any of the layouts that published tools left behind. One thread.
class ImportSource {
 public:
  virtual ~ImportSource() = default;
  /// Throws std::runtime_error if `location` is neither a folder nor s3://bucket/prefix.
  static std::unique_ptr<ImportSource> open(const std::string& location, ApiClient& client);

  [[nodiscard]] const std::vector<std::string>& names() const { return names_; }  ///< of files, relative, sorted
  virtual std::string read(const std::string& name) = 0;
  /// Makes the file an object of the bucket, unless it is there; its key.
  virtual std::string to_object(const std::string& name, const std::string& bucket, const std::string& prefix) = 0;
  /// The bucket that the files are in already.
  [[nodiscard]] virtual std::optional<std::string> own_bucket() const { return std::nullopt; }

  /// The file that a reference of a manifest means: of those with the same last part, the one that shares most trailing
  /// parts with it; among equals the one below `folder` ("train", "test"), else the first.
  [[nodiscard]] std::optional<std::string> find(const std::string& reference, const std::string& folder) const;
  /// train.manifest or test.manifest: datasets/<type>.manifest, manifests/<type>.manifest, <type>.manifest, and
  /// training or validation as published helpers name them.
  [[nodiscard]] std::optional<std::string> find_manifest(const std::string& type) const;
  /// EvaluationManifest-<project>-<version>.json (or …Result…) of the highest version.
  [[nodiscard]] std::optional<std::string> find_evaluation(const std::string& kind) const;

 protected:
  void set_names(std::vector<std::string> names);

 private:
  std::vector<std::string> names_;
  std::multimap<std::string, std::string> by_last_part_;
};

}  // namespace vedette
