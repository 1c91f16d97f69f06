#include "load.hpp"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cmath>
#include <thread>

#include "base/text.hpp"

namespace vedette {
namespace {

using Steady = std::chrono::steady_clock;

/// Returns the names and milliseconds of a Server-Timing header, as this server writes it: "name;dur=1.5, …".
std::vector<std::pair<std::string, double>> parse_timing(std::string_view text) {
  std::vector<std::pair<std::string, double>> out;
  for (const auto part : split(text, ',')) {
    const auto entry = trim(part);
    const auto at = entry.find(";dur=");
    if (at == std::string_view::npos) continue;
    const auto number = entry.substr(at + 5);
    double ms = 0;
    if (std::from_chars(number.data(), number.data() + number.size(), ms).ec == std::errc())
      out.emplace_back(entry.substr(0, at), ms);
  }
  return out;
}

bool is_png(const std::string& picture) {
  return picture.starts_with("\x89PNG");
}

}  // namespace

LoadResult run_load(const LoadOptions& options) {
  std::atomic<std::int64_t> next{0};
  const auto begin = Steady::now();
  const auto end = begin + std::chrono::duration_cast<Steady::duration>(std::chrono::duration<double>(options.seconds));
  const auto connection = [&](LoadResult& mine) {
    ServiceClient client(options.server);
    while (true) {
      const auto number = next++;
      auto due = Steady::now();
      if (options.rate > 0) {
        due = begin + std::chrono::duration_cast<Steady::duration>(
                          std::chrono::duration<double>(static_cast<double>(number) / options.rate));
        if (due >= end) break;
        std::this_thread::sleep_until(due);
      }
      if (due >= end) break;
      const auto& picture = options.pictures[static_cast<std::size_t>(number) % options.pictures.size()];
      const auto sent = Steady::now();
      const auto response = client.send({"lookoutvision",
                                         "POST",
                                         options.paths[static_cast<std::size_t>(number) % options.paths.size()],
                                         "",
                                         {{"content-type", is_png(picture) ? "image/png" : "image/jpeg"}},
                                         picture});
      if (!response || (response->status != 200 && response->status != 429)) {
        ++mine.failed;
      } else if (response->status == 429) {
        ++mine.throttled;
        // After a refusal a client pauses, as real clients do; without the pause the test would measure hardly anything
        // but refusals.
        if (options.rate == 0) std::this_thread::sleep_for(std::chrono::milliseconds(20));
      } else {
        const auto answered = Steady::now();
        mine.latency.push_back(std::chrono::duration<double, std::milli>(answered - due).count());
        const double call = std::chrono::duration<double, std::milli>(answered - sent).count();
        double overhead = call, unnamed = 0;
        for (auto& [name, ms] : parse_timing(header_value(response->headers, "server-timing"))) {
          mine.stages[name].push_back(ms);
          unnamed += name == "total" ? ms : -ms;
          if (name == "total") mine.stages["outside"].push_back(call - ms);
          if (std::find(kVisionStages.begin(), kVisionStages.end(), name) != kVisionStages.end()) overhead -= ms;
        }
        mine.overhead.push_back(overhead);
        mine.stages["other"].push_back(unnamed);
      }
    }
  };
  std::vector<LoadResult> results(static_cast<std::size_t>(options.connections));
  std::vector<std::thread> threads;
  threads.reserve(results.size());
  for (auto& mine : results) threads.emplace_back([&] { connection(mine); });
  for (auto& thread : threads) thread.join();
  LoadResult all;
  for (const auto& one : results) {
    all.latency.insert(all.latency.end(), one.latency.begin(), one.latency.end());
    all.overhead.insert(all.overhead.end(), one.overhead.begin(), one.overhead.end());
    for (const auto& [name, values] : one.stages)
      all.stages[name].insert(all.stages[name].end(), values.begin(), values.end());
    all.throttled += one.throttled;
    all.failed += one.failed;
  }
  all.seconds = std::chrono::duration<double>(Steady::now() - begin).count();
  return all;
}

double quantile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  const auto place = static_cast<std::size_t>(std::ceil(share * static_cast<double>(values.size())));
  const auto nth = values.begin() + static_cast<std::ptrdiff_t>(std::clamp<std::size_t>(place, 1, values.size()) - 1);
  std::nth_element(values.begin(), nth, values.end());
  return *nth;
}

}  // namespace vedette
