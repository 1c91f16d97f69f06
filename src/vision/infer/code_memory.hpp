#pragma once

#include "base/result.hpp"

namespace vedette {

/// Whether this process may make machine code, as oneDNN does at run time for each network: the check writes a page of
/// memory and then makes it executable. Fails with internal, and says what forbids it, if the system refuses. Any
/// thread may call it.
Result<void> check_code_memory();

}  // namespace vedette
