#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "store/objects/objects.hpp"

/// Keeps the files of trained models in the object store: manifest.json, blobs/<sha256>.safetensors (docs/artifact.md)
/// and evaluation.json and examples.json (docs/training-job.md). They are objects of kSystemBucket under models/<uid>/.
///
/// A model is there as a whole or not at all: manifest.json is the last file to be put and the first to be removed, and
/// a model without it counts as absent. Every file is stored with its SHA-256, which is verified whenever the file is
/// read.
namespace vedette {

struct ModelFile {
  std::string name;  ///< relative to the model's folder: "manifest.json", "blobs/….safetensors", "evaluation.json" …
  std::uint64_t size_bytes = 0;
};

/// Is thread-safe for different models. For one model, put() and remove() must not run at the same time. Every call
/// blocks on the object store and fails with unavailable if the store does not answer.
class ModelFiles {
 public:
  explicit ModelFiles(ObjectStore& objects) : objects_(objects) {}

  /// Publishes the model that lies in `folder`, with its evaluation.json and examples.json if they are there; other files in the folder are
  /// left out. First removes all that was stored under this uid before, complete or not. After a failure nothing is
  /// stored under the uid. Fails with internal if the folder holds no manifest.json, if one of the files is a link, so
  /// that no file from elsewhere gets in, or if a blob's content does not match the digest in its name.
  Result<void> put(const std::string& uid, const std::filesystem::path& folder);

  /// Several nodes may train one model, one after the other, without knowing of each other for a while. So each run first
  /// puts its model under unfinished(uid, run), the metadata choose one of them, and publish() makes copies of that one
  /// the model. Who publishes the same run writes the same objects, so that any number may do it at any time.
  static std::string unfinished(const std::string& uid, const std::string& run) { return uid + "/unfinished/" + run; }
  /// Fails with not_found if the run left no model.
  Result<void> publish(const std::string& uid, const std::string& run);
  /// Removes what all runs left.
  Result<void> remove_unfinished(const std::string& uid);

  /// Writes manifest.json and the blobs into `folder`, which is made if it is missing. manifest.json is written last,
  /// so that a folder that has it holds the whole model. Fails with not_found if the model is not stored, and with
  /// internal if a file is damaged or cannot be written.
  Result<void> fetch(const std::string& uid, const std::filesystem::path& folder);

  /// Returns the text of evaluation.json, which has at most 64 MiB. Fails with not_found if the model is not stored or
  /// was stored without this file, and with internal if the file is damaged.
  Result<std::string> evaluation(const std::string& uid);

  /// Returns the text of examples.json, which has at most 64 MiB. Fails as evaluation() does.
  Result<std::string> examples(const std::string& uid);

  /// Returns the text of manifest.json. Fails with not_found if the model is not stored, and with internal if the file is
  /// damaged.
  Result<std::string> manifest(const std::string& uid);

  /// Lists the model's files in byte order of their names. The list is empty if the model is not stored.
  Result<std::vector<ModelFile>> list(const std::string& uid);

  /// Removes all files of the model. It is no error if the model has none.
  Result<void> remove(const std::string& uid);

 private:
  /// Returns the text of a file beside the artifact.
  Result<std::string> text_beside(const std::string& uid, const std::string& name);
  Result<void> put_all(const std::string& uid, const std::filesystem::path& folder,
                       const std::vector<std::string>& names);
  /// Puts one file, whose content is all written.
  Result<void> put_file(const std::string& uid, const std::string& name, std::unique_ptr<StagedObject> content);
  Result<void> read(const std::string& uid, const std::string& name, std::uint64_t most_bytes,
                    const std::function<Result<void>(std::span<const std::uint8_t>)>& use);

  ObjectStore& objects_;
};

}  // namespace vedette
