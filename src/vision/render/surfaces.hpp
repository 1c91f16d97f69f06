#pragma once

#include <array>
#include <cstdint>

#include "base/random.hpp"
#include "vision/image/image.hpp"

/// An endless supply of pictures of surfaces and parts, and of damage to them. The backbone is pretrained on them. The
/// seed determines the pictures. The functions are pure; any thread may call them.
namespace vedette::render {

enum class Surface {
  machined,
  cast,
  woven,
  printed,
  organic,
  granular,
  lattice,
  board,
  parts,
  matte,
  crystalline,
  rings,
  strands,
  glossy,
  leaves,
  mixed
};
inline constexpr std::array kSurfaces = {Surface::machined, Surface::cast,     Surface::woven,       Surface::printed,
                                         Surface::organic,  Surface::granular, Surface::lattice,     Surface::board,
                                         Surface::parts,    Surface::matte,    Surface::crystalline, Surface::rings,
                                         Surface::strands,  Surface::glossy,   Surface::leaves,      Surface::mixed};

/// Renders a picture of one kind of surface: lit, in focus or slightly out of it, with a sensor's noise. Each side has
/// 16 … 4096 pixels.
RgbImage render_surface(Surface surface, std::uint64_t seed, int height, int width);
/// Renders a kind of surface that the seed chooses.
RgbImage render_surface(std::uint64_t seed, int height, int width);

/// The ways to damage a picture: what fills the damaged place, and what outlines it.
enum class Fill { paste, matched_paste, foreign, color, smear, warp, erase, glow };
inline constexpr std::array kFills = {Fill::paste, Fill::matched_paste, Fill::foreign, Fill::color,
                                      Fill::smear, Fill::warp,          Fill::erase,   Fill::glow};
enum class Outline { blob, ellipse, polygon, stroke };
inline constexpr std::array kOutlines = {Outline::blob, Outline::ellipse, Outline::polygon, Outline::stroke};

struct Damage {
  Fill fill;
  Outline outline;
  double centre_y, centre_x;  ///< in pixels
  double size;                ///< How many pixels the damage is across, or how long a stroke is.
  double strength;            ///< 0 … 1: the opacity of what is painted, or how far something is moved
  double opacity = 1;         ///< 0 … 1: how much of the change is seen, whatever fills the place
};
/// Damages a place of the picture. `foreign` lends its content to Fill::foreign and must be at least as large as the
/// picture. Returns the damaged place: 1 inside the outline, otherwise 0. Everything is 0 if nearly nothing there
/// changed noticeably (for example, if a paste has the same texture). No pixel changes that is farther than 0.75 · size
/// + 4 from the centre along an axis.
Grid<std::uint8_t> damage(RgbImage& image, const Damage& damage, const RgbImage& foreign, Random random);

}  // namespace vedette::render
