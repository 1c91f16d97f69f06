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

/// Decoders that draw defects: small feature pyramids (Lin et al., CVPR 2017) on the frozen backbone's maps, one per fold, trained
/// side by side on the same pictures, each without those of its fold. They see how far each place is from what good pictures look like, too.
/// Learnt from masks, from real defects pasted onto good pictures, and from rendered damage of the real ones' size.
namespace vedette {

/// The backbone's maps at strides 4, 8 and 16.
using FeatureMaps = std::array<Planes, 3>;

/// What a decoder job knows of a picture before it is loaded.
struct DecoderPicture {
  std::int64_t fold = 0;
  bool has_mask = false;  ///< else it is good
};

inline constexpr int kDistanceMaps = 2;  ///< that a decoder sees beside the backbone's

struct DecoderSample {
  RgbImage image;            ///< at the model's input size
  Grid<std::uint8_t> truth;  ///< the same size; 0 background, else label + 1; empty for good pictures
  Planes distances;          ///< [kDistanceMaps, height / 8, width / 8], ≥ 0: of models that had not seen the picture
};

struct DecoderJob {
  std::vector<DecoderPicture> pictures;                    ///< good ones and ones with masks, at least one of each
  std::function<Result<DecoderSample>(std::size_t)> load;  ///< called from several threads, like the next
  /// The distances of a composed picture by a fold's models.
  std::function<Result<Planes>(const RgbImage& image, std::int64_t fold)> measure;
  std::function<Result<FeatureMaps>(const RgbImage&)>
      describe;  ///< any height and width that are multiples of 16; all of one size
  std::int64_t folds = 0, labels = 0;
  std::uint64_t seed = 0;
  int threads = 1;
  int steps = 0;                         ///< to take, unless
  std::function<double()> seconds_left;  ///< is given: after the first steps as many are planned as fit
  std::function<void(double)> progress;  ///< 0 … 1
};

struct Decoders {
  std::map<std::string, Tensor> tensors;     ///< "decoder.<layer>.weight" and ".bias"
  int steps = 0;                             ///< taken
  std::vector<std::pair<int, double>> loss;  ///< by step, averaged since the one before; per fold
};

/// The same job gives the same weights on one machine type with the same number of threads; one with
/// `seconds_left` those of a job with the steps it took. Blocks. Fails as `load` does, or with internal if LibTorch does.
Result<Decoders> train_decoders(const DecoderJob& job);

/// Appends the nodes that run all folds' decoders on the backbone's maps at strides 4, 8 and 16 and the mean colours [3, H/8, W/8]. `distances` is [folds · kDistanceMaps, H/8, W/8]: log(1 + distance), fold by fold. Returns the name of the value
/// [folds · (1 + labels), H/4, W/4]: per fold the logit of a defect, then those of its labels.
std::string append_decoders(std::vector<Node>& nodes, const std::array<std::string, 3>& maps, const std::string& color,
                            const std::string& distances, std::int64_t folds);

}  // namespace vedette
