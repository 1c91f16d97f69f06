#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "base/random.hpp"

/// For tests that take the steps of a protocol in a million orders. A seed is a schedule: it always gives the same one.
/// Each test has a `World(seed, omitted, is_told)`: run() takes the steps and throws Broken when a promise is broken, and
/// told() then returns what has happened, if `is_told`. `omitted` names the rule that the world leaves out, so that the
/// test can show that the simulation finds what goes wrong without it.
namespace vedette::simulation {

struct Broken : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Dice {
 public:
  explicit Dice(std::uint64_t seed) : random_(seed) {}
  std::uint64_t roll(std::uint64_t sides) { return random_.below(sides); }
  bool one_in(std::uint64_t n) { return roll(n) == 0; }
  std::chrono::milliseconds up_to(std::chrono::milliseconds most) {
    return std::chrono::milliseconds(roll(static_cast<std::uint64_t>(most.count()) + 1));
  }

 private:
  Random random_;
};

/// Runs one schedule. Returns what went wrong, or nothing.
template <typename World, typename Omitted>
std::optional<std::string> fault_in(std::uint64_t seed, Omitted omitted) {
  World world(seed, omitted, false);
  try {
    world.run();
  } catch (const Broken& broken) {
    return broken.what();
  }
  return std::nullopt;
}

/// Tells a schedule step by step.
template <typename World, typename Omitted>
std::string story_of(std::uint64_t seed, Omitted omitted) {
  World world(seed, omitted, true);
  try {
    world.run();
  } catch (const Broken& broken) {
    return world.told() + broken.what() + "\n";
  }
  return world.told() + "nothing went wrong\n";
}

/// Runs the schedules 0, 1, …, or the one that the environment variable VEDETTE_SEED names. Returns the story of one in
/// which something went wrong, or nothing.
template <typename World, typename Omitted>
std::optional<std::string> first_broken(std::uint64_t schedules, Omitted omitted) {
  if (const char* named = std::getenv("VEDETTE_SEED")) {
    const auto seed = std::strtoull(named, nullptr, 10);
    return "VEDETTE_SEED=" + std::to_string(seed) + "\n" + story_of<World>(seed, omitted);
  }
  const auto threads = std::max(1U, std::thread::hardware_concurrency());
  std::vector<std::optional<std::uint64_t>> found(threads);
  std::vector<std::thread> running;
  for (unsigned t = 0; t < threads; ++t)
    running.emplace_back([&found, schedules, omitted, threads, t] {
      for (std::uint64_t seed = t; seed < schedules && !found[t]; seed += threads)
        if (fault_in<World>(seed, omitted)) found[t] = seed;
    });
  for (auto& thread : running) thread.join();
  for (const auto& seed : found)
    if (seed) return "VEDETTE_SEED=" + std::to_string(*seed) + "\n" + story_of<World>(*seed, omitted);
  return std::nullopt;
}

/// Returns whether some schedule shows this fault when the rule is left out.
template <typename World, typename Omitted>
bool finds(Omitted omitted, const std::string& fault) {
  for (std::uint64_t seed = 0; seed < 100'000; ++seed)
    if (fault_in<World>(seed, omitted) == fault) return true;
  return false;
}

}  // namespace vedette::simulation
