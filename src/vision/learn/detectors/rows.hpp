#pragma once

#include <string>
#include <vector>

#include "vision/learn/normality.hpp"
#include "vision/learn/workshop.hpp"

/// What detectors have in common that compare rows of features.
namespace vedette {

inline constexpr std::int64_t kMostComponents = 96;  ///< The most components of the space in which rows are compared.

/// Returns how many rows are drawn from each good picture, so that all of them together are about 100,000.
std::size_t sampled_rows(const Workshop& w);

/// Draws rows with replacement, at most as many as there are cells, appends them to `drawn`, and returns their numbers.
std::vector<std::size_t> draw_rows(const std::vector<float>& rows, std::int64_t cells, std::size_t count,
                                   Random& random, std::vector<float>& drawn);

/// Appends the map of rows into that space, and returns the name of its output.
std::string append_projection(Workshop& w, const std::string& output, const std::string& rows,
                              const Whitening& whitening);

}  // namespace vedette
