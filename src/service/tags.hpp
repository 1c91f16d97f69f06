#pragma once

#include <vector>

#include "base/result.hpp"
#include "domain/domain.hpp"

namespace vedette {

/// Checks tags. Fails with invalid_input if a key is given twice or begins with the reserved "aws:".
Result<void> check_tags(const std::vector<Tag>& tags);

}  // namespace vedette
