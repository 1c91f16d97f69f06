#pragma once

#include "base/result.hpp"

namespace vedette {

/// Whether this process may make machine code, as oneDNN does at run time for each network: it writes a page of memory and
/// then makes it executable. Fails with internal, and says what forbids it, where that is refused. Any thread.
Result<void> check_code_memory();

}  // namespace vedette
