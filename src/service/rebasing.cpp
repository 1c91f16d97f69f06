// Implements the operation RebaseModel of the service `vedette`.
#include <set>

#include "api/vedette/messages.hpp"
#include "base/parallel.hpp"
#include "base/text.hpp"
#include "service/job_payloads.hpp"
#include "service/service.hpp"

namespace vedette {
namespace {

// The trainer needs so many pictures, and uses at most so many (vision/learn/rebase).
constexpr std::size_t kLeastPictures = 5, kMostPictures = 60;
constexpr int kChecksAtOnce = 16;

/// Decides whether the caller may look for the pictures.
Result<void> authorize_search(const Caller& reader, const extension::RebaseModelRequest& request) {
  const auto bucket = bucket_arn(request.bucket);
  if (auto ok = authorize(reader, "s3:GetBucketLocation", bucket); !ok) return ok;
  return request.keys.empty() ? authorize(reader, "s3:ListBucket", bucket) : Result<void>();
}

/// Fails with invalid_input, naming the first object that does not exist.
Result<void> check_existence(ObjectStore& objects, const std::string& bucket, const std::vector<std::string>& keys) {
  std::vector<Result<void>> outcomes(keys.size());
  run_parallel(keys.size(), kChecksAtOnce, [&](std::size_t i) {
    if (auto info = objects.head(bucket, keys[i], std::nullopt); !info) outcomes[i] = info.error();
  });
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (outcomes[i]) continue;
    if (outcomes[i].error().kind != ErrorKind::not_found) return outcomes[i];
    return invalid_input("The image s3://" + bucket + "/" + keys[i] + " does not exist.");
  }
  return {};
}

/// Returns the keys of the pictures, each once and in byte order, so that the same pictures give the same model.
Result<std::vector<std::string>> find_pictures(ObjectStore& objects, const Caller& reader,
                                               const extension::RebaseModelRequest& request) {
  const auto& bucket = request.bucket;
  const auto has_bucket = objects.has_bucket(bucket);
  if (!has_bucket) return has_bucket.error();
  if (!*has_bucket) return invalid_input("The bucket " + bucket + " does not exist.");
  std::set<std::string> found(request.keys.begin(), request.keys.end());
  if (found.empty()) {
    const auto listed = objects.list(bucket, {.prefix = request.prefix});
    if (!listed) return listed.error();
    for (const auto& object : *listed) {
      if (object.key.ends_with('/')) continue;  // Many programs put such an object where they show a folder.
      if (!is_utf8(object.key))
        return invalid_input("The name of an object below s3://" + bucket + "/" + request.prefix + " is not UTF-8.");
      found.insert(object.key);
    }
  }
  if (found.size() < kLeastPictures || found.size() > kMostPictures)
    return invalid_input("A model is moved with " + std::to_string(kLeastPictures) + " to " +
                         std::to_string(kMostPictures) + " good images, but Images names " +
                         std::to_string(found.size()) + ".");
  std::vector<std::string> keys(found.begin(), found.end());
  for (const auto& key : keys)
    if (auto ok = authorize(reader, "s3:GetObject", object_arn(bucket, key)); !ok) return ok.error();
  if (auto ok = check_existence(objects, bucket, keys); !ok) return ok.error();
  return keys;
}

}  // namespace

Result<Model> LookoutVision::rebase_model(const CallContext& call, const extension::RebaseModelRequest& request) {
  if (!request.prefix.empty() && !request.keys.empty())
    return invalid_input("Images may have a Prefix or Keys, but not both.");
  auto reader = call.caller;
  reader.is_via_service = true;
  if (auto ok = authorize_search(reader, request); !ok) return ok.error();
  const auto& project = request.model.project_name;
  Model base;
  {
    auto work = metadata_.read();
    const auto again = replayed_model(*work, call, "RebaseModel", project);
    if (!again) return again.error();
    if (*again) return **again;
    auto found = find_model(*work, call.scope, request.model);
    if (!found) return found;
    base = std::move(*found);
  }
  if (!has_files(base.status))
    return conflict("MODEL", std::to_string(base.version),
                    "The model is " + std::string(to_text(base.status)) + "; only a trained model can be moved.");
  if (auto ok = check_new_model(call, project, base.output, request.tags); !ok) return ok.error();
  // The buckets are looked at before the transaction begins, because the store may be reached over a network.
  auto keys = find_pictures(objects_, reader, request);
  if (!keys) return keys.error();
  const auto has_output = objects_.has_bucket(base.output.bucket);
  if (!has_output) return has_output.error();
  if (!*has_output) return invalid_input("The output bucket " + base.output.bucket + " does not exist.");

  auto work = metadata_.write();
  // The same call may have come twice at once.
  const auto again = replayed_model(*work, call, "RebaseModel", project);
  if (!again) return again.error();
  if (*again) return **again;
  Model model;
  model.project = project;
  model.description = request.description;
  model.kms_key_id = base.kms_key_id;
  model.output = base.output;
  model.tags = request.tags;
  return insert_model(*work, call, "RebaseModel", std::move(model),
                      Rebasing{base.version, base.uid, request.bucket, std::move(*keys)});
}

}  // namespace vedette
