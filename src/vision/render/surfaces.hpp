#pragma once

#include <array>
#include <cstdint>

#include "base/random.hpp"
#include "vision/image/image.hpp"

/// An endless supply of pictures of surfaces and parts, and of damage to them: what the backbone is pretrained on.
/// Deterministic by seed. Pure functions; any thread.
namespace vedette::render {

enum class Surface { machined, cast, woven, printed, organic, granular, lattice, board, parts };
inline constexpr std::array kSurfaces = {Surface::machined, Surface::cast,    Surface::woven,
                                         Surface::printed,  Surface::organic, Surface::granular,
                                         Surface::lattice,  Surface::board,   Surface::parts};

/// A picture of one kind, lit, in focus or slightly out of it, with a sensor's noise. Sides 16 … 4096.
RgbImage render_surface(Surface surface, std::uint64_t seed, int height, int width);
/// A kind drawn by the seed.
RgbImage render_surface(std::uint64_t seed, int height, int width);

/// Ways to damage a picture: what fills the damaged place, and what outlines it.
enum class Fill { paste, matched_paste, foreign, color, smear, warp, erase, glow };
inline constexpr std::array kFills = {Fill::paste, Fill::matched_paste, Fill::foreign, Fill::color,
                                      Fill::smear, Fill::warp,          Fill::erase,   Fill::glow};
enum class Outline { blob, ellipse, polygon, stroke };
inline constexpr std::array kOutlines = {Outline::blob, Outline::ellipse, Outline::polygon, Outline::stroke};

struct Damage {
  Fill fill;
  Outline outline;
  double centre_y, centre_x;  ///< pixels
  double size;                ///< pixels across; a stroke's length
  double strength;            ///< 0 … 1: opacity of what is painted, length of what is moved
};
/// Damages a place of the picture. `foreign` lends its content to Fill::foreign and must be at least as large.
/// Returns the damaged place: 1 inside the outline, else 0; all 0 if nearly nothing there changed noticeably (say, a paste
/// of the same texture). No pixel beyond 0.75 · size + 4 from the centre, along each axis, changes.
Grid<std::uint8_t> damage(RgbImage& image, const Damage& damage, const RgbImage& foreign, Random random);

}  // namespace vedette::render
