#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "base/file_tree.hpp"
#include "base/files.hpp"
#include "commands.hpp"
#include "mask_names.hpp"
#include "model_files.hpp"
#include "pictures.hpp"
#include "vision/assess/assess.hpp"
#include "vision/infer/drift.hpp"
#include "vision/verdict/verdict.hpp"

namespace vedette {
namespace fs = std::filesystem;
namespace {

struct DetectOptions {
  std::string model, masks_out;
  std::vector<std::string> images;
  bool json = false;
};

/// Returns the picture that --masks-out writes: the mask or, if the model has no labels, the anomaly map at the
/// picture's size, which is white where the picture is most anomalous.
Bytes mask_of(const Manifest& manifest, const Verdict& verdict) {
  if (verdict.label_map) return verdict.mask_png;
  RgbImage out{manifest.image_height, manifest.image_width, {}};
  const auto map = resize_map(verdict.anomaly_map, out.height, out.width);
  const float top = std::max(2.0F, *std::max_element(map.values.begin(), map.values.end()));
  for (float v : map.values)
    out.pixels.insert(out.pixels.end(), 3, static_cast<std::uint8_t>(std::clamp(255.0F * v / top, 0.0F, 255.0F)));
  auto png = encode_png(out);
  if (!png) throw std::runtime_error(png.error().message);
  return std::move(*png);
}

/// Returns the files that were given, and the pictures below the folders that were given.
std::vector<fs::path> find_pictures(const std::vector<std::string>& given) {
  std::vector<fs::path> out;
  for (const auto& path : given) {
    if (std::error_code code; !fs::is_directory(path, code)) {
      out.emplace_back(path);
      continue;
    }
    const auto found = list_pictures(path);
    if (found.empty())
      throw std::runtime_error("there are no pictures (JPEG, PNG, BMP, TIFF, WebP) in " + to_name(path));
    out.insert(out.end(), found.begin(), found.end());
  }
  return out;
}

int detect(const DetectOptions& options) {
  const auto pictures = find_pictures(options.images);
  std::vector<fs::path> targets;  // the files to which masks are written
  if (!options.masks_out.empty()) {
    if (std::error_code code; fs::exists(options.masks_out, code) && !fs::is_directory(options.masks_out, code))
      throw std::runtime_error(options.masks_out + " is a file, not a folder");
    for (const auto& name : mask_names(pictures)) targets.push_back(fs::path(options.masks_out) / name);
    refuse_to_overwrite(pictures, targets);
  }
  const auto model = load_corrected_model(options.model);
  const auto& engine = model.engine;
  const auto& corrections = model.corrections;
  const auto& manifest = engine->manifest();
  if (!targets.empty()) fs::create_directories(options.masks_out);
  int failures = 0;
  StreamMonitor stream(manifest.looks);
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    const auto path = to_name(pictures[i]);
    TrainingPicture sample;
    sample.source_ref = path;
    sample.image = pictures[i];
    auto loaded = load_picture(sample, {}, manifest.image_height, manifest.image_width, true, least_size(manifest),
                               {.formats = kAllFormats, .sample_bits = manifest.sample_bits});
    auto verdict = loaded ? judge(*engine, loaded->image,
                                  {.with_places = corrections != nullptr, .with_mask_png = !targets.empty()})
                          : Result<Verdict>(loaded.error());
    if (!verdict) {
      std::fprintf(stderr, "vedette: %s\n", verdict.error().message.c_str());
      ++failures;
      continue;
    }
    stream.add({verdict->anomaly_score, verdict->statistics});
    if (corrections) correct(*verdict, manifest, manifest.threshold, *corrections);
    if (loaded->orientation != 1)
      std::fprintf(stderr, "warning: %s has an EXIF orientation (%d) that is not upright, which is ignored\n",
                   path.c_str(), loaded->orientation);
    if (loaded->was_letterboxed)
      std::fprintf(stderr, "warning: %s was letterboxed to %dx%d\n", path.c_str(), manifest.image_width,
                   manifest.image_height);
    auto fractions = nlohmann::json::object(), colors = nlohmann::json::object();
    std::string found;
    for (std::size_t a = 1; a < verdict->areas.size(); ++a) {  // the first area is the background
      const auto& area = verdict->areas[a];
      fractions[area.name] = area.fraction;
      colors[area.name] = area.color;
      found += fmt::format("  {} {:.2f} %", area.name, 100 * area.fraction);
    }
    if (options.json) {
      nlohmann::json line = {{"image", path},
                             {"is_anomalous", verdict->is_anomalous},
                             {"confidence", verdict->confidence},
                             {"anomaly_score", verdict->anomaly_score}};
      if (!verdict->reason.empty()) line["reason"] = verdict->reason;
      if (!verdict->corrected_by.empty()) line["corrected_by"] = verdict->corrected_by;
      if (verdict->label_map) line["area_fractions"] = fractions;
      if (!targets.empty()) line["mask"] = to_name(targets[i]);
      if (!targets.empty() && verdict->label_map) line["mask_colors"] = colors;
      std::printf("%s\n", line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
    } else {
      std::printf("%-8s %5.1f %%  %s%s%s%s\n", verdict->is_anomalous ? "anomaly" : "normal", 100 * verdict->confidence,
                  path.c_str(), found.c_str(), verdict->reason.empty() ? "" : "  ", verdict->reason.c_str());
    }
    if (!targets.empty())
      if (auto ok = write_file_atomically(targets[i], as_text(mask_of(manifest, *verdict))); !ok)
        throw std::runtime_error(ok.error().message);
  }
  if (const auto state = stream.state(); state.kind == StreamState::Kind::unlike_training)
    std::fprintf(stderr, "warning: %s\n", describe(state).c_str());
  return failures > 0 ? 1 : 0;
}

}  // namespace

void add_detect(CLI::App& app, int& status) {
  auto* command = app.add_subcommand("detect", "Judge pictures by a model");
  auto options = std::make_shared<DetectOptions>();
  command->add_option("MODEL_DIR", options->model, "Folder or archive (.zip) of the model")
      ->required()
      ->check(CLI::ExistingPath);
  command->add_option("IMAGE", options->images, "Pictures to judge, or folders of them")->required();
  command->add_flag("--json", options->json,
                    "One JSON object per picture; \"image\" is its path, or a file:// URI if the path is not UTF-8");
  command->add_option("--masks-out", options->masks_out,
                      "Folder for masks (or anomaly maps, if the model has no labels), named like 000-mask.png");
  command->callback([options, &status] { status = detect(*options); });
}

}  // namespace vedette
