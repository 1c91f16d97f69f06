// The XML bodies that S3 clients send, and the header that names a copy's source.
#include <cstdlib>

#include "api/s3/messages.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vedette;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto request = s3::parse_delete(text))
    if (request->keys.empty() || request->keys.size() > 1000) std::abort();
  if (const auto parts = s3::parse_complete(text))
    for (const auto& [number, etag] : *parts)
      if (number < 1 || number > 10'000 || etag.empty()) std::abort();
  if (const auto source = s3::parse_copy_source(text))
    if (source->first.empty() || source->second.empty()) std::abort();
  return 0;
}
