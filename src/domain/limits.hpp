#pragma once

#include <cstdint>

namespace vedette {

/// The largest picture, in bytes, that an import, a training and a detection take: the "8 MB" of the original service.
inline constexpr std::uint64_t kLargestImage = 8ULL << 20;

}  // namespace vedette
