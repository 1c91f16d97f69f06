#include "service/read_picture.hpp"

#include "domain/limits.hpp"
#include "manifest/manifest.hpp"

namespace vedette {

Result<std::string> read_picture(ObjectStore& objects, const Caller& caller, const std::string& source_ref) {
  auto reader = caller;
  reader.is_via_service = true;
  const auto name = parse_s3_uri(source_ref);
  if (!name) return invalid_input("SourceRef is not of the form s3://bucket/key.");
  if (auto ok = authorize(reader, "s3:GetObject", object_arn(name->bucket, name->key)); !ok) return ok.error();
  auto bytes = get_bytes(objects, name->bucket, name->key, kLargestImage);
  if (bytes) return bytes;
  switch (bytes.error().kind) {
    case ErrorKind::not_found:
      return invalid_input("The image " + source_ref + " does not exist.");
    case ErrorKind::too_large:
      return invalid_input("The image exceeds 8 MB (8,388,608 bytes).");
    default:
      return bytes;
  }
}

}  // namespace vedette
