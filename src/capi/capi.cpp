#include <vedette.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <memory>
#include <new>

#include "base/parallel.hpp"
#include "vision/image/raw_pixels.hpp"
#include "vision/verdict/verdict.hpp"

/// The C interface of the library libvedette, which include/vedette.h describes.

struct vedette_model {
  std::shared_ptr<const vedette::Engine> engine;
  std::shared_ptr<const vedette::Corrections> corrections;  ///< null if the model has none
  int threads = 1;
  std::vector<vedette::LabelColor> colors;  ///< one per label
};

struct vedette_verdict {
  vedette::Verdict verdict;
  double threshold = 0;
  std::vector<vedette::LabelColor> colors;  ///< one per label of the model
};

namespace {

using vedette::Error;
using vedette::ErrorKind;
using vedette::invalid_input;
using vedette::Result;

constexpr int kMostThreads = 1024;

int32_t kind_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::invalid_input:
    case ErrorKind::not_found:
    case ErrorKind::access_denied:
    case ErrorKind::too_large:
    case ErrorKind::unsupported:
      return VEDETTE_INVALID_INPUT;
    default:
      return VEDETTE_INTERNAL;
  }
}

int32_t report(vedette_error* error, int32_t kind, std::string_view message) {
  if (!error) return kind;
  error->kind = kind;
  auto length = std::min(message.size(), sizeof(error->message) - 1);
  // No character of several bytes is cut in two.
  if (length < message.size())
    while (length > 0 && (static_cast<unsigned char>(message[length]) & 0xC0U) == 0x80U) --length;
  std::memcpy(error->message, message.data(), length);
  error->message[length] = '\0';
  return kind;
}

/// Runs what a call does and turns its failure into what the caller gets.
template <typename Call>
int32_t answer(vedette_error* error, Call call) {
  try {
    const Result<void> done = call();
    if (done) return report(error, VEDETTE_OK, {});
    return report(error, kind_of(done.error().kind), done.error().message);
  } catch (const std::bad_alloc&) {
    return report(error, VEDETTE_OUT_OF_MEMORY, "There is not enough memory.");
  } catch (const std::exception& exception) {
    return report(error, VEDETTE_INTERNAL, exception.what());
  } catch (...) {
    return report(error, VEDETTE_INTERNAL, "The library failed.");
  }
}

/// Judges a decoded or an encoded picture.
template <typename Picture>
Result<void> judge_picture(const vedette_model& model, const Picture& picture, vedette_verdict** out) {
  auto verdict =
      vedette::judge(*model.engine, picture,
                     {.with_places = model.corrections != nullptr, .with_mask_png = false, .threads = model.threads});
  if (!verdict) return verdict.error();
  const auto& manifest = model.engine->manifest();
  if (model.corrections) vedette::correct(*verdict, manifest, manifest.threshold, *model.corrections);
  *out = std::make_unique<vedette_verdict>(vedette_verdict{std::move(*verdict), manifest.threshold, model.colors})
             .release();
  return {};
}

/// Returns one member of a list, or null if there is no such index.
template <typename T>
const T* find(const std::vector<T>& list, size_t index) {
  return index < list.size() ? &list[index] : nullptr;
}

template <typename T>
const T* values_of(const vedette::Grid<T>* grid, int32_t* height, int32_t* width) {
  if (height) *height = grid ? grid->height : 0;
  if (width) *width = grid ? grid->width : 0;
  return grid ? grid->values.data() : nullptr;
}

}  // namespace

const char* vedette_version(void) {
  return VEDETTE_VERSION;
}

int32_t vedette_model_open(const char* folder, int32_t threads, vedette_model** model, vedette_error* error) {
  return answer(error, [&]() -> Result<void> {
    if (!folder || !model) return invalid_input("The folder or the place for the model is NULL.");
    if (threads < 0 || threads > kMostThreads) return invalid_input("The number of threads is not 0 … 1024.");
    const int used = threads > 0 ? threads : vedette::ThreadCount::current();
    const vedette::ThreadCount count(used);
    auto engine = vedette::Engine::load(folder);
    if (!engine) return engine.error();
    auto corrections = vedette::read_corrections(folder, (*engine)->manifest().threshold);
    if (!corrections) return corrections.error();
    auto opened = std::make_unique<vedette_model>(vedette_model{std::move(*engine), std::move(*corrections), used, {}});
    if (const auto& segmentation = opened->engine->manifest().segmentation)
      opened->colors = vedette::label_colors(segmentation->labels);
    *model = opened.release();
    return {};
  });
}

void vedette_model_close(vedette_model* model) {
  delete model;
}

int32_t vedette_model_image_height(const vedette_model* model) {
  return model ? model->engine->manifest().image_height : 0;
}

int32_t vedette_model_image_width(const vedette_model* model) {
  return model ? model->engine->manifest().image_width : 0;
}

double vedette_model_threshold(const vedette_model* model) {
  return model ? model->engine->manifest().threshold : 0;
}

size_t vedette_model_label_count(const vedette_model* model) {
  return model ? model->colors.size() : 0;
}

const char* vedette_model_label_name(const vedette_model* model, size_t label) {
  return label < vedette_model_label_count(model) ? model->engine->manifest().segmentation->labels[label].name.c_str()
                                                  : "";
}

uint32_t vedette_model_label_color(const vedette_model* model, size_t label) {
  if (label >= vedette_model_label_count(model)) return 0;
  const auto& rgb = model->colors[label].rgb;
  return static_cast<uint32_t>(rgb[0]) << 16 | static_cast<uint32_t>(rgb[1]) << 8 | rgb[2];
}

int32_t vedette_judge_encoded(const vedette_model* model, const void* bytes, size_t size, vedette_verdict** verdict,
                              vedette_error* error) {
  return answer(error, [&]() -> Result<void> {
    if (!model || !bytes || !verdict)
      return invalid_input("The model, the bytes or the place for the verdict is NULL.");
    return judge_picture(*model, std::span(static_cast<const std::uint8_t*>(bytes), size), verdict);
  });
}

int32_t vedette_judge_rgb(const vedette_model* model, const uint8_t* pixels, int32_t height, int32_t width,
                          size_t stride, vedette_verdict** verdict, vedette_error* error) {
  return answer(error, [&]() -> Result<void> {
    if (!model || !pixels || !verdict)
      return invalid_input("The model, the pixels or the place for the verdict is NULL.");
    const auto& manifest = model->engine->manifest();
    if (height != manifest.image_height || width != manifest.image_width)
      return invalid_input("The picture has " + std::to_string(width) + "x" + std::to_string(height) +
                           " pixels, and the model judges pictures of " + std::to_string(manifest.image_width) + "x" +
                           std::to_string(manifest.image_height) + ".");
    const auto row = 3 * static_cast<std::size_t>(width);
    if (stride < row) return invalid_input("The stride is shorter than a row of pixels.");
    // Offsets count packed pixels, in which the ends of the rows of the caller's memory do not occur.
    auto picture = vedette::read_raw_pixels(
        height, width, vedette::least_size(manifest),
        [&](std::size_t offset, std::span<std::uint8_t> out) -> Result<void> {
          for (std::size_t done = 0; done < out.size();) {
            const auto column = (offset + done) % row, part = std::min(row - column, out.size() - done);
            std::memcpy(out.data() + done, pixels + (offset + done) / row * stride + column, part);
            done += part;
          }
          return {};
        });
    if (!picture) return picture.error();
    return judge_picture(*model, *picture, verdict);
  });
}

void vedette_verdict_free(vedette_verdict* verdict) {
  delete verdict;
}

int32_t vedette_verdict_is_anomalous(const vedette_verdict* verdict) {
  return verdict && verdict->verdict.is_anomalous ? 1 : 0;
}

double vedette_verdict_confidence(const vedette_verdict* verdict) {
  return verdict ? verdict->verdict.confidence : 0;
}

double vedette_verdict_score(const vedette_verdict* verdict) {
  return verdict ? verdict->verdict.anomaly_score : 0;
}

double vedette_verdict_threshold(const vedette_verdict* verdict) {
  return verdict ? verdict->threshold : 0;
}

const char* vedette_verdict_reason(const vedette_verdict* verdict) {
  return verdict ? verdict->verdict.reason.c_str() : "";
}

const char* vedette_verdict_corrected_by(const vedette_verdict* verdict) {
  return verdict ? verdict->verdict.corrected_by.c_str() : "";
}

size_t vedette_verdict_area_count(const vedette_verdict* verdict) {
  return verdict ? verdict->verdict.areas.size() : 0;
}

const char* vedette_verdict_area_name(const vedette_verdict* verdict, size_t area) {
  const auto* found = verdict ? find(verdict->verdict.areas, area) : nullptr;
  return found ? found->name.c_str() : "";
}

const char* vedette_verdict_area_color(const vedette_verdict* verdict, size_t area) {
  const auto* found = verdict ? find(verdict->verdict.areas, area) : nullptr;
  return found ? found->color.c_str() : "";
}

double vedette_verdict_area_fraction(const vedette_verdict* verdict, size_t area) {
  const auto* found = verdict ? find(verdict->verdict.areas, area) : nullptr;
  return found ? found->fraction : 0;
}

const uint8_t* vedette_verdict_label_map(const vedette_verdict* verdict, int32_t* height, int32_t* width) {
  return values_of(verdict && verdict->verdict.label_map ? &*verdict->verdict.label_map : nullptr, height, width);
}

const float* vedette_verdict_anomaly_map(const vedette_verdict* verdict, int32_t* height, int32_t* width) {
  return values_of(verdict ? &verdict->verdict.anomaly_map : nullptr, height, width);
}

int32_t vedette_verdict_write_mask(const vedette_verdict* verdict, uint8_t* rgb, size_t size, size_t stride,
                                   vedette_error* error) {
  return answer(error, [&]() -> Result<void> {
    if (!verdict || !rgb) return invalid_input("The verdict or the place for the mask is NULL.");
    if (!verdict->verdict.label_map) return invalid_input("The model has no labels, so there is no mask.");
    const auto& map = *verdict->verdict.label_map;
    const auto row = 3 * static_cast<std::size_t>(map.width), rows = static_cast<std::size_t>(map.height);
    if (stride < row || size < row || (size - row) / stride < rows - 1)
      return invalid_input("The place for the mask is too small.");
    for (std::size_t y = 0; y < rows; ++y) {
      auto* out = rgb + y * stride;
      const auto* labels = &map.at(static_cast<int>(y), 0);
      for (int x = 0; x < map.width; ++x, out += 3) {
        const vedette::Rgb color = labels[x] == 0 ? vedette::Rgb{255, 255, 255} : verdict->colors[labels[x] - 1U].rgb;
        std::copy(color.begin(), color.end(), out);
      }
    }
    return {};
  });
}
