#include "service/read_picture.hpp"

#include <fmt/format.h>

#include "base/log.hpp"
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

Result<std::string> read_one_of_many(ObjectStore& objects, const Caller& caller, const ObjectLocation& name,
                                     const char* what, std::optional<std::size_t> most) {
  if (auto ok = authorize(caller, "s3:GetObject", object_arn(name.bucket, name.key)); !ok)
    return invalid_input(ok.error().message);
  const auto read = [&]() -> Result<std::string> {
    if (!most) return get_bytes(objects, name.bucket, name.key, kLargestImage);
    auto start = objects.get_start(name.bucket, name.key, *most);
    if (!start) return start.error();
    return std::move(start->bytes);
  };
  auto bytes = read();
  if (bytes) return bytes;
  switch (bytes.error().kind) {
    case ErrorKind::not_found:
      return invalid_input(fmt::format("The {} does not exist.", what));
    case ErrorKind::too_large:
      return fail(ErrorKind::too_large, fmt::format("The {} exceeds 8 MB (8,388,608 bytes).", what));
    case ErrorKind::access_denied:  // The server's rights in another S3 service may not reach as far as the user's.
      return invalid_input(bytes.error().message);
    case ErrorKind::internal:
      log::error("unreadable object",
                 {{"object", "s3://" + name.bucket + "/" + name.key}, {"reason", bytes.error().message}});
      return invalid_input(
          fmt::format("The content of the {} cannot be read by a fault of the server; its log says more.", what));
    default:
      return bytes;
  }
}

bool is_fault_of_picture(const Error& error) {
  return error.kind == ErrorKind::invalid_input || error.kind == ErrorKind::too_large;
}

}  // namespace vedette
