#pragma once

#include <string>

#include "auth/auth.hpp"
#include "base/result.hpp"
#include "store/objects/objects.hpp"

namespace vedette {

/// Reads the picture of an operation that names one (s3://bucket/key), with the rights of the caller. Fails with
/// invalid_input, in the words of the API, if there is no such picture or it is larger than DetectAnomalies takes, and
/// with access_denied.
Result<std::string> read_picture(ObjectStore& objects, const Caller& caller, const std::string& source_ref);

}  // namespace vedette
