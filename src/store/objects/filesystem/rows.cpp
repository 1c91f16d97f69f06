#include "base/digest.hpp"
#include "base/text.hpp"
#include "store/objects/filesystem/folder_store.hpp"

namespace vedette {
namespace {

std::optional<ObjectChecksum> decode_checksum(const std::optional<std::string>& text) {
  if (!text) return std::nullopt;
  const auto space = text->find(' ');
  const auto algorithm = parse_checksum_algorithm(text->substr(0, space));
  if (!algorithm || space == std::string::npos) return std::nullopt;
  return ObjectChecksum{*algorithm, text->substr(space + 1)};
}

}  // namespace

Error s3_error(ErrorKind kind, const char* code, std::string message) {
  return fail(kind, std::move(message), code);
}
Error no_such_bucket() {
  return s3_error(ErrorKind::not_found, "NoSuchBucket", "The specified bucket does not exist");
}
Error no_such_upload() {
  return s3_error(
      ErrorKind::not_found, "NoSuchUpload",
      "The specified multipart upload does not exist. The upload ID might be invalid, or the multipart upload "
      "might have been aborted or completed.");
}
Error precondition_failed() {
  return s3_error(ErrorKind::conflict, "PreconditionFailed",
                  "At least one of the pre-conditions you specified did not hold");
}

std::string encode_fields(const HeaderFields& fields) {
  std::string out;
  for (const auto& [name, value] : fields) out += uri_encode(name) + "=" + uri_encode(value) + "\n";
  return out;
}

HeaderFields decode_fields(std::string_view text) {
  HeaderFields out;
  for (auto line : split(text, '\n')) {
    const auto equals = line.find('=');
    if (equals == std::string_view::npos) continue;
    auto name = uri_decode(line.substr(0, equals)), value = uri_decode(line.substr(equals + 1));
    if (name && value) out.emplace_back(std::move(*name), std::move(*value));
  }
  return out;
}

ObjectRow read_row(const sql::Statement& q, int first, std::string key, Versioning versioning) {
  ObjectRow row;
  row.info.key = std::move(key);
  if (versioning != Versioning::off) row.info.version_id = q.optional_text(first).value_or("null");
  row.content = q.text(first + 1);
  row.info.size_bytes = static_cast<std::uint64_t>(q.integer(first + 2));
  row.info.etag = q.text(first + 3);
  row.sha256 = q.text(first + 4);
  row.info.attributes = {q.text(first + 5), decode_fields(q.text(first + 6)), decode_fields(q.text(first + 7)),
                         decode_fields(q.text(first + 8))};
  row.info.modified = Timestamp{std::chrono::milliseconds{q.integer(first + 9)}};
  row.info.checksum = decode_checksum(q.optional_text(first + 10));
  return row;
}

std::string multipart_etag(const std::vector<std::pair<int, std::string>>& parts) {
  Hasher md5(Hasher::Algorithm::md5);
  for (const auto& [number, etag] : parts)
    if (const auto bytes = from_hex(etag)) md5.update(*bytes);
  return to_hex(md5.finish()) + "-" + std::to_string(parts.size());
}

}  // namespace vedette
