#pragma once

#include "signing/signing.hpp"

namespace vedette {

/// Whether no header can end its line or the head early: names are tokens (RFC 9110 section 5.6.2), values have no control character but
/// the tab.
bool are_sendable(const HeaderList& headers);

}  // namespace vedette
