// Implements the operations of the service `vedette` that show pictures.
#include "base/text.hpp"
#include "manifest/manifest.hpp"
#include "service/extension.hpp"

namespace vedette {
namespace {

std::string reason_of(const Error& error, const std::string& source_ref) {
  switch (error.kind) {
    case ErrorKind::invalid_input:
      return error.message;
    case ErrorKind::not_found:
      return "The image " + source_ref + " does not exist.";
    default:
      return "The image cannot be read now.";
  }
}

}  // namespace

Result<std::vector<extension::Thumbnail>> get_thumbnails(ExtensionServices& services, const CallContext& call,
                                                         const extension::GetThumbnailsRequest& request) {
  auto reader = call.caller;
  reader.is_via_service = true;
  std::vector<extension::Thumbnail> out(request.source_refs.size());
  std::vector<Thumbnails::ObjectName> wanted;
  std::vector<std::size_t> places;  // of the wanted ones in `out`
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i].source_ref = request.source_refs[i];
    auto name = parse_s3_uri(out[i].source_ref);
    if (!name) {
      out[i].reason = "The name is not of the form s3://bucket/key.";
    } else if (auto ok = authorize(reader, "s3:GetObject", object_arn(name->bucket, name->key)); !ok) {
      out[i].reason = ok.error().message;
    } else {
      wanted.push_back({std::move(name->bucket), std::move(name->key)});
      places.push_back(i);
    }
  }
  auto made = services.thumbnails.make(wanted, call.abandoned);
  if (!made) return made.error();
  for (std::size_t w = 0; w < places.size(); ++w) {
    auto& entry = out[places[w]];
    auto& thumbnail = (*made)[w];
    if (!thumbnail) {
      entry.reason = reason_of(thumbnail.error(), entry.source_ref);
      continue;
    }
    entry.jpeg = as_text(thumbnail->jpeg);
    entry.height = thumbnail->height;
    entry.width = thumbnail->width;
  }
  return out;
}

}  // namespace vedette
