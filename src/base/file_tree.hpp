#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

/// Finds the files below a folder that people fill by hand, with desktops, network storage and notebooks. Any thread
/// may call these functions.
namespace vedette {

struct FileTree {
  std::vector<std::filesystem::path> files;       ///< Regular files as folder/relative path, sorted by their bytes.
  std::vector<std::filesystem::path> dangling;    ///< Links that lead nowhere, sorted.
  std::vector<std::filesystem::path> unreadable;  ///< Folders that this process may not open, sorted.
};

/// Whether a file or folder of this name belongs to a system and not to its user. Such names begin with a dot, or are
/// left by Synology, macOS, QNAP or Windows: `@eaDir`, `__MACOSX`, `#recycle`, `$RECYCLE.BIN`, `System Volume
/// Information`, `Thumbs.db` and the like, in upper or lower case.
bool is_system_name(std::string_view name);

/// Lists all files below a folder, except those that is_system_name() names. Links are followed. Each folder is read
/// once, however many links lead to it; if both a link and the folder itself lie below, the folder's own name counts.
/// The given folder may have any name. Throws std::filesystem::filesystem_error if the given folder itself cannot be
/// read.
FileTree list_files(const std::filesystem::path& folder);

/// Returns a file's name for JSON and messages, which hold UTF-8 only: the path as it is where it is UTF-8, else the
/// `file:///` URI of the absolute path (RFC 8089), whose %XX are the bytes of the name.
std::string to_name(const std::filesystem::path& path);
/// Returns the path that to_name() was given, made absolute if it was not UTF-8.
std::filesystem::path path_from_name(const std::string& name);

}  // namespace vedette
