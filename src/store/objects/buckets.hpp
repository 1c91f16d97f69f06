#pragma once

#include "store/objects/objects.hpp"

/// What an S3 endpoint needs beyond ObjectStore: buckets with settings, versions of objects, and multipart uploads.
/// Thread-safe.
namespace vedette {

enum class Versioning {
  off,       ///< Versioning was never on: an object has no version id.
  enabled,   ///< Every put and every delete keeps what was there.
  suspended  ///< Old versions stay; new ones are called "null" and replace each other.
};

struct ObjectVersion {
  ObjectInfo info;  ///< A delete marker has only key, version id and time.
  bool is_latest = false, is_delete_marker = false;
  std::optional<Timestamp> superseded;  ///< When a newer version came.
};
struct VersionListRequest {
  std::string prefix = {};
  std::string key_marker = {};  ///< Only keys after this one are listed.
  /// If not empty, versions of key_marker that are older than this one are listed, too.
  std::string version_marker = {};
  std::int64_t limit = 1000;
};

/// The condition under which an object may be removed.
struct RemoveCondition {
  std::optional<std::string> etag_is;  ///< The value of If-Match; "*" means that there must be any object.
  std::optional<Timestamp> modified_is;
};

/// A multipart upload that is not completed yet.
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
inline constexpr std::uint64_t kSmallestPart = 5 << 20;  ///< The least size of all parts but the last, in bytes.
inline constexpr int kMostParts = 10'000;

/// An object whose content is not what was stored.
struct DamagedObject {
  std::string bucket, key;
  std::optional<std::string> version_id;
  std::string reason;
};
struct DamageCheckStep {
  std::string next;  ///< Where the next step begins; empty when everything has been read.
  std::int64_t objects = 0;
  std::uint64_t bytes = 0;
  std::vector<DamagedObject> damaged;
};

/// What does not agree between the content files and the index.
struct StoreUpkeep {
  /// The number of contents that the index named when the store was opened and that had no file.
  std::int64_t missing = 0;
  std::int64_t set_aside = 0;  ///< The number of files that no index named and that are kept for a time.
};

/// One of several objects that are put together.
struct NewObject {
  std::string key;
  std::unique_ptr<StagedObject> content;  ///< Finished.
  ObjectAttributes attributes;
};

class BucketStore : public ObjectStore {
 public:
  /// Makes several finished contents objects, all or none of them, and durably: the syncs of all files and one commit
  /// cost far less than as many puts. Of two objects of one key the later one counts as the newer. Returns them in
  /// the order given. Fails with NoSuchBucket.
  virtual Result<std::vector<ObjectInfo>> put_all(const std::string& bucket, std::vector<NewObject> objects) = 0;

  /// Fails with the conflict BucketAlreadyOwnedByYou if the bucket exists.
  virtual Result<void> create_bucket(const std::string& bucket) = 0;
  /// Deletes a bucket and its open uploads. Fails with BucketNotEmpty while it holds objects or old versions.
  virtual Result<void> delete_bucket(const std::string& bucket) = 0;
  virtual std::vector<std::pair<std::string, Timestamp>>
  /// Returns names and times of creation, in the order of the names. The server's own buckets are left out.
  list_buckets() = 0;

  virtual Result<Versioning> versioning(const std::string& bucket) = 0;
  /// The value is never set back to `off`.
  virtual Result<void> set_versioning(const std::string& bucket, Versioning value) = 0;
  /// Returns a document that the bucket carries under a name ("cors", "lifecycle", …), or nothing if it has none. Only
  /// the protocol understands the document; the store keeps it as it was given.
  virtual Result<std::optional<std::string>> setting(const std::string& bucket, const std::string& name) = 0;
  /// Sets the document of a setting, or removes the setting if no document is given.
  virtual Result<void> set_setting(const std::string& bucket, const std::string& name,
                                   const std::optional<std::string>& document) = 0;

  /// Does what remove() does without a version, but only if the newest version still meets the condition. Fails with
  /// NoSuchKey or PreconditionFailed.
  virtual Result<Removed> remove_if(const std::string& bucket, const std::string& key,
                                    const RemoveCondition& condition) = 0;
  /// Returns versions in the order of their keys; of one key, the newest comes first.
  virtual Result<std::vector<ObjectVersion>> list_versions(const std::string& bucket,
                                                           const VersionListRequest& request) = 0;
  virtual Result<void> set_tags(const std::string& bucket, const std::string& key,
                                const std::optional<std::string>& version_id, const HeaderFields& tags) = 0;

  /// Begins a multipart upload and returns its id. Nothing of an upload is visible before it is completed. The condition
  /// must hold now, and again when the upload is completed.
  virtual Result<std::string> create_upload(const std::string& bucket, const std::string& key,
                                            const ObjectAttributes& attributes, const PutCondition& condition) = 0;
  /// Stores a part; it replaces an earlier part of the same number. Fails with NoSuchUpload, as all calls with an
  /// unknown id do.
  virtual Result<UploadPart> put_part(const std::string& bucket, const std::string& key, const std::string& upload,
                                      int number, std::unique_ptr<StagedObject> content) = 0;
  /// Parts are returned in the order of their numbers.
  virtual Result<std::vector<UploadPart>> list_parts(const std::string& bucket, const std::string& key,
                                                     const std::string& upload) = 0;
  /// Makes the named parts (number and etag) one object, atomically and durably. Fails with InvalidPartOrder,
  /// InvalidPart or EntityTooSmall. If the same upload is completed again with the same parts, the answer is the same.
  virtual Result<ObjectInfo> complete_upload(const std::string& bucket, const std::string& key,
                                             const std::string& upload,
                                             const std::vector<std::pair<int, std::string>>& parts,
                                             const PutCondition& condition) = 0;
  virtual Result<void> abort_upload(const std::string& bucket, const std::string& key, const std::string& upload) = 0;
  /// Returns the uploads whose key begins with the prefix, in the order of key and start.
  virtual Result<std::vector<MultipartUpload>> list_uploads(const std::string& bucket, const std::string& prefix,
                                                            std::int64_t limit) = 0;

  /// Reads contents again, in an order of the store's own, and compares them with their SHA-256. It begins at `from`
  /// (where an earlier step ended; empty: at the start) and ends at `until` (where another step began; empty: at the
  /// end), or once `most_bytes` are read. Throws if the index cannot be read.
  virtual DamageCheckStep check_contents(const std::string& from, const std::string& until,
                                         std::uint64_t most_bytes) = 0;

  /// Whether the index can be read. Returns false once anything that was read of the index turned out to be damaged, or
  /// if its file is gone.
  virtual bool answers() = 0;
  /// Does the care that is due from time to time: deletes the files that nothing names any more and, if `may_expire` is
  /// set, the set-aside files whose time is over. Throws if the index cannot be read.
  virtual StoreUpkeep tidy(bool may_expire) = 0;
};

}  // namespace vedette
