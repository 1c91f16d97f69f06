#include "vision/learn/detectors/rows.hpp"

#include <algorithm>

namespace vedette {

std::size_t sampled_rows(const Workshop& w) {
  constexpr std::size_t all = 100'000, fewest = 30, most = 800;
  return std::clamp<std::size_t>(all / w.normals.size(), fewest, most);
}

std::vector<std::size_t> draw_rows(const std::vector<float>& rows, std::int64_t cells, std::size_t count,
                                   Random& random, std::vector<float>& drawn) {
  const auto channels = static_cast<std::ptrdiff_t>(static_cast<std::int64_t>(rows.size()) / cells);
  std::vector<std::size_t> numbers(std::min<std::size_t>(count, static_cast<std::size_t>(cells)));
  for (auto& number : numbers) number = random.below(static_cast<std::uint64_t>(cells));
  for (const auto number : numbers)
    drawn.insert(drawn.end(), rows.begin() + static_cast<std::ptrdiff_t>(number) * channels,
                 rows.begin() + static_cast<std::ptrdiff_t>(number + 1) * channels);
  return numbers;
}

std::string append_projection(Workshop& w, const std::string& output, const std::string& rows,
                              const Whitening& whitening) {
  w.artifact.manifest.graph.push_back({"project",
                                       output,
                                       {rows},
                                       {{"weights", w.keep(output + ".weights", whitening.weights)},
                                        {"bias", w.keep(output + ".bias", whitening.bias)}},
                                       {}});
  return output;
}

}  // namespace vedette
