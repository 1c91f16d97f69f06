#pragma once

#include <filesystem>
#include <string>

#include "base/clock.hpp"
#include "doctor/doctor.hpp"

namespace vedette::doctor {

struct CertificateFiles {
  std::filesystem::path certificate, key;
  std::string authorities;  ///< PEM file with authorities to trust beside the system's; may be empty
  std::string host;         ///< the name or address by which others reach the server; empty if that is not known
};
/// Looks at the dates of all certificates in the file, and whether the first one belongs to the key, is for the host, and leads
/// to an authority that is trusted.
void check_certificate(const CertificateFiles& files, Timestamp now, const Report& report);

/// The host of a URL like https://HOST:PORT, without brackets.
std::string host_of(const std::string& url);

}  // namespace vedette::doctor
