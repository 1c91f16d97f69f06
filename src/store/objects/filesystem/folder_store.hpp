#pragma once

#include <atomic>
#include <mutex>

#include "store/objects/buckets.hpp"
#include "store/objects/content_files.hpp"
#include "store/objects/filesystem/filesystem_objects.hpp"
#include "store/sqlite/sqlite.hpp"

/// The columns that the tables `objects` and `versions` share, in read_row's order.
#define VEDETTE_OBJECT_COLUMNS \
  "version, content, size, etag, sha256, content_type, user_metadata, headers, tags, modified, checksum"

namespace vedette {

Error s3_error(ErrorKind kind, const char* code, std::string message);
Error no_such_bucket();
Error no_such_upload();
Error precondition_failed();

std::string encode_fields(const HeaderFields& fields);
HeaderFields decode_fields(std::string_view text);

/// A row of `objects` or `versions`.
struct ObjectRow {
  ObjectInfo info;
  std::string content, sha256;
  [[nodiscard]] bool is_delete_marker() const { return content.empty(); }
};
/// Reads the shared columns from `first` on.
ObjectRow read_row(const sqlite::Statement& q, int first, std::string key, Versioning versioning);

/// The MD5 of the parts' MD5s, and their number: S3's convention, which clients check.
std::string multipart_etag(const std::vector<std::pair<int, std::string>>& parts);

/// The store in a folder (filesystem_objects.hpp), its methods by subject in the files beside.
class FolderStore : public BucketStore {
 public:
  FolderStore(const fs::path& folder, const Clock& clock, const FilesystemOptions& options);
  ~FolderStore() override { ::close(hold_); }
  FolderStore(const FolderStore&) = delete;
  FolderStore& operator=(const FolderStore&) = delete;

  // buckets.cpp
  Result<void> create_bucket(const std::string& bucket) override;
  Result<void> delete_bucket(const std::string& bucket) override;
  Result<bool> has_bucket(const std::string& bucket) override;
  std::vector<std::pair<std::string, Timestamp>> list_buckets() override;
  Result<Versioning> versioning(const std::string& bucket) override;
  Result<void> set_versioning(const std::string& bucket, Versioning value) override;
  Result<std::optional<std::string>> setting(const std::string& bucket, const std::string& name) override;
  Result<void> set_setting(const std::string& bucket, const std::string& name,
                           const std::optional<std::string>& document) override;

  // objects.cpp
  Result<std::unique_ptr<StagedObject>> stage() override;
  Result<ObjectInfo> put(const std::string& bucket, const std::string& key, std::unique_ptr<StagedObject> content,
                         const ObjectAttributes& attributes, const PutCondition& condition) override;
  Result<ObjectInfo> head(const std::string& bucket, const std::string& key,
                          const std::optional<std::string>& version_id) override;
  Result<std::unique_ptr<ObjectReader>> get(const std::string& bucket, const std::string& key,
                                            const std::optional<std::string>& version_id) override;
  Result<ObjectStart> get_start(const std::string& bucket, const std::string& key, std::size_t length) override;
  Result<std::vector<ObjectInfo>> list(const std::string& bucket, const ListRequest& request) override;
  DamageCheckStep check_contents(const std::string& from, const std::string& until, std::uint64_t most_bytes) override;

  // leftovers.cpp
  bool answers() override;
  StoreUpkeep tidy(bool may_expire) override;

  // versions.cpp
  Result<Removed> remove(const std::string& bucket, const std::string& key,
                         const std::optional<std::string>& version_id) override;
  Result<Removed> remove_if(const std::string& bucket, const std::string& key,
                            const RemoveCondition& condition) override;
  Result<std::vector<ObjectVersion>> list_versions(const std::string& bucket,
                                                   const VersionListRequest& request) override;
  Result<void> set_tags(const std::string& bucket, const std::string& key, const std::optional<std::string>& version_id,
                        const HeaderFields& tags) override;

  // uploads.cpp
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
  using Contents = std::vector<std::string>;  // names of content files

  [[nodiscard]] std::int64_t now() const { return clock_.now().time_since_epoch().count(); }
  [[nodiscard]] fs::path content_path(const std::string& name) const { return contents_ / name.substr(0, 1) / name; }
  /// Commits a change after which nothing names these contents any more; unlink() them then.
  static void commit(sqlite::Transaction& t, const Contents& gone);
  /// Gives a new content its final name and commits. On a full disk the name is taken back: else every attempt would leave a
  /// content that the index does not name.
  Result<void> keep_and_commit(sqlite::Transaction& t, StagedFile& file, const Contents& gone);
  /// Deletes files, or leaves that for later while a backup reads them.
  void unlink(const Contents& gone);

  static std::optional<Versioning> find_bucket(sqlite::Connection& c, const std::string& bucket);
  /// What a read finds; version id as clients name it.
  static Result<ObjectRow> find(sqlite::Connection& c, const std::string& bucket, const std::string& key,
                                const std::optional<std::string>& version_id);
  /// Puts a staged file into the index; what it replaces for good is added to `gone`, to be unlinked after the commit.
  Result<void> check_condition(sqlite::Connection& c, const std::string& bucket, const std::string& key,
                               const PutCondition& condition);
  Result<void> enter(sqlite::Connection& c, const std::string& bucket, ObjectInfo& info, const StagedFile& file,
                     const PutCondition& condition, Contents& gone);
  /// Takes the newest of a key out of the way of a new one or of a delete marker; the new one's version.
  std::optional<std::string> make_room(sqlite::Connection& c, const std::string& bucket, const std::string& key,
                                       Versioning versioning, Contents& gone);
  /// Removes the newest, below a delete marker where versions are kept.
  Removed hide(sqlite::Connection& c, const std::string& bucket, const std::string& key, Versioning versioning,
               Contents& gone);
  /// Makes the newest of the old versions what a read finds.
  static void promote(sqlite::Connection& c, const std::string& bucket, const std::string& key);
  static std::optional<ObjectAttributes> find_upload(sqlite::Connection& c, const std::string& bucket,
                                                     const std::string& key, const std::string& upload);
  static std::vector<StoredPart> parts_of(sqlite::Connection& c, const std::string& upload);

  // leftovers.cpp: what is on the disk and not in the index, or the other way round
  void refuse_new_index() const;
  void settle_leftovers(sqlite::Connection& c, bool accept_lost_index);
  std::string set_aside(const Contents& unknown) const;
  void expire_set_aside();
  [[nodiscard]] std::int64_t count_set_aside() const;

  const fs::path folder_, contents_;
  const FilesystemOptions options_;
  sqlite::Pool pool_;
  const Clock& clock_;
  const int hold_;  // descriptor of the file that a backup holds
  std::mutex unlinking_;
  std::atomic<std::int64_t> missing_{0};
};

}  // namespace vedette
