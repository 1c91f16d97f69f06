#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "base/digest.hpp"
#include "store/objects/filesystem/folder_store.hpp"

namespace vedette {
namespace {

using Access = sql::Access;

constexpr std::size_t kContentNameLength = 26;  // The characters hold 130 random bits.

std::optional<std::string> encode_checksum(const std::optional<ObjectChecksum>& checksum) {
  if (!checksum) return std::nullopt;
  return std::string(to_text(checksum->algorithm)) + " " + checksum->value;
}

/// Returns the hexadecimal SHA-256 of a file, or an empty text if the file is gone.
Result<std::string> hash_file(const fs::path& path, std::uint64_t& bytes) {
  const int fd = open_content(path);
  if (fd < 0) return errno == ENOENT ? Result<std::string>(std::string()) : disk_failure("read");
  FileReader reader(fd, {});
  Hasher hasher(Hasher::Algorithm::sha256);
  std::vector<std::uint8_t> chunk(1 << 20);
  std::uint64_t offset = 0;
  while (true) {
    const auto n = reader.read(offset, chunk);
    if (!n) return n.error();
    if (*n == 0) break;
    hasher.update(std::span(chunk).first(*n));
    offset += *n;
    bytes += *n;
  }
  ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);  // What is only checked should not push out of memory what is used.
  return to_hex(hasher.finish());
}

}  // namespace

Result<std::unique_ptr<StagedObject>> FolderStore::stage() {
  auto name = random_id(kContentNameLength);
  auto path = content_path(name) += kUnfinished;
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return disk_failure("create a file");
  return std::unique_ptr<StagedObject>(std::make_unique<StagedFile>(std::move(path), std::move(name), fd));
}

Result<ObjectInfo> FolderStore::put(const std::string& bucket, const std::string& key,
                                    std::unique_ptr<StagedObject> content, const ObjectAttributes& attributes,
                                    const PutCondition& condition) {
  auto& file = static_cast<StagedFile&>(*content);
  if (auto ok = file.sync(); !ok) return ok.error();
  ObjectInfo info{key, file.size(), file.md5_hex(), attributes, clock_.now(), {}, file.checksum()};
  Contents gone;
  {
    sql::Transaction t(pool_, Access::write);
    if (auto ok = enter(t.connection(), bucket, info, file, condition, gone); !ok) return ok.error();
    if (auto ok = keep_and_commit(t, file, gone); !ok) return ok.error();
  }
  unlink(gone);
  return info;
}

Result<std::vector<ObjectInfo>> FolderStore::put_all(const std::string& bucket, std::vector<NewObject> objects) {
  const auto file_of = [](const NewObject& object) -> StagedFile& { return static_cast<StagedFile&>(*object.content); };
  for (const auto& object : objects) file_of(object).begin_sync();
  std::set<fs::path> folders;
  for (const auto& object : objects) {
    if (auto ok = file_of(object).sync_content(); !ok) return ok.error();
    folders.insert(file_of(object).folder());
  }
  for (const auto& folder : folders)
    if (auto ok = sync_path(folder); !ok) return ok.error();
  std::vector<ObjectInfo> infos;
  Contents gone;
  {
    sql::Transaction t(pool_, Access::write);
    for (auto& object : objects) {
      const auto& file = file_of(object);
      ObjectInfo info{std::move(object.key), file.size(), file.md5_hex(), std::move(object.attributes),
                      clock_.now(),          {},          file.checksum()};
      if (auto ok = enter(t.connection(), bucket, info, file, {}, gone); !ok) return ok.error();
      infos.push_back(std::move(info));
    }
    // The files get their final names only when the index names them: after a kill in between, the next start names
    // them. Were it the other way round, a kill would leave many files that the index does not name, as a lost index
    // does.
    for (const auto& object : objects) file_of(object).keep_unfinished();
    commit(t, gone);
    for (const auto& object : objects) (void)file_of(object).keep(content_path(file_of(object).name()));
  }
  unlink(gone);
  return infos;
}

Result<void> FolderStore::check_condition(sql::Connection& c, const std::string& bucket, const std::string& key,
                                          const PutCondition& condition) {
  if (!condition.must_not_exist && !condition.etag_is) return {};
  const auto current = find(c, bucket, key, std::nullopt);
  if (condition.must_not_exist && current) return precondition_failed();
  if (!condition.etag_is) return {};
  if (!current) return current.error();
  return *condition.etag_is == "*" || *condition.etag_is == current->info.etag ? Result<void>() : precondition_failed();
}

Result<void> FolderStore::enter(sql::Connection& c, const std::string& bucket, ObjectInfo& info, const StagedFile& file,
                                const PutCondition& condition, Contents& gone) {
  const auto versioning = find_bucket(c, bucket);
  if (!versioning) return no_such_bucket();
  if (auto ok = check_condition(c, bucket, info.key, condition); !ok) return ok;
  const auto version = make_room(c, bucket, info.key, *versioning, gone);
  if (*versioning != Versioning::off) info.version_id = version.value_or("null");
  c.prepare("INSERT INTO objects (bucket, key, " VEDETTE_OBJECT_COLUMNS
            ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
      .bind(bucket)
      .bind_blob(info.key)
      .bind(version)
      .bind(file.name())
      .bind(static_cast<std::int64_t>(file.size()))
      .bind(info.etag)
      .bind(file.sha256_hex())
      .bind(info.attributes.content_type)
      .bind(encode_fields(info.attributes.user_metadata))
      .bind(encode_fields(info.attributes.headers))
      .bind(encode_fields(info.attributes.tags))
      .bind(info.modified.time_since_epoch().count())
      .bind(encode_checksum(info.checksum))
      .execute();
  return {};
}

Result<ObjectInfo> FolderStore::head(const std::string& bucket, const std::string& key,
                                     const std::optional<std::string>& version_id) {
  sql::Transaction t(pool_, Access::read);
  auto found = find(t.connection(), bucket, key, version_id);
  if (!found) return found.error();
  return std::move(found->info);
}

Result<std::unique_ptr<ObjectReader>> FolderStore::get(const std::string& bucket, const std::string& key,
                                                       const std::optional<std::string>& version_id) {
  // A replacement may unlink the file between the look into the index and the opening: then this looks again.
  for (int attempt = 0; attempt < 5; ++attempt) {
    sql::Transaction t(pool_, Access::read);
    auto found = find(t.connection(), bucket, key, version_id);
    if (!found) return found.error();
    const int fd = open_content(content_path(found->content));
    if (fd >= 0) return std::unique_ptr<ObjectReader>(std::make_unique<FileReader>(fd, std::move(found->info)));
    if (errno != ENOENT) return disk_failure("read");
  }
  return internal_error("The content of an object is missing.");
}

Result<ObjectStart> FolderStore::get_start(const std::string& bucket, const std::string& key, std::size_t length) {
  auto reader = get(bucket, key, std::nullopt);
  if (!reader) return reader.error();
  ObjectStart start{(*reader)->info(), {}};
  start.bytes.resize(static_cast<std::size_t>(std::min<std::uint64_t>(length, start.info.size_bytes)));
  const auto n = (*reader)->read(0, {reinterpret_cast<std::uint8_t*>(start.bytes.data()), start.bytes.size()});
  if (!n) return n.error();
  start.bytes.resize(*n);
  return start;
}

Result<std::vector<ObjectInfo>> FolderStore::list(const std::string& bucket, const ListRequest& request) {
  sql::Transaction t(pool_, Access::read);
  const auto versioning = find_bucket(t.connection(), bucket);
  if (!versioning) return no_such_bucket();
  // This reads a range of the primary key with one bound, since SQLite would scan from the first of two bounds. It
  // begins at the prefix, or at the key that follows start_after, and goes on while the prefix holds.
  const auto first = std::max(request.prefix, request.start_after + '\0');
  auto q = t.connection().prepare("SELECT key, " VEDETTE_OBJECT_COLUMNS
                                  " FROM objects WHERE bucket = ?1 AND key >= ?2 ORDER BY key LIMIT ?3");
  q.bind(bucket).bind_blob(request.start_after.empty() ? request.prefix : first).bind(request.limit);
  std::vector<ObjectInfo> out;
  while (q.step()) {
    auto key = q.text(0);
    if (!key.starts_with(request.prefix)) break;
    out.push_back(std::move(read_row(q, 1, std::move(key), *versioning).info));
  }
  return out;
}

DamageCheckStep FolderStore::check_contents(const std::string& from, const std::string& until,
                                            std::uint64_t most_bytes) {
  struct Stored {
    std::string content, sha256;
    DamagedObject object;
  };
  constexpr auto kNext =
      "SELECT content, sha256, bucket, key, version FROM objects WHERE content > ?1 AND (?2 = '' OR content <= ?2) "
      "UNION ALL "
      "SELECT content, sha256, bucket, key, version FROM versions WHERE content > ?1 AND (?2 = '' OR content <= ?2) "
      "ORDER BY content LIMIT 256";
  constexpr auto kStillThere =
      "SELECT 1 FROM objects WHERE content = ?1 UNION ALL SELECT 1 FROM versions WHERE content = ?1";
  std::vector<Stored> batch;
  {
    sql::Transaction t(pool_, Access::read);
    auto q = t.connection().prepare(kNext);
    q.bind(from).bind(until);
    while (q.step()) batch.push_back({q.text(0), q.text(1), {q.text(2), q.text(3), q.optional_text(4), {}}});
  }
  DamageCheckStep step;
  for (auto& stored : batch) {
    if (step.bytes >= most_bytes) return step;
    step.next = stored.content;
    ++step.objects;
    const auto hash = hash_file(content_path(stored.content), step.bytes);
    if (hash && *hash == stored.sha256) continue;
    // The object may have been deleted or replaced meanwhile.
    sql::Transaction t(pool_, Access::read);
    if (!t.connection().prepare(kStillThere).bind(stored.content).step()) continue;
    stored.object.reason = !hash           ? "its content cannot be read: " + hash.error().message
                           : hash->empty() ? std::string("its content is missing")
                                           : std::string("its content is not what was stored (SHA-256 differs)");
    step.damaged.push_back(std::move(stored.object));
  }
  if (batch.empty()) step.next.clear();
  return step;
}

}  // namespace vedette
