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

/// Buckets of objects, as far as the server itself needs them: datasets, results, models. One interface, a backend in each
/// sibling folder; what only the S3 endpoint needs is in buckets.hpp. Keys are opaque bytes, 1 … 1,024 of them: "a"
/// stands beside "a/b", "a//b" and "../x". Thread-safe. Errors carry S3's codes (NoSuchBucket, NoSuchKey, …).
namespace vedette {

/// What a client said its content sums up to, verified when it was stored.
struct ObjectChecksum {
  ChecksumAlgorithm algorithm;
  std::string value;  ///< base64
};

using HeaderFields = std::vector<std::pair<std::string, std::string>>;

/// What is said of an object beside its content.
struct ObjectAttributes {
  std::string content_type;
  HeaderFields user_metadata;  ///< x-amz-meta-…, names without the prefix
  HeaderFields headers;        ///< others that are told with the content: cache-control, content-encoding, …
  HeaderFields tags;
};

struct ObjectInfo {
  std::string key;
  std::uint64_t size_bytes = 0;
  std::string etag;  ///< hexadecimal MD5 of the content, or as multipart uploads have it; without quotes
  ObjectAttributes attributes;
  Timestamp modified{};
  std::optional<std::string> version_id;  ///< in buckets that keep versions; "null" if put before they did
  std::optional<ObjectChecksum> checksum;
};

/// An object's content, opened: deleting or replacing the object does not disturb it. One thread.
class ObjectReader {
 public:
  virtual ~ObjectReader() = default;
  [[nodiscard]] virtual const ObjectInfo& info() const = 0;
  /// Reads up to out.size() bytes from an offset; less only at the end.
  virtual Result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> out) = 0;
  /// A descriptor of a file that is the content, if there is one: the kernel can send it by itself.
  [[nodiscard]] virtual std::optional<int> file() const { return std::nullopt; }
};

struct ObjectStart {
  ObjectInfo info;
  std::string bytes;
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

struct Removed {
  std::optional<std::string> version_id;  ///< of the delete marker that was made, or of the version that went
  bool is_delete_marker = false;
};

struct ListRequest {
  std::string prefix;
  std::string start_after;  ///< only keys beyond this one, in byte order
  std::int64_t limit = 1000;
};

class ObjectStore {
 public:
  virtual ~ObjectStore() = default;

  /// Fails only if it cannot be found out.
  virtual Result<bool> has_bucket(const std::string& bucket) = 0;

  virtual Result<std::unique_ptr<StagedObject>> stage() = 0;
  /// Makes finished content an object, atomically and durably: once it returns, a power cut does not lose it.
  /// Fails with PreconditionFailed if the condition does not hold.
  virtual Result<ObjectInfo> put(const std::string& bucket, const std::string& key,
                                 std::unique_ptr<StagedObject> content, const ObjectAttributes& attributes,
                                 const PutCondition& condition) = 0;
  /// `version_id` empty: the newest, NoSuchKey if that is a delete marker. Fails with NoSuchVersion, or MethodNotAllowed
  /// if the version is a delete marker.
  virtual Result<ObjectInfo> head(const std::string& bucket, const std::string& key,
                                  const std::optional<std::string>& version_id) = 0;
  virtual Result<std::unique_ptr<ObjectReader>> get(const std::string& bucket, const std::string& key,
                                                    const std::optional<std::string>& version_id) = 0;
  /// What is known of an object and its first bytes (at most `length`), in one round trip.
  virtual Result<ObjectStart> get_start(const std::string& bucket, const std::string& key, std::size_t length) = 0;
  /// In byte order of keys; attributes and checksum may be left out.
  virtual Result<std::vector<ObjectInfo>> list(const std::string& bucket, const ListRequest& request) = 0;
  /// No error if there is none. In a bucket that keeps versions the newest stays as an old one below a delete marker,
  /// unless a version is named: then that one goes for good.
  virtual Result<Removed> remove(const std::string& bucket, const std::string& key,
                                 const std::optional<std::string>& version_id) = 0;
};

/// Bucket for the server's own objects (models); not a legal S3 name, so no client can reach or make it.
inline constexpr const char* kSystemBucket = ".vedette";

// Conveniences over the interface.
Result<ObjectInfo> put_bytes(ObjectStore& store, const std::string& bucket, const std::string& key,
                             std::string_view bytes, const std::string& content_type);
/// Fails with too_large above the limit.
Result<std::string> get_bytes(ObjectStore& store, const std::string& bucket, const std::string& key,
                              std::uint64_t limit_bytes, const std::optional<std::string>& version_id = std::nullopt);
/// Calls `use` with one piece after another of bytes [offset, offset + length), until it fails. The pieces are at most 1 MiB.
Result<void> for_each_chunk(ObjectReader& reader, std::uint64_t offset, std::uint64_t length,
                            const std::function<Result<void>(std::span<const std::uint8_t>)>& use);
/// Writes a file's content to staged content, which is not finished yet.
Result<std::unique_ptr<StagedObject>> stage_file(ObjectStore& store, const std::filesystem::path& path);
Result<void> put_file(ObjectStore& store, const std::string& bucket, const std::string& key,
                      const std::filesystem::path& path);
/// Appends bytes [offset, offset + length) of what is read to what is staged.
Result<void> append(StagedObject& staged, ObjectReader& reader, std::uint64_t offset, std::uint64_t length);
/// Deletes every object whose key begins with the prefix.
Result<void> remove_prefix(ObjectStore& store, const std::string& bucket, const std::string& prefix);

}  // namespace vedette
