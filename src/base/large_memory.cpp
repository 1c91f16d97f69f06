#include "base/large_memory.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

namespace vedette {
namespace {

constexpr std::size_t kLine = 64;
constexpr std::size_t kPage = 64 << 10;  // the largest pages that systems have, apart from huge ones

}  // namespace

std::size_t LargeMemory::rounded(std::size_t size) {
  const auto unit = size >= kHugePage ? kPage : kLine;
  return std::max<std::size_t>(1, (size + unit - 1) / unit) * unit;
}

LargeMemory::LargeMemory(std::size_t size) : size_(size) {
  const auto whole = rounded(size);
  if (whole < kHugePage) {
    data_ = std::aligned_alloc(kLine, whole);
    if (data_ == nullptr) throw std::bad_alloc();
    std::memset(data_, 0, whole);
    return;
  }
  // This maps one huge page too many, and gives back what lies before the first aligned huge page and behind the block.
  // What the block has beyond whole huge pages lies in ordinary ones, so that it takes no more memory than it needs.
  auto* mapped = static_cast<char*>(
      ::mmap(nullptr, whole + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  if (mapped == MAP_FAILED) throw std::bad_alloc();
  const auto before = (kHugePage - reinterpret_cast<std::uintptr_t>(mapped) % kHugePage) % kHugePage;
  if (before > 0) ::munmap(mapped, before);
  ::munmap(mapped + before + whole, kHugePage - before);
  data_ = mapped + before;
  ::madvise(data_, whole, MADV_HUGEPAGE);  // If the system refuses this advice, ordinary pages do as well.
}

LargeMemory::~LargeMemory() {
  if (rounded(size_) < kHugePage)
    std::free(data_);
  else
    ::munmap(data_, rounded(size_));
}

}  // namespace vedette
