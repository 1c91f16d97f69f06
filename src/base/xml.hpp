#pragma once

#include <string>
#include <string_view>

namespace vedette {

/// Text for an element or attribute of XML or HTML. XML 1.0 cannot hold most control characters at all; clients of S3 ask for
/// encoding-type=url where keys may have them.
std::string xml_escape(std::string_view text);
void append_xml_escaped(std::string& out, std::string_view text);

}  // namespace vedette
