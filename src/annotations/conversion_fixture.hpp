#pragma once

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "annotations/dataset.hpp"
#include "annotations/memory_files.hpp"

/// What the tests of the readers and of the dataset have in common.
namespace vedette {

using MaskRows = std::vector<std::string>;

inline std::string picture_bytes(int height, int width) {
  const RgbImage image{height, width, std::vector<std::uint8_t>(static_cast<std::size_t>(height * width * 3), 90)};
  return std::string(as_text(*encode_png(image)));
}

/// A JPEG whose EXIF metadata tell an orientation.
inline std::string turned_picture_bytes(int height, int width, int orientation) {
  const RgbImage image{height, width, std::vector<std::uint8_t>(static_cast<std::size_t>(height * width * 3), 90)};
  std::string jpeg(as_text(*encode_jpeg(image, 90)));
  std::string exif(
      "\xFF\xE1\x00\x22"
      "Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0",
      29);
  exif += static_cast<char>(orientation);
  exif += std::string(2 + 0x22 - exif.size(), '\0');
  return jpeg.insert(2, exif);
}

/// A conversion in memory: what was written, by name.
struct Conversion {
  std::map<std::string, std::string> files;
  Result<DatasetSummary> summary = DatasetSummary();

  /// The lines of a manifest, by source-ref.
  [[nodiscard]] std::map<std::string, nlohmann::json> lines(const std::string& type = "train") const {
    std::map<std::string, nlohmann::json> out;
    const auto it = files.find("manifests/" + type + ".manifest");
    if (it == files.end()) return out;
    for (const auto line : split(it->second, '\n'))
      if (!line.empty()) {
        auto json = nlohmann::json::parse(line);
        const auto name = json["source-ref"].get<std::string>();
        out[name] = std::move(json);
      }
    return out;
  }
  /// "normal", "anomaly" or "unlabelled"; empty if the picture is not in the manifest.
  [[nodiscard]] std::string verdict(const std::string& picture, const std::string& type = "train") const {
    const auto all = lines(type);
    const auto it = all.find(picture);
    if (it == all.end()) return {};
    return it->second.contains("anomaly-label-metadata")
               ? it->second["anomaly-label-metadata"]["class-name"].get<std::string>()
               : "unlabelled";
  }
  /// The mask of a picture: '.' for white, else the first letter of the label, by the colours of the line's own map.
  /// Empty if there is no mask.
  [[nodiscard]] MaskRows mask(const std::string& picture, const std::string& type = "train") const {
    const auto all = lines(type);
    const auto it = all.find(picture);
    if (it == all.end() || !it->second.contains("anomaly-mask-ref")) return {};
    const auto& png = files.at(it->second["anomaly-mask-ref"].get<std::string>());
    const auto image = decode_image(as_bytes(png), {1, 4096});
    EXPECT_TRUE(image);
    std::map<std::string, char> letters;
    for (const auto& [index, entry] : it->second["anomaly-mask-ref-metadata"]["internal-color-map"].items()) {
      const auto name = entry["class-name"].get<std::string>();
      letters[to_text(*parse_color(entry["hex-color"].get<std::string>()))] = name == "BACKGROUND" ? '.' : name[0];
    }
    MaskRows rows;
    for (int y = 0; y < image->height; ++y) {
      rows.emplace_back();
      for (int x = 0; x < image->width; ++x) {
        const auto* p = image->at(y, x);
        const auto letter = letters.find(to_text(Rgb{p[0], p[1], p[2]}));
        rows.back() += letter == letters.end() ? '?' : letter->second;
      }
    }
    return rows;
  }
  /// All problems in one text.
  [[nodiscard]] std::string problems() const {
    std::string out;
    for (const auto& text : summary->problems.first()) out += text + "\n";
    return out;
  }
  [[nodiscard]] std::string notes() const {
    std::string out;
    for (const auto& text : summary->notes) out += text + "\n";
    return out;
  }
};

inline Conversion convert(const MemoryFiles& files, const DatasetRules& rules = {},
                          std::optional<AnnotationFormat> format = {}) {
  Conversion out;
  const auto detected = format ? Result<AnnotationFormat>(*format) : detect_annotation_format(files);
  if (!detected) {
    out.summary = detected.error();
    return out;
  }
  auto set = read_annotations(files, files, *detected);
  if (!set) {
    out.summary = set.error();
    return out;
  }
  out.summary =
      write_dataset(std::move(*set), files, files, rules, [&](const std::string& name, std::string_view content) {
        out.files[name] = content;
        return Result<void>();
      });
  return out;
}

}  // namespace vedette
