#include "vision/infer/peak.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <vector>

#include "base/parallel.hpp"
#include "vision/infer/planner.hpp"

namespace vedette {
namespace {

// The side of the matrices, which is large enough to make all but arithmetic negligible.
constexpr std::int64_t kSide = 1024;
constexpr std::size_t kCopied = 64 << 20;
constexpr int kRuns = 12;

template <typename F>
double least_seconds(F work) {
  double best = 1e9;
  for (int i = 0; i < kRuns; ++i) {
    const auto start = std::chrono::steady_clock::now();
    work();
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

double product_rate(dnnl::memory::data_type left, dnnl::memory::data_type right) {
  const auto free_layout = [](auto type) { return dnnl::memory::desc({kSide, kSide}, type, Tag::any); };
  const dnnl::matmul::primitive_desc plan({free_layout(left), free_layout(right), free_layout(left)}, cpu());
  dnnl::memory a(plan.src_desc(), cpu()), b(plan.weights_desc(), cpu()), c(plan.dst_desc(), cpu());
  for (const auto* memory : {&a, &b}) std::memset(memory->get_data_handle(), 0, memory->get_desc().get_size());
  const dnnl::matmul product(plan);
  dnnl::stream stream(cpu());
  const double seconds = least_seconds([&] {
    product.execute(stream, {{DNNL_ARG_SRC, a}, {DNNL_ARG_WEIGHTS, b}, {DNNL_ARG_DST, c}});
    stream.wait();
  });
  return 2.0 * kSide * kSide * kSide / seconds;
}

}  // namespace

PeakRates measure_peaks(int threads) {
  const ThreadCount count(threads);
  PeakRates out;
  using Type = dnnl::memory::data_type;
  out.fp32 = product_rate(kF32, kF32);
  if (best_precision() == Precision::bf16) out.bf16 = product_rate(Type::bf16, Type::bf16);
  if (multiplies_int8()) out.int8 = product_rate(Type::u8, Type::s8);
  std::vector<char> from(kCopied, 1), to(kCopied, 2);
  const auto part = static_cast<std::int64_t>(kCopied) / threads;
  const double seconds = least_seconds([&] {
#pragma omp parallel for
    for (int t = 0; t < threads; ++t) std::memcpy(to.data() + t * part, from.data() + t * part, part);
  });
  out.bandwidth = 2.0 * static_cast<double>(part * threads) / seconds;
  return out;
}

}  // namespace vedette
