#pragma once

#include <optional>
#include <pugixml.hpp>
#include <string>
#include <string_view>

#include "annotations/annotations.hpp"

/// Reads XML from outside with pugixml, which resolves no external entities, expands none that a document declares, and
/// parses without recursion.
namespace vedette {

/// Fails with invalid_input, naming file and line, if the text is no XML.
Result<void> parse_xml(std::string_view text, const std::string& file, pugi::xml_document& out);
/// Adds a problem "FILE, line N: REASON" of a node.
void report(const pugi::xml_node& node, std::string_view text, const std::string& file, const std::string& reason,
            Problems& problems);

/// Reads a decimal number within ± kMostCoordinate, with white space around it.
std::optional<double> parse_coordinate(std::string_view text);
/// Returns a side of a picture, 1 … kMostSide, or 0 if the text is no such number.
int parse_side(std::string_view text);

}  // namespace vedette
