#pragma once

#include <cstddef>
#include <string_view>

namespace vedette {

/// A block of bytes, all zero at first, aligned to a cache line. A block of kHugePage bytes or more uses huge pages
/// where the system has them (one page fault in the place of 512), and its memory goes back to the system as soon as it
/// is freed; a heap would keep the memory of a model that was unloaded. As with any container, only one thread may use
/// it at a time.
class LargeMemory {
 public:
  static constexpr std::size_t kHugePage = 2 << 20;
  /// Throws std::bad_alloc if there is not enough memory.
  explicit LargeMemory(std::size_t size);
  ~LargeMemory();
  LargeMemory(const LargeMemory&) = delete;
  LargeMemory& operator=(const LargeMemory&) = delete;
  [[nodiscard]] void* data() { return data_; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::string_view text() const { return {static_cast<const char*>(data_), size_}; }
  /// Returns how many bytes a block of `size` bytes really takes.
  static std::size_t rounded(std::size_t size);

 private:
  void* data_;
  std::size_t size_;
};

}  // namespace vedette
