#include "base/xml.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace vedette {
namespace {

bool is_plain(char c) {
  return static_cast<unsigned char>(c) >= 0x20 && c != '&' && c != '<' && c != '>' && c != '"';
}

}  // namespace

void append_xml_escaped(std::string& out, std::string_view text) {
  while (true) {
    const auto end = std::find_if_not(text.begin(), text.end(), is_plain);
    const auto plain = static_cast<std::size_t>(end - text.begin());
    out.append(text.substr(0, plain));
    if (plain == text.size()) return;
    switch (*end) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        fmt::format_to(std::back_inserter(out), "&#x{:x};", static_cast<unsigned char>(*end));
    }
    text.remove_prefix(plain + 1);
  }
}

std::string xml_escape(std::string_view text) {
  std::string out;
  append_xml_escaped(out, text);
  return out;
}

}  // namespace vedette
