#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

/// Reads a tar archive that a client sends to have it unpacked into a bucket. The functions are pure.
///   POSIX.1-2017, pax, "ustar Interchange Format" and "pax Interchange Format"; GNU tar's long names (type L)
namespace vedette::s3 {

inline constexpr std::size_t kLargestArchive = 16 << 20;  ///< In bytes.
inline constexpr std::size_t kMostArchiveEntries = 256;   ///< Files and folders of one archive.

struct ArchiveEntry {
  std::string name;          ///< As the archive has it, without a leading "./"; the name of a folder ends with "/".
  std::string_view content;  ///< A part of the archive's bytes.
  [[nodiscard]] bool is_folder() const { return name.ends_with('/'); }
};

/// Returns the files and folders of an uncompressed tar archive in their order; the folder "." itself is left out. It
/// reads the formats ustar, pax and GNU. Fails with InvalidRequest if the archive is damaged or cut off, has more than
/// kMostArchiveEntries entries, holds anything but files and folders (links, devices, sparse files), or names an entry
/// by an absolute path, with ".." or ".", or not in UTF-8.
Result<std::vector<ArchiveEntry>> parse_archive(std::string_view bytes);

}  // namespace vedette::s3
