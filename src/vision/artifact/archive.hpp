#pragma once

#include <filesystem>

#include "base/result.hpp"

/// A model artifact as one file: a ZIP archive of its folder (docs/artifact.md), with which models are taken to other
/// machines. The functions are pure; any thread may call them.
namespace vedette {

/// Writes every regular file below `folder` into the archive. The names are relative to the folder, in byte order and
/// without times: the same model gives the same bytes. Fails with internal if a file cannot be read or written.
Result<void> write_archive(const std::filesystem::path& folder, const std::filesystem::path& archive);

/// Unpacks an archive below `folder`, which must be empty. Archives come from outside: it fails with invalid_input if
/// the file is no ZIP, a name leaves the folder or is absolute, an entry is no regular file, or the archive holds more
/// than 4,096 files or 4 GiB.
Result<void> read_archive(const std::filesystem::path& archive, const std::filesystem::path& folder);

/// Whether the file begins like a ZIP archive.
bool is_archive(const std::filesystem::path& file);

}  // namespace vedette
