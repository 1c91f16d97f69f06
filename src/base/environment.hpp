#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vedette {

/// Returns those variables of this process's environment, as NAME=VALUE, whose names are listed: what a child process
/// that is not trusted with the rest may know. A listed name that ends in * stands for all names that begin so. No other
/// thread may change the environment meanwhile.
std::vector<std::string> select_environment(std::span<const std::string_view> names);

}  // namespace vedette
