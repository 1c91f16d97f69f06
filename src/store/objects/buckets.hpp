#pragma once

#include "store/objects/objects.hpp"

/// What an S3 endpoint needs beyond ObjectStore: buckets with settings, versions of objects, uploads by parts. Thread-safe.
namespace vedette {

enum class Versioning {
  off,       ///< never on: an object has no version id
  enabled,   ///< every put and delete keeps what was there
  suspended  ///< old versions stay, new ones are called "null" and replace each other
};

struct ObjectVersion {
  ObjectInfo info;  ///< of a delete marker: key, version id and time only
  bool is_latest = false, is_delete_marker = false;
  std::optional<Timestamp> superseded;  ///< when a newer one came
};
struct VersionListRequest {
  std::string prefix;
  std::string key_marker;      ///< only keys beyond this one
  std::string version_marker;  ///< if not empty, also key_marker's versions older than this one
  std::int64_t limit = 1000;
};

/// When a removal may happen.
struct RemoveCondition {
  std::optional<std::string> etag_is;  ///< If-Match; "*": there is any
  std::optional<Timestamp> modified_is;
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

/// An object whose content is not what was stored.
struct DamagedObject {
  std::string bucket, key;
  std::optional<std::string> version_id;
  std::string reason;
};
struct DamageCheckStep {
  std::string next;  ///< where the next step begins; empty when all was read
  std::int64_t objects = 0;
  std::uint64_t bytes = 0;
  std::vector<DamagedObject> damaged;
};

/// What is wrong between contents and index.
struct StoreUpkeep {
  std::int64_t missing = 0;    ///< contents that the index named when the store was opened and that had no file
  std::int64_t set_aside = 0;  ///< files that no index named, kept for a time
};

class BucketStore : public ObjectStore {
 public:
  virtual Result<void> create_bucket(const std::string& bucket) = 0;  ///< conflict BucketAlreadyOwnedByYou if it exists
  /// Fails with BucketNotEmpty while there are objects or old versions; open uploads go with it.
  virtual Result<void> delete_bucket(const std::string& bucket) = 0;
  virtual std::vector<std::pair<std::string, Timestamp>>
  list_buckets() = 0;  ///< by name; the server's own are left out

  virtual Result<Versioning> versioning(const std::string& bucket) = 0;
  virtual Result<void> set_versioning(const std::string& bucket, Versioning value) = 0;  ///< never back to off
  /// A document that the bucket carries under a name ("cors", "lifecycle", …): the protocol's affair, kept as given.
  virtual Result<std::optional<std::string>> setting(const std::string& bucket, const std::string& name) = 0;
  /// No document: the setting goes.
  virtual Result<void> set_setting(const std::string& bucket, const std::string& name,
                                   const std::optional<std::string>& document) = 0;

  /// As remove() without a version, but only if the newest is still this one. Fails with NoSuchKey or PreconditionFailed.
  virtual Result<Removed> remove_if(const std::string& bucket, const std::string& key,
                                    const RemoveCondition& condition) = 0;
  /// By key, newest first.
  virtual Result<std::vector<ObjectVersion>> list_versions(const std::string& bucket,
                                                           const VersionListRequest& request) = 0;
  virtual Result<void> set_tags(const std::string& bucket, const std::string& key,
                                const std::optional<std::string>& version_id, const HeaderFields& tags) = 0;

  /// An upload by parts; its id. Nothing of it is visible before it is completed. The condition must hold now and when it is completed.
  virtual Result<std::string> create_upload(const std::string& bucket, const std::string& key,
                                            const ObjectAttributes& attributes, const PutCondition& condition) = 0;
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

  /// Reads contents again, in an order of the store's own, and compares them with their SHA-256: from where a step ended
  /// (empty: from the start) to where another one did (empty: to the end), or until `most_bytes` are read. Throws if the
  /// index cannot be read.
  virtual DamageCheckStep check_contents(const std::string& from, const std::string& until,
                                         std::uint64_t most_bytes) = 0;

  /// Whether the index can be read: false once anything that was read of it turned out to be damaged, or the file is gone.
  virtual bool answers() = 0;
  /// Care that is due from time to time: deletes the files that nothing names any more and, if `may_expire`, those that
  /// were set aside and whose time is over. Throws if the index cannot be read.
  virtual StoreUpkeep tidy(bool may_expire) = 0;
};

}  // namespace vedette
