#pragma once

#include <filesystem>

#include "base/result.hpp"

/// A model artifact as one file: a ZIP archive of its folder (docs/artifact.md), for taking models to other machines.
/// Pure functions; any thread.
namespace vedette {

/// Every regular file below `folder`, names relative to it, in byte order, without times: the same model gives the same
/// bytes. Fails with internal if a file cannot be read or written.
Result<void> write_archive(const std::filesystem::path& folder, const std::filesystem::path& archive);

/// Unpacks below `folder`, which must be empty. Archives come from outside: fails with invalid_input if it is no ZIP, a
/// name leaves the folder or is absolute, an entry is no regular file, or it holds more than 4,096 files or 4 GiB.
Result<void> read_archive(const std::filesystem::path& archive, const std::filesystem::path& folder);

/// Whether the file begins like a ZIP archive.
bool is_archive(const std::filesystem::path& file);

}  // namespace vedette
