#include <algorithm>

#include "api/s3/archive.hpp"
#include "base/digest.hpp"
#include "base/log.hpp"
#include "base/storable_text.hpp"
#include "base/text.hpp"
#include "http/s3_operations.hpp"

namespace vedette {
namespace {

// AWS Snowball Edge names these headers without "minio-", MinIO with it.
constexpr std::string_view kExtract = "x-amz-meta-snowball-auto-extract";
constexpr std::string_view kMetadata = "snowball-", kMinioMetadata = "minio-snowball-";

/// Returns the value of x-amz-meta-snowball-NAME or x-amz-meta-minio-snowball-NAME, or an empty text.
std::string_view option(const HeaderList& headers, const std::string& name) {
  const auto value = header_value(headers, "x-amz-meta-snowball-" + name);
  return trim(value.empty() ? header_value(headers, "x-amz-meta-minio-snowball-" + name) : value);
}

bool is_true(std::string_view value) {
  return equals_ignore_case(value, "true");
}

/// Content that stays in memory: an archive is unpacked from there.
class HeldContent : public HeldArchive {
 public:
  void add_checksum(ChecksumAlgorithm algorithm) override { summing_.emplace(algorithm); }
  Result<void> write(std::span<const std::uint8_t> bytes) override {
    // The connection keeps to the limit of the operation; an aws-chunked body may exceed what it declared.
    if (bytes_.size() + bytes.size() > s3::kLargestArchive)
      return fail(ErrorKind::too_large, "Your proposed upload exceeds the maximum allowed size", "EntityTooLarge");
    sha256_.update(bytes);
    md5_.update(bytes);
    if (summing_) summing_->update(bytes);
    bytes_ += as_text(bytes);
    return {};
  }
  Result<std::string> finish() override {
    md5_hex_ = to_hex(md5_.finish());
    if (summing_) checksum_ = ObjectChecksum{summing_->algorithm(), summing_->finish()};
    return to_hex(sha256_.finish());
  }
  [[nodiscard]] const std::string& md5_hex() const override { return md5_hex_; }
  [[nodiscard]] const std::optional<ObjectChecksum>& checksum() const override { return checksum_; }
  [[nodiscard]] const std::string& bytes() const override { return bytes_; }

 private:
  std::string bytes_, md5_hex_;
  Hasher sha256_{Hasher::Algorithm::sha256}, md5_{Hasher::Algorithm::md5};
  std::optional<Checksum> summing_;
  std::optional<ObjectChecksum> checksum_;
};

/// The content type that the name of an object tells.
std::string content_type_of(std::string_view name) {
  static constexpr std::pair<std::string_view, std::string_view> kTypes[] = {
      {".jpg", "image/jpeg"}, {".jpeg", "image/jpeg"}, {".png", "image/png"},      {".json", "application/json"},
      {".txt", "text/plain"}, {".csv", "text/csv"},    {".xml", "application/xml"}};
  const auto lower = to_lower(name);
  for (const auto& [ending, type] : kTypes)
    if (lower.ends_with(ending)) return std::string(type);
  return "binary/octet-stream";
}

}  // namespace

std::unique_ptr<HeldArchive> hold_archive() {
  return std::make_unique<HeldContent>();
}

Result<bool> is_archive_to_unpack(s3::OperationKind kind, const HeaderList& headers) {
  const auto not_offered = [](const char* what) {
    return fail(ErrorKind::unsupported, std::string("This server does not offer ") + what + ".", "NotImplemented");
  };
  if (!is_true(trim(header_value(headers, kExtract)))) return false;
  if (kind == s3::OperationKind::create_multipart_upload)
    return not_offered("to unpack an archive that is uploaded in parts: send it with one PutObject");
  if (kind != s3::OperationKind::put_object) return false;
  if (is_true(option(headers, "ignore-errors")))
    return not_offered("to unpack an archive in part: all of it is stored, or nothing (snowball-ignore-errors)");
  for (const char* name : {"if-match", "if-none-match"})
    if (!header_value(headers, name).empty()) return not_offered("conditions on an archive that is unpacked");
  if (!header_value(headers, "x-amz-tagging").empty()) return not_offered("tags for what an archive holds");
  return true;
}

namespace s3_operations {

Result<Response> put_archive(S3Call& call) {
  if (auto ok = check_content(call); !ok) return ok.error();
  const auto entries = s3::parse_archive(static_cast<const HeldArchive&>(*call.content).bytes());
  if (!entries) return entries.error();
  auto attributes = read_attributes(call.headers);
  if (!attributes) return attributes.error();
  std::erase_if(attributes->user_metadata, [](const auto& header) {
    return header.first.starts_with(kMetadata) || header.first.starts_with(kMinioMetadata);
  });
  std::string prefix(option(call.headers, "prefix"));
  if (!prefix.empty() && !prefix.ends_with('/')) prefix += '/';
  const bool leaves_out_folders = is_true(option(call.headers, "ignore-dirs"));
  std::vector<NewObject> objects;
  // Every key is looked at before anything is stored.
  for (const auto& entry : *entries) {
    if (entry.is_folder() && leaves_out_folders) continue;
    auto key = prefix + entry.name;
    if (key.size() > s3::kLongestKey)
      return s3_error(ErrorKind::invalid_input, "KeyTooLongError", "Your key is too long");
    if (!is_storable_text(key)) return s3_error(ErrorKind::invalid_input, "InvalidURI", "The key is not UTF-8 text.");
    if (auto ok = authorize(call.caller, "s3:PutObject", object_arn(call.request.bucket, key)); !ok) return ok.error();
    attributes->content_type = content_type_of(entry.name);
    objects.push_back({std::move(key), nullptr, *attributes});
  }
  std::size_t next = 0;
  for (const auto& entry : *entries) {
    if (entry.is_folder() && leaves_out_folders) continue;
    auto staged = call.objects.stage();
    if (!staged) return staged.error();
    if (auto ok = (*staged)->write(as_bytes(entry.content)); !ok) return ok.error();
    if (auto ok = (*staged)->finish(); !ok) return ok.error();
    objects[next++].content = std::move(*staged);
  }
  const auto put = call.objects.put_all(call.request.bucket, std::move(objects));
  if (!put) return put.error();
  log::info("archive unpacked", {{"bucket", call.request.bucket}, {"objects", std::to_string(put->size())}});
  call.unpacked = put->size();
  Response r;
  r.headers.emplace_back("etag", in_quotes(call.content->md5_hex()));
  add_checksum_header(r, call.content->checksum());
  add_encryption_header(r, *attributes);
  return r;
}

}  // namespace s3_operations
}  // namespace vedette
