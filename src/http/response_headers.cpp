#include "http/response_headers.hpp"

#include <algorithm>

namespace vedette {

bool are_sendable(const HeaderList& headers) {
  constexpr std::string_view kTokenMarks = "!#$%&'*+-.^_`|~";
  const auto is_token = [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           kTokenMarks.find(c) != std::string_view::npos;
  };
  const auto is_control = [](unsigned char c) { return (c < ' ' && c != '\t') || c == 127; };
  return std::all_of(headers.begin(), headers.end(), [&](const auto& header) {
    const auto& [name, value] = header;
    return !name.empty() && std::all_of(name.begin(), name.end(), is_token) &&
           std::none_of(value.begin(), value.end(), is_control);
  });
}

}  // namespace vedette
