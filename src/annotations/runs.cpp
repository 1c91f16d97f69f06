#include <limits>

#include "annotations/shapes.hpp"

namespace vedette {
namespace {

constexpr int kDigitBits = 5;
constexpr char kFirstDigit = 48;
constexpr std::int64_t kLongestRun = std::numeric_limits<std::uint32_t>::max();

/// Reads numbers from bytes, the highest bit first.
class BitReader {
 public:
  explicit BitReader(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}
  /// Returns the next `bits` (at most 32), or 0 once the bytes have ended.
  std::uint32_t read(unsigned bits) {
    if (position_ + bits > 8 * bytes_.size()) {
      has_ended_ = true;
      return 0;
    }
    std::uint64_t value = 0;
    for (unsigned i = 0; i < bits; ++i, ++position_)
      value = value << 1 | (static_cast<unsigned>(bytes_[position_ / 8]) >> (7 - position_ % 8) & 1U);
    return static_cast<std::uint32_t>(value);
  }
  [[nodiscard]] bool has_ended() const { return has_ended_; }

 private:
  std::span<const std::uint8_t> bytes_;
  std::size_t position_ = 0;
  bool has_ended_ = false;
};

}  // namespace

std::optional<std::vector<std::uint32_t>> parse_coco_counts(std::string_view text) {
  std::vector<std::uint32_t> lengths;
  for (std::size_t i = 0; i < text.size();) {
    std::int64_t value = 0;
    for (int shift = 0;; shift += kDigitBits) {
      if (i == text.size() || shift > 7 * kDigitBits) return std::nullopt;
      const int digit = text[i++] - kFirstDigit;
      if (digit < 0 || digit > 63) return std::nullopt;
      value |= static_cast<std::int64_t>(digit & 0x1F) << shift;
      if ((digit & 0x20) != 0) continue;
      // The highest bit of the last digit is the sign.
      if ((digit & 0x10) != 0) value -= std::int64_t{1} << (shift + kDigitBits);
      break;
    }
    if (lengths.size() > 2) value += lengths[lengths.size() - 2];
    if (value < 0 || value > kLongestRun) return std::nullopt;
    lengths.push_back(static_cast<std::uint32_t>(value));
  }
  return lengths;
}

std::string to_coco_counts(std::span<const std::uint32_t> lengths) {
  std::string out;
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    std::int64_t value = lengths[i];
    if (i > 2) value -= lengths[i - 2];
    for (bool is_last = false; !is_last;) {
      auto digit = static_cast<int>(value & 0x1F);
      value >>= kDigitBits;
      is_last = (digit & 0x10) != 0 ? value == -1 : value == 0;
      if (!is_last) digit |= 0x20;
      out += static_cast<char>(kFirstDigit + digit);
    }
  }
  return out;
}

std::optional<Runs> parse_label_studio_brush(std::span<const std::uint8_t> bytes, int height, int width) {
  if (height < 1 || height > kMostSide || width < 1 || width > kMostSide) return std::nullopt;
  BitReader in(bytes);
  const std::uint64_t count = in.read(32);
  if (count != 4 * static_cast<std::uint64_t>(height) * static_cast<std::uint64_t>(width)) return std::nullopt;
  const unsigned word = in.read(5) + 1;
  unsigned length_bits[4];
  for (auto& bits : length_bits) bits = in.read(4) + 1;
  RunBuilder runs;
  for (std::uint64_t i = 0; i < count;) {
    const bool is_repeated = in.read(1) != 0;
    const std::uint64_t end = i + 1 + in.read(length_bits[in.read(2)]);
    if (end > count) return std::nullopt;
    const std::uint32_t repeated = is_repeated ? in.read(word) : 0;
    if (is_repeated) {
      // Every fourth value is an alpha: those with numbers 3, 7, 11 and so on.
      runs.add(repeated != 0, static_cast<std::uint32_t>(end / 4 - i / 4));
      i = end;
    } else {
      for (; i < end; ++i) {
        const bool is_marked = in.read(word) != 0;
        if (i % 4 == 3) runs.add(is_marked, 1);
      }
    }
    if (in.has_ended()) return std::nullopt;
  }
  return Runs{.left = 0, .top = 0, .height = height, .width = width, .by_columns = false, .lengths = runs.take()};
}

}  // namespace vedette
