#include "base/log.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include "base/clock.hpp"

namespace vedette::log {
namespace {

void append_value(std::string& line, std::string_view value) {
  bool plain = !value.empty();
  for (char c : value) plain = plain && c > ' ' && c != '"' && c != '=' && c != '\\' && c != 0x7F;
  if (plain) {
    line += value;
    return;
  }
  line += '"';
  for (char c : value) {
    if (c == '"' || c == '\\') {
      line += '\\';
      line += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      line += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      line += c;
    }
  }
  line += '"';
}

void write(std::string_view level, std::string_view event, Fields fields) {
  std::string line = fmt::format("{} {} {}", to_extended_iso8601(SystemClock{}.now()), level, event);
  for (const auto& [key, value] : fields) {
    line += ' ';
    line += key;
    line += '=';
    append_value(line, value);
  }
  line += '\n';
  // If a log line cannot be written it is lost: that is no reason to fail.
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace

void info(std::string_view event, Fields fields) {
  write("info", event, fields);
}
void warning(std::string_view event, Fields fields) {
  write("warning", event, fields);
}
void error(std::string_view event, Fields fields) {
  write("error", event, fields);
}

}  // namespace vedette::log
