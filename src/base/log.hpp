#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace vedette::log {

using Fields = std::initializer_list<std::pair<std::string_view, std::string>>;

/// One event per line on standard error: time, level, fixed text, then key=value fields (quoted where needed, control
/// characters escaped). Any thread; a line is written in one call. Never pass secrets or image bytes.
void info(std::string_view event, Fields fields = {});
void warning(std::string_view event, Fields fields = {});
void error(std::string_view event, Fields fields = {});

}  // namespace vedette::log
