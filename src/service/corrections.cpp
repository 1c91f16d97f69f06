// Implements the operations of the service `vedette` on corrections: pictures that a person verified change verdicts of
// a model at once, without a training (vision/verdict/corrections.hpp).
#include <algorithm>

#include "api/vedette/messages.hpp"
#include "service/model_corrections.hpp"
#include "service/read_picture.hpp"
#include "service/service.hpp"
#include "store/model_files/model_files.hpp"
#include "vision/image/image.hpp"
#include "vision/verdict/verdict.hpp"

namespace vedette {
Result<std::vector<Example>> parse_verified(const std::vector<VerifiedPicture>& verified) {
  std::vector<Example> out;
  for (const auto& picture : verified) {
    auto examples = parse_examples(picture.example);
    if (!examples) return internal_error(examples.error().message);
    for (auto& example : *examples) out.push_back(std::move(example));
  }
  return out;
}

namespace {

constexpr std::size_t kMostCorrections = 100;    // per model; more are worth a training
constexpr std::size_t kMostModelsInMemory = 64;  // some megabytes each

extension::CorrectionEffect to_wire(const CorrectionEffect& e) {
  return {e.pictures, e.right_before, e.right_after, e.made_right, e.made_wrong, e.missed, e.taught};
}

extension::ModelCorrection to_wire(const VerifiedPicture& picture, const Example& example, double threshold,
                                   const Manifest& manifest) {
  extension::ModelCorrection out{picture.source_ref,
                                 example.is_anomalous,
                                 (example.anomaly_score >= threshold) != example.is_anomalous,
                                 {},
                                 example.anomaly_score,
                                 picture.user,
                                 picture.time};
  if (example.is_pointed && !example.places.empty())
    out.place = {static_cast<int>(example.places.front().y * manifest.image_height),
                 static_cast<int>(example.places.front().x * manifest.image_width)};
  return out;
}

/// `known` is the text of the examples that the training kept.
Result<std::shared_ptr<const Corrections>> make_corrections(const std::string& known,
                                                            const std::vector<VerifiedPicture>& verified,
                                                            double threshold) {
  auto examples = parse_examples(known);
  if (!examples) return internal_error(examples.error().message);
  auto others = parse_verified(verified);
  if (!others) return others.error();
  return std::make_shared<const Corrections>(std::move(*examples), std::move(*others), threshold);
}

}  // namespace

Result<std::shared_ptr<const Corrections>> load_corrections(ObjectStore& objects, const std::string& model_uid,
                                                            const std::vector<VerifiedPicture>& verified,
                                                            double threshold) {
  const auto text = ModelFiles(objects).examples(model_uid);
  if (!text) return text.error();
  return make_corrections(*text, verified, threshold);
}

std::shared_ptr<const Corrections> ModelCorrections::find(const std::string& model_uid, const Revision& revision,
                                                          double threshold) {
  const MutexLock lock(mutex_);
  const auto it = kept_.find(model_uid);
  if (it == kept_.end() || it->second.revision != revision || it->second.threshold != threshold) return nullptr;
  it->second.last_used = ++uses_;
  return it->second.corrections;
}

Result<std::shared_ptr<const Corrections>> ModelCorrections::of(const std::string& model_uid, const Revision& revision,
                                                                double threshold) {
  if (auto found = find(model_uid, revision, threshold)) return found;
  loading_.acquire();
  const std::unique_ptr<decltype(loading_), void (*)(decltype(loading_)*)> one(&loading_,
                                                                               [](auto* p) { p->release(); });
  if (auto found = find(model_uid, revision, threshold)) return found;
  auto work = metadata_.read();
  const auto now = work->verified_pictures().revision(model_uid);
  const auto verified = work->verified_pictures().list(model_uid);
  work.reset();
  auto loaded = load_corrections(objects_, model_uid, verified, threshold);
  if (!loaded) return loaded.error();
  Kept gone;  // It is freed after the lock is released.
  const MutexLock lock(mutex_);
  if (kept_.size() >= kMostModelsInMemory && !kept_.contains(model_uid)) {
    const auto oldest = std::min_element(kept_.begin(), kept_.end(), [](const auto& a, const auto& b) {
      return a.second.last_used < b.second.last_used;
    });
    gone = std::move(oldest->second);
    kept_.erase(oldest);
  }
  kept_.insert_or_assign(model_uid, Kept{now, threshold, *loaded, ++uses_});
  return *loaded;
}

Result<LookoutVision::ModelCorrectionList> LookoutVision::corrections_with_effect(const Model& model) {
  auto work = metadata_.read();
  const auto moved = work->models().threshold(model.uid);
  const auto verified = work->verified_pictures().list(model.uid);
  const auto revision = work->verified_pictures().revision(model.uid);
  work.reset();
  ModelCorrectionList out;
  if (verified.empty()) return out;
  const auto manifest = trained_manifest(model);
  if (!manifest) return manifest.error();
  const double threshold = moved ? moved->threshold : manifest->threshold;
  const auto examples = parse_verified(verified);
  if (!examples) return examples.error();
  for (std::size_t i = 0; i < verified.size(); ++i)
    out.list.push_back(to_wire(verified[i], (*examples)[i], threshold, *manifest));
  const auto corrections = corrections_.of(model.uid, revision, threshold);
  if (!corrections) return corrections.error();
  out.effect = to_wire((*corrections)->effect());
  return out;
}

Result<LookoutVision::ModelCorrectionList> LookoutVision::list_corrections(const CallContext& call,
                                                                           const lookoutvision::ModelRequest& request) {
  const auto model = find_with_files(*metadata_.read(), call.scope, request);
  if (!model) return model.error();
  return corrections_with_effect(*model);
}

Result<LookoutVision::ModelCorrectionList> LookoutVision::correct_model(const CallContext& call,
                                                                        const extension::CorrectModelRequest& request) {
  if (request.place && !request.is_anomalous)
    return invalid_input("Place is where a defect is; a normal image has none.");
  const auto model = find_model(*metadata_.read(), call.scope, request.model);
  if (!model) return model.error();
  if (model->status != ModelStatus::hosted) return not_hosted(*model);
  const auto bytes = read_picture(objects_, call.caller, request.source_ref);
  if (!bytes) return bytes.error();
  std::optional<PicturePoint> at;
  if (request.place) {
    const auto header = read_image_header(as_bytes(*bytes));
    if (!header) return header.error();
    const auto [y, x] = *request.place;
    if (y >= header->height || x >= header->width) return invalid_input("Place lies outside of the image.");
    at = {(y + 0.5) / header->height, (x + 0.5) / header->width};
  }
  auto lease = lease_or_pass_on(call, *model);
  if (!lease) return lease.error();
  const auto known = ModelFiles(objects_).examples(model->uid);
  if (!known && known.error().kind != ErrorKind::not_found) return known.error();
  if (!known || !lease->engine->tells_places())
    return conflict("MODEL", std::to_string(model->version),
                    "The model keeps no examples of its training, as models that an earlier version of Vedette trained "
                    "do not. Train a new version of it to correct it.");
  auto verdict = hosting_.judge(*lease, as_bytes(*bytes), call.abandoned, true, at);
  if (!verdict) return verdict.error();
  if (!verdict->reason.empty())
    return invalid_input("The model cannot judge the image, so that it cannot correct verdicts: " + verdict->reason);
  if (verdict->places.empty())
    return invalid_input("Nothing stands out in the image at all, so that the model could not recognise it again.");
  const Example example{request.source_ref, request.is_anomalous, at.has_value(), verdict->anomaly_score,
                        std::move(verdict->places)};
  const VerifiedPicture picture{request.source_ref, to_text(std::vector{example}), call.caller.user, clock_.now()};

  // Whatever may fail comes before the picture is kept.
  auto reading = metadata_.read();
  auto verified = reading->verified_pictures().list(model->uid);
  const auto moved = reading->models().threshold(model->uid);
  reading.reset();
  std::erase_if(verified, [&](const auto& p) { return p.source_ref == picture.source_ref; });
  verified.push_back(picture);
  const auto& manifest = lease->engine->manifest();
  const double threshold = moved ? moved->threshold : manifest.threshold;
  const auto corrections = make_corrections(*known, verified, threshold);
  if (!corrections) return corrections.error();
  ModelCorrectionList out{{to_wire(picture, example, threshold, manifest)}, to_wire((*corrections)->effect())};

  return metadata_.write([&](UnitOfWork& work) -> Result<ModelCorrectionList> {
    const auto now = find_model(work, call.scope, request.model);
    if (!now) return now.error();
    auto& pictures = work.verified_pictures();
    pictures.remove(model->uid, picture.source_ref);
    if (static_cast<std::size_t>(pictures.revision(model->uid).count) >= kMostCorrections)
      return conflict("MODEL", std::to_string(model->version),
                      "The model has " + std::to_string(kMostCorrections) +
                          " corrections, which is the most. Add their images to the dataset and train a new version.");
    pictures.put(model->uid, picture);
    return out;
  });
}

Result<void> LookoutVision::delete_correction(const CallContext& call,
                                              const extension::DeleteCorrectionRequest& request) {
  return metadata_.write([&](UnitOfWork& work) -> Result<void> {
    const auto model = find_model(work, call.scope, request.model);
    if (!model) return model.error();
    if (!work.verified_pictures().remove(model->uid, request.source_ref))
      return not_found("CORRECTION", request.source_ref,
                       "The model has no correction by the image " + request.source_ref + ".");
    return {};
  });
}

}  // namespace vedette
