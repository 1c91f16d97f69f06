#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace vedette {

/// An opaque token: where the next page begins, bound to a text that identifies the query. It names a place in a key
/// order, so pages stay consistent while data change. Base64, at most 2,048 characters.
std::string make_page_token(std::string_view query, std::string_view after);
/// The place. An empty token is the start. Fails with invalid_input if the token is not one of this query's.
Result<std::string> read_page_token(std::string_view query, std::string_view token);

}  // namespace vedette
