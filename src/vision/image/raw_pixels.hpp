#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "vision/image/image.hpp"

namespace vedette {

/// Makes a picture of packed 8-bit RGB pixels, which may lie outside of this process. It is reduced as decode_image()
/// reduces a PNG file with these pixels, so that both give the same picture. `read(offset, out)` copies the pixels'
/// bytes from `offset` on. It is called for each byte once at most, in any order, by as many threads at a time as the
/// calling thread's ThreadCount allows (base/parallel.hpp), and must not throw. Fails as `read` does. Sides must be at
/// least 1.
Result<RgbImage> read_raw_pixels(int height, int width, LeastSize least,
                                 const std::function<Result<void>(std::size_t, std::span<std::uint8_t>)>& read);

}  // namespace vedette
