#pragma once

#include <string>

#include "audit/audit.hpp"

namespace vedette {

inline constexpr const char* kAccount = "123456789012";

/// An event for tests: a call of the user ann.
inline AuditEvent event(const std::string& name) {
  AuditEvent out;
  out.account = kAccount;
  out.user = "ann";
  out.name = name;
  out.source = "lookoutvision.amazonaws.com";
  return out;
}

}  // namespace vedette
