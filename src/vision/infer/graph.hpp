#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/large_memory.hpp"
#include "base/mutex.hpp"
#include "base/result.hpp"
#include "vision/artifact/artifact.hpp"
#include "vision/image/image.hpp"

namespace vedette {

/// The precision of a graph's networks (operations `block` to `upsample`); everything else is fp32. With int8, the
/// products of blocks whose input has a known `range` are int8, and all other products use fp32 or bf16, whichever is
/// better on this processor.
enum class Precision { fp32, bf16, int8 };
std::string_view to_text(Precision precision);
/// Returns bf16 where the processor multiplies it at twice the rate or more, otherwise fp32.
Precision best_precision();
/// Returns whether the processor multiplies int8 at twice the rate of best_precision() (AVX-512 VNNI).
bool multiplies_int8();

/// Keeps blocks of memory and hands them out again. It is not thread-safe.
class BufferPool {
 public:
  float* take(std::size_t bytes);
  void give_back(const float* block);
  [[nodiscard]] std::size_t bytes() const;

 private:
  struct Block {
    std::unique_ptr<LargeMemory> memory;
    std::size_t bytes = 0;
    bool is_free = false;
  };
  std::vector<Block> blocks_;
};

struct PackedWeights;

inline constexpr const char* kClosePicture = "close_picture";  ///< The operation that makes a graph's second input.

/// Executes an artifact's graph on one picture with oneDNN. Planned once for a fixed input size: memory, layouts and
/// primitives are made in plan(), run() allocates nothing large. Not thread-safe; make one per thread (weights are
/// shared). Planning and running use the threads that the calling thread may use (base/parallel.hpp, ThreadCount); a
/// graph runs best with as many as it was planned for.
///
/// Networks' operations (`block` to `upsample`) keep values in oneDNN's own layout between them.
///
/// The input is the value "image" [3, height, width], 0 … 1. Operations (inputs → output; tensors; numbers):
///   close_picture        → [1,height,width]; height, width; a second input: the brightness of the picture at another
///                        size; a graph has one at most
///   register             [3,H,W] → [3]; reference [H/r,W/r]; reduction r; the result is the transform dy, dx, angle
///                        (registration.hpp)
///   warp_to_reference, warp_from_reference
///                        [C,H,W] or [H,W], and a transform → same shape; scale: pixels here per pixel of the reference
///   light_normalize      [C,H,W] → same; sigma; (x − mean) / (deviation + 0.05), over a Gaussian neighbourhood of
///                        sigma pixels
///   edge_energies        [3,H,W] → [H/s·W/s, 44]; cell s, a multiple of 8 that divides both sides; of each cell the mean
///                        size of the steps across, down and along both diagonals and of the difference from a
///                        smoothed picture, at four octaves of the grey picture (Burt & Adelson 1983), each divided by
///                        its mean over the picture; red − green and blue − green; then the same 22 numbers averaged
///                        over the cell and its neighbours
///   softplus             element-wise
///   affine               element-wise scale · x + offset
///   logarithm            element-wise log(1 + x), x ≥ 0
///   stack                several [Hi,Wi] → [count,height,width]; height, width; each is enlarged bilinearly
///   slice                [C,H,W] → [H,W]; channel
///   channels             [C,H,W] → [count,H,W]; first, count
///   block                [C,H,W] and, if something is to be added, [O,H/s,W/s] → [O,H/s,W/s]; weights
///                        [O,C/groups,k,k], k odd, zeros beyond the edges, bias [O]; groups, stride 1 or 2, relu 0 or 1
///                        (after the addition); for int8 also range: what the result hardly exceeds
///   convolution          [C,H,W] and, if something is to be added, the result's shape → [O,…]; weights
///                        [O,C/groups,h,w], bias [O]; groups, stride, dilation, relu 0 or 1, and top, left, bottom,
///                        right: zeros beyond the edges
///   leaky_relu           element-wise; slope below zero
///   clip                 element-wise; low, high
///   sigmoid              element-wise
///   hard_swish           element-wise x · clip(x / 6 + 1/2, 0, 1)
///   add, multiply        [C,H,W] with [C,H,W] or [C,1,1] → [C,H,W]
///   max_pool, mean_pool  [C,H,W] → [C,…]; height, width (both 0: the whole map), stride, dilation 1, top, left,
///                        bottom, right; mean_pool: include_padding 0 or 1: whether zeros beyond the edges count
///   upsample             [C,H,W] → [C,fH,fW]; factor f; bilinear, pixel centres at half-integers
///   average_pool         [C,H,W] → [C,H/s,W/s]; size = stride
///   concatenate          several [Ci,H,W] → [ΣCi,H,W]
///   tokens               [C,H,W] → [H·W, C]
///   project              [N,C] → [N,D]; weights [C,D], bias [D]
///   nearest_distance     [N,D] → [G,height,width]; bank [M,D], groups [G+1]; height, width; Euclidean distance to the
///                        nearest of the rows groups[g] … groups[g+1]−1, exact
///   position_subspace    [N,D] → [height,width]; mean [N,D], basis [N,R,D], weight [N]; height, width; with e the
///                        deviation from the mean: sqrt((weight·|e|² − |basis·e|²) / D)
///   nearest_other_group  [G,H,W] → [H,W]; group; minimum over all groups but that one
///   scale_cells          [H,W] → same; factors [H,W]
///   summarize_rows       [N,C] → [3·C]; share; of each channel the mean, the deviation, and the mean of the largest
///                        share of its values
///   probe                [C] → [1,1]; center [C], scale [C], weights [C], bias [1]; limit; with z = (x − center) ·
///                        scale, cut off at ± limit: exp(bias + Σ weights · z), the odds of a logistic model
///   blur                 [H,W] → same; sigma, in cells
///   refine               [G·C,H,W], [G·K,H,W], picture [3,4H,4W] → [G,4H,4W]; weights [G,9·C+192,N], bias [G,N],
///                        pixel_weights [G,N,16], pixel_bias [G,16], N a multiple of 16 up to 256; groups G, limit;
///                        the probabilities of the 4 × 4 pixels of each cell, row by row, from a network of its own
///                        per group. Its inputs are the group's C features of the cell and its eight neighbours, row by
///                        row, then 8 × 8 pixels of the picture around the cell, channel by channel; beyond the edges
///                        lies what lies at them. Only cells are computed where the first of the group's K channels of
///                        the second input reaches the limit, and their neighbours; all others are 0.
///   patch_mixture        [1,H,W] → [F,(H−side)/stride+1,(W−side)/stride+1]; centers [K,P], P = side², whitening [P,P],
///                        basis [K,P,F·R], weight, scale, offset [K,F]; side, stride; of each patch, with the center
///                        that is nearest, e = (patch − center) · whitening, and B the columns f·R … of its basis:
///                        offset + scale · sqrt(max(0, weight·|e|² − |e·B|²) / P), at least 0; at most 4096 centers
class Graph {
 public:
  struct Value {
    std::vector<std::int64_t> shape;
    std::span<float> data;
    [[nodiscard]] std::vector<float> copy() const { return {data.begin(), data.end()}; }
  };

  /// Plans a graph. `outputs` are the values that output() will be asked for. Nodes that they do not need are left out,
  /// and values that nobody will read any more leave their memory to others. Fails with invalid_input if an operation
  /// is unknown or shapes do not fit.
  static Result<Graph> plan(const std::vector<Node>& nodes, const std::map<std::string, Tensor>& tensors,
                            const std::vector<std::string>& outputs, int input_height, int input_width,
                            Precision precision = best_precision());
  /// Says what one step computes, in arithmetic alone. The peak rates of a machine then tell how long the step needs at
  /// least.
  struct Work {
    std::string op;                         ///< The operation of the node to which the step belongs.
    double flops = 0;                       ///< The additions and multiplications of its products.
    Precision precision = Precision::fp32;  ///< The precision of its products.
  };
  struct Step {
    Work work;
    std::function<void()> run;
  };
  /// Returns the memory for the picture. It must be filled before each run(), which may write over it.
  [[nodiscard]] std::span<float> input() { return values_.at("image")->data; }
  /// Returns the brightness of the picture at another size [1, height, width], if some operation reads it (operation
  /// close_picture), else null. It must be filled like input().
  [[nodiscard]] const Value* close_picture() const {
    return close_picture_.empty() ? nullptr : values_.at(close_picture_).get();
  }
  /// Runs all steps. If `seconds` is given, it gets one entry per step.
  void run(std::vector<double>* seconds = nullptr);
  /// Runs all steps on a picture, which must have the planned size.
  void run(const Planes& image);
  [[nodiscard]] const std::vector<Step>& steps() const { return steps_; }
  /// Returns an output, which is valid until the next run. The name must be one of the planned outputs.
  [[nodiscard]] const Value& output(const std::string& name) const { return *values_.at(name); }
  /// Returns the bytes of working memory, without the weights.
  [[nodiscard]] std::size_t bytes() const { return buffers_->bytes(); }
  /// Returns the bytes of the weights as products read them, by their addresses. Graphs share them.
  [[nodiscard]] std::map<const void*, std::size_t> packed_weights() const;
  [[nodiscard]] int threads() const { return threads_; }  ///< The number of threads for which the graph was planned.

 private:
  std::unique_ptr<BufferPool> buffers_ = std::make_unique<BufferPool>();
  std::map<std::string, std::unique_ptr<Value>> values_;
  std::vector<std::shared_ptr<const PackedWeights>> packed_;
  std::vector<Step> steps_;
  std::string close_picture_;
  int threads_ = 1;
};

/// Keeps graphs of one plan for one size: as many as calls need at a time, each for as many threads as its caller may
/// use (ThreadCount::current()), because oneDNN divides the work when it plans. Any thread may use it.
class GraphPool {
 public:
  GraphPool(std::vector<Node> nodes, std::map<std::string, Tensor> tensors, std::vector<std::string> outputs,
            Precision precision = best_precision())
      : nodes_(std::move(nodes)), tensors_(std::move(tensors)), outputs_(std::move(outputs)), precision_(precision) {}
  /// Returns a graph that nobody uses, and plans one if there is none. All calls must name the same size. Fails as
  /// Graph::plan() does.
  Result<std::unique_ptr<Graph>> take(int input_height, int input_width);
  void give_back(std::unique_ptr<Graph> graph);
  /// Returns the bytes of working memory of all graphs, without the weights.
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  const std::vector<Node> nodes_;
  const std::map<std::string, Tensor> tensors_;
  const std::vector<std::string> outputs_;
  const Precision precision_;
  std::atomic<std::size_t> bytes_{0};
  Mutex mutex_;
  std::vector<std::unique_ptr<Graph>> idle_ GUARDED_BY(mutex_);
};

}  // namespace vedette
