#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "vision/artifact/artifact.hpp"
#include "vision/image/image.hpp"

/// Decoders that draw defects: small feature pyramids (Lin et al., CVPR 2017) on the frozen backbone's maps, one per
/// fold. They are trained side by side on the same pictures, each without those of its fold. They also see how far each
/// place is from what good pictures look like. Where they suspect a defect, further small networks look at the picture
/// itself and draw the pixels. They learn from masks, from real defects pasted onto good pictures, and
/// from rendered damage of the real defects' size.
namespace vedette {

/// The backbone's maps at strides 4, 8 and 16.
using FeatureMaps = std::array<Planes, 3>;

/// What is known of a picture's content.
struct Description {
  FeatureMaps maps;
  Planes light;  ///< [3, height, width]: the light-normalised picture, as the backbone sees it but for its gain
};

/// What a decoder job knows of a picture before the picture is loaded.
struct DecoderPicture {
  std::int64_t fold = 0;
  bool has_mask = false;  ///< A picture without a mask is good.
};

/// The number of distance maps that a decoder sees beside the backbone's maps.
inline constexpr int kDistanceMaps = 3;

struct DecoderSample {
  RgbImage image;  ///< The picture at the model's input size.
  /// The truth at the same size: 0 is background, otherwise label + 1. Empty for good pictures.
  Grid<std::uint8_t> truth;
  /// [kDistanceMaps, height / 8, width / 8], ≥ 0: the distances by models that had not seen the picture.
  Planes distances;
};

struct DecoderJob {
  /// Good pictures and pictures with masks, at least one of each.
  std::vector<DecoderPicture> pictures;
  /// Loads the picture with this number. Several threads call it and the two functions below.
  std::function<Result<DecoderSample>(std::size_t)> load;
  /// Returns the distances of a composed picture by the models of a fold.
  std::function<Result<Planes>(const RgbImage& image, std::int64_t fold)> measure;
  /// Describes a picture. Height and width may be any multiples of 16; all pictures have one size.
  std::function<Result<Description>(const RgbImage&)> describe;
  std::int64_t folds = 0, labels = 0;
  std::uint64_t seed = 0;
  int threads = 1;
  int steps = 0;  ///< The number of steps to take, unless seconds_left is given.
  /// If given, as many steps are planned after the first ones as fit into this time.
  std::function<double()> seconds_left;
  std::function<void(double)> progress;  ///< Is called with the share that is done, 0 … 1.
};

struct Decoders {
  std::map<std::string, Tensor> tensors;  ///< The names are "decoder.<layer>.<role>".
  int steps = 0;                          ///< The number of steps that were taken.
  /// Pairs of a step and the loss per fold, averaged since the entry before.
  std::vector<std::pair<int, double>> loss;
};

/// Trains the decoders. The same job gives the same weights on one machine type with the same number of threads; a job
/// with `seconds_left` gives those of a job with the steps that it took. The call blocks. Fails as `load` does, or with
/// internal if LibTorch does.
Result<Decoders> train_decoders(DecoderJob job);

/// Cells whose logit of a defect is at least this high are looked at pixel by pixel, with their neighbours.
inline constexpr double kRefinedFrom = -2;

struct DecoderOutputs {
  std::string logits;   ///< [folds · (1 + labels), H/4, W/4]: for each fold the logit of a defect, then its labels'
  std::string details;  ///< [folds, H, W]: how probably a pixel belongs to a defect, 0 where no cell is suspicious
};
/// Appends the nodes that run all folds' decoders. `maps` are the backbone's maps at strides 4, 8 and 16, `color` is
/// the mean colours [3, H/8, W/8], `light` is the light-normalised picture [3, H, W], and `distances` is
/// [folds · kDistanceMaps, H/8, W/8]: log(1 + distance), fold by fold. Returns the names of what they say.
DecoderOutputs append_decoders(std::vector<Node>& nodes, const std::array<std::string, 3>& maps,
                               const std::string& color, const std::string& light, const std::string& distances,
                               std::int64_t folds);

}  // namespace vedette
