#pragma once

#include "vision/image/image.hpp"

namespace vedette {

/// Encodes a plane of numbers as PNG, grey, 8 bit. It is a pure function; any thread may call it.
Result<Bytes> encode_grey_png(const Grid<std::uint8_t>& grey);

}  // namespace vedette
