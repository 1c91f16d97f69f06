#pragma once

#include <atomic>

#include "base/mutex.hpp"
#include "store/objects/buckets.hpp"
#include "store/objects/content_files.hpp"
#include "store/objects/filesystem/filesystem_objects.hpp"
#include "store/sqlite/sqlite.hpp"

/// The columns that the tables `objects` and `versions` share, in the order in which read_row() reads them.
#define VEDETTE_OBJECT_COLUMNS \
  "version, content, size, etag, sha256, content_type, user_metadata, headers, tags, modified, checksum"

namespace vedette {

Error s3_error(ErrorKind kind, const char* code, std::string message);
Error no_such_bucket();
Error no_such_upload();
Error precondition_failed();

std::string encode_fields(const HeaderFields& fields);
HeaderFields decode_fields(std::string_view text);

/// A row of the table `objects` or `versions`.
struct ObjectRow {
  ObjectInfo info;
  std::string content, sha256;
  [[nodiscard]] bool is_delete_marker() const { return content.empty(); }
};
/// Reads the shared columns, beginning at the column `first`.
ObjectRow read_row(const sql::Statement& q, int first, std::string key, Versioning versioning);

/// Returns the MD5 of the parts' MD5s, followed by the number of parts: S3's convention, which clients check.
std::string multipart_etag(const std::vector<std::pair<int, std::string>>& parts);

/// The store in a folder (filesystem_objects.hpp). Its methods stand in several source files, one per subject.
class FolderStore : public BucketStore {
 public:
  FolderStore(const fs::path& folder, const Clock& clock, const FilesystemOptions& options);
  ~FolderStore() override { ::close(hold_); }
  FolderStore(const FolderStore&) = delete;
  FolderStore& operator=(const FolderStore&) = delete;

  // These methods are defined in buckets.cpp.
  Result<void> create_bucket(const std::string& bucket) override;
  Result<void> delete_bucket(const std::string& bucket) override;
  Result<bool> has_bucket(const std::string& bucket) override;
  std::vector<std::pair<std::string, Timestamp>> list_buckets() override;
  Result<Versioning> versioning(const std::string& bucket) override;
  Result<void> set_versioning(const std::string& bucket, Versioning value) override;
  Result<std::optional<std::string>> setting(const std::string& bucket, const std::string& name) override;
  Result<void> set_setting(const std::string& bucket, const std::string& name,
                           const std::optional<std::string>& document) override;

  // These methods are defined in objects.cpp.
  Result<std::unique_ptr<StagedObject>> stage() override;
  Result<ObjectInfo> put(const std::string& bucket, const std::string& key, std::unique_ptr<StagedObject> content,
                         const ObjectAttributes& attributes, const PutCondition& condition) override;
  Result<std::vector<ObjectInfo>> put_all(const std::string& bucket, std::vector<NewObject> objects) override;
  Result<ObjectInfo> head(const std::string& bucket, const std::string& key,
                          const std::optional<std::string>& version_id) override;
  Result<std::unique_ptr<ObjectReader>> get(const std::string& bucket, const std::string& key,
                                            const std::optional<std::string>& version_id) override;
  Result<ObjectStart> get_start(const std::string& bucket, const std::string& key, std::size_t length) override;
  Result<std::vector<ObjectInfo>> list(const std::string& bucket, const ListRequest& request) override;
  DamageCheckStep check_contents(const std::string& from, const std::string& until, std::uint64_t most_bytes) override;

  // These methods are defined in leftovers.cpp.
  bool answers() override;
  StoreUpkeep tidy(bool may_expire) override;

  // These methods are defined in versions.cpp.
  Result<Removed> remove(const std::string& bucket, const std::string& key,
                         const std::optional<std::string>& version_id) override;
  Result<Removed> remove_if(const std::string& bucket, const std::string& key,
                            const RemoveCondition& condition) override;
  Result<std::vector<ObjectVersion>> list_versions(const std::string& bucket,
                                                   const VersionListRequest& request) override;
  Result<void> set_tags(const std::string& bucket, const std::string& key, const std::optional<std::string>& version_id,
                        const HeaderFields& tags) override;

  // These methods are defined in uploads.cpp.
  Result<std::string> create_upload(const std::string& bucket, const std::string& key,
                                    const ObjectAttributes& attributes, const PutCondition& condition) override;
  Result<UploadPart> put_part(const std::string& bucket, const std::string& key, const std::string& upload, int number,
                              std::unique_ptr<StagedObject> content) override;
  Result<std::vector<UploadPart>> list_parts(const std::string& bucket, const std::string& key,
                                             const std::string& upload) override;
  Result<ObjectInfo> complete_upload(const std::string& bucket, const std::string& key, const std::string& upload,
                                     const std::vector<std::pair<int, std::string>>& parts,
                                     const PutCondition& condition) override;
  Result<void> abort_upload(const std::string& bucket, const std::string& key, const std::string& upload) override;
  Result<std::vector<MultipartUpload>> list_uploads(const std::string& bucket, const std::string& prefix,
                                                    std::int64_t limit) override;

 private:
  struct StoredPart {
    UploadPart part;
    std::string content;
  };
  using Contents = std::vector<std::string>;  // The names of content files.

  [[nodiscard]] std::int64_t now() const { return clock_.now().time_since_epoch().count(); }
  [[nodiscard]] fs::path content_path(const std::string& name) const { return contents_ / name.substr(0, 1) / name; }
  /// Commits a change after which nothing names these contents any more. The caller calls unlink() for them afterwards.
  static void commit(sql::Transaction& t, const Contents& gone);
  /// Gives a new content its final name and commits. On a full disk the name is taken back; otherwise every attempt
  /// would leave a content that the index does not name.
  Result<void> keep_and_commit(sql::Transaction& t, StagedFile& file, const Contents& gone);
  /// Deletes files, or leaves that for later while a backup reads them.
  void unlink(const Contents& gone);

  static std::optional<Versioning> find_bucket(sql::Connection& c, const std::string& bucket);
  /// Returns the row that a read finds. The version id is written as clients write it.
  static Result<ObjectRow> find(sql::Connection& c, const std::string& bucket, const std::string& key,
                                const std::optional<std::string>& version_id);
  Result<void> check_condition(sql::Connection& c, const std::string& bucket, const std::string& key,
                               const PutCondition& condition);
  /// Puts a staged file into the index. The contents that it replaces for good are added to `gone`, to be unlinked
  /// after the commit.
  Result<void> enter(sql::Connection& c, const std::string& bucket, ObjectInfo& info, const StagedFile& file,
                     const PutCondition& condition, Contents& gone);
  /// Moves the newest version of a key out of the way of a new one or of a delete marker. Returns the new one's version
  /// id.
  std::optional<std::string> make_room(sql::Connection& c, const std::string& bucket, const std::string& key,
                                       Versioning versioning, Contents& gone);
  /// Removes the newest version, or puts a delete marker above it where versions are kept.
  Removed hide(sql::Connection& c, const std::string& bucket, const std::string& key, Versioning versioning,
               Contents& gone);
  /// Makes the newest of the old versions the one that a read finds.
  static void promote(sql::Connection& c, const std::string& bucket, const std::string& key);
  static std::optional<ObjectAttributes> find_upload(sql::Connection& c, const std::string& bucket,
                                                     const std::string& key, const std::string& upload);
  static std::vector<StoredPart> parts_of(sql::Connection& c, const std::string& upload);

  // These methods are defined in leftovers.cpp. They handle what is on the disk and not in the index, and the other way
  // round.
  void refuse_new_index() const;
  void settle_leftovers(sql::Connection& c, bool accept_lost_index);
  std::string set_aside(const Contents& unknown) const;
  void expire_set_aside();
  [[nodiscard]] std::int64_t count_set_aside() const;

  const fs::path folder_, contents_;
  const FilesystemOptions options_;
  sqlite::Pool pool_;
  const Clock& clock_;
  const int hold_;  // The descriptor of the file that a backup locks.
  Mutex unlinking_;
  std::atomic<std::int64_t> missing_{0};
};

}  // namespace vedette
