#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/checksum.hpp"
#include "base/clock.hpp"
#include "base/result.hpp"

/// Buckets of objects. One interface, a backend in each sibling folder. Keys are opaque bytes, 1 … 1,024 of them: "a"
/// stands beside "a/b", "a//b" and "../x". Thread-safe. Errors carry S3's codes (NoSuchBucket, NoSuchKey, …).
namespace vedette {

/// What a client said its content sums up to, verified when it was stored.
struct ObjectChecksum {
  ChecksumAlgorithm algorithm;
  std::string value;  ///< base64
};

struct ObjectInfo {
  std::string key;
  std::uint64_t size_bytes = 0;
  std::string etag;  ///< hexadecimal MD5 of the content, or as multipart uploads have it; without quotes
  std::string content_type;
  std::vector<std::pair<std::string, std::string>> user_metadata;  ///< x-amz-meta-…, names without the prefix
  Timestamp modified{};
  std::optional<std::string> version_id;  ///< in buckets that keep versions
  std::optional<ObjectChecksum> checksum;
};

/// What is said of an object beside its content.
struct ObjectAttributes {
  std::string content_type;
  std::vector<std::pair<std::string, std::string>> user_metadata;
};

/// An object on its way in by parts.
struct MultipartUpload {
  std::string id, key;
  Timestamp initiated{};
};
struct UploadPart {
  int number = 0;  ///< 1 … 10,000
  std::uint64_t size_bytes = 0;
  std::string etag;
  Timestamp modified{};
};
inline constexpr std::uint64_t kSmallestPart = 5 << 20;  ///< of all parts but the last
inline constexpr int kMostParts = 10'000;

/// An object's content, opened: deleting or replacing the object does not disturb it. One thread.
class ObjectReader {
 public:
  virtual ~ObjectReader() = default;
  [[nodiscard]] virtual const ObjectInfo& info() const = 0;
  /// Reads up to out.size() bytes from an offset; less only at the end.
  virtual Result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> out) = 0;
};

/// Content on its way in: written piece by piece, invisible until committed, gone if dropped. One thread.
class StagedObject {
 public:
  virtual ~StagedObject() = default;
  /// Computes this checksum beside; before the first write.
  virtual void add_checksum(ChecksumAlgorithm algorithm) = 0;
  virtual Result<void> write(std::span<const std::uint8_t> bytes) = 0;
  /// Closes the content and gives its hexadecimal SHA-256; no write may follow.
  virtual Result<std::string> finish() = 0;
  [[nodiscard]] virtual const std::string& md5_hex() const = 0;                     ///< after finish()
  [[nodiscard]] virtual const std::optional<ObjectChecksum>& checksum() const = 0;  ///< after finish()
};

/// When a put may happen.
struct PutCondition {
  bool must_not_exist = false;         ///< If-None-Match: *
  std::optional<std::string> etag_is;  ///< If-Match
};

struct ListRequest {
  std::string prefix;
  std::string start_after;  ///< only keys beyond this one, in byte order
  std::int64_t limit = 1000;
};

class ObjectStore {
 public:
  virtual ~ObjectStore() = default;

  virtual Result<void> create_bucket(const std::string& bucket) = 0;  ///< conflict BucketAlreadyOwnedByYou if it exists
  virtual Result<void> delete_bucket(const std::string& bucket) = 0;  ///< conflict BucketNotEmpty
  virtual bool has_bucket(const std::string& bucket) = 0;
  virtual std::vector<std::pair<std::string, Timestamp>>
  list_buckets() = 0;  ///< by name; the server's own are left out

  virtual Result<std::unique_ptr<StagedObject>> stage() = 0;
  /// Makes finished content an object, atomically and durably: once it returns, a power cut does not lose it.
  /// Fails with PreconditionFailed if the condition does not hold.
  virtual Result<ObjectInfo> put(const std::string& bucket, const std::string& key,
                                 std::unique_ptr<StagedObject> content, const std::string& content_type,
                                 const std::vector<std::pair<std::string, std::string>>& user_metadata,
                                 const PutCondition& condition) = 0;
  /// `version_id` empty: the newest. A backend that keeps no versions fails with unsupported (NotImplemented) if it is given.
  virtual Result<ObjectInfo> head(const std::string& bucket, const std::string& key,
                                  const std::optional<std::string>& version_id) = 0;
  virtual Result<std::unique_ptr<ObjectReader>> get(const std::string& bucket, const std::string& key,
                                                    const std::optional<std::string>& version_id) = 0;
  /// Attributes empty: those of the source.
  virtual Result<ObjectInfo> copy(const std::string& from_bucket, const std::string& from_key,
                                  const std::string& to_bucket, const std::string& to_key,
                                  const std::optional<ObjectAttributes>& attributes) = 0;
  virtual Result<void> remove(const std::string& bucket, const std::string& key) = 0;  ///< no error if there is none
  virtual Result<std::vector<ObjectInfo>> list(const std::string& bucket,
                                               const ListRequest& request) = 0;  ///< in byte order of keys

  /// An upload by parts; its id. Nothing of it is visible before it is completed.
  virtual Result<std::string> create_upload(const std::string& bucket, const std::string& key,
                                            const ObjectAttributes& attributes) = 0;
  /// A part, new or in the place of an earlier one. Fails with NoSuchUpload, as all calls with an unknown id do.
  virtual Result<UploadPart> put_part(const std::string& bucket, const std::string& key, const std::string& upload,
                                      int number, std::unique_ptr<StagedObject> content) = 0;
  virtual Result<std::vector<UploadPart>> list_parts(const std::string& bucket, const std::string& key,
                                                     const std::string& upload) = 0;  ///< by number
  /// Makes the parts named (number and etag) one object, atomically and durably. Fails with InvalidPartOrder, InvalidPart
  /// or EntityTooSmall. Completing it again with the same parts answers the same.
  virtual Result<ObjectInfo> complete_upload(const std::string& bucket, const std::string& key,
                                             const std::string& upload,
                                             const std::vector<std::pair<int, std::string>>& parts,
                                             const PutCondition& condition) = 0;
  virtual Result<void> abort_upload(const std::string& bucket, const std::string& key, const std::string& upload) = 0;
  /// By key and start, those whose key begins with the prefix.
  virtual Result<std::vector<MultipartUpload>> list_uploads(const std::string& bucket, const std::string& prefix,
                                                            std::int64_t limit) = 0;
};

/// Bucket for the server's own objects (models); not a legal S3 name, so no client can reach or make it.
inline constexpr const char* kSystemBucket = ".vedette";

// Conveniences over the interface.
Result<ObjectInfo> put_bytes(ObjectStore& store, const std::string& bucket, const std::string& key,
                             std::string_view bytes, const std::string& content_type);
/// Fails with too_large above the limit.
Result<std::string> get_bytes(ObjectStore& store, const std::string& bucket, const std::string& key,
                              std::uint64_t limit_bytes, const std::optional<std::string>& version_id = std::nullopt);
Result<void> get_to_file(ObjectStore& store, const std::string& bucket, const std::string& key,
                         const std::filesystem::path& path);
Result<void> put_file(ObjectStore& store, const std::string& bucket, const std::string& key,
                      const std::filesystem::path& path);
/// Deletes every object whose key begins with the prefix.
Result<void> remove_prefix(ObjectStore& store, const std::string& bucket, const std::string& prefix);

}  // namespace vedette
