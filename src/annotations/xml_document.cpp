#include "annotations/xml_document.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

namespace vedette {
namespace {

std::ptrdiff_t line_of(std::string_view text, std::ptrdiff_t offset) {
  const auto end = std::clamp<std::ptrdiff_t>(offset, 0, static_cast<std::ptrdiff_t>(text.size()));
  return 1 + std::count(text.begin(), text.begin() + end, '\n');
}

}  // namespace

Result<void> parse_xml(std::string_view text, const std::string& file, pugi::xml_document& out) {
  const auto parsed = out.load_buffer(text.data(), text.size(), pugi::parse_default, pugi::encoding_auto);
  if (parsed) return {};
  return invalid_input(fmt::format("{}, line {}: this is no XML that can be read: {}", file,
                                   line_of(text, parsed.offset), parsed.description()));
}

void report(const pugi::xml_node& node, std::string_view text, const std::string& file, const std::string& reason,
            Problems& problems) {
  // To find a line takes time in proportion to the text.
  problems.add(problems.wants_text() ? fmt::format("{}, line {}: {}", file, line_of(text, node.offset_debug()), reason)
                                     : std::string());
}

std::optional<double> parse_coordinate(std::string_view text) {
  text = trim(text);
  double value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  // Comparisons with NaN are false.
  if (code != std::errc() || end != text.data() + text.size() || !(std::abs(value) <= kMostCoordinate))
    return std::nullopt;
  return value;
}

int parse_side(std::string_view text) {
  const auto side = parse_coordinate(text);
  return side && *side >= 1 && *side <= kMostSide && *side == std::floor(*side) ? static_cast<int>(*side) : 0;
}

}  // namespace vedette
