#pragma once

#include <string>

#include "base/result.hpp"

namespace vedette {

/// The codes by which ServiceQuotaExceededException names the quota that is used up (form of AWS's Service Quotas).
namespace quotas {
inline constexpr const char* kProjects = "L-56454D01";
inline constexpr const char* kModels = "L-56454D02";
inline constexpr const char* kTrainings = "L-56454D03";
inline constexpr const char* kHostedModels = "L-56454D04";
inline constexpr const char* kInferenceUnits = "L-56454D05";
inline constexpr const char* kTags = "L-56454D06";
inline constexpr const char* kRequests = "L-56454D07";  // of ThrottlingException
inline constexpr const char* kRunningTrials = "L-56454D08";
inline constexpr const char* kTrials = "L-56454D09";
inline constexpr const char* kStations = "L-56454D0A";
}  // namespace quotas

inline Error quota_exceeded(const char* code, std::string type, std::string id, std::string message) {
  return Error{ErrorKind::quota_exceeded, std::move(message), code, std::move(type), std::move(id), 0};
}

}  // namespace vedette
