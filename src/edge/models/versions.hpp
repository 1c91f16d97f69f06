#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

/// Finds the versions of a component in its folder, and remembers which were chosen. The functions are pure but for the
/// files; any thread may call them.
namespace vedette {

/// One version of a component as it lies in a folder.
struct ComponentVersion {
  std::string name;               ///< the name of its folder; empty if the component's folder holds the model itself
  std::filesystem::path folder;   ///< where manifest.json is, or ought to be
  std::string fingerprint;        ///< changes whenever a file of the model is added, replaced or changed
  std::uintmax_t blob_bytes = 0;  ///< the size of all its blobs
};

/// Whether version `a` is newer than `b`. Versions are compared part by part between their dots, by value where both
/// parts are numbers, and as text where neither is: 10.0.0 is newer than 9.1.0. A number is newer than any text, so that the
/// order is total.
bool is_newer(std::string_view a, std::string_view b);

/// Returns the versions of a component, the newest first. Names that begin with a dot are ignored. Of a folder without
/// any version the result is empty.
std::vector<ComponentVersion> list_versions(const std::filesystem::path& component);

/// What is remembered of a component.
struct RememberedVersion {
  std::string chosen;                  ///< the version that somebody chose; empty means the newest
  std::optional<std::string> running;  ///< the version that ran last
};
/// Returns those versions that a start tries, in order: all, or if one was chosen, that one and then the one that ran
/// last.
std::vector<ComponentVersion> versions_to_try(std::vector<ComponentVersion> versions,
                                              const RememberedVersion& remembered);
/// Reads what remember_versions() wrote; a missing file is empty. Fails with invalid_input if the file is damaged.
Result<std::map<std::string, RememberedVersion>> read_remembered_versions(const std::filesystem::path& file);
/// Writes the file atomically, and makes its folder.
Result<void> remember_versions(const std::filesystem::path& file,
                               const std::map<std::string, RememberedVersion>& versions);

}  // namespace vedette
