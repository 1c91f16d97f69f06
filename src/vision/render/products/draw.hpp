#pragma once

#include <array>

#include "vision/render/products/canvas.hpp"

/// The six products; products.cpp photographs them.
namespace vedette::products {

/// What is wrong with a product.
struct Fault {
  std::size_t kind;  ///< an index into the names of the product's damage
  Random random;     ///< draws place, size and strength
};

/// What a product is, and how it is drawn.
struct Design {
  const char* name;
  int height, width;
  std::array<const char*, 6> damages;
  /// Draws the product's surface. All that varies between good products is drawn from `texture`. A fault is either
  /// painted with Texel::damage, or built differently (a missing part, for example) and leaves the marking to
  /// mark_changes().
  void (*draw)(Canvas& canvas, const Conditions& conditions, Random texture, const Fault* fault);
};

extern const Design kMetalPlate, kCeramicTile, kCarbonLaminate, kBlisterPack, kWoodVeneer, kConnector;

}  // namespace vedette::products
