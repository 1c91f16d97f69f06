#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace vedette {

/// Makes an opaque token that says where the next page begins. It is bound to a text that identifies the query. The
/// token names a place in the order of keys, so that pages stay consistent while data change. It is base64 of at most
/// 2,048 characters.
std::string make_page_token(std::string_view query, std::string_view after);
/// Returns the place at which the page begins; an empty token means the start. Fails with invalid_input if the token
/// does not belong to this query.
Result<std::string> read_page_token(std::string_view query, std::string_view token);

}  // namespace vedette
