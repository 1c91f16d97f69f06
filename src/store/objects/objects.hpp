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

/// Buckets of objects, as far as the server itself needs them for datasets, results and models. There is one interface
/// and a folder for each backend; what only the S3 endpoint needs is in buckets.hpp. Keys are opaque bytes, 1 … 1,024
/// of them: "a" stands beside "a/b", "a//b" and "../x". Thread-safe. Errors carry S3's codes (NoSuchBucket, NoSuchKey,
/// …).
namespace vedette {

/// A checksum that the client sent with its content. It was verified when the content was stored.
struct ObjectChecksum {
  ChecksumAlgorithm algorithm;
  std::string value;  ///< base64
};

using HeaderFields = std::vector<std::pair<std::string, std::string>>;

/// What is said of an object beside its content.
struct ObjectAttributes {
  std::string content_type = {};
  HeaderFields user_metadata = {};  ///< The headers x-amz-meta-…; the names stand here without the prefix.
  HeaderFields headers = {};  ///< Other headers that are sent with the content: cache-control, content-encoding, …
  HeaderFields tags = {};
};

struct ObjectInfo {
  std::string key;
  std::uint64_t size_bytes = 0;
  std::string etag;  ///< The hexadecimal MD5 of the content, or the ETag of a multipart upload; without quotes.
  ObjectAttributes attributes;
  Timestamp modified{};
  /// Set in buckets that keep versions; "null" if the object was put before they did.
  std::optional<std::string> version_id;
  std::optional<ObjectChecksum> checksum;
};

/// The opened content of an object. Deleting or replacing the object does not disturb it. Only one thread may use it.
class ObjectReader {
 public:
  virtual ~ObjectReader() = default;
  [[nodiscard]] virtual const ObjectInfo& info() const = 0;
  /// Reads up to out.size() bytes, beginning at `offset`. Returns how many; it reads fewer only at the end.
  virtual Result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> out) = 0;
  /// Returns the descriptor of a file that is the content, if there is one. The kernel can then send the file by
  /// itself.
  [[nodiscard]] virtual std::optional<int> file() const { return std::nullopt; }
};

struct ObjectStart {
  ObjectInfo info;
  std::string bytes;
};

/// Content that is being stored: it is written piece by piece, is invisible until it is committed, and is deleted if
/// this object is destroyed before. Only one thread may use it.
class StagedObject {
 public:
  virtual ~StagedObject() = default;
  /// Computes this checksum, too. It must be called before the first write.
  virtual void add_checksum(ChecksumAlgorithm algorithm) = 0;
  virtual Result<void> write(std::span<const std::uint8_t> bytes) = 0;
  /// Closes the content and returns its hexadecimal SHA-256. write() must not be called afterwards.
  virtual Result<std::string> finish() = 0;
  [[nodiscard]] virtual const std::string& md5_hex() const = 0;                     ///< Valid after finish().
  [[nodiscard]] virtual const std::optional<ObjectChecksum>& checksum() const = 0;  ///< Valid after finish().
};

/// The condition under which an object may be put. A put that wants an object where there is none fails with NoSuchKey;
/// any other condition that does not hold fails with PreconditionFailed.
struct PutCondition {
  bool must_not_exist = false;         ///< The value "*" of If-None-Match.
  std::optional<std::string> etag_is;  ///< The value of If-Match; "*" stands for any object.
};

struct Removed {
  /// The version id of the delete marker that was made, or of the version that was removed.
  std::optional<std::string> version_id;
  bool is_delete_marker = false;
};

struct ListRequest {
  std::string prefix = {};
  std::string start_after = {};  ///< Only keys after this one are listed, in byte order.
  std::int64_t limit = 1000;
};

class ObjectStore {
 public:
  virtual ~ObjectStore() = default;

  /// Whether the bucket exists. Fails only if that cannot be found out.
  virtual Result<bool> has_bucket(const std::string& bucket) = 0;

  virtual Result<std::unique_ptr<StagedObject>> stage() = 0;
  /// Makes finished content an object, atomically and durably: once this returns, a power cut does not lose it. Fails
  /// with PreconditionFailed if the condition does not hold.
  virtual Result<ObjectInfo> put(const std::string& bucket, const std::string& key,
                                 std::unique_ptr<StagedObject> content, const ObjectAttributes& attributes,
                                 const PutCondition& condition) = 0;
  /// Returns what is known of an object. An empty `version_id` means the newest version; it fails with NoSuchKey if
  /// that is a delete marker. With a version id it fails with NoSuchVersion, or with MethodNotAllowed if the version is
  /// a delete marker.
  virtual Result<ObjectInfo> head(const std::string& bucket, const std::string& key,
                                  const std::optional<std::string>& version_id) = 0;
  virtual Result<std::unique_ptr<ObjectReader>> get(const std::string& bucket, const std::string& key,
                                                    const std::optional<std::string>& version_id) = 0;
  /// Returns what is known of an object and its first bytes (at most `length`), in one round trip.
  virtual Result<ObjectStart> get_start(const std::string& bucket, const std::string& key, std::size_t length) = 0;
  /// Returns objects in the byte order of their keys. Attributes and checksum may be missing.
  virtual Result<std::vector<ObjectInfo>> list(const std::string& bucket, const ListRequest& request) = 0;
  /// Removes an object; it is no error if there is none. In a bucket that keeps versions, the newest version stays as
  /// an old one below a delete marker. If a version is named, that version is removed for good.
  virtual Result<Removed> remove(const std::string& bucket, const std::string& key,
                                 const std::optional<std::string>& version_id) = 0;
};

/// The bucket for the server's own objects (models). Its name is not a legal S3 name, so no client can reach or make
/// it.
inline constexpr const char* kSystemBucket = ".vedette";

// The functions below are conveniences over the interface.
Result<ObjectInfo> put_bytes(ObjectStore& store, const std::string& bucket, const std::string& key,
                             std::string_view bytes, const std::string& content_type);
/// Reads a whole object. Fails with too_large if it is larger than the limit.
Result<std::string> get_bytes(ObjectStore& store, const std::string& bucket, const std::string& key,
                              std::uint64_t limit_bytes, const std::optional<std::string>& version_id = std::nullopt);
/// Calls `use` with one piece after another of bytes [offset, offset + length), until it fails. The pieces are at most 1 MiB.
Result<void> for_each_chunk(ObjectReader& reader, std::uint64_t offset, std::uint64_t length,
                            const std::function<Result<void>(std::span<const std::uint8_t>)>& use);
/// Writes a file's content to staged content, which is not finished yet.
Result<std::unique_ptr<StagedObject>> stage_file(ObjectStore& store, const std::filesystem::path& path);
Result<void> put_file(ObjectStore& store, const std::string& bucket, const std::string& key,
                      const std::filesystem::path& path);
/// Appends the bytes [offset, offset + length) of `reader` to `staged`.
Result<void> append(StagedObject& staged, ObjectReader& reader, std::uint64_t offset, std::uint64_t length);
/// Deletes every object whose key begins with the prefix.
Result<void> remove_prefix(ObjectStore& store, const std::string& bucket, const std::string& prefix);

}  // namespace vedette
