#pragma once

#include <cstddef>
#include <string_view>

namespace vedette {

/// Bytes, all zero at first, aligned to a cache line. From kHugePage on they come in huge pages where the system has such (one fault where
/// there were 512), and go back to the system at once when they are freed: a heap would keep what a model that left had.
/// Used by one thread at a time, as any container.
class LargeMemory {
 public:
  static constexpr std::size_t kHugePage = 2 << 20;
  /// Throws std::bad_alloc.
  explicit LargeMemory(std::size_t size);
  ~LargeMemory();
  LargeMemory(const LargeMemory&) = delete;
  LargeMemory& operator=(const LargeMemory&) = delete;
  [[nodiscard]] void* data() { return data_; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::string_view text() const { return {static_cast<const char*>(data_), size_}; }
  /// That so many take.
  static std::size_t rounded(std::size_t size);

 private:
  void* data_;
  std::size_t size_;
};

}  // namespace vedette
