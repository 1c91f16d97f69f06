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

void append_field(std::string& line, const Field& field) {
  line += ' ';
  line += field.first;
  line += '=';
  append_value(line, field.second);
}

thread_local Context context_of_thread;

void write(std::string_view level, std::string_view event, std::span<const Field> fields) {
  std::string line = fmt::format("{} {} {}", to_extended_iso8601(SystemClock{}.now()), level, event);
  for (const auto& field : fields) append_field(line, field);
  for (const auto& field : context_of_thread.fields()) append_field(line, field);
  line += '\n';
  // If a log line cannot be written, it is lost: that is no reason to fail.
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace

void info(std::string_view event, Fields fields) {
  write("info", event, fields);
}
void info(std::string_view event, std::span<const Field> fields) {
  write("info", event, fields);
}
void warning(std::string_view event, Fields fields) {
  write("warning", event, fields);
}
void error(std::string_view event, Fields fields) {
  write("error", event, fields);
}

Context Context::current() {
  return context_of_thread;
}

Scope::Scope(Context context) : outer_(std::exchange(context_of_thread, std::move(context))) {}

Scope::~Scope() {
  context_of_thread = std::move(outer_);
}

}  // namespace vedette::log
