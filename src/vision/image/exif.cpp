#include "vision/image/codecs.hpp"

namespace vedette {
namespace {

constexpr unsigned kOrientation = 274, kShort = 3, kMostEntries = 1000;

/// Reads little- or big-endian numbers at any place; beyond the end they are 0.
class Numbers {
 public:
  Numbers(ImageBytes bytes, bool is_little) : bytes_(bytes), is_little_(is_little) {}
  [[nodiscard]] std::uint32_t read(std::uint64_t at, unsigned size) const {
    if (at > bytes_.size() || bytes_.size() - at < size) return 0;
    std::uint32_t value = 0;
    for (unsigned i = 0; i < size; ++i) value = value << 8 | bytes_[at + (is_little_ ? size - 1 - i : i)];
    return value;
  }

 private:
  ImageBytes bytes_;
  bool is_little_;
};

}  // namespace

int read_orientation(ImageBytes tiff) {
  if (tiff.size() < 8 || tiff[0] != tiff[1] || (tiff[0] != 'I' && tiff[0] != 'M')) return 1;
  const Numbers numbers(tiff, tiff[0] == 'I');
  if (numbers.read(2, 2) != 42) return 1;
  const std::uint64_t directory = numbers.read(4, 4);
  const unsigned entries = numbers.read(directory, 2);
  for (unsigned i = 0; i < entries && i < kMostEntries; ++i) {
    const auto entry = directory + 2 + 12ULL * i;
    if (numbers.read(entry, 2) != kOrientation || numbers.read(entry + 2, 2) != kShort) continue;
    const auto value = numbers.read(entry + 8, 2);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

}  // namespace vedette
