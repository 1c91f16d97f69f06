#pragma once

#include <cstdint>

namespace vedette {

/// Largest picture, bytes, that an import, a training and a detection take: the original's "8 MB".
inline constexpr std::uint64_t kLargestImage = 8ULL << 20;

}  // namespace vedette
