#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "vision/image/image.hpp"

/// Renders pictures of six products, good or damaged, with exact masks. They are what the engine is judged on: nothing
/// that trains it may draw them. Their surfaces, damage and light share nothing but noise functions with those of
/// vision/render, from which the backbone learns, and the table of layers in ARCHITECTURE.md lets no module include this one. The seed determines
/// the pictures. The functions are pure; any thread may call them.
namespace vedette::products {

enum class Product { metal_plate, ceramic_tile, carbon_laminate, blister_pack, wood_veneer, connector };
inline constexpr std::array kProducts = {Product::metal_plate,  Product::ceramic_tile, Product::carbon_laminate,
                                         Product::blister_pack, Product::wood_veneer,  Product::connector};

/// Returns the product's name, in lower case and with hyphens.
const char* name_of(Product product);
/// Returns the names of the kinds of damage that this product suffers, at least five.
std::span<const char* const> damages_of(Product product);

struct Picture {
  RgbImage image;           ///< 400 … 512 rows and 448 … 640 columns; each product has one size
  Grid<std::uint8_t> mask;  ///< 1 where the product is damaged, otherwise 0
};

/// Renders one picture. Position (by a few pixels), light, material, focus and noise vary with the seed as they do in a
/// plant.
/// batch   0 is the first one; any other differs from it in the direction of the light, exposure, colour and roughness
///         of the material, position of the camera and focus, by more than the pictures of one batch differ
/// damage  an index into damages_of(product); without it the product is good. The damage is 3 pixels across or more, and
///         faint or plain, as the seed says. Pixels that are more than 4 pixels away from the mask are nearly those of
///         the good product of the same seed.
Picture render_product(Product product, std::uint64_t seed, std::uint64_t batch, std::optional<std::size_t> damage);

}  // namespace vedette::products
