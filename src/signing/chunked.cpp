#include "signing/chunked.hpp"

#include <charconv>

#include "base/text.hpp"

namespace vedette {
namespace {

constexpr std::size_t kLongestLine = 4096;
constexpr std::size_t kLongestTrailer = 16 * 1024;
constexpr std::string_view kChunkSignature = "chunk-signature=";
constexpr std::string_view kTrailerSignature = "x-amz-trailer-signature";

Error not_chunked(const char* what) {
  return fail(ErrorKind::invalid_input, std::string("The body is not in the coding aws-chunked: ") + what + ".",
              "InvalidRequest");
}
Error incomplete() {
  return fail(ErrorKind::invalid_input,
              "You did not provide the number of bytes specified by the Content-Length HTTP header", "IncompleteBody");
}
Error wrong_signature() {
  return fail(ErrorKind::unauthenticated, "The signature of a chunk does not match.", "SignatureDoesNotMatch");
}

}  // namespace

std::optional<ChunkedFormat> parse_chunked_format(std::string_view hash) {
  if (hash == "STREAMING-AWS4-HMAC-SHA256-PAYLOAD") return ChunkedFormat{true, false};
  if (hash == "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER") return ChunkedFormat{true, true};
  if (hash == "STREAMING-UNSIGNED-PAYLOAD-TRAILER") return ChunkedFormat{false, true};
  return std::nullopt;
}

ChunkedDecoder::ChunkedDecoder(ChunkedFormat format, std::uint64_t decoded_length, const Authorization& authorization,
                               std::string_view secret)
    : format_(format),
      decoded_length_(decoded_length),
      scope_line_(authorization.timestamp + "\n" + authorization.credential.date + "/" +
                  authorization.credential.region + "/" + authorization.credential.service + "/aws4_request\n"),
      key_(signing_key(secret, authorization.credential)),
      previous_signature_(to_lower(authorization.signature)) {}

std::string ChunkedDecoder::next_signature(std::string_view kind, std::string_view rest) const {
  return to_hex(hmac_sha256(key_, "AWS4-HMAC-SHA256-" + std::string(kind) + "\n" + scope_line_ + previous_signature_ +
                                      "\n" + std::string(rest)));
}

Result<void> ChunkedDecoder::feed(std::span<const std::uint8_t> bytes, const Sink& sink) {
  while (!bytes.empty()) {
    if (state_ == State::end) return not_chunked("there is something behind its end");
    if (state_ == State::data) {
      const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size()));
      const auto piece = bytes.first(n);
      if (chunk_hash_) chunk_hash_->update(piece);
      if (auto ok = sink(piece); !ok) return ok;
      bytes = bytes.subspan(n);
      left_ -= n;
      decoded_ += n;
      if (left_ == 0) state_ = State::data_end;
      continue;
    }
    // Everything except the content of chunks comes in lines.
    const char c = static_cast<char>(bytes.front());
    bytes = bytes.subspan(1);
    if (c != '\n') {
      line_ += c;
      if (line_.size() > kLongestLine) return not_chunked("a line is too long");
      continue;
    }
    if (!line_.ends_with('\r')) return not_chunked("a line does not end with CR LF");
    line_.pop_back();
    const std::string line = std::move(line_);
    line_.clear();
    if (auto ok = take_line(line); !ok) return ok;
  }
  return {};
}

Result<void> ChunkedDecoder::take_line(std::string_view line) {
  switch (state_) {
    case State::size_line: {
      const auto semicolon = line.find(';');
      const auto digits = line.substr(0, semicolon);
      std::uint64_t size = 0;
      const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), size, 16);
      if (error != std::errc() || end != digits.data() + digits.size() || digits.empty())
        return not_chunked("a chunk has no size");
      if (size > decoded_length_ - decoded_) return incomplete();
      chunk_signature_.clear();
      if (semicolon != std::string_view::npos) {
        const auto extension = line.substr(semicolon + 1);
        if (extension.starts_with(kChunkSignature)) chunk_signature_ = extension.substr(kChunkSignature.size());
      }
      if (format_.is_signed) chunk_hash_.emplace(Hasher::Algorithm::sha256);
      left_ = size;
      is_last_ = size == 0;
      state_ = State::data;
      if (!is_last_) return {};
      if (auto ok = end_chunk(); !ok) return ok;
      state_ = State::trailer;
      return {};
    }
    case State::data_end:
      if (!line.empty()) return not_chunked("a chunk is longer than its size");
      if (auto ok = end_chunk(); !ok) return ok;
      state_ = State::size_line;
      return {};
    case State::trailer: {
      if (line.empty()) return end_trailer();
      trailer_bytes_ += line.size();
      const auto colon = line.find(':');
      if (!format_.has_trailer || colon == std::string_view::npos || trailer_bytes_ > kLongestTrailer)
        return not_chunked("its trailer is malformed");
      const auto name = to_lower(trim(line.substr(0, colon)));
      const auto value = std::string(trim(line.substr(colon + 1)));
      if (name == kTrailerSignature) {
        trailer_signature_ = value;
      } else {
        trailers_.emplace_back(name, value);
      }
      return {};
    }
    default:
      return not_chunked("there is something behind its end");
  }
}

Result<void> ChunkedDecoder::end_chunk() {
  if (!format_.is_signed) return {};
  const auto expected = next_signature("PAYLOAD", sha256_hex("") + "\n" + to_hex(chunk_hash_->finish()));
  if (!equal_in_constant_time(expected, to_lower(chunk_signature_))) return wrong_signature();
  previous_signature_ = expected;
  return {};
}

Result<void> ChunkedDecoder::end_trailer() {
  if (format_.is_signed && format_.has_trailer) {
    std::string canonical;
    for (const auto& [name, value] : trailers_) canonical += name + ":" + value + "\n";
    const auto expected = next_signature("TRAILER", sha256_hex(canonical));
    if (!equal_in_constant_time(expected, to_lower(trailer_signature_))) return wrong_signature();
  }
  state_ = State::end;
  return {};
}

Result<void> ChunkedDecoder::finish() const {
  if (state_ != State::end || decoded_ != decoded_length_) return incomplete();
  return {};
}

}  // namespace vedette
