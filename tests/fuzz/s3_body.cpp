// This target fuzzes the XML bodies that S3 clients send, their headers that have a form of their own, and the listings
// that other S3 services answer.
#include <cstdlib>

#include "api/s3/messages.hpp"
#include "store/objects/s3/remote_calls.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vedette;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto request = s3::parse_delete(text))
    if (request->objects.empty() || request->objects.size() > 1000) std::abort();
  if (const auto parts = s3::parse_complete(text))
    for (const auto& [number, etag] : *parts)
      if (number < 1 || number > 10'000 || etag.empty()) std::abort();
  if (const auto source = s3::parse_copy_source(text))
    if (source->bucket.empty() || source->key.empty()) std::abort();
  for (const char* name : {"cors", "lifecycle", "encryption", "publicAccessBlock", "ownershipControls", "tagging"}) {
    const auto* setting = s3::find_setting(name);
    // What is kept must be readable again.
    if (const auto document = s3::check_setting(*setting, text))
      if (!s3::check_setting(*setting, *document)) std::abort();
  }
  if (const auto rules = s3::parse_cors(text)) (void)s3::cors_headers(*rules, "http://a", "GET", "x, y");
  (void)s3::parse_versioning(text).has_value();
  (void)s3::is_private_acl(text, "1").has_value();
  if (const auto tags = s3::parse_tagging_header(text))
    if (tags->size() > 10) std::abort();
  if (const auto page = parse_listing(text))
    for (const auto& object : page->objects)
      if (object.etag.find('"') != std::string::npos) std::abort();
  return 0;
}
