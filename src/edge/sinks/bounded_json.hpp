#pragma once

#include <cstddef>
#include <string>

#include "edge/record/record.hpp"

namespace vedette::sinks {

/// The record as JSON of at most `most` bytes, at least 1,024: brokers close the connection of whoever sends a message
/// beyond their limit, again and again. A record that is too large loses its classes and reason, and if that is not
/// enough, all but its number, times, state and verdict; then it has the member "shortened": true.
std::string bounded_json(const VerdictRecord& record, std::size_t most);

}  // namespace vedette::sinks
