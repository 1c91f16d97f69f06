// Implements the operation RebaseModel of the service `vedette`.
#include "api/vedette/messages.hpp"
#include "base/parallel.hpp"
#include "service/job_payloads.hpp"
#include "service/picture_search.hpp"
#include "service/service.hpp"

namespace vedette {
namespace {

// The trainer needs so many pictures, and uses at most so many (vision/learn/rebase).
constexpr std::size_t kLeastPictures = 5, kMostPictures = 60;
constexpr int kChecksAtOnce = 16;

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

/// Returns the keys of the pictures. Fails with invalid_input if there are too few or too many, or one does not exist.
Result<std::vector<std::string>> find_good_pictures(ObjectStore& objects, const Caller& reader,
                                                    const PictureChoice& choice) {
  auto keys = find_pictures(objects, reader, choice, kMostPictures, kTrialMasks);
  if (!keys) return keys;
  if (keys->size() < kLeastPictures || keys->size() > kMostPictures)
    return invalid_input("A model is moved with " + std::to_string(kLeastPictures) + " to " +
                         std::to_string(kMostPictures) + " good images, but Images names " +
                         std::to_string(keys->size()) + ".");
  if (auto ok = check_existence(objects, choice.bucket, *keys); !ok) return ok.error();
  return keys;
}

}  // namespace

Result<Model> LookoutVision::rebase_model(const CallContext& call, const extension::RebaseModelRequest& request) {
  auto reader = call.caller;
  reader.is_via_service = true;
  const PictureChoice choice{request.bucket, request.prefix, request.keys};
  if (auto ok = authorize_search(reader, choice); !ok) return ok.error();
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
  const auto keys = find_good_pictures(objects_, reader, choice);
  if (!keys) return keys.error();
  const auto has_output = objects_.has_bucket(base.output.bucket);
  if (!has_output) return has_output.error();
  if (!*has_output) return invalid_input("The output bucket " + base.output.bucket + " does not exist.");

  auto outcome = metadata_.write([&](UnitOfWork& work) -> Result<Model> {
    // The same call may have come twice at once.
    const auto again = replayed_model(work, call, "RebaseModel", project);
    if (!again) return again.error();
    if (*again) return **again;
    Model model;
    model.project = project;
    model.description = request.description;
    model.kms_key_id = base.kms_key_id;
    model.output = base.output;
    model.tags = request.tags;
    return insert_model(work, call, "RebaseModel", std::move(model),
                        Rebasing{base.version, base.uid, request.bucket, *keys});
  });
  if (outcome) wake_jobs_();
  return outcome;
}

}  // namespace vedette
