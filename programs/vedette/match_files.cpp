#include <algorithm>

#include "base/text.hpp"
#include "import_source.hpp"
#include "manifest/manifest.hpp"

namespace vedette {
namespace {

// The least number of parts that a moved file has in common with its reference.
constexpr std::size_t kLeastShared = 2;

std::string key_of(const Reference& reference) {
  const auto uri = parse_s3_uri(reference.second);
  return uri ? uri->key : reference.second;
}

std::string last_part(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

/// Returns a path's parts without empty parts and dots.
std::vector<std::string_view> parts_of(std::string_view path) {
  auto parts = split(path, '/');
  std::erase_if(parts, [](auto part) { return part.empty() || part == "."; });
  return parts;
}

struct Fit {
  std::string file;
  std::size_t shared = 0;           ///< The number of parts, from the end, that key and file share.
  std::string key_rest, file_rest;  ///< The parts of key and file before the shared ones.
  [[nodiscard]] bool is_whole() const { return key_rest.empty() || file_rest.empty(); }
};

Fit compare(const std::string& key, const std::string& file) {
  const auto x = parts_of(key), y = parts_of(file);
  Fit fit;
  fit.file = file;
  while (fit.shared < x.size() && fit.shared < y.size() && x[x.size() - 1 - fit.shared] == y[y.size() - 1 - fit.shared])
    ++fit.shared;
  const auto rest = [&fit](const auto& parts) {
    std::string out;
    for (std::size_t i = 0; i + fit.shared < parts.size(); ++i) out += std::string(parts[i]) + "/";
    return out;
  };
  fit.key_rest = rest(x);
  fit.file_rest = rest(y);
  return fit;
}

/// Returns the best of the files that fit one reference, or null if there is more than one.
const Fit* best_of(const std::vector<Fit>& fits, const std::string& type) {
  std::vector<const Fit*> best;
  for (const auto& fit : fits) {
    if (!best.empty() && fit.shared < best[0]->shared) continue;
    if (!best.empty() && fit.shared > best[0]->shared) best.clear();
    best.push_back(&fit);
  }
  const auto keep = [&best](auto wanted) {
    if (best.size() > 1 && std::count_if(best.begin(), best.end(), wanted) == 1)
      best = {*std::find_if(best.begin(), best.end(), wanted)};
  };
  keep([](const Fit* fit) { return fit->key_rest.empty() && fit->file_rest.empty(); });
  keep([&](const Fit* fit) {
    const auto parts = parts_of(fit->file);
    return std::find(parts.begin(), parts.end(), type) != parts.end();
  });
  return best.size() == 1 ? best[0] : nullptr;
}

}  // namespace

std::map<Reference, std::string> match_files(const std::set<Reference>& references,
                                             const std::vector<std::string>& names) {
  std::multimap<std::string, const std::string*> by_last_part;
  for (const auto& name : names) by_last_part.emplace(last_part(name), &name);
  std::map<Reference, std::vector<Fit>> whole, moved;
  // The key is the rest of the reference's key, the value the rests of the files.
  std::map<std::string, std::set<std::string>> moves;
  std::set<std::string> found_here;  // The rests of keys of which some references fit as they are.
  std::set<std::string> homes;       // The folders of files that fit as they are.
  const auto folder_of = [](const std::string& path) { return path.substr(0, path.rfind('/') + 1); };
  for (const auto& reference : references) {
    const auto key = key_of(reference);
    const auto [begin, end] = by_last_part.equal_range(last_part(key));
    for (auto it = begin; it != end; ++it) {
      auto fit = compare(key, *it->second);
      if (fit.is_whole()) {
        homes.insert(folder_of(fit.file));
        found_here.insert(folder_of(key));
        whole[reference].push_back(std::move(fit));
      } else if (fit.shared >= kLeastShared) {
        moved[reference].push_back(std::move(fit));
      }
    }
  }
  // If a folder was moved, all its references that share as many parts with files show the same new place.
  for (const auto& [reference, fits] : moved) {
    if (whole.contains(reference)) continue;
    std::size_t most = 0;
    for (const auto& fit : fits) most = std::max(most, fit.shared);
    for (const auto& fit : fits)
      if (fit.shared == most) moves[folder_of(key_of(reference))].insert(folder_of(fit.file));
  }
  std::map<std::string, std::set<std::string>> arrivals;  // The folders that were moved, by their new place.
  for (const auto& [from, to] : moves)
    for (const auto& place : to) arrivals[place].insert(from);
  for (const auto& [reference, fits] : moved) {
    const auto from = folder_of(key_of(reference));
    const auto move = moves.find(from);
    if (whole.contains(reference) || move == moves.end() || found_here.contains(from) || move->second.size() != 1)
      continue;
    const auto& to = *move->second.begin();
    if (homes.contains(to) || arrivals[to].size() != 1) continue;
    for (const auto& fit : fits)
      if (folder_of(fit.file) == to) whole[reference].push_back(fit);
  }

  // If several references mean the same file, the one counts that has more in common with it, or that lies wholly in
  // its path.
  const auto strength = [](const Fit& fit) { return 2 * fit.shared + (fit.key_rest.empty() ? 1 : 0); };
  struct Claim {
    std::string key;
    std::size_t strength = 0;
    bool is_disputed = false;
  };
  std::map<std::string, Claim> claims;  // For each file, the reference that fits it best.
  std::map<Reference, const Fit*> chosen;
  for (const auto& [reference, fits] : whole) {
    const auto* fit = best_of(fits, reference.first);
    if (fit == nullptr) continue;
    chosen[reference] = fit;
    auto& claim = claims[fit->file];
    if (strength(*fit) > claim.strength) {
      claim = {reference.second, strength(*fit), false};
    } else if (strength(*fit) == claim.strength && claim.key != reference.second) {
      claim.is_disputed = true;
    }
  }
  std::map<Reference, std::string> out;
  for (const auto& [reference, fit] : chosen)
    if (const auto& claim = claims[fit->file]; !claim.is_disputed && claim.key == reference.second)
      out[reference] = fit->file;
  return out;
}

}  // namespace vedette
