#include "store/objects/filesystem/filesystem_objects.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

#include "store/objects/filesystem/content_files.hpp"
#include "store/sqlite/sqlite.hpp"

namespace vedette::embedded {
extern const std::string_view objects_migration_0001, objects_migration_0002;
}

namespace vedette {
namespace {

using sqlite::Statement;
using Access = sqlite::Transaction::Access;

constexpr std::size_t kContentNameLength = 26;  // 130 random bits
constexpr std::size_t kUploadIdLength = 40;

Error s3_error(ErrorKind kind, const char* code, std::string message) {
  return fail(kind, std::move(message), code);
}
Error no_such_bucket() {
  return s3_error(ErrorKind::not_found, "NoSuchBucket", "The specified bucket does not exist");
}
Error no_such_key() {
  return s3_error(ErrorKind::not_found, "NoSuchKey", "The specified key does not exist.");
}
Error no_such_upload() {
  return s3_error(
      ErrorKind::not_found, "NoSuchUpload",
      "The specified multipart upload does not exist. The upload ID might be invalid, or the multipart upload "
      "might have been aborted or completed.");
}
Error no_versions() {
  return s3_error(ErrorKind::unsupported, "NotImplemented", "Buckets keep no object versions on this server.");
}

std::string encode_metadata(const std::vector<std::pair<std::string, std::string>>& metadata) {
  std::string out;
  for (const auto& [name, value] : metadata) out += uri_encode(name) + "=" + uri_encode(value) + "\n";
  return out;
}

std::vector<std::pair<std::string, std::string>> decode_metadata(std::string_view text) {
  std::vector<std::pair<std::string, std::string>> out;
  for (auto line : split(text, '\n')) {
    const auto equals = line.find('=');
    if (equals == std::string_view::npos) continue;
    auto name = uri_decode(line.substr(0, equals)), value = uri_decode(line.substr(equals + 1));
    if (name && value) out.emplace_back(std::move(*name), std::move(*value));
  }
  return out;
}

std::optional<std::string> encode_checksum(const std::optional<ObjectChecksum>& checksum) {
  if (!checksum) return std::nullopt;
  return std::string(to_text(checksum->algorithm)) + " " + checksum->value;
}

std::optional<ObjectChecksum> decode_checksum(const std::optional<std::string>& text) {
  if (!text) return std::nullopt;
  const auto space = text->find(' ');
  const auto algorithm = parse_checksum_algorithm(text->substr(0, space));
  if (!algorithm || space == std::string::npos) return std::nullopt;
  return ObjectChecksum{*algorithm, text->substr(space + 1)};
}

/// The MD5 of the parts' MD5s, and their number: S3's convention, which clients check.
std::string multipart_etag(const std::vector<std::pair<int, std::string>>& parts) {
  Hasher md5(Hasher::Algorithm::md5);
  for (const auto& [number, etag] : parts)
    if (const auto bytes = from_hex(etag)) md5.update(*bytes);
  return to_hex(md5.finish()) + "-" + std::to_string(parts.size());
}

class FilesystemObjects : public ObjectStore {
 public:
  FilesystemObjects(const fs::path& folder, const Clock& clock)
      : contents_(folder / "contents"), pool_(folder / "index.sqlite"), clock_(clock) {
    fs::create_directories(contents_);
    for (char a : std::string_view("abcdefghijkmnpqrstuvwxyz23456789"))
      fs::create_directory(contents_ / std::string(1, a));
    sqlite::Connection connection(folder / "index.sqlite");
    sqlite::migrate(connection, {{1, embedded::objects_migration_0001}, {2, embedded::objects_migration_0002}});
    connection.prepare("INSERT OR IGNORE INTO buckets (name, created) VALUES (?, ?)")
        .bind(kSystemBucket)
        .bind(now())
        .execute();
    remove_orphans(connection);
  }

  Result<void> create_bucket(const std::string& bucket) override {
    sqlite::Transaction t(pool_, Access::write);
    if (!t.connection()
             .prepare("INSERT INTO buckets (name, created) VALUES (?, ?)")
             .bind(bucket)
             .bind(now())
             .execute_unless_exists())
      return s3_error(ErrorKind::conflict, "BucketAlreadyOwnedByYou",
                      "Your previous request to create the named bucket succeeded and you already own it.");
    t.commit();
    return {};
  }
  Result<void> delete_bucket(const std::string& bucket) override {
    sqlite::Transaction t(pool_, Access::write);
    if (!bucket_exists(t.connection(), bucket)) return no_such_bucket();
    auto any = t.connection().prepare("SELECT 1 FROM objects WHERE bucket = ? LIMIT 1");
    if (any.bind(bucket).step())
      return s3_error(ErrorKind::conflict, "BucketNotEmpty", "The bucket you tried to delete is not empty");
    t.connection().prepare("DELETE FROM buckets WHERE name = ?").bind(bucket).execute();
    t.commit();
    return {};
  }
  bool has_bucket(const std::string& bucket) override {
    sqlite::Transaction t(pool_, Access::read);
    return bucket_exists(t.connection(), bucket);
  }
  std::vector<std::pair<std::string, Timestamp>> list_buckets() override {
    sqlite::Transaction t(pool_, Access::read);
    auto q = t.connection().prepare("SELECT name, created FROM buckets WHERE name <> ? ORDER BY name");
    q.bind(kSystemBucket);
    std::vector<std::pair<std::string, Timestamp>> out;
    while (q.step()) out.emplace_back(q.text(0), Timestamp{std::chrono::milliseconds{q.integer(1)}});
    return out;
  }

  Result<std::unique_ptr<StagedObject>> stage() override {
    auto name = random_id(kContentNameLength);
    auto path = content_path(name);
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return disk_failure("create a file");
    return std::unique_ptr<StagedObject>(std::make_unique<StagedFile>(std::move(path), std::move(name), fd));
  }

  Result<ObjectInfo> put(const std::string& bucket, const std::string& key, std::unique_ptr<StagedObject> content,
                         const std::string& content_type,
                         const std::vector<std::pair<std::string, std::string>>& user_metadata,
                         const PutCondition& condition) override {
    auto& file = static_cast<StagedFile&>(*content);
    if (auto ok = file.sync(); !ok) return ok.error();
    ObjectInfo info{key, file.size(), file.md5_hex(), content_type, user_metadata, clock_.now(), {}, file.checksum()};
    std::optional<std::string> replaced;
    {
      sqlite::Transaction t(pool_, Access::write);
      auto entered = enter(t.connection(), bucket, info, file, condition);
      if (!entered) return entered.error();
      replaced = std::move(*entered);
      // From here on the index may name the file: better an orphan, should the commit fail, than an object without
      // content.
      file.keep();
      t.commit();
    }
    if (replaced) ::unlink(content_path(*replaced).c_str());
    return info;
  }

  Result<ObjectInfo> head(const std::string& bucket, const std::string& key,
                          const std::optional<std::string>& version_id) override {
    if (version_id) return no_versions();
    sqlite::Transaction t(pool_, Access::read);
    auto found = find(t.connection(), bucket, key);
    if (!found) return found.error();
    return found->info;
  }

  Result<std::unique_ptr<ObjectReader>> get(const std::string& bucket, const std::string& key,
                                            const std::optional<std::string>& version_id) override {
    if (version_id) return no_versions();
    // A replacement may unlink the file between index and open: then look again.
    for (int attempt = 0; attempt < 5; ++attempt) {
      sqlite::Transaction t(pool_, Access::read);
      auto found = find(t.connection(), bucket, key);
      if (!found) return found.error();
      const int fd = ::open(content_path(found->content).c_str(), O_RDONLY | O_CLOEXEC);
      if (fd >= 0) return std::unique_ptr<ObjectReader>(std::make_unique<FileReader>(fd, std::move(found->info)));
      if (errno != ENOENT) return disk_failure("read");
    }
    return internal_error("The content of an object is missing.");
  }

  Result<ObjectInfo> copy(const std::string& from_bucket, const std::string& from_key, const std::string& to_bucket,
                          const std::string& to_key, const std::optional<ObjectAttributes>& attributes) override {
    auto reader = get(from_bucket, from_key, std::nullopt);
    if (!reader) return reader.error();
    auto staged = stage();
    if (!staged) return staged.error();
    const ObjectInfo info = (*reader)->info();
    if (info.checksum) (*staged)->add_checksum(info.checksum->algorithm);
    if (auto ok = append(**reader, **staged); !ok) return ok.error();
    if (auto ok = (*staged)->finish(); !ok) return ok.error();
    return put(to_bucket, to_key, std::move(*staged), attributes ? attributes->content_type : info.content_type,
               attributes ? attributes->user_metadata : info.user_metadata, {});
  }

  Result<void> remove(const std::string& bucket, const std::string& key) override {
    std::optional<std::string> content;
    {
      sqlite::Transaction t(pool_, Access::write);
      if (!bucket_exists(t.connection(), bucket)) return no_such_bucket();
      auto q = t.connection().prepare("DELETE FROM objects WHERE bucket = ? AND key = ? RETURNING content");
      q.bind(bucket).bind_blob(key);
      if (!q.step()) return {};
      content = q.text(0);
      q.execute();
      t.commit();
    }
    ::unlink(content_path(*content).c_str());
    return {};
  }

  Result<std::string> create_upload(const std::string& bucket, const std::string& key,
                                    const ObjectAttributes& attributes) override {
    const auto id = random_id(kUploadIdLength);
    sqlite::Transaction t(pool_, Access::write);
    if (!bucket_exists(t.connection(), bucket)) return no_such_bucket();
    t.connection()
        .prepare(
            "INSERT INTO uploads (id, bucket, key, content_type, user_metadata, initiated) VALUES (?, ?, ?, ?, ?, ?)")
        .bind(id)
        .bind(bucket)
        .bind_blob(key)
        .bind(attributes.content_type)
        .bind(encode_metadata(attributes.user_metadata))
        .bind(now())
        .execute();
    t.commit();
    return id;
  }

  Result<UploadPart> put_part(const std::string& bucket, const std::string& key, const std::string& upload, int number,
                              std::unique_ptr<StagedObject> content) override {
    auto& file = static_cast<StagedFile&>(*content);
    if (auto ok = file.sync(); !ok) return ok.error();
    const UploadPart part{number, file.size(), file.md5_hex(), clock_.now()};
    std::optional<std::string> replaced;
    {
      sqlite::Transaction t(pool_, Access::write);
      if (!find_upload(t.connection(), bucket, key, upload)) return no_such_upload();
      {
        auto old = t.connection().prepare("SELECT content FROM upload_parts WHERE upload = ? AND number = ?");
        if (old.bind(upload).bind(std::int64_t{number}).step()) replaced = old.text(0);
      }
      t.connection()
          .prepare(
              "INSERT OR REPLACE INTO upload_parts (upload, number, content, size, etag, modified) VALUES (?, ?, ?, ?, "
              "?, "
              "?)")
          .bind(upload)
          .bind(std::int64_t{number})
          .bind(file.name())
          .bind(static_cast<std::int64_t>(part.size_bytes))
          .bind(part.etag)
          .bind(part.modified.time_since_epoch().count())
          .execute();
      file.keep();
      t.commit();
    }
    if (replaced) ::unlink(content_path(*replaced).c_str());
    return part;
  }

  Result<std::vector<UploadPart>> list_parts(const std::string& bucket, const std::string& key,
                                             const std::string& upload) override {
    sqlite::Transaction t(pool_, Access::read);
    if (!find_upload(t.connection(), bucket, key, upload)) return no_such_upload();
    std::vector<UploadPart> out;
    for (auto& stored : parts_of(t.connection(), upload)) out.push_back(std::move(stored.part));
    return out;
  }

  Result<ObjectInfo> complete_upload(const std::string& bucket, const std::string& key, const std::string& upload,
                                     const std::vector<std::pair<int, std::string>>& parts,
                                     const PutCondition& condition) override {
    std::optional<ObjectAttributes> attributes;
    std::vector<StoredPart> stored;
    {
      sqlite::Transaction t(pool_, Access::read);
      attributes = find_upload(t.connection(), bucket, key, upload);
      if (attributes) {
        stored = parts_of(t.connection(), upload);
      } else {
        // An answer that was lost on its way is asked for again.
        const auto done = find(t.connection(), bucket, key);
        if (done && !parts.empty() && done->info.etag == multipart_etag(parts)) return done->info;
        return no_such_upload();
      }
    }
    for (std::size_t i = 1; i < parts.size(); ++i)
      if (parts[i].first <= parts[i - 1].first)
        return s3_error(ErrorKind::invalid_input, "InvalidPartOrder",
                        "The list of parts was not in ascending order. Parts must be ordered by part number.");
    auto staged = stage();
    if (!staged) return staged.error();
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const auto& [number, etag] = parts[i];
      const auto it =
          std::find_if(stored.begin(), stored.end(), [&](const auto& s) { return s.part.number == number; });
      if (it == stored.end() || it->part.etag != etag)
        return s3_error(ErrorKind::invalid_input, "InvalidPart",
                        "One or more of the specified parts could not be found, or its entity tag did not match.");
      if (i + 1 < parts.size() && it->part.size_bytes < kSmallestPart)
        return s3_error(ErrorKind::invalid_input, "EntityTooSmall",
                        "Your proposed upload is smaller than the minimum allowed size");
      const int fd = ::open(content_path(it->content).c_str(), O_RDONLY | O_CLOEXEC);
      if (fd < 0) return disk_failure("read a part");
      ObjectInfo part_info;
      part_info.size_bytes = it->part.size_bytes;
      FileReader reader(fd, std::move(part_info));
      if (auto ok = append(reader, **staged); !ok) return ok.error();
    }
    if (auto ok = (*staged)->finish(); !ok) return ok.error();
    auto& file = static_cast<StagedFile&>(**staged);
    if (auto ok = file.sync(); !ok) return ok.error();
    ObjectInfo info{
        key, file.size(), multipart_etag(parts), attributes->content_type, attributes->user_metadata, clock_.now(),
        {},  {}};
    std::optional<std::string> replaced;
    {
      sqlite::Transaction t(pool_, Access::write);
      if (!find_upload(t.connection(), bucket, key, upload)) return no_such_upload();
      auto entered = enter(t.connection(), bucket, info, file, condition);
      if (!entered) return entered.error();
      replaced = std::move(*entered);
      stored = parts_of(t.connection(), upload);  // as they are now: all of them go
      t.connection().prepare("DELETE FROM uploads WHERE id = ?").bind(upload).execute();
      file.keep();
      t.commit();
    }
    if (replaced) ::unlink(content_path(*replaced).c_str());
    for (const auto& s : stored) ::unlink(content_path(s.content).c_str());
    return info;
  }

  Result<void> abort_upload(const std::string& bucket, const std::string& key, const std::string& upload) override {
    std::vector<StoredPart> stored;
    {
      sqlite::Transaction t(pool_, Access::write);
      if (!find_upload(t.connection(), bucket, key, upload)) return no_such_upload();
      stored = parts_of(t.connection(), upload);
      t.connection().prepare("DELETE FROM uploads WHERE id = ?").bind(upload).execute();
      t.commit();
    }
    for (const auto& s : stored) ::unlink(content_path(s.content).c_str());
    return {};
  }

  Result<std::vector<MultipartUpload>> list_uploads(const std::string& bucket, const std::string& prefix,
                                                    std::int64_t limit) override {
    sqlite::Transaction t(pool_, Access::read);
    if (!bucket_exists(t.connection(), bucket)) return no_such_bucket();
    auto q = t.connection().prepare(
        "SELECT id, key, initiated FROM uploads WHERE bucket = ?1 AND substr(key, 1, length(?2)) = ?2 ORDER BY key, "
        "initiated LIMIT ?3");
    q.bind(bucket).bind_blob(prefix).bind(limit);
    std::vector<MultipartUpload> out;
    while (q.step()) out.push_back({q.text(0), q.text(1), Timestamp{std::chrono::milliseconds{q.integer(2)}}});
    return out;
  }

  Result<std::vector<ObjectInfo>> list(const std::string& bucket, const ListRequest& request) override {
    sqlite::Transaction t(pool_, Access::read);
    if (!bucket_exists(t.connection(), bucket)) return no_such_bucket();
    // A range over the primary key: from the prefix, or beyond start_after, up to the first key after the prefix.
    std::string end = request.prefix;
    while (!end.empty() && static_cast<unsigned char>(end.back()) == 0xFF) end.pop_back();
    if (!end.empty()) end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
    auto q = t.connection().prepare(
        "SELECT content, size, etag, content_type, user_metadata, modified, checksum, key FROM objects WHERE bucket = "
        "?1 "
        "AND key >= ?2 AND key > ?3 "
        "AND (?4 IS NULL OR key < ?4) ORDER BY key LIMIT ?5");
    q.bind(bucket).bind_blob(request.prefix).bind_blob(request.start_after);
    if (end.empty()) {
      q.bind_null();
    } else {
      q.bind_blob(end);
    }
    q.bind(request.limit);
    std::vector<ObjectInfo> out;
    while (q.step()) out.push_back(read_info(q, q.text(7)));
    return out;
  }

 private:
  struct Found {
    ObjectInfo info;
    std::string content;
  };

  std::int64_t now() const { return clock_.now().time_since_epoch().count(); }
  fs::path content_path(const std::string& name) const { return contents_ / name.substr(0, 1) / name; }

  static bool bucket_exists(sqlite::Connection& c, const std::string& bucket) {
    return c.prepare("SELECT 1 FROM buckets WHERE name = ?").bind(bucket).step();
  }

  static ObjectInfo read_info(const Statement& q, std::string key) {
    return {std::move(key),
            static_cast<std::uint64_t>(q.integer(1)),
            q.text(2),
            q.text(3),
            decode_metadata(q.text(4)),
            Timestamp{std::chrono::milliseconds{q.integer(5)}},
            {},
            decode_checksum(q.optional_text(6))};
  }

  struct StoredPart {
    UploadPart part;
    std::string content;
  };

  /// Puts a staged file into the index under its key; the content file that it replaces, which goes after the commit.
  Result<std::optional<std::string>> enter(sqlite::Connection& c, const std::string& bucket, const ObjectInfo& info,
                                           const StagedFile& file, const PutCondition& condition) {
    if (!bucket_exists(c, bucket)) return no_such_bucket();
    std::optional<std::string> replaced;
    {
      auto old = c.prepare("SELECT content, etag FROM objects WHERE bucket = ? AND key = ?");
      const bool exists = old.bind(bucket).bind_blob(info.key).step();
      if ((condition.must_not_exist && exists) || (condition.etag_is && (!exists || old.text(1) != *condition.etag_is)))
        return s3_error(ErrorKind::conflict, "PreconditionFailed",
                        "At least one of the pre-conditions you specified did not hold");
      if (exists) replaced = old.text(0);
    }
    c.prepare(
         "INSERT OR REPLACE INTO objects (bucket, key, content, size, etag, sha256, content_type, user_metadata, "
         "modified, checksum) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
        .bind(bucket)
        .bind_blob(info.key)
        .bind(file.name())
        .bind(static_cast<std::int64_t>(file.size()))
        .bind(info.etag)
        .bind(file.sha256_hex())
        .bind(info.content_type)
        .bind(encode_metadata(info.user_metadata))
        .bind(info.modified.time_since_epoch().count())
        .bind(encode_checksum(info.checksum))
        .execute();
    return replaced;
  }

  static std::optional<ObjectAttributes> find_upload(sqlite::Connection& c, const std::string& bucket,
                                                     const std::string& key, const std::string& upload) {
    auto q = c.prepare("SELECT content_type, user_metadata FROM uploads WHERE id = ? AND bucket = ? AND key = ?");
    if (!q.bind(upload).bind(bucket).bind_blob(key).step()) return std::nullopt;
    return ObjectAttributes{q.text(0), decode_metadata(q.text(1))};
  }

  static std::vector<StoredPart> parts_of(sqlite::Connection& c, const std::string& upload) {
    auto q =
        c.prepare("SELECT number, size, etag, modified, content FROM upload_parts WHERE upload = ? ORDER BY number");
    q.bind(upload);
    std::vector<StoredPart> out;
    while (q.step())
      out.push_back({{static_cast<int>(q.integer(0)), static_cast<std::uint64_t>(q.integer(1)), q.text(2),
                      Timestamp{std::chrono::milliseconds{q.integer(3)}}},
                     q.text(4)});
    return out;
  }

  static Result<void> append(ObjectReader& reader, StagedObject& staged) {
    std::vector<std::uint8_t> chunk(1 << 20);
    for (std::uint64_t offset = 0; offset < reader.info().size_bytes;) {
      auto n = reader.read(offset, chunk);
      if (!n) return n.error();
      if (*n == 0) return internal_error("An object is shorter than its index says.");
      if (auto ok = staged.write(std::span(chunk).first(*n)); !ok) return ok.error();
      offset += *n;
    }
    return {};
  }

  static Result<Found> find(sqlite::Connection& c, const std::string& bucket, const std::string& key) {
    auto q = c.prepare(
        "SELECT content, size, etag, content_type, user_metadata, modified, checksum FROM objects WHERE bucket = ? AND "
        "key = ?");
    q.bind(bucket).bind_blob(key);
    if (!q.step()) return bucket_exists(c, bucket) ? no_such_key() : no_such_bucket();
    return Found{read_info(q, key), q.text(0)};
  }

  void remove_orphans(sqlite::Connection& c) {
    for (const auto& shelf : fs::directory_iterator(contents_))
      for (const auto& file : fs::directory_iterator(shelf))
        if (const auto name = file.path().filename().string();
            !c.prepare("SELECT 1 FROM objects WHERE content = ?").bind(name).step() &&
            !c.prepare("SELECT 1 FROM upload_parts WHERE content = ?").bind(name).step())
          fs::remove(file.path());
  }

  fs::path contents_;
  sqlite::Pool pool_;
  const Clock& clock_;
};

}  // namespace

std::unique_ptr<ObjectStore> open_filesystem_objects(const fs::path& folder, const Clock& clock) {
  fs::create_directories(folder);
  return std::make_unique<FilesystemObjects>(folder, clock);
}

}  // namespace vedette
