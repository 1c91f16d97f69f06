#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "store/objects/objects.hpp"

/// The files of trained models in the object store: manifest.json, blobs/<sha256>.safetensors (docs/artifact.md) and
/// evaluation.json (docs/training-job.md). They are objects of kSystemBucket under models/<uid>/.
///
/// A model is there as a whole or not at all: manifest.json is the last file to be put and the first to be removed, and a
/// model without it counts as absent. Every file is stored with its SHA-256, which is verified whenever the file is read.
namespace vedette {

struct ModelFile {
  std::string name;  ///< relative to the model's folder: "manifest.json", "blobs/….safetensors", "evaluation.json"
  std::uint64_t size_bytes = 0;
};

/// Thread-safe for different models. Of one model, put() and remove() must not run at the same time. Every call blocks on the object store and fails with
/// unavailable if that does not answer.
class ModelFiles {
 public:
  explicit ModelFiles(ObjectStore& objects) : objects_(objects) {}

  /// Publishes the model that lies in `folder`, with its evaluation.json if there is one; other files there are left out.
  /// What was stored under this uid before, whole or in part, is removed first. After a failure nothing is there.
  /// Fails with internal if the folder holds no manifest.json, if one of the files is a link, so that no
  /// file from elsewhere gets in, or if a blob is not what its name says.
  Result<void> put(const std::string& uid, const std::filesystem::path& folder);

  /// Writes manifest.json and the blobs into `folder`, which is made if it is missing. manifest.json is written last, so that
  /// a folder that has it holds the whole model. Fails with not_found if the model is not there, and with internal if a file is damaged or
  /// cannot be written.
  Result<void> fetch(const std::string& uid, const std::filesystem::path& folder);

  /// The text of evaluation.json, of at most 64 MiB. Fails with not_found if the model is not there or was stored without
  /// one, and with internal if the file is damaged.
  Result<std::string> evaluation(const std::string& uid);

  /// In byte order of names; empty if the model is not there.
  Result<std::vector<ModelFile>> list(const std::string& uid);

  /// Removes all files of the model. It is no error if there are none.
  Result<void> remove(const std::string& uid);

 private:
  Result<void> put_all(const std::string& uid, const std::filesystem::path& folder,
                       const std::vector<std::string>& names);
  Result<void> read(const std::string& uid, const std::string& name, std::uint64_t most_bytes,
                    const std::function<Result<void>(std::span<const std::uint8_t>)>& use);

  ObjectStore& objects_;
};

}  // namespace vedette
