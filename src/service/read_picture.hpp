#pragma once

#include <optional>
#include <string>

#include "auth/auth.hpp"
#include "base/result.hpp"
#include "domain/domain.hpp"
#include "store/objects/objects.hpp"

namespace vedette {

/// Reads the picture of an operation that names one (s3://bucket/key), with the rights of the caller. Fails with
/// invalid_input, in the words of the API, if there is no such picture or it is larger than DetectAnomalies takes, and
/// with access_denied.
Result<std::string> read_picture(ObjectStore& objects, const Caller& caller, const std::string& source_ref);

/// Reads one of many pictures or masks, or its first `most` bytes, with the rights of the caller. `what` is "image" or
/// "mask". If this object is at fault, so that the others may go on, the error is a sentence of invalid_input or of
/// too_large (is_fault_of_picture()); content that the server has damaged is such a fault, and is logged. Any other error
/// is one of the store as a whole.
Result<std::string> read_one_of_many(ObjectStore& objects, const Caller& caller, const ObjectLocation& name,
                                     const char* what, std::optional<std::size_t> most = std::nullopt);
bool is_fault_of_picture(const Error& error);

}  // namespace vedette
