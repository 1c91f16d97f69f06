#pragma once

#include <cstdint>
#include <vector>

#include "base/random.hpp"
#include "vision/decoder/decoder.hpp"

/// What decoders learn from: crops of labelled pictures, seen as a plant may show them. Internal to vision/decoder.
namespace vedette {

inline constexpr int kMapStride = 4;    ///< The stride of the decoders' maps.
inline constexpr int kColorStride = 8;  ///< The stride of the mean colours and of the distances.

/// What a decoder learns from. Height and width are those of the crop.
struct Crop {
  Description description;
  Planes colors;         ///< [3, height / 8, width / 8]: means, 0 … 1
  Planes distances;      ///< [kDistanceMaps, height / 8, width / 8]: log(1 + distance)
  Grid<float> truth;     ///< [height, width]: 1 where there is a defect
  Grid<float> coverage;  ///< [height / 4, width / 4]: the share of the cell that a defect covers
  Grid<std::int64_t>
      labels;           ///< [height / 4, width / 4]: the label of cells that a defect covers to a quarter, else −1
  bool is_real = true;  ///< False if the crop shows a picture that was put together.
  std::vector<std::int64_t> taught;  ///< The folds whose decoders may not learn from the crop, each once or more.
};

/// Holds pictures in memory and draws crops from them.
class CropSource {
 public:
  /// All pictures have one size, whose sides are multiples of 16.
  CropSource(std::vector<DecoderSample> samples, std::vector<DecoderPicture> pictures, std::int64_t folds,
             std::int64_t labels);
  /// Makes pictures that nobody took: good pictures with a real defect pasted in or with rendered damage. Measures
  /// their distances.
  Result<void> compose(const Random& random, int threads, const decltype(DecoderJob::measure)& measure);
  /// Draws `count` crops. The random state determines them, whatever the number of threads.
  [[nodiscard]] Result<std::vector<Crop>> draw(const Random& random, int count, int threads,
                                               const decltype(DecoderJob::describe)& describe) const;

 private:
  /// The truth of a place that is damaged but shows no known label.
  static constexpr std::uint8_t kUnknown = 255;
  /// A picture that was put together, and the folds whose decoders may not learn from it.
  struct Composed {
    DecoderSample sample;
    std::vector<std::int64_t> folds;
  };
  /// Returns the picture around y, x: turned, scaled, mirrored, in other light, and continued by its mirror image.
  [[nodiscard]] DecoderSample look(const DecoderSample& sample, double y, double x, int height, int width,
                                   Random& r) const;
  [[nodiscard]] Composed paste(Random r) const;
  [[nodiscard]] Composed damage(Random r) const;
  [[nodiscard]] Result<Crop> draw_crop(Random r, bool from_defect,
                                       const decltype(DecoderJob::describe)& describe) const;
  [[nodiscard]] DecoderSample draw_one(Random r, bool from_defect, std::vector<std::int64_t>& folds) const;
  /// A place of a defect: a picture, and a pixel of a label that was drawn with the same chance as every other label.
  struct Place {
    std::size_t picture;
    int y, x;
  };
  [[nodiscard]] Place defect(Random& r) const;

  std::vector<DecoderSample> samples_;
  std::vector<DecoderPicture> pictures_;
  std::int64_t folds_;
  int height_, width_;
  std::vector<std::size_t> good_;
  std::vector<Composed> pasted_, damaged_;
  std::vector<std::vector<std::size_t>> with_label_;  ///< The pictures of each label; labels without any are left out.
  /// Some of the defect's pixels of each picture.
  std::vector<std::vector<std::pair<std::uint16_t, std::uint16_t>>> pixels_;
  std::vector<double> sizes_;  ///< The square roots of the areas of masks, in pixels.
};

}  // namespace vedette
