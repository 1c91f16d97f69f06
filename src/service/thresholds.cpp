// Implements the operations of the service `vedette` on thresholds.
#include <cmath>

#include "api/vedette/messages.hpp"
#include "service/service.hpp"
#include "store/model_files/model_files.hpp"
#include "vision/artifact/artifact.hpp"

namespace vedette {
namespace {

// Scores are positive. The highest that occur are some tens, so a larger threshold is a mistake.
constexpr double kHighestThreshold = 1e6;

}  // namespace

Result<Model> LookoutVision::find_with_files(UnitOfWork& work, const Scope& scope,
                                             const lookoutvision::ModelRequest& request) {
  auto model = find_model(work, scope, request);
  if (model && !has_files(model->status))
    return conflict("MODEL", std::to_string(model->version),
                    "The model is " + std::string(to_text(model->status)) + "; it must be trained.");
  return model;
}

Result<Manifest> LookoutVision::trained_manifest(const Model& model) {
  const auto text = ModelFiles(objects_).manifest(model.uid);
  if (!text) return text.error().kind == ErrorKind::unavailable ? text.error() : internal_error(text.error().message);
  auto manifest = parse_manifest(*text);
  if (!manifest) return internal_error(manifest.error().message);
  return manifest;
}

Result<LookoutVision::ModelThreshold> LookoutVision::describe_threshold(const CallContext& call,
                                                                        const lookoutvision::ModelRequest& request) {
  auto work = metadata_.read();
  const auto model = find_with_files(*work, call.scope, request);
  if (!model) return model.error();
  auto moved = work->models().threshold(model->uid);
  work.reset();
  const auto trained = trained_manifest(*model);
  if (!trained) return trained.error();
  return ModelThreshold{trained->threshold, std::move(moved)};
}

Result<LookoutVision::ModelThreshold> LookoutVision::update_threshold(
    const CallContext& call, const extension::UpdateThresholdRequest& request) {
  if (request.threshold && !(*request.threshold > 0 && *request.threshold <= kHighestThreshold))
    return invalid_input("Threshold must be greater than 0, as all scores are, and at most 1000000.");
  const auto model = find_with_files(*metadata_.read(), call.scope, request.model);
  if (!model) return model.error();
  // The file is read before the transaction begins, because the store may be reached over a network.
  const auto trained = trained_manifest(*model);
  if (!trained) return trained.error();
  ModelThreshold out{trained->threshold, std::nullopt};
  if (request.threshold && *request.threshold != trained->threshold)
    out.moved = MovedThreshold{*request.threshold, call.caller.user, {}};
  return metadata_.write([&](UnitOfWork& work) -> Result<LookoutVision::ModelThreshold> {
    const auto now = find_with_files(work, call.scope, request.model);
    if (!now) return now.error();
    if (out.moved) out.moved->time = work.now();
    work.models().set_threshold(now->uid, out.moved);
    return out;
  });
}

}  // namespace vedette
