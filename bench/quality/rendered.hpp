#pragma once

#include <filesystem>

#include "lessons.hpp"
#include "vision/render/products/products.hpp"

/// Sets of rendered pictures, written into folders.
namespace vedette::bench {

/// What a folder of one rendered product holds.
struct RenderedSet {
  std::size_t good = 0, bad = 0;
  std::uint64_t batch = 0;
  bool has_masks = false;
  std::uint64_t first_seed = 0;  ///< of the first picture; the others have the numbers after it
};

/// Renders a set into `folder`, or returns it if the folder has it already. The kinds of damage take turns.
Samples render_set(products::Product product, const RenderedSet& set, const std::filesystem::path& folder);

/// Makes large pictures with tiny defects: parts of one rendered surface of 4096 × 4096, a third of them damaged over
/// 12 to 24 pixels. The first half is for training.
Samples render_tiny_defects(std::uint64_t seed, const std::filesystem::path& folder);

}  // namespace vedette::bench
