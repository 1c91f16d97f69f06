#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/text.hpp"

/// The checksums that S3 clients send beside objects. Pure computation.
///   https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
namespace vedette {

enum class ChecksumAlgorithm { crc32, crc32c, crc64nvme, sha1, sha256 };

/// "crc32", as in x-amz-checksum-crc32.
std::string_view to_text(ChecksumAlgorithm algorithm);
/// Any case; empty if there is no such algorithm.
std::optional<ChecksumAlgorithm> parse_checksum_algorithm(std::string_view text);

/// Incremental. Not thread-safe.
class Checksum {
 public:
  explicit Checksum(ChecksumAlgorithm algorithm);
  ~Checksum();
  Checksum(Checksum&&) noexcept;
  Checksum& operator=(Checksum&&) noexcept;
  [[nodiscard]] ChecksumAlgorithm algorithm() const { return algorithm_; }
  void update(std::span<const std::uint8_t> data);
  /// Big-endian bytes in base64, as the headers carry it. No update may follow.
  std::string finish();

 private:
  struct State;
  ChecksumAlgorithm algorithm_;
  std::unique_ptr<State> state_;
};

}  // namespace vedette
