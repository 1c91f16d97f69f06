#include "base/text.hpp"
#include "service/service.hpp"
#include "vision/image/image.hpp"

namespace vedette {
namespace {

constexpr int kMaskCompression = 3;  // masks are flat: the fast levels already shrink them to almost nothing
constexpr std::size_t kLargestMask = 5'242'880;

/// Colours of the labels in the answer: the dataset's, but white and repeated ones give way, since white is background.
std::vector<Rgb> answer_colors(const std::vector<Label>& labels, std::vector<std::string>& texts) {
  std::vector<Rgb> colors;
  for (const auto& label : labels) {
    Rgb color = parse_color(label.color) ? *parse_color(label.color) : Rgb{0, 0, 0};
    std::string text = label.color;
    const auto taken = [&] {
      return color == Rgb{255, 255, 255} || std::find(colors.begin(), colors.end(), color) != colors.end();
    };
    for (std::uint8_t step = 1; taken(); ++step) {
      color = {static_cast<std::uint8_t>(37 * step), static_cast<std::uint8_t>(255 - 59 * step),
               static_cast<std::uint8_t>(91 * step)};
      text = to_text(color);
    }
    colors.push_back(color);
    texts.push_back(text);
  }
  return colors;
}

Result<lookoutvision::DetectionResult::Segmentation> encode_segmentation(const std::vector<Label>& labels,
                                                                         const Grid<std::uint8_t>& map) {
  std::vector<std::string> texts;
  const auto colors = answer_colors(labels, texts);
  std::vector<std::int64_t> pixels(labels.size() + 1);
  RgbImage mask{map.height, map.width, std::vector<std::uint8_t>(map.values.size() * 3, 255)};
  for (std::size_t i = 0; i < map.values.size(); ++i) {
    const auto label = map.values[i];
    ++pixels[label];
    if (label != 0) std::copy(colors[label - 1U].begin(), colors[label - 1U].end(), &mask.pixels[3 * i]);
  }
  auto png = encode_png(mask, kMaskCompression);
  if (!png) return png.error();
  if (png->size() > kLargestMask) return internal_error("The anomaly mask exceeds 5 MiB.");
  const auto fraction = [&](std::int64_t count) {
    return static_cast<float>(static_cast<double>(count) / static_cast<double>(map.values.size()));
  };
  lookoutvision::DetectionResult::Segmentation out;
  out.mask_png = std::string(as_text(*png));
  out.anomalies.push_back({"background", "#FFFFFF", fraction(pixels[0])});
  for (std::size_t l = 0; l < labels.size(); ++l)
    if (pixels[l + 1] > 0) out.anomalies.push_back({labels[l].name, texts[l], fraction(pixels[l + 1])});
  return out;
}

}  // namespace

Result<lookoutvision::DetectionResult> LookoutVision::detect_anomalies(const CallContext& call,
                                                                       const lookoutvision::ModelRequest& request,
                                                                       std::string_view content_type,
                                                                       std::span<const std::uint8_t> image) {
  const auto type = trim(content_type.substr(0, content_type.find(';')));
  const bool is_jpeg = equals_ignore_case(type, "image/jpeg");
  if (!is_jpeg && !equals_ignore_case(type, "image/png"))
    return invalid_input("content-type must be one of the following. image/jpeg, image/png");
  auto model = find_model(*metadata_.read(), call.scope, request);
  if (!model) return model.error();
  if (model->status != ModelStatus::hosted)
    return conflict("MODEL", std::to_string(model->version),
                    "The model is " + std::string(to_text(model->status)) + "; start it first.");
  auto header = read_image_header(image);
  if (!header) return header.error();
  if ((header->format == ImageFormat::jpeg) != is_jpeg)
    return invalid_input("The image is not of the type that content-type names.");
  auto lease = hosting_.lease(model->uid);
  if (!lease) return lease.error();
  auto detection = hosting_.detect(*lease, image);
  if (!detection) return detection.error();
  lookoutvision::DetectionResult result;
  result.is_anomalous = detection->is_anomalous;
  result.confidence = static_cast<float>(detection->confidence);
  if (detection->label_map) {
    auto segmentation = encode_segmentation((*lease)->manifest().segmentation->labels, *detection->label_map);
    if (!segmentation) return segmentation.error();
    result.segmentation = std::move(*segmentation);
  }
  return result;
}

}  // namespace vedette
