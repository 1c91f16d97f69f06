#include "vision/infer/graph.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <new>

#include "base/parallel.hpp"
#include "vision/image/light.hpp"
#include "vision/infer/planner.hpp"

namespace vedette {

namespace {

constexpr std::int64_t kBand = 64;  // the rows of a picture that one thread treats at a time

}  // namespace

float* BufferPool::take(std::size_t bytes) {
  // This loop takes the smallest block that is large enough, but none that would mostly lie idle.
  Block* best = nullptr;
  for (auto& block : blocks_)
    if (block.is_free && block.bytes >= bytes && block.bytes / 4 <= bytes && (!best || block.bytes < best->bytes))
      best = &block;
  if (!best) {
    best = &blocks_.emplace_back(Block{std::make_unique<LargeMemory>(bytes), LargeMemory::rounded(bytes), false});
  }
  best->is_free = false;
  return static_cast<float*>(best->memory->data());
}

void BufferPool::give_back(const float* block) {
  for (auto& b : blocks_)
    if (b.memory->data() == block) b.is_free = true;
}

std::size_t BufferPool::bytes() const {
  std::size_t sum = 0;
  for (const auto& b : blocks_) sum += b.bytes;
  return sum;
}

void Planner::plan(const Node& node) {
  static const std::map<std::string, void (Planner::*)(const Node&)> operations = {
      {"register", &Planner::register_picture},
      {"warp_to_reference", &Planner::warp_to},
      {"warp_from_reference", &Planner::warp_from},
      {"light_normalize", &Planner::light_normalize},
      {"edge_energies", &Planner::edge_energies},
      {"softplus", &Planner::softplus},
      {"affine", &Planner::affine},
      {"logarithm", &Planner::logarithm},
      {"stack", &Planner::stack},
      {"slice", &Planner::slice},
      {"channels", &Planner::channels},
      {"block", &Planner::block},
      {"convolution", &Planner::convolution},
      {"leaky_relu", &Planner::activation},
      {"clip", &Planner::activation},
      {"sigmoid", &Planner::activation},
      {"hard_swish", &Planner::activation},
      {"add", &Planner::binary},
      {"multiply", &Planner::binary},
      {"max_pool", &Planner::pool},
      {"mean_pool", &Planner::pool},
      {"upsample", &Planner::upsample},
      {"average_pool", &Planner::average_pool},
      {"concatenate", &Planner::concatenate},
      {"tokens", &Planner::tokens},
      {"project", &Planner::project},
      {"nearest_distance", &Planner::nearest_distance},
      {"position_subspace", &Planner::position_subspace},
      {"nearest_other_group", &Planner::nearest_other_group},
      {"scale_cells", &Planner::scale_cells},
      {"summarize_rows", &Planner::summarize_rows},
      {"probe", &Planner::probe},
      {"refine", &Planner::refine},
      {"blur", &Planner::blur},
      {kClosePicture, &Planner::close_picture},
      {"patch_mixture", &Planner::patch_mixture}};
  const auto it = operations.find(node.op);
  if (it == operations.end()) throw PlanFailure{"unknown operation " + node.op};
  op_ = node.op;
  (this->*it->second)(node);
  release(kTransient);
}

void Planner::start(int height, int width) {
  make_output({"", "image", {}, {}, {}}, {3, height, width});
}

void Planner::close_picture(const Node& node) {
  const auto height = integer(node, "height", 8, kLargestSide), width = integer(node, "width", 8, kLargestSide);
  make_output(node, {1, height, width});
}

void Planner::release(const std::string& name) {
  const auto [first, end] = held_.equal_range(name);
  std::vector<float*> released;
  for (auto it = first; it != end; ++it) released.push_back(it->second);
  held_.erase(first, end);
  // A value may lie in the memory of another value.
  for (const auto* block : released)
    if (std::none_of(held_.begin(), held_.end(), [&](const auto& other) { return other.second == block; }))
      buffers_.give_back(block);
}

void Planner::finish(const std::vector<std::string>& outputs) {
  for (const auto& name : outputs) {
    if (!values_.contains(name)) throw PlanFailure{"no node makes " + name};
    make_plain(name);
  }
  release(kTransient);
}

float* Planner::buffer(const std::string& owner, std::size_t bytes) {
  auto* memory = buffers_.take(bytes);
  held_.emplace(owner, memory);
  return memory;
}

const Value& Planner::input(const Node& node, std::size_t rank, std::size_t index) {
  if (index >= node.inputs.size()) throw PlanFailure{node.output + " lacks an input"};
  const auto& value = *values_.at(node.inputs[index]);
  if (value.shape.size() != rank) throw PlanFailure{node.output + " reads a value of the wrong rank"};
  make_plain(node.inputs[index]);
  return value;
}

Value& Planner::make_shape(const Node& node, Shape shape) {
  for (auto extent : shape)
    if (extent < 1 || extent > kLargestValue) throw PlanFailure{node.output + " has an impossible shape"};
  if (count(shape) > kLargestValue) throw PlanFailure{node.output + " is too large"};
  auto& slot = values_[node.output];
  slot = std::make_unique<Value>();
  slot->shape = std::move(shape);
  return *slot;
}

Value& Planner::make_output(const Node& node, Shape shape) {
  auto& value = make_shape(node, std::move(shape));
  const auto floats = static_cast<std::size_t>(count(value.shape));
  value.data = {buffer(node.output, floats * sizeof(float)), floats};
  return value;
}

const Tensor& Planner::tensor(const Node& node, const std::string& role, const Shape& shape) {
  const auto it = node.tensors.find(role);
  if (it == node.tensors.end()) throw PlanFailure{node.output + " lacks " + role};
  const auto& t = tensors_.at(it->second);
  if (t.shape.size() != shape.size()) throw PlanFailure{node.output + ": " + role + " has the wrong rank"};
  for (std::size_t i = 0; i < shape.size(); ++i)
    if (shape[i] >= 0 && t.shape[i] != shape[i]) throw PlanFailure{node.output + ": " + role + " has the wrong shape"};
  return t;
}

double Planner::number(const Node& node, const std::string& name, double low, double high) {
  const auto it = node.numbers.find(name);
  if (it == node.numbers.end() || !(it->second >= low && it->second <= high))
    throw PlanFailure{node.output + " lacks the number " + name + ", or it is out of range"};
  return it->second;
}

std::int64_t Planner::integer(const Node& node, const std::string& name, std::int64_t low, std::int64_t high) {
  return std::llround(number(node, name, static_cast<double>(low), static_cast<double>(high)));
}

void Planner::register_picture(const Node& node) {
  const auto& in = input(node, 3);
  if (in.shape[0] != 3) throw PlanFailure{node.output + " needs a colour picture"};
  const auto reduction = integer(node, "reduction", 1, 128);
  Grid<float> reference(static_cast<int>(in.shape[1] / reduction), static_cast<int>(in.shape[2] / reduction));
  if (reference.height < 8 || reference.width < 8) throw PlanFailure{node.output + " needs a larger picture"};
  reference.values = tensor(node, "reference", {reference.height, reference.width}).copy();
  std::optional<double> in_place;
  if (node.numbers.contains("in_place")) in_place = number(node, "in_place", -1, 1);
  auto& out = make_output(node, {3});
  add_step([&in, &out, in_place, reduction = static_cast<int>(reduction), reference = std::move(reference)] {
    const auto map =
        registration_map(in.data.data(), static_cast<int>(in.shape[1]), static_cast<int>(in.shape[2]), reduction);
    const auto t = find_pose(reference, map, in_place);
    out.data[0] = static_cast<float>(t.dy);
    out.data[1] = static_cast<float>(t.dx);
    out.data[2] = static_cast<float>(t.angle);
  });
}

void Planner::warp(const Node& node,
                   void (*function)(const float*, float*, int, int, int, const RigidTransform&, double)) {
  if (node.inputs.empty()) throw PlanFailure{node.output + " lacks an input"};
  const auto rank = values_.at(node.inputs[0])->shape.size();
  if (rank != 2 && rank != 3) throw PlanFailure{node.output + " reads a value of the wrong rank"};
  const auto& in = input(node, rank);
  const auto& transform = input(node, 1, 1);
  if (transform.shape[0] != 3 || in.shape[rank - 1] < 2 || in.shape[rank - 2] < 2)
    throw PlanFailure{node.output + " has inputs that cannot be warped"};
  const double scale = number(node, "scale", 1e-3, 1e3);
  auto& out = make_output(node, in.shape);
  add_step([&in, &transform, &out, rank, scale, function] {
    function(in.data.data(), out.data.data(), rank == 3 ? static_cast<int>(in.shape[0]) : 1,
             static_cast<int>(in.shape[rank - 2]), static_cast<int>(in.shape[rank - 1]),
             {transform.data[0], transform.data[1], transform.data[2]}, scale);
  });
}

void Planner::light_normalize(const Node& node) {
  const auto& in = input(node, 3);
  auto& out = make_output(node, in.shape);
  const double sigma = number(node, "sigma", 1, 500);
  add_step([&in, &out, sigma] {
    const auto height = in.shape[1], width = in.shape[2], plane = height * width;
    const auto bands = std::max<std::int64_t>(1, height / kBand);
    std::vector<LocalLight> light(static_cast<std::size_t>(in.shape[0]), LocalLight(height, width, sigma));
    const auto each_band = [&](auto work) {
#pragma omp parallel for collapse(2)
      for (std::int64_t c = 0; c < in.shape[0]; ++c)
        for (std::int64_t b = 0; b < bands; ++b)
          work(light[static_cast<std::size_t>(c)], c * plane, b * light[0].rows() / bands,
               (b + 1) * light[0].rows() / bands);
    };
    each_band([&](LocalLight& l, std::int64_t at, std::int64_t first, std::int64_t end) {
      l.sum(in.data.data() + at, first, end);
    });
#pragma omp parallel for collapse(2)
    for (std::size_t c = 0; c < light.size(); ++c)
      for (int map = 0; map < LocalLight::kMaps; ++map) light[c].smooth(map);
    each_band([&](LocalLight& l, std::int64_t at, std::int64_t first, std::int64_t end) {
      l.apply(in.data.data() + at, out.data.data() + at, first, end);
    });
  });
}

template <typename F>
void Planner::element_wise(const Node& node, F function) {
  if (node.inputs.empty()) throw PlanFailure{node.output + " lacks an input"};
  const auto& in = input(node, values_.at(node.inputs[0])->shape.size());
  auto& out = make_output(node, in.shape);
  add_step([&in, &out, function] {
#pragma omp parallel for
    for (std::size_t i = 0; i < in.data.size(); ++i) out.data[i] = function(in.data[i]);
  });
}

void Planner::logarithm(const Node& node) {
  element_wise(node, [](float x) { return std::log1p(std::max(x, 0.0F)); });
}

void Planner::stack(const Node& node) {
  const auto height = integer(node, "height", 1, 16384), width = integer(node, "width", 1, 16384);
  std::vector<const Value*> parts;
  for (std::size_t i = 0; i < node.inputs.size(); ++i) parts.push_back(&input(node, 2, i));
  auto& out = make_output(node, {static_cast<std::int64_t>(parts.size()), height, width});
  add_step([parts, &out, height, width] {
    auto target = out.data.begin();
    for (const auto* part : parts) {
      if (part->shape[0] == height && part->shape[1] == width) {
        target = std::copy(part->data.begin(), part->data.end(), target);
        continue;
      }
      Grid<float> map(static_cast<int>(part->shape[0]), static_cast<int>(part->shape[1]));
      map.values = part->copy();
      const auto enlarged = resize_map(map, static_cast<int>(height), static_cast<int>(width));
      target = std::copy(enlarged.values.begin(), enlarged.values.end(), target);
    }
  });
}

void Planner::softplus(const Node& node) {
  element_wise(node, [](float x) { return x > 20 ? x : std::log1p(std::exp(x)); });
}

void Planner::affine(const Node& node) {
  const auto scale = static_cast<float>(number(node, "scale", -1e3, 1e3));
  const auto offset = static_cast<float>(number(node, "offset", -1e3, 1e3));
  element_wise(node, [scale, offset](float x) { return scale * x + offset; });
}

void Planner::slice(const Node& node) {
  const auto& in = input(node, 3);
  const auto channel = integer(node, "channel", 0, in.shape[0] - 1);
  auto& out = make_output(node, {in.shape[1], in.shape[2]});
  add_step([&in, &out, channel] {
    const auto size = static_cast<std::ptrdiff_t>(out.data.size());
    std::copy_n(in.data.begin() + channel * size, size, out.data.begin());
  });
}

void Planner::channels(const Node& node) {
  const auto& in = input(node, 3);
  const auto first = integer(node, "first", 0, in.shape[0] - 1);
  const auto number_of = integer(node, "count", 1, in.shape[0] - first);
  auto& out = make_output(node, {number_of, in.shape[1], in.shape[2]});
  add_step([&in, &out, first] {
    const auto plane = in.shape[1] * in.shape[2];
    std::copy_n(in.data.begin() + first * plane, out.data.size(), out.data.begin());
  });
}

void Planner::scale_cells(const Node& node) {
  const auto& in = input(node, 2);
  const auto& factors = tensor(node, "factors", in.shape);
  auto& out = make_output(node, in.shape);
  add_step([&in, &out, factors] {
    for (std::size_t i = 0; i < in.data.size(); ++i) out.data[i] = in.data[i] * factors.data()[i];
  });
}

void Planner::blur(const Node& node) {
  const auto& in = input(node, 2);
  auto& out = make_output(node, in.shape);
  const double sigma = number(node, "sigma", 0.5, 100);
  add_step([&in, &out, sigma] {
    std::copy(in.data.begin(), in.data.end(), out.data.begin());
    gaussian_blur(out.data.data(), in.shape[0], in.shape[1], sigma);
  });
}

Result<Graph> Graph::plan(const std::vector<Node>& nodes, const std::map<std::string, Tensor>& tensors,
                          const std::vector<std::string>& outputs, int input_height, int input_width,
                          Precision precision) {
  Graph graph;
  graph.threads_ = ThreadCount::current();
  Planner planner(tensors, graph.values_, graph.steps_, graph.packed_, *graph.buffers_, precision);
  // This loop goes from the end to the beginning. It finds which nodes are needed, and which node reads each value
  // last.
  std::map<std::string, std::size_t> last_reader;
  for (const auto& name : outputs) last_reader[name] = nodes.size();
  for (std::size_t i = nodes.size(); i-- > 0;)
    if (last_reader.contains(nodes[i].output))
      for (const auto& input : nodes[i].inputs) last_reader.emplace(input, i);
  try {
    planner.start(input_height, input_width);
    // Both inputs get their memory first, because values that are made before they are read must not share it.
    for (const auto& node : nodes) {
      if (node.op != kClosePicture || !last_reader.contains(node.output)) continue;
      if (!graph.close_picture_.empty()) throw PlanFailure{"it has two close pictures"};
      planner.plan(node);
      graph.close_picture_ = node.output;
    }
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      if (!last_reader.contains(nodes[i].output)) continue;
      if (nodes[i].op != kClosePicture) planner.plan(nodes[i]);
      for (const auto& input : nodes[i].inputs)
        if (last_reader.at(input) == i) planner.release(input);
    }
    planner.finish(outputs);
  } catch (const PlanFailure& failure) {
    return invalid_input("The model cannot run: " + failure.message + ".");
  } catch (const dnnl::error& error) {
    return invalid_input(std::string("The model cannot run: oneDNN says ") + error.what() + ".");
  } catch (const std::bad_alloc&) {
    return invalid_input("The model cannot run: it needs more memory than there is.");
  }
  return graph;
}

std::map<const void*, std::size_t> Graph::packed_weights() const {
  std::map<const void*, std::size_t> out;
  for (const auto& packed : packed_) out[packed.get()] = packed->memory.get_desc().get_size();
  return out;
}

void Graph::run(const Planes& image) {
  std::copy(image.values.begin(), image.values.end(), input().begin());
  run();
}

void Graph::run(std::vector<double>* seconds) {
  if (!seconds) {
    for (const auto& step : steps_) step.run();
    return;
  }
  seconds->clear();
  for (const auto& step : steps_) {
    const auto start = std::chrono::steady_clock::now();
    step.run();
    seconds->push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
}

Result<std::unique_ptr<Graph>> GraphPool::take(int input_height, int input_width) {
  {
    const MutexLock lock(mutex_);
    const auto fits = std::find_if(idle_.begin(), idle_.end(), [threads = ThreadCount::current()](const auto& graph) {
      return graph->threads() == threads;
    });
    if (fits != idle_.end()) {
      auto graph = std::move(*fits);
      idle_.erase(fits);
      return graph;
    }
  }
  auto graph = Graph::plan(nodes_, tensors_, outputs_, input_height, input_width, precision_);
  if (!graph) return graph.error();
  bytes_ += graph->bytes();
  return std::make_unique<Graph>(std::move(*graph));
}

void GraphPool::give_back(std::unique_ptr<Graph> graph) {
  const MutexLock lock(mutex_);
  idle_.push_back(std::move(graph));
}

}  // namespace vedette
