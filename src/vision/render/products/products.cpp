#include "vision/render/products/products.hpp"

#include <algorithm>

#include "vision/render/products/draw.hpp"

namespace vedette::products {
namespace {

constexpr float kMarked = 0.08F;  // From this share of damage on a pixel counts as damaged.

const Design& design_of(Product product) {
  switch (product) {
    case Product::metal_plate:
      return kMetalPlate;
    case Product::ceramic_tile:
      return kCeramicTile;
    case Product::carbon_laminate:
      return kCarbonLaminate;
    case Product::blister_pack:
      return kBlisterPack;
    case Product::wood_veneer:
      return kWoodVeneer;
    case Product::connector:
      break;
  }
  return kConnector;
}

}  // namespace

const char* name_of(Product product) {
  return design_of(product).name;
}

std::span<const char* const> damages_of(Product product) {
  return design_of(product).damages;
}

Picture render_product(Product product, std::uint64_t seed, std::uint64_t batch, std::optional<std::size_t> damage) {
  const auto& design = design_of(product);
  const Random random = Random(seed).fork(1 + static_cast<std::uint64_t>(product)).fork(batch);
  // A batch differs in another way for each product.
  const Conditions conditions(random.fork(1),
                              batch == 0 ? 0 : batch * kProducts.size() + static_cast<std::size_t>(product));
  Canvas canvas(design.height, design.width);
  if (damage) {
    const Fault fault{*damage % design.damages.size(), random.fork(3)};
    design.draw(canvas, conditions, random.fork(2), &fault);
    if (std::all_of(canvas.values.begin(), canvas.values.end(), [](const Texel& t) { return t.damage == 0; })) {
      Canvas good(design.height, design.width);
      design.draw(good, conditions, random.fork(2), nullptr);
      mark_changes(canvas, good);
    }
  } else {
    design.draw(canvas, conditions, random.fork(2), nullptr);
  }
  Picture picture{photograph(canvas, conditions), Grid<std::uint8_t>(design.height, design.width)};
  std::transform(canvas.values.begin(), canvas.values.end(), picture.mask.values.begin(),
                 [](const Texel& t) { return static_cast<std::uint8_t>(t.damage >= kMarked ? 1 : 0); });
  return picture;
}

}  // namespace vedette::products
