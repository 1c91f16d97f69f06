#pragma once

#include <bit>
#include <cstdint>

namespace vedette {

using Half = std::uint16_t;  ///< A bf16 number: the upper half of a float.

inline float widen(Half x) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(x) << 16);
}
inline Half narrow(float x) {  // It rounds to the nearest number, ties to even.
  const auto bits = std::bit_cast<std::uint32_t>(x);
  return static_cast<Half>((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
}

}  // namespace vedette
