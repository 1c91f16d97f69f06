#pragma once

#include <sys/types.h>

#include <filesystem>

#include "doctor/doctor.hpp"

namespace vedette::doctor {

/// What a file holds decides who may read it.
enum class Secrecy {
  everything,  ///< all data: for the server's user alone
  key,         ///< a key: for the server's user, and perhaps for a group
};

/// Says whether others than its owner can read or write the file or folder, and whether `user` can read it. Nothing is reported
/// of a file that does not exist.
void check_mode(const std::string& check, const std::filesystem::path& path, Secrecy secrecy, uid_t user,
                const Report& report);

/// Looks at the files that the settings name, and at those of the data folder.
void check_files(const ServerSettings& settings, const Report& report);

}  // namespace vedette::doctor
