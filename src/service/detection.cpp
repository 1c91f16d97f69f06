#include <cstring>

#include "base/text.hpp"
#include "service/service.hpp"
#include "vision/image/image.hpp"

namespace vedette {
namespace {

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

/// Pixels per label, background first. Most rows are like the one above.
std::vector<std::int64_t> count_labels(const Grid<std::uint8_t>& map, std::size_t labels) {
  std::vector<std::int64_t> all(labels + 1), row_count(labels + 1);
  const auto width = static_cast<std::size_t>(map.width);
  for (int y = 0; y < map.height; ++y) {
    const auto* row = &map.at(y, 0);
    if (y == 0 || std::memcmp(row, row - width, width) != 0) {
      std::fill(row_count.begin(), row_count.end(), 0);
      for (std::size_t x = 0; x < width; ++x) ++row_count[row[x]];
    }
    for (std::size_t l = 0; l < all.size(); ++l) all[l] += row_count[l];
  }
  return all;
}

Result<lookoutvision::DetectionResult::Segmentation> encode_segmentation(const std::vector<Label>& labels,
                                                                         const Grid<std::uint8_t>& map) {
  std::vector<std::string> texts;
  const auto colors = answer_colors(labels, texts);
  std::vector<Rgb> palette = {{255, 255, 255}};
  palette.insert(palette.end(), colors.begin(), colors.end());
  const auto png = encode_label_png(map, palette);
  if (png.size() > kLargestMask) return internal_error("The anomaly mask exceeds 5 MiB.");
  const auto pixels = count_labels(map, labels.size());
  const auto fraction = [&](std::int64_t count) {
    return static_cast<float>(static_cast<double>(count) / static_cast<double>(map.values.size()));
  };
  lookoutvision::DetectionResult::Segmentation out;
  out.mask_png = std::string(as_text(png));
  out.anomalies.push_back({"background", "#FFFFFF", fraction(pixels[0])});
  for (std::size_t l = 0; l < labels.size(); ++l)
    if (pixels[l + 1] > 0) out.anomalies.push_back({labels[l].name, texts[l], fraction(pixels[l + 1])});
  return out;
}

Result<ImageFormat> parse_content_type(std::string_view content_type) {
  const auto type = trim(content_type.substr(0, content_type.find(';')));
  if (equals_ignore_case(type, "image/jpeg")) return ImageFormat::jpeg;
  if (equals_ignore_case(type, "image/png")) return ImageFormat::png;
  return invalid_input("content-type must be one of the following. image/jpeg, image/png");
}

/// What can be said of a picture before a model is asked.
Result<void> check_picture(ImageFormat format, std::span<const std::uint8_t> image) {
  const auto header = read_image_header(image);
  if (!header) return header.error();
  if (header->format != format) return invalid_input("The image is not of the type that content-type names.");
  return {};
}

}  // namespace

Result<lookoutvision::DetectionResult> LookoutVision::detect_anomalies(const CallContext& call,
                                                                       const lookoutvision::ModelRequest& request,
                                                                       std::string_view content_type,
                                                                       std::span<const std::uint8_t> image) {
  const auto format = parse_content_type(content_type);
  if (!format) return format.error();
  auto model = find_model(*metadata_.read(), call.scope, request);
  if (!model) return model.error();
  const auto version = std::to_string(model->version);
  const auto count = [&](Metric metric, double value) {
    metrics_.add(call.scope, model->project, version, metric, value);
  };
  if (model->status != ModelStatus::hosted)
    return conflict("MODEL", version, "The model is " + std::string(to_text(model->status)) + "; start it first.");
  if (auto ok = check_picture(*format, image); !ok) {
    count(Metric::invalid_image_count, 1);
    return ok.error();
  }
  auto lease = hosting_.lease(*model);
  if (!lease) return lease.error();
  const auto start = std::chrono::steady_clock::now();
  auto detection = hosting_.detect(*lease, image, call.abandoned);
  if (!detection) {
    if (detection.error().kind == ErrorKind::invalid_input) count(Metric::invalid_image_count, 1);
    return detection.error();
  }
  const std::chrono::duration<double, std::milli> elapsed = std::chrono::steady_clock::now() - start;
  count(Metric::time, elapsed.count());
  count(Metric::processed_image_count, 1);
  count(Metric::detected_anomaly_count, detection->is_anomalous ? 1 : 0);
  lookoutvision::DetectionResult result;
  result.is_anomalous = detection->is_anomalous;
  result.confidence = static_cast<float>(detection->confidence);
  for (const auto& stage : detection->stages) result.timing.emplace_back(stage.name, stage.ms);
  if (detection->label_map) {
    const auto judged = std::chrono::steady_clock::now();
    auto segmentation = encode_segmentation(lease->engine->manifest().segmentation->labels, *detection->label_map);
    if (!segmentation) return segmentation.error();
    result.segmentation = std::move(*segmentation);
    const std::chrono::duration<double, std::milli> encoding = std::chrono::steady_clock::now() - judged;
    result.timing.emplace_back("encode", encoding.count());
  }
  return result;
}

}  // namespace vedette
