#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace vedette::log {

using Fields = std::initializer_list<std::pair<std::string_view, std::string>>;

/// Writes one event as one line on standard error: time, level, fixed text, then key=value fields (quoted where needed,
/// control characters escaped). Any thread may call these functions; a line is written by one call of the system. Never
/// pass secrets or bytes of pictures.
void info(std::string_view event, Fields fields = {});
void warning(std::string_view event, Fields fields = {});
void error(std::string_view event, Fields fields = {});

}  // namespace vedette::log
