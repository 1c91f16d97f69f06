#include "base/checksum.hpp"

#include <cstring>

#include "base/digest.hpp"

namespace vedette {
namespace {

/// Tables of a reflected CRC that takes eight bytes in each step ("slicing by 8", Kounavis and Berry 2005).
template <typename T>
struct CrcTables {
  std::array<std::array<T, 256>, 8> tables{};
  constexpr explicit CrcTables(T reflected_polynomial) {
    for (unsigned i = 0; i < 256; ++i) {
      T value = i;
      for (int bit = 0; bit < 8; ++bit) value = value & 1 ? (value >> 1) ^ reflected_polynomial : value >> 1;
      tables[0][i] = value;
    }
    for (std::size_t t = 1; t < 8; ++t)
      for (std::size_t i = 0; i < 256; ++i) tables[t][i] = (tables[t - 1][i] >> 8) ^ tables[0][tables[t - 1][i] & 0xFF];
  }

  T update(T crc, std::span<const std::uint8_t> data) const {
    while (data.size() >= 8) {
      std::uint64_t word = 0;
      std::memcpy(&word, data.data(), 8);  // The word is little-endian, as on all machines that this program runs on.
      word ^= crc;
      T next = 0;
      for (std::size_t i = 0; i < 8; ++i) next ^= tables[7 - i][(word >> (8 * i)) & 0xFF];
      crc = next;
      data = data.subspan(8);
    }
    for (const auto byte : data) crc = static_cast<T>((crc >> 8) ^ tables[0][(crc ^ byte) & 0xFF]);
    return crc;
  }
};

const CrcTables<std::uint32_t> kCrc32(0xEDB88320U), kCrc32c(0x82F63B78U);
const CrcTables<std::uint64_t> kCrc64Nvme(0x9A6C9329AC4BC9B5ULL);

struct Name {
  ChecksumAlgorithm algorithm;
  std::string_view text;
};
constexpr Name kNames[] = {{ChecksumAlgorithm::crc32, "crc32"},
                           {ChecksumAlgorithm::crc32c, "crc32c"},
                           {ChecksumAlgorithm::crc64nvme, "crc64nvme"},
                           {ChecksumAlgorithm::sha1, "sha1"},
                           {ChecksumAlgorithm::sha256, "sha256"}};

}  // namespace

std::string_view to_text(ChecksumAlgorithm algorithm) {
  return kNames[static_cast<std::size_t>(algorithm)].text;
}

std::optional<ChecksumAlgorithm> parse_checksum_algorithm(std::string_view text) {
  for (const auto& name : kNames)
    if (equals_ignore_case(name.text, text)) return name.algorithm;
  return std::nullopt;
}

struct Checksum::State {
  std::uint64_t crc = ~0ULL;
  std::optional<Hasher> hasher;
};

Checksum::Checksum(ChecksumAlgorithm algorithm) : algorithm_(algorithm), state_(std::make_unique<State>()) {
  if (algorithm == ChecksumAlgorithm::sha1) state_->hasher.emplace(Hasher::Algorithm::sha1);
  if (algorithm == ChecksumAlgorithm::sha256) state_->hasher.emplace(Hasher::Algorithm::sha256);
}
Checksum::~Checksum() = default;
Checksum::Checksum(Checksum&&) noexcept = default;
Checksum& Checksum::operator=(Checksum&&) noexcept = default;

void Checksum::update(std::span<const std::uint8_t> data) {
  switch (algorithm_) {
    case ChecksumAlgorithm::crc32:
      state_->crc = kCrc32.update(static_cast<std::uint32_t>(state_->crc), data);
      break;
    case ChecksumAlgorithm::crc32c:
      state_->crc = kCrc32c.update(static_cast<std::uint32_t>(state_->crc), data);
      break;
    case ChecksumAlgorithm::crc64nvme:
      state_->crc = kCrc64Nvme.update(state_->crc, data);
      break;
    default:
      state_->hasher->update(data);
  }
}

std::string Checksum::finish() {
  if (state_->hasher) return to_base64(state_->hasher->finish());
  const std::size_t size = algorithm_ == ChecksumAlgorithm::crc64nvme ? 8 : 4;
  const std::uint64_t value = ~state_->crc;
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>(value >> (8 * (size - 1 - i)));
  return to_base64(bytes);
}

}  // namespace vedette
