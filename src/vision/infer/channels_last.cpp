#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "base/target_clones.hpp"
#include "vision/infer/half.hpp"
#include "vision/infer/planner.hpp"

/// Operations between networks and comparisons: maps are pooled, joined and read as rows of channels, one row per cell,
/// without changing layouts.
namespace vedette {
namespace {

inline float to_float(float x) {
  return x;
}
inline float to_float(Half x) {
  return widen(x);
}
inline float to_float(std::uint8_t x) {
  return static_cast<float>(x);
}

/// Copies `count` rows of n channels, times `scale`, into rows that are `stride` apart.
template <typename T>
[[gnu::always_inline]] inline void copy_rows_of(const T* __restrict in, float scale, float* __restrict out,
                                                std::int64_t count, std::int64_t n, std::int64_t stride) {
  for (std::int64_t i = 0; i < count; ++i)
    for (std::int64_t c = 0; c < n; ++c) out[i * stride + c] = scale * to_float(in[i * n + c]);
}

/// Writes a row of means of size × size cells with n channels each, times `scale`. A row of the source has `width`
/// cells.
template <typename T>
[[gnu::always_inline]] inline void pool_row_of(const T* __restrict in, float scale, float* __restrict out,
                                               std::int64_t columns, std::int64_t width, std::int64_t n,
                                               std::int64_t size) {
  const float share = scale / static_cast<float>(size * size);
  for (std::int64_t x = 0; x < columns; ++x, out += n) {
    for (std::int64_t c = 0; c < n; ++c) out[c] = 0;
    for (std::int64_t dy = 0; dy < size; ++dy)
      for (std::int64_t dx = 0; dx < size; ++dx) {
        const T* cell = in + (dy * width + x * size + dx) * n;
        for (std::int64_t c = 0; c < n; ++c) out[c] += share * to_float(cell[c]);
      }
  }
}

// Clones cannot be templates, so these functions are not.
VEDETTE_TARGET_CLONES void copy_rows(const float* in, float scale, float* out, std::int64_t count, std::int64_t n,
                                     std::int64_t stride) {
  copy_rows_of(in, scale, out, count, n, stride);
}
VEDETTE_TARGET_CLONES void copy_rows(const Half* in, float scale, float* out, std::int64_t count, std::int64_t n,
                                     std::int64_t stride) {
  copy_rows_of(in, scale, out, count, n, stride);
}
VEDETTE_TARGET_CLONES void copy_rows(const std::uint8_t* in, float scale, float* out, std::int64_t count,
                                     std::int64_t n, std::int64_t stride) {
  copy_rows_of(in, scale, out, count, n, stride);
}
VEDETTE_TARGET_CLONES void pool_row(const float* in, float scale, float* out, std::int64_t columns, std::int64_t width,
                                    std::int64_t n, std::int64_t size) {
  pool_row_of(in, scale, out, columns, width, n, size);
}
VEDETTE_TARGET_CLONES void pool_row(const Half* in, float scale, float* out, std::int64_t columns, std::int64_t width,
                                    std::int64_t n, std::int64_t size) {
  pool_row_of(in, scale, out, columns, width, n, size);
}
VEDETTE_TARGET_CLONES void pool_row(const std::uint8_t* in, float scale, float* out, std::int64_t columns,
                                    std::int64_t width, std::int64_t n, std::int64_t size) {
  pool_row_of(in, scale, out, columns, width, n, size);
}

/// Writes bytes that stand for scale · byte, rounded to the nearest and kept within the range of a byte.
template <typename T>
[[gnu::always_inline]] inline void to_bytes_of(const T* __restrict in, std::uint8_t* __restrict out, std::int64_t n,
                                               float scale) {
  const float per_unit = 1.0F / scale;
  for (std::int64_t i = 0; i < n; ++i) {
    const float x = per_unit * to_float(in[i]) + 0.5F;
    out[i] = static_cast<std::uint8_t>(static_cast<int>(x > 0 ? (x < 255 ? x : 255) : 0));
  }
}
VEDETTE_TARGET_CLONES void to_bytes(const float* in, std::uint8_t* out, std::int64_t n, float scale) {
  to_bytes_of(in, out, n, scale);
}
VEDETTE_TARGET_CLONES void to_bytes(const Half* in, std::uint8_t* out, std::int64_t n, float scale) {
  to_bytes_of(in, out, n, scale);
}
VEDETTE_TARGET_CLONES void from_bytes(const std::uint8_t* __restrict in, float* __restrict out, std::int64_t n,
                                      float scale) {
  for (std::int64_t i = 0; i < n; ++i) out[i] = scale * to_float(in[i]);
}
VEDETTE_TARGET_CLONES void from_bytes(const std::uint8_t* __restrict in, Half* __restrict out, std::int64_t n,
                                      float scale) {
  for (std::int64_t i = 0; i < n; ++i) out[i] = narrow(scale * to_float(in[i]));
}

VEDETTE_TARGET_CLONES void interleave_row(const float* const* planes, std::int64_t channels, std::int64_t width,
                                          float* __restrict out) {
  for (std::int64_t c = 0; c < channels; ++c)
    for (std::int64_t x = 0; x < width; ++x) out[x * channels + c] = planes[c][x];
}
VEDETTE_TARGET_CLONES void interleave_row(const float* const* planes, std::int64_t channels, std::int64_t width,
                                          Half* __restrict out) {
  if (channels == 3) {  // Three channels together are written as vectors.
    const float *r = planes[0], *g = planes[1], *b = planes[2];
    for (std::int64_t x = 0; x < width; ++x)
      out[3 * x] = narrow(r[x]), out[3 * x + 1] = narrow(g[x]), out[3 * x + 2] = narrow(b[x]);
    return;
  }
  for (std::int64_t c = 0; c < channels; ++c)
    for (std::int64_t x = 0; x < width; ++x) out[x * channels + c] = narrow(planes[c][x]);
}

template <typename T>
void interleave(const Value& plain, T* out) {
  const auto channels = plain.shape[0], height = plain.shape[1], width = plain.shape[2];
#pragma omp parallel for
  for (std::int64_t y = 0; y < height; ++y) {
    std::vector<const float*> planes;
    for (std::int64_t c = 0; c < channels; ++c) planes.push_back(plain.data.data() + (c * height + y) * width);
    interleave_row(planes.data(), channels, width, out + y * width * channels);
  }
}

/// Pools [C,H,W] whose channels are last.
template <typename T>
void pool_rows(const T* in, float scale, float* out, std::int64_t channels, std::int64_t height, std::int64_t width,
               std::int64_t size) {
  const auto rows = height / size, columns = width / size;
#pragma omp parallel for
  for (std::int64_t y = 0; y < rows; ++y)
    pool_row(in + y * size * width * channels, scale, out + y * columns * channels, columns, width, channels, size);
}

VEDETTE_TARGET_CLONES void add_neighbours(const float* __restrict in, float* __restrict out, std::int64_t n) {
  for (std::int64_t x = 0; x < n; ++x) out[x] = in[2 * x] + in[2 * x + 1];
}

/// Pools a row of a plane; `sums` has room for twice its width.
VEDETTE_TARGET_CLONES void pool_plane_row(const float* in, float* __restrict out, float* sums, std::int64_t columns,
                                          std::int64_t width, std::int64_t size) {
  for (std::int64_t x = 0; x < columns * size; ++x) sums[x] = in[x];
  for (std::int64_t dy = 1; dy < size; ++dy)
    for (std::int64_t x = 0; x < columns * size; ++x) sums[x] += in[dy * width + x];
  const float share = 1.0F / static_cast<float>(size * size);
  // The size is halved while it can be: neighbours are added as vectors.
  for (float* halves = sums + width; size % 2 == 0; size /= 2) {
    add_neighbours(sums, halves, columns * size / 2);
    std::swap(sums, halves);
  }
  for (std::int64_t x = 0; x < columns; ++x) {
    float sum = 0;
    for (std::int64_t dx = 0; dx < size; ++dx) sum += sums[x * size + dx];
    out[x] = share * sum;
  }
}

using Type = dnnl::memory::data_type;

/// Calls `work` with the values as pointers of their type.
template <typename S, typename F>
void with_type(const S& source, const void* data, F work) {
  switch (source.type()) {
    case Type::u8:
      return work(static_cast<const std::uint8_t*>(data));
    case Type::bf16:
      return work(static_cast<const Half*>(data));
    default:
      return work(static_cast<const float*>(data));
  }
}

}  // namespace

Planner::Source Planner::any_input(const Node& node, std::size_t index) {
  if (index >= node.inputs.size()) throw PlanFailure{node.output + " lacks an input"};
  const auto& name = node.inputs[index];
  const auto& value = *values_.at(name);
  if (value.shape.size() != 3) throw PlanFailure{node.output + " reads a value of the wrong rank"};
  Source out{nullptr, {}, value.shape[0], value.shape[1], value.shape[2], 1};
  if (const auto it = network_values_.find(name); it != network_values_.end()) {
    out.rows = it->second;
    if (out.type() == Type::u8) out.scale = ranges_.at(name) / kLargestByte;
  }
  if (!out.rows) out.plain = &value;
  return out;
}

float* Planner::make_rows(const Node& node, std::int64_t channels, std::int64_t height, std::int64_t width) {
  make_shape(node, {channels, height, width});
  const auto memory = network_memory(node.output, {{1, channels, height, width}, kF32, Tag::nhwc});
  network_values_.emplace(node.output, memory);
  return static_cast<float*>(memory.get_data_handle());
}

void Planner::add_interleaving(const Value& plain, const dnnl::memory& rows) {
  void* out = rows.get_data_handle();
  add_step([&plain, out, is_half = rows.get_desc().data_type() == dnnl::memory::data_type::bf16] {
    is_half ? interleave(plain, static_cast<Half*>(out)) : interleave(plain, static_cast<float*>(out));
  });
}

void Planner::add_quantizing(const dnnl::memory& rows, const dnnl::memory& bytes, float scale) {
  const auto dims = rows.get_desc().dims();
  const auto lines = dims[2], length = dims[1] * dims[3];
  auto* out = static_cast<std::uint8_t*>(bytes.get_data_handle());
  const void* in = rows.get_data_handle();
  add_step([in, out, lines, length, scale, is_half = rows.get_desc().data_type() == dnnl::memory::data_type::bf16] {
#pragma omp parallel for
    for (std::int64_t y = 0; y < lines; ++y)
      is_half ? to_bytes(static_cast<const Half*>(in) + y * length, out + y * length, length, scale)
              : to_bytes(static_cast<const float*>(in) + y * length, out + y * length, length, scale);
  });
}

void Planner::add_dequantizing(const dnnl::memory& bytes, const dnnl::memory& rows, float scale) {
  const auto dims = rows.get_desc().dims();
  const auto lines = dims[2], length = dims[1] * dims[3];
  const auto* in = static_cast<const std::uint8_t*>(bytes.get_data_handle());
  void* out = rows.get_data_handle();
  add_step([in, out, lines, length, scale, is_half = rows.get_desc().data_type() == dnnl::memory::data_type::bf16] {
#pragma omp parallel for
    for (std::int64_t y = 0; y < lines; ++y)
      is_half ? from_bytes(in + y * length, static_cast<Half*>(out) + y * length, length, scale)
              : from_bytes(in + y * length, static_cast<float*>(out) + y * length, length, scale);
  });
}

void Planner::average_pool(const Node& node) {
  const auto in = any_input(node);
  const auto size = integer(node, "size", 1, 64);
  const auto rows = in.height / size, columns = in.width / size;
  if (!in.plain) {
    float* out = make_rows(node, in.channels, rows, columns);
    add_step([in, out, size] {
      with_type(in, in.data(),
                [&](const auto* cells) { pool_rows(cells, in.scale, out, in.channels, in.height, in.width, size); });
    });
    return;
  }
  auto& out = make_output(node, {in.channels, rows, columns});
  add_step([in, &out, size, rows, columns] {
    const auto* plane = static_cast<const float*>(in.data());
#pragma omp parallel
    {
      std::vector<float> sums(2 * static_cast<std::size_t>(in.width));
#pragma omp for collapse(2)
      for (std::int64_t c = 0; c < in.channels; ++c)
        for (std::int64_t y = 0; y < rows; ++y)
          pool_plane_row(plane + (c * in.height + y * size) * in.width, out.data.data() + (c * rows + y) * columns,
                         sums.data(), columns, in.width, size);
    }
  });
}

void Planner::concatenate(const Node& node) {
  std::vector<Source> parts;
  std::int64_t channels = 0;
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    parts.push_back(any_input(node, i));
    if (parts[i].height != parts[0].height || parts[i].width != parts[0].width)
      throw PlanFailure{node.output + " joins values of different sizes"};
    channels += parts[i].channels;
  }
  if (parts.empty()) throw PlanFailure{node.output + " lacks an input"};
  const auto rows = parts[0].height, columns = parts[0].width;
  float* out = make_rows(node, channels, rows, columns);
  add_step([parts, out, channels, rows, columns] {
#pragma omp parallel for
    for (std::int64_t y = 0; y < rows; ++y) {
      const auto first = y * columns;
      float* target = out + first * channels;
      for (const auto& part : parts) {
        const auto n = part.channels;
        if (part.plain)
          for (std::int64_t c = 0; c < n; ++c)
            for (std::int64_t x = 0; x < columns; ++x)
              target[x * channels + c] = static_cast<const float*>(part.data())[c * rows * columns + first + x];
        else
          with_type(part, part.data(),
                    [&](const auto* in) { copy_rows(in + first * n, part.scale, target, columns, n, channels); });
        target += n;
      }
    }
  });
}

void Planner::tokens(const Node& node) {
  const auto in = any_input(node);
  const auto channels = in.channels, cells = in.height * in.width;
  if (!in.plain && in.type() == Type::f32) {  // The values are the rows already.
    auto& out = make_shape(node, {cells, channels});
    auto* rows = static_cast<float*>(in.rows.get_data_handle());
    out.data = {rows, static_cast<std::size_t>(cells * channels)};
    held_.emplace(node.output, rows);
    return;
  }
  auto& out = make_output(node, {cells, channels});
  add_step([in, &out, channels, cells] {
    if (in.plain) {
#pragma omp parallel for
      for (std::int64_t i = 0; i < cells; ++i)
        for (std::int64_t c = 0; c < channels; ++c)
          out.data[static_cast<std::size_t>(i * channels + c)] = static_cast<const float*>(in.data())[c * cells + i];
    } else {
#pragma omp parallel for
      for (std::int64_t y = 0; y < in.height; ++y) {
        const auto first = y * in.width * channels;
        with_type(in, in.data(), [&](const auto* cells_of) {
          copy_rows(cells_of + first, in.scale, out.data.data() + first, in.width, channels, channels);
        });
      }
    }
  });
}

}  // namespace vedette
