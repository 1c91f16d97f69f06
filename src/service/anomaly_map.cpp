// Implements the operations of the service `vedette` that show where a model finds something, and why.
#include <algorithm>
#include <cmath>

#include "api/vedette/messages.hpp"
#include "base/parallel.hpp"
#include "base/text.hpp"
#include "service/read_picture.hpp"
#include "service/service.hpp"
#include "store/model_files/model_files.hpp"
#include "training/training.hpp"
#include "vision/image/grey_png.hpp"
#include "vision/image/image.hpp"
#include "vision/infer/bank_search.hpp"
#include "vision/verdict/verdict.hpp"

namespace vedette {
namespace {

constexpr double kGreyAtThreshold = 128, kGreysPerDoubling = 32;

/// Returns the value of the anomaly map from which the model's masks mark: the lowest of its labels. A model without
/// masks has none, so it is the height that good pictures reach.
double mask_threshold(const Manifest& manifest) {
  if (!manifest.segmentation) return 1;
  double lowest = manifest.segmentation->thresholds.front().map;
  for (const auto& t : manifest.segmentation->thresholds) lowest = std::min(lowest, t.map);
  return lowest > 0 ? lowest : 1;
}

/// The scale is logarithmic, because the values of defects lie far apart, and what matters is how far they stand above
/// the threshold.
std::uint8_t grey_of(float value, double threshold) {
  const double grey = kGreyAtThreshold + kGreysPerDoubling * std::log2(static_cast<double>(value) / threshold);
  if (!(grey > 0)) return 0;  // also of a value that is 0, or no number
  return static_cast<std::uint8_t>(std::min(std::floor(grey), 255.0));
}

/// The side of the area that is shown around a place, in pixels of the model's input: what a cell is described by.
constexpr int kPatch = 96;

extension::PictureArea area_around(PicturePoint point, const Manifest& m) {
  const auto side = [](int input, int picture) {
    return std::clamp(static_cast<int>(std::lround(1.0 * std::min(kPatch, input) * picture / input)), 1, picture);
  };
  const auto first = [](double middle, int own, int picture) {
    return std::clamp(static_cast<int>(std::lround(middle * picture - 0.5 * own)), 0, picture - own);
  };
  extension::PictureArea out;
  out.height = side(m.input_height, m.image_height);
  out.width = side(m.input_width, m.image_width);
  out.top = first(point.y, out.height, m.image_height);
  out.left = first(point.x, out.width, m.image_width);
  return out;
}

Result<std::string> picture_of(ObjectStore& objects, const Caller& caller, const extension::LookRequest& request) {
  if (request.source_ref.has_value() == request.image.has_value())
    return invalid_input("Either SourceRef or Image names the image.");
  return request.image ? *request.image : read_picture(objects, caller, *request.source_ref);
}

}  // namespace

Result<extension::AnomalyMap> LookoutVision::compute_anomaly_map(const CallContext& call,
                                                                 const extension::LookRequest& request) {
  Result<Model> model = internal_error("");
  std::optional<MovedThreshold> moved;
  VerifiedPictureRepository::Revision verified;
  {
    auto work = metadata_.read();
    model = find_with_files(*work, call.scope, request.model);
    if (!model) return model.error();
    moved = work->models().threshold(model->uid);
    verified = work->verified_pictures().revision(model->uid);
  }
  const auto bytes = picture_of(objects_, call.caller, request);
  if (!bytes) return bytes.error();
  const auto header = read_image_header(as_bytes(*bytes));
  if (!header) return header.error();
  auto lease = lease_or_pass_on(call, *model);
  if (!lease) return lease.error();
  auto verdict = hosting_.judge(*lease, as_bytes(*bytes), call.abandoned, verified.count > 0);
  if (!verdict) return verdict.error();
  const auto& manifest = lease->engine->manifest();
  if (auto ok = decide_now(*verdict, *model, manifest, moved, verified); !ok) return ok.error();
  const double threshold = mask_threshold(manifest);
  const auto& map = verdict->anomaly_map;
  Grid<std::uint8_t> grey(map.height, map.width);
  std::transform(map.values.begin(), map.values.end(), grey.values.begin(),
                 [&](float value) { return grey_of(value, threshold); });
  const auto png = encode_grey_png(grey);
  if (!png) return png.error();
  extension::AnomalyMap out;
  out.height = header->height;
  out.width = header->width;
  out.map_height = map.height;
  out.map_width = map.width;
  out.png = as_text(*png);
  out.map_threshold = static_cast<int>(kGreyAtThreshold);
  if (verdict->areas.size() > 1) out.mask_png = as_text(verdict->mask_png);
  out.is_anomalous = verdict->is_anomalous;
  out.confidence = verdict->confidence;
  out.anomaly_score = verdict->anomaly_score;
  out.threshold = moved ? moved->threshold : manifest.threshold;
  out.corrected_by = std::move(verdict->corrected_by);
  return out;
}

Result<extension::NearestPatch> LookoutVision::find_nearest_patch(const CallContext& call,
                                                                  const extension::NearestPatchRequest& request) {
  const auto model = find_with_files(*metadata_.read(), call.scope, request.look.model);
  if (!model) return model.error();
  const auto bytes = picture_of(objects_, call.caller, request.look);
  if (!bytes) return bytes.error();
  auto lease = lease_or_pass_on(call, *model);
  if (!lease) return lease.error();
  const auto& engine = *lease->engine;
  const auto& m = engine.manifest();
  if (request.place && (request.place->first >= m.image_height || request.place->second >= m.image_width))
    return invalid_input("The place lies outside of the image.");
  const auto text = ModelFiles(objects_).evaluation(model->uid);
  if (!text && text.error().kind != ErrorKind::not_found) return text.error();
  const auto evaluation = text ? parse_evaluation(*text) : Result<Evaluation>(Evaluation());
  if (!evaluation) return evaluation.error();
  const auto& sources = evaluation->bank_sources;

  std::optional<BankSearch> search;
  BankSearch::Cell cell;
  std::optional<std::size_t> row;
  Result<void> ok;
  const auto look = [&](const std::string& picture) -> Result<void> {
    const auto image = engine.decode(as_bytes(picture), call.abandoned);
    if (!image) return image.error();
    search->look(*image);
    return {};
  };
  const auto find = [&](int threads) {
    const ThreadCount count(threads);
    search = BankSearch::plan(engine.artifact(), engine.precision());
    if (!search) return;
    if (ok = look(*bytes); !ok) return;
    cell = request.place ? search->cell_at({(request.place->first + 0.5) / m.image_height,
                                            (request.place->second + 0.5) / m.image_width})
                         : search->oddest({});
    if (sources.size() == search->rows())
      row = search->nearest(cell, [&](std::size_t r) {
        return !sources[r].source_ref.empty() && sources[r].source_ref != request.look.source_ref;
      });
  };
  if (auto ran = hosting_.run(*lease, find, call.abandoned); !ran) return ran.error();
  if (!ok) return ok.error();
  extension::NearestPatch out;
  if (!search) {
    out.reason = "This model does not compare pictures with places of good ones: it has no memory bank.";
    return out;
  }
  out.area = area_around(search->middle_of(cell), m);
  if (!row) {
    out.reason =
        "This model was trained before it was kept where its memory bank comes from. Train a new one to see it.";
    return out;
  }
  const auto& source = sources[*row];
  const BankSearch::Cell nearest{std::clamp(source.row, 0, search->height() - 1),
                                 std::clamp(source.column, 0, search->width() - 1)};
  // Where the place lies in a picture that was registered, only the picture tells.
  if (search->is_registered()) {
    const auto picture = read_picture(objects_, call.caller, source.source_ref);
    if (picture) {
      const auto see = [&](int threads) {
        const ThreadCount count(threads);
        ok = look(*picture);
      };
      if (auto ran = hosting_.run(*lease, see, call.abandoned); !ran) return ran.error();
    }
    if (const auto& failed = picture ? ok : Result<void>(picture.error()); !failed) {
      if (failed.error().kind == ErrorKind::unavailable) return failed.error();
      out.reason =
          "The most alike place is in " + source.source_ref + ", which cannot be read: " + failed.error().message;
      return out;
    }
  }
  out.nearest = {source.source_ref, area_around(search->middle_of(nearest), m)};
  return out;
}

}  // namespace vedette
