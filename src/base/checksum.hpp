#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/text.hpp"

/// Computes the checksums that S3 clients send beside objects. The functions are pure.
///   https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
namespace vedette {

enum class ChecksumAlgorithm { crc32, crc32c, crc64nvme, sha1, sha256 };

/// Returns the name as headers such as x-amz-checksum-crc32 have it: "crc32".
std::string_view to_text(ChecksumAlgorithm algorithm);
/// Reads a name in upper or lower case. Returns nothing if there is no algorithm of that name.
std::optional<ChecksumAlgorithm> parse_checksum_algorithm(std::string_view text);

/// Computes one checksum of data that arrives in pieces. Not thread-safe.
class Checksum {
 public:
  explicit Checksum(ChecksumAlgorithm algorithm);
  ~Checksum();
  Checksum(Checksum&&) noexcept;
  Checksum& operator=(Checksum&&) noexcept;
  [[nodiscard]] ChecksumAlgorithm algorithm() const { return algorithm_; }
  void update(std::span<const std::uint8_t> data);
  /// Returns the checksum as S3's headers carry it: big-endian bytes in base64. update() must not be called afterwards.
  std::string finish();

 private:
  struct State;
  ChecksumAlgorithm algorithm_;
  std::unique_ptr<State> state_;
};

}  // namespace vedette
