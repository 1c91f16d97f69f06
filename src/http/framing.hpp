#pragma once

#include <boost/beast/http/message.hpp>
#include <cstddef>
#include <string_view>

#include "base/result.hpp"

/// How a request is cut out of the bytes of its connection (RFC 9112 sections 3.2, 6 and 7). If a proxy and this server could disagree about
/// where a request ends, somebody could hide a second request in the first: whatever is ambiguous is refused, its connection is closed, and
/// nothing behind it is read as a request. All functions are pure and thread-safe.
namespace vedette {

/// Checks what Beast's parser lets pass in a request's head. The caller must refuse the request and close the connection on each of these
/// errors: unsupported for transfer codings other than chunked (status 501), too_large for more than 500 header lines (431), and
/// invalid_input (400) for any other body length that is not certain, and for a Host that is missing from HTTP/1.1, repeated or malformed.
Result<void> check_framing(const boost::beast::http::request_header<>& head);

/// Whether the extensions of a chunk line hold no control character except the tab. Beast takes line feeds inside of quoted strings, where
/// some proxies end the line.
bool are_plain_extensions(std::string_view extensions);

/// Counts what one chunked body sends beside its content.
class ChunkOverhead {
 public:
  /// A chunk line may take as many bytes as this: 16 digits, two line ends, and a short extension.
  static constexpr std::size_t kFreePerLine = 32;
  /// All that is longer, and all trailers, may take so many bytes in one body.
  static constexpr std::size_t kMost = 8 * 1024;

  /// Counts one chunk line, the last one with all trailers. Returns false if the body has spent more than it may.
  [[nodiscard]] bool admit(std::size_t bytes) {
    if (bytes > kFreePerLine) excess_ += bytes - kFreePerLine;
    return excess_ <= kMost;
  }

 private:
  std::size_t excess_ = 0;
};

}  // namespace vedette
