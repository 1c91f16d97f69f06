#include "http/framing.hpp"

#include <algorithm>
#include <boost/beast/http/field.hpp>
#include <iterator>

#include "base/text.hpp"

namespace vedette {
namespace {

namespace http = boost::beast::http;

// More lines than any client sends; their number, not only their size, costs time.
constexpr std::ptrdiff_t kMostHeaderLines = 500;

std::string_view view(boost::beast::string_view text) {
  return {text.data(), text.size()};
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_letter_or_digit(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/// Whether the text is a host with or without a port (RFC 3986 section 3.2.2). The host must not be empty.
bool is_host(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon != std::string_view::npos && text.find(']', colon) == std::string_view::npos) {
    const auto port = text.substr(colon + 1);
    if (!std::all_of(port.begin(), port.end(), is_digit)) return false;
    text = text.substr(0, colon);
  }
  std::string_view marks = "-._~!$&'()*+,;=%";
  if (text.starts_with('[') && text.ends_with(']')) {
    text = text.substr(1, text.size() - 2);
    marks = ":.%";
  }
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return is_letter_or_digit(c) || marks.find(c) != std::string_view::npos;
  });
}

Result<void> check_host(const http::request_header<>& head) {
  const auto lines = head.count(http::field::host);
  if (lines > 1) return invalid_input("The request has more than one Host header.");
  if (lines == 0)
    return head.version() < 11 ? Result<void>() : invalid_input("A request in HTTP/1.1 must have a Host header.");
  if (!is_host(view(head[http::field::host]))) return invalid_input("The Host header is not a host's name or address.");
  return {};
}

Result<void> check_transfer_encoding(const http::request_header<>& head) {
  const auto lines = head.count(http::field::transfer_encoding);
  if (lines == 0) return {};
  if (lines > 1) return invalid_input("The request has more than one Transfer-Encoding header.");
  if (head.version() < 11) return invalid_input("A request in HTTP/1.0 cannot have a Transfer-Encoding header.");
  if (head.count(http::field::content_length) > 0)
    return invalid_input("A request cannot have a Transfer-Encoding header and a Content-Length header.");
  const auto codings = view(head[http::field::transfer_encoding]);
  if (equals_ignore_case(codings, "chunked")) return {};
  const auto comma = codings.rfind(',');
  const auto last = comma == std::string_view::npos ? codings : codings.substr(comma + 1);
  if (!equals_ignore_case(trim(last), "chunked"))
    return invalid_input("The last transfer coding of a request must be chunked.");
  return fail(ErrorKind::unsupported, "This server offers no transfer coding but chunked.");
}

Result<void> check_content_length(const http::request_header<>& head) {
  const auto lines = head.count(http::field::content_length);
  if (lines == 0) return {};
  if (lines > 1) return invalid_input("The request has more than one Content-Length header.");
  const auto length = view(head[http::field::content_length]);
  if (!std::all_of(length.begin(), length.end(), is_digit) || !parse_integer(length))
    return invalid_input("The Content-Length header is not one whole number below 2^63.");
  return {};
}

}  // namespace

Result<void> check_framing(const http::request_header<>& head) {
  if (std::distance(head.begin(), head.end()) > kMostHeaderLines)
    return fail(ErrorKind::too_large, "The request has more than " + std::to_string(kMostHeaderLines) + " headers.");
  for (const auto check : {check_transfer_encoding, check_content_length, check_host})
    if (auto ok = check(head); !ok) return ok;
  return {};
}

bool are_plain_extensions(std::string_view extensions) {
  return std::none_of(extensions.begin(), extensions.end(),
                      [](unsigned char c) { return (c < ' ' && c != '\t') || c == 127; });
}

}  // namespace vedette
