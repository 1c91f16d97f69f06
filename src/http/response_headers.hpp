#pragma once

#include "signing/signing.hpp"

namespace vedette {

/// Returns whether no header can end its line or the head early: names are tokens (RFC 9110 section 5.6.2), and values
/// have no control characters except the tab.
bool are_sendable(const HeaderList& headers);

}  // namespace vedette
