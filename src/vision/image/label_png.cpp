#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "vision/image/image.hpp"

namespace vedette {
namespace {

/// Writes bytes as RFC 1950 (zlib) and RFC 1951 (deflate) lay them out, with one prefix code for all pictures. A run of
/// the longest length takes two bits, so that a row that equals the one above shrinks to one bit per hundred pixels.
class Deflater {
 public:
  static constexpr std::size_t kLongestRun = 258;

  Deflater() : literals_(make_codes(literal_lengths())) {
    out_ = {0x78, 0x01};
    put(1, 1);  // This is the last block.
    put(2, 2);  // The block has codes of its own.
    put(286 - 257, 5);
    put(kDistanceCodes - 1, 5);
    // The lengths of the codes follow, each 0 … 15 in four bits; no code stands for a repetition.
    put(19 - 4, 4);
    for (const int symbol : {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15})
      put(symbol < 16 ? 4 : 0, 3);
    const auto put_length = [&](std::uint8_t length) { put(reversed(length, 4), 4); };
    for (auto length : literal_lengths()) put_length(length);
    for (int code = 0; code < kDistanceCodes; ++code) put_length(code == 0 || code == kDistanceCodes - 1 ? 1 : 0);
  }
  void literal(std::uint8_t value) { put_symbol(value); }
  /// Repeats the last byte (`distance` 1) or the last three bytes (`distance` 3).
  void repeat(std::size_t count, int distance) {
    while (count > 0) {
      // The rest must not be shorter than the shortest run.
      auto length = std::min(count, kLongestRun);
      if (const auto rest = count - length; rest > 0 && rest < 3) length -= 3 - rest;
      if (length < 3) {
        // So short a run has zeros only, because callers repeat pixels three bytes at a time.
        for (; length > 0; --length, --count) literal(0);
        continue;
      }
      put_length(length);
      put(distance == 1 ? 0 : 1, 1);
      count -= length;
    }
  }
  Bytes finish(std::uint32_t adler) {
    put_symbol(256);
    if (filled_ > 0) out_.push_back(static_cast<std::uint8_t>(bits_));
    for (int shift = 24; shift >= 0; shift -= 8) out_.push_back(static_cast<std::uint8_t>(adler >> shift));
    return std::move(out_);
  }

 private:
  static constexpr int kSymbols = 286, kDistanceCodes = 3;  // The distances are 1, 2 and 3.
  struct Code {
    std::uint32_t bits;
    int length;
  };

  /// The longest run takes one bit, everything else nine or ten: 1/2 + 227/512 + 58/1024 = 1.
  static std::array<std::uint8_t, kSymbols> literal_lengths() {
    std::array<std::uint8_t, kSymbols> out{};
    for (std::size_t s = 0; s < kSymbols; ++s) out[s] = s == 285 ? 1 : s < 227 ? 9 : 10;
    return out;
  }
  static std::uint32_t reversed(std::uint32_t value, int length) {
    std::uint32_t out = 0;
    for (int i = 0; i < length; ++i) out |= (value >> i & 1U) << (length - 1 - i);
    return out;
  }
  /// Returns the canonical codes (RFC 1951, 3.2.2).
  static std::array<Code, kSymbols> make_codes(const std::array<std::uint8_t, kSymbols>& lengths) {
    std::array<Code, kSymbols> out{};
    std::uint32_t next = 0;
    for (int length = 1; length <= 15; ++length, next <<= 1)
      for (std::size_t s = 0; s < kSymbols; ++s)
        if (lengths[s] == length) out[s] = {reversed(next++, length), length};
    return out;
  }
  void put(std::uint32_t value, int length) {
    bits_ |= static_cast<std::uint64_t>(value) << filled_;
    for (filled_ += length; filled_ >= 8; filled_ -= 8, bits_ >>= 8) out_.push_back(static_cast<std::uint8_t>(bits_));
  }
  void put_symbol(std::size_t symbol) { put(literals_[symbol].bits, literals_[symbol].length); }
  /// Writes the length of a run, 3 … 258 (RFC 1951, 3.2.5).
  void put_length(std::size_t length) {
    if (length == kLongestRun) return put_symbol(285);
    if (length < 11) return put_symbol(254 + length);
    int extra = 1;
    std::size_t base = 11, symbol = 265;
    while (length >= base + (std::size_t{4} << extra)) base += std::size_t{4} << extra, symbol += 4, ++extra;
    put_symbol(symbol + ((length - base) >> extra));
    put(static_cast<std::uint32_t>((length - base) & ((std::size_t{1} << extra) - 1)), extra);
  }

  const std::array<Code, kSymbols> literals_;
  Bytes out_;
  std::uint64_t bits_ = 0;
  int filled_ = 0;
};

void append_u32(Bytes& out, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<std::uint8_t>(value >> shift));
}

void append_chunk(Bytes& out, const char* type, const Bytes& content) {
  append_u32(out, static_cast<std::uint32_t>(content.size()));
  const auto begin = out.size();
  out.insert(out.end(), type, type + 4);
  out.insert(out.end(), content.begin(), content.end());
  append_u32(out, static_cast<std::uint32_t>(crc32(0, out.data() + begin, static_cast<uInt>(out.size() - begin))));
}

constexpr std::uint32_t kAdlerBase = 65521;

}  // namespace

Bytes encode_label_png(const Grid<std::uint8_t>& labels, std::span<const Rgb> colors) {
  const auto width = static_cast<std::size_t>(labels.width), stride = 3 * width;
  Deflater deflater;
  std::uint32_t adler = 1;
  Bytes pixels(stride + 1);
  for (int y = 0; y < labels.height; ++y) {
    const std::uint8_t* row = &labels.at(y, 0);
    if (y > 0 && std::memcmp(row, row - labels.width, width) == 0) {
      // PNG's filter "up" stores the difference from the row above, which is zero here.
      deflater.literal(2);
      deflater.literal(0);
      deflater.repeat(stride - 1, 1);
      const std::uint64_t low = ((adler & 0xFFFFU) + 2) % kAdlerBase;
      const std::uint64_t high = ((adler >> 16) + low * (stride + 1)) % kAdlerBase;
      adler = static_cast<std::uint32_t>(high << 16 | low);
      continue;
    }
    deflater.literal(0);
    for (std::size_t x = 0; x < width;) {
      const auto end = static_cast<std::size_t>(
          std::find_if(row + x, row + width, [first = row[x]](auto label) { return label != first; }) - row);
      const auto& color = colors[row[x]];
      for (auto value : color) deflater.literal(value);
      deflater.repeat(3 * (end - x - 1), 3);
      for (; x < end; ++x)
        std::copy(color.begin(), color.end(), pixels.begin() + 1 + static_cast<std::ptrdiff_t>(3 * x));
    }
    adler = static_cast<std::uint32_t>(adler32(adler, pixels.data(), static_cast<uInt>(pixels.size())));
  }
  Bytes header;
  append_u32(header, static_cast<std::uint32_t>(labels.width));
  append_u32(header, static_cast<std::uint32_t>(labels.height));
  // The bytes mean: 8 bits, RGB, deflate, adaptive filters, not interlaced.
  header.insert(header.end(), {8, 2, 0, 0, 0});
  Bytes out = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
  append_chunk(out, "IHDR", header);
  append_chunk(out, "IDAT", deflater.finish(adler));
  append_chunk(out, "IEND", {});
  return out;
}

}  // namespace vedette
