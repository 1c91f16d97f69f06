#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

/// The files below a folder that people fill by hand, with desktops, network storage and notebooks. Any thread.
namespace vedette {

struct FileTree {
  std::vector<std::filesystem::path> files;       ///< regular files as folder/relative path, sorted by their bytes
  std::vector<std::filesystem::path> dangling;    ///< links that lead nowhere, sorted
  std::vector<std::filesystem::path> unreadable;  ///< folders that may not be opened, sorted
};

/// Whether a file or folder of this name belongs to a system and not to its user: names that begin with a dot, and what Synology, macOS,
/// QNAP and Windows leave (`@eaDir`, `__MACOSX`, `#recycle`, `$RECYCLE.BIN`, `System Volume Information`, `Thumbs.db` and the like; any case).
bool is_system_name(std::string_view name);

/// Lists a folder and all below it, without what is_system_name() names. Links are followed, and each folder is read once, however many
/// links lead to it; where a link and the folder itself are both below, the folder's own name counts. The given folder may have any name.
/// Throws std::filesystem::filesystem_error if the given folder itself cannot be read.
FileTree list_files(const std::filesystem::path& folder);

/// A file's name for JSON and messages, which hold UTF-8 only: the path as it is where it is UTF-8, else the `file:///` URI of the absolute
/// path (RFC 8089), whose %XX are the bytes of the name.
std::string to_name(const std::filesystem::path& path);
/// The path that to_name() was given, made absolute if it was not UTF-8.
std::filesystem::path path_from_name(const std::string& name);

}  // namespace vedette
