#pragma once

#include <string>
#include <string_view>

namespace vedette {

/// Escapes text for an element or attribute of XML or HTML. XML 1.0 cannot hold most control characters at all; where
/// keys may contain them, clients of S3 ask for encoding-type=url.
std::string xml_escape(std::string_view text);
void append_xml_escaped(std::string& out, std::string_view text);

}  // namespace vedette
