#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "base/digest.hpp"
#include "base/result.hpp"
#include "signing/signing.hpp"

/// Bodies in the content coding aws-chunked: chunks with their sizes, perhaps a signature each, perhaps a trailer.
///   https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
///   https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
namespace vedette {

/// What x-amz-content-sha256 announces.
struct ChunkedFormat {
  bool is_signed = false, has_trailer = false;
};
/// STREAMING-AWS4-HMAC-SHA256-PAYLOAD, the same with -TRAILER, STREAMING-UNSIGNED-PAYLOAD-TRAILER. Empty otherwise.
std::optional<ChunkedFormat> parse_chunked_format(std::string_view payload_hash);

/// Takes a body in pieces of any size and hands on its content. Not thread-safe.
class ChunkedDecoder {
 public:
  using Sink = std::function<Result<void>(std::span<const std::uint8_t>)>;

  /// `decoded_length`: what x-amz-decoded-content-length promises. The authorization is the request's, verified; its
  /// signature seeds those of the chunks.
  ChunkedDecoder(ChunkedFormat format, std::uint64_t decoded_length, const Authorization& authorization,
                 std::string_view secret);

  /// Content is handed on before its chunk's signature is checked: the sink must not make it visible before finish().
  /// Fails with the code SignatureDoesNotMatch, IncompleteBody, or InvalidRequest for what is no such coding.
  Result<void> feed(std::span<const std::uint8_t> bytes, const Sink& sink);
  /// The body has ended. Fails with IncompleteBody unless the last chunk and the trailer were there and the length is as
  /// promised.
  Result<void> finish() const;
  [[nodiscard]] std::uint64_t decoded_length() const { return decoded_length_; }
  [[nodiscard]] const HeaderList& trailers() const { return trailers_; }  ///< names in lower case

 private:
  enum class State { size_line, data, data_end, trailer, end };
  Result<void> take_line(std::string_view line);
  Result<void> end_chunk();
  Result<void> end_trailer();
  std::string next_signature(std::string_view kind, std::string_view rest) const;

  const ChunkedFormat format_;
  const std::uint64_t decoded_length_;
  const std::string scope_line_;
  const Sha256 key_;
  std::string previous_signature_, chunk_signature_, trailer_signature_;
  State state_ = State::size_line;
  std::string line_;
  std::uint64_t left_ = 0, decoded_ = 0;
  bool is_last_ = false;
  std::optional<Hasher> chunk_hash_;
  HeaderList trailers_;
  std::size_t trailer_bytes_ = 0;
};

}  // namespace vedette
