#pragma once

#include <cstdint>
#include <vector>

#include "base/random.hpp"
#include "vision/decoder/decoder.hpp"

/// What decoders learn from: crops of labelled pictures, seen as a plant may show them. Internal to vision/decoder.
namespace vedette {

inline constexpr int kMapStride = 4;    ///< of the decoders' maps
inline constexpr int kColorStride = 8;  ///< of the mean colours and the distances

struct CropBatch {
  int count = 0, height = 0, width = 0;
  std::array<std::vector<float>, 3> maps;     ///< [count, channels, height / s, width / s] at strides s of 4, 8 and 16
  std::array<std::int64_t, 3> channels = {};  ///< of each map
  std::vector<float> colors;                  ///< [count, 3, height / 8, width / 8]: means, 0 … 1
  std::vector<float> distances;               ///< [count, kDistanceMaps, height / 8, width / 8]: log(1 + distance)
  std::vector<float> coverage;       ///< [count, height / 4, width / 4]: share of the cell that a defect covers
  std::vector<std::int64_t> labels;  ///< the same shape: label of cells that a defect covers to a quarter, else −1
  std::vector<float> teaches;        ///< [count, folds]: 1 if the fold's decoder may learn from it
};

/// Pictures held in memory, and how crops are drawn from them.
class CropSource {
 public:
  /// All pictures have one size, multiples of 16.
  CropSource(std::vector<DecoderSample> samples, std::vector<DecoderPicture> pictures, std::int64_t folds,
             std::int64_t labels);
  /// Makes pictures that nobody took: good ones with a real defect pasted in or with rendered damage, and measures their distances.
  Result<void> compose(const Random& random, int threads, const decltype(DecoderJob::measure)& measure);
  /// Deterministic by the random state; any number of threads.
  [[nodiscard]] Result<CropBatch> draw(const Random& random, int count, int threads,
                                       const decltype(DecoderJob::describe)& describe) const;

 private:
  /// Truth of a place that is damaged, but shows no known label.
  static constexpr std::uint8_t kUnknown = 255;
  /// A picture that was put together, and the folds whose decoders may not learn from it.
  struct Composed {
    DecoderSample sample;
    std::vector<std::int64_t> folds;
  };
  /// The picture around y, x: turned, scaled, mirrored, in other light, continued by its mirror image.
  [[nodiscard]] DecoderSample look(const DecoderSample& sample, double y, double x, int height, int width,
                                   Random& r) const;
  [[nodiscard]] Composed paste(Random r) const;
  [[nodiscard]] Composed damage(Random r) const;
  [[nodiscard]] DecoderSample draw_one(Random r, bool from_defect, std::vector<std::int64_t>& folds) const;
  /// A place of a defect: a picture and a pixel of a label drawn evenly.
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
  std::vector<std::vector<std::size_t>> with_label_;  ///< pictures per label; labels without any are left out
  std::vector<std::vector<std::pair<std::uint16_t, std::uint16_t>>> pixels_;  ///< per picture, some defect pixels
  std::vector<double> sizes_;  ///< square roots of the areas of masks, pixels
};

}  // namespace vedette
