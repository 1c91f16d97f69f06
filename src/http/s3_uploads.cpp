#include <algorithm>

#include "base/text.hpp"
#include "http/s3_operations.hpp"

namespace vedette::s3_operations {
namespace {

std::string upload_id(const S3Call& call) {
  return call.request.parameter("uploadId").value_or("");
}

Result<int> part_number(const S3Call& call) {
  const auto number = parse_integer(call.request.parameter("partNumber").value_or(""));
  if (number && *number >= 1 && *number <= kMostParts) return static_cast<int>(*number);
  return s3_error(ErrorKind::invalid_input, "InvalidArgument",
                  "Part number must be an integer between 1 and 10000, inclusive");
}

}  // namespace

Result<Response> create_multipart_upload(S3Call& call) {
  const auto attributes = read_attributes(call.headers);
  if (!attributes) return attributes.error();
  const auto id =
      call.objects.create_upload(call.request.bucket, call.request.key, *attributes, read_condition(call.headers));
  if (!id) return id.error();
  auto r = xml(s3::encode_upload_started(call.request.bucket, call.request.key, *id));
  add_encryption_header(r, *attributes);
  return r;
}

Result<Response> upload_part(S3Call& call) {
  const auto number = part_number(call);
  if (!number) return number.error();
  if (auto ok = check_content(call); !ok) return ok.error();
  const auto checksum = call.content->checksum();
  const auto part =
      call.objects.put_part(call.request.bucket, call.request.key, upload_id(call), *number, std::move(call.content));
  if (!part) return part.error();
  Response r;
  r.headers.emplace_back("etag", in_quotes(part->etag));
  add_checksum_header(r, checksum);
  return r;
}

Result<Response> upload_part_copy(S3Call& call) {
  const auto number = part_number(call);
  if (!number) return number.error();
  auto reader = open_source(call);
  if (!reader) return reader.error();
  std::uint64_t offset = 0, end = (*reader)->info().size_bytes;
  if (const auto header = header_value(call.headers, "x-amz-copy-source-range"); !header.empty()) {
    const auto range = s3::parse_copy_range(header, end);
    if (!range) return range.error();
    offset = range->first, end = range->last + 1;
  }
  auto staged = call.objects.stage();
  if (!staged) return staged.error();
  if (auto ok = append(**staged, **reader, offset, end - offset); !ok) return ok.error();
  if (auto ok = (*staged)->finish(); !ok) return ok.error();
  const auto part =
      call.objects.put_part(call.request.bucket, call.request.key, upload_id(call), *number, std::move(*staged));
  if (!part) return part.error();
  return xml(s3::encode_copied("CopyPartResult", part->etag, part->modified));
}

Result<Response> complete_multipart_upload(S3Call& call) {
  const auto parts = s3::parse_complete(call.body);
  if (!parts) return parts.error();
  const auto info = call.objects.complete_upload(call.request.bucket, call.request.key, upload_id(call), *parts,
                                                 read_condition(call.headers));
  if (!info) return info.error();
  const auto location = (call.caller.is_secure ? "https://" : "http://") +
                        std::string(header_value(call.headers, "host")) + std::string(call.path);
  auto r = xml(s3::encode_upload_completed(location, call.request.bucket, call.request.key, info->etag));
  add_new_version_header(r, info->version_id);
  add_encryption_header(r, info->attributes);
  return r;
}

Result<Response> abort_multipart_upload(S3Call& call) {
  if (auto ok = call.objects.abort_upload(call.request.bucket, call.request.key, upload_id(call)); !ok)
    return ok.error();
  return no_content();
}

Result<Response> list_parts(S3Call& call) {
  const auto parts = call.objects.list_parts(call.request.bucket, call.request.key, upload_id(call));
  if (!parts) return parts.error();
  const auto after = parse_integer(call.request.parameter("part-number-marker").value_or("0")).value_or(0);
  const auto most = std::clamp<std::int64_t>(
      parse_integer(call.request.parameter("max-parts").value_or("")).value_or(kMostKeys), 1, kMostKeys);
  std::vector<s3::ListedPart> page;
  bool is_truncated = false;
  for (const auto& part : *parts) {
    if (part.number <= after) continue;
    is_truncated = static_cast<std::int64_t>(page.size()) == most;
    if (is_truncated) break;
    page.push_back({part.number, part.etag, part.size_bytes, part.modified});
  }
  return xml(s3::encode_parts(call.request.bucket, call.request.key, upload_id(call), page, static_cast<int>(most),
                              is_truncated));
}

Result<Response> list_multipart_uploads(S3Call& call) {
  const auto prefix = call.request.parameter("prefix").value_or("");
  const auto uploads = call.objects.list_uploads(call.request.bucket, prefix, kMostKeys + 1);
  if (!uploads) return uploads.error();
  std::vector<s3::ListedUpload> page;
  for (const auto& upload : *uploads) page.push_back({upload.key, upload.id, upload.initiated});
  const bool is_truncated = static_cast<std::int64_t>(page.size()) > kMostKeys;
  if (is_truncated) page.pop_back();
  return xml(s3::encode_uploads(call.request.bucket, prefix, page, is_truncated));
}

}  // namespace vedette::s3_operations
