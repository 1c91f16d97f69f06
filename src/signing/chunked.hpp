#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "base/digest.hpp"
#include "base/result.hpp"
#include "signing/signing.hpp"

/// Decodes bodies in the content coding aws-chunked. They consist of chunks with their sizes, and may have a signature
/// for each chunk and a trailer.
///
/// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
///
/// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
namespace vedette {

/// Says what kind of chunked body the header x-amz-content-sha256 announces.
struct ChunkedFormat {
  bool is_signed = false, has_trailer = false;
};
/// Reads STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER and
/// STREAMING-UNSIGNED-PAYLOAD-TRAILER. Returns nothing for any other text.
std::optional<ChunkedFormat> parse_chunked_format(std::string_view payload_hash);

/// Takes a body in pieces of any size and hands on its decoded content. It is not thread-safe.
class ChunkedDecoder {
 public:
  using Sink = std::function<Result<void>(std::span<const std::uint8_t>)>;

  /// `decoded_length` is the value of x-amz-decoded-content-length. `authorization` belongs to the request and is
  /// verified already; the signature of the first chunk is computed from its signature.
  ChunkedDecoder(ChunkedFormat format, std::uint64_t decoded_length, const Authorization& authorization,
                 std::string_view secret);

  /// Decodes the next bytes of the body. The sink gets content before the signature of its chunk is checked, so it must
  /// not make the content visible before finish() has succeeded. Fails with the code SignatureDoesNotMatch or
  /// IncompleteBody, or with InvalidRequest if the bytes are not in this coding.
  Result<void> feed(std::span<const std::uint8_t> bytes, const Sink& sink);
  /// Ends the body. Fails with IncompleteBody unless the last chunk and the trailer have arrived and the content has
  /// the promised length.
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
