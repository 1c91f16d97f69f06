#include <algorithm>
#include <cctype>
#include <limits>

#include "base/digest.hpp"
#include "store/objects/filesystem/folder_store.hpp"

/// Decides how versions follow each other: https://docs.aws.amazon.com/AmazonS3/latest/userguide/Versioning.html
namespace vedette {
namespace {

using Access = sql::Access;

constexpr std::size_t kVersionIdLength = 32;
// The rows of `objects` take this place among the sequence numbers of `versions`.
constexpr std::int64_t kNewest = std::numeric_limits<std::int64_t>::min();

Error no_such_key() {
  return s3_error(ErrorKind::not_found, "NoSuchKey", "The specified key does not exist.");
}
Error no_such_version() {
  return s3_error(ErrorKind::not_found, "NoSuchVersion", "The specified version does not exist.");
}
Error is_marker() {
  return s3_error(ErrorKind::conflict, "MethodNotAllowed",
                  "The specified method is not allowed against this resource.");
}

bool is_version_id(std::string_view text) {
  return text == "null" ||
         (text.size() == kVersionIdLength &&
          std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isalnum(c) != 0; }));
}

/// Returns the version id as the tables have it.
std::optional<std::string> stored_version(const std::string& version_id) {
  return version_id == "null" ? std::nullopt : std::optional(version_id);
}

}  // namespace

Result<ObjectRow> FolderStore::find(sql::Connection& c, const std::string& bucket, const std::string& key,
                                    const std::optional<std::string>& version_id) {
  const auto versioning = find_bucket(c, bucket);
  if (!versioning) return no_such_bucket();
  if (!version_id) {
    auto q = c.prepare("SELECT " VEDETTE_OBJECT_COLUMNS " FROM objects WHERE bucket = ? AND key = ?");
    if (!q.bind(bucket).bind_blob(key).step()) return no_such_key();
    return read_row(q, 0, key, *versioning);
  }
  auto q = c.prepare("SELECT " VEDETTE_OBJECT_COLUMNS
                     " FROM objects WHERE bucket = ?1 AND key = ?2 AND version IS ?3 UNION ALL "
                     "SELECT " VEDETTE_OBJECT_COLUMNS
                     " FROM versions WHERE bucket = ?1 AND key = ?2 AND version IS ?3 LIMIT 1");
  if (!q.bind(bucket).bind_blob(key).bind(stored_version(*version_id)).step()) return no_such_version();
  auto row = read_row(q, 0, key, *versioning);
  if (row.is_delete_marker()) return is_marker();
  return row;
}

std::optional<std::string> FolderStore::make_room(sql::Connection& c, const std::string& bucket, const std::string& key,
                                                  Versioning versioning, Contents& gone) {
  if (versioning != Versioning::enabled) {
    // A bucket without versions has one object of this key at most, and so do the versions called "null".
    {
      auto q = c.prepare("SELECT content FROM objects WHERE bucket = ?1 AND key = ?2 AND (?3 OR version IS NULL)");
      if (q.bind(bucket).bind_blob(key).bind(std::int64_t{versioning == Versioning::off}).step()) {
        gone.push_back(q.text(0));
        c.prepare("DELETE FROM objects WHERE bucket = ? AND key = ?").bind(bucket).bind_blob(key).execute();
      }
    }
    if (versioning == Versioning::off) return std::nullopt;
    auto q = c.prepare("DELETE FROM versions WHERE bucket = ? AND key = ? AND version IS NULL RETURNING content");
    q.bind(bucket).bind_blob(key);
    while (q.step())
      if (auto content = q.optional_text(0)) gone.push_back(std::move(*content));
  }
  const auto superseded = now();
  c.prepare("UPDATE versions SET superseded = ? WHERE bucket = ? AND key = ? AND superseded IS NULL")
      .bind(superseded)
      .bind(bucket)
      .bind_blob(key)
      .execute();
  if (c.prepare("INSERT INTO versions (bucket, key, sequence, superseded, " VEDETTE_OBJECT_COLUMNS
                ") SELECT bucket, key, (SELECT COALESCE(MIN(sequence), 0) - 1 FROM versions WHERE bucket = ?1 AND key "
                "= ?2), ?3, " VEDETTE_OBJECT_COLUMNS " FROM objects WHERE bucket = ?1 AND key = ?2")
          .bind(bucket)
          .bind_blob(key)
          .bind(superseded)
          .execute() > 0)
    c.prepare("DELETE FROM objects WHERE bucket = ? AND key = ?").bind(bucket).bind_blob(key).execute();
  if (versioning == Versioning::suspended) return std::nullopt;
  return random_id(kVersionIdLength);
}

void FolderStore::promote(sql::Connection& c, const std::string& bucket, const std::string& key) {
  std::int64_t sequence = 0;
  {
    auto q = c.prepare(
        "SELECT sequence, content IS NULL FROM versions WHERE bucket = ? AND key = ? ORDER BY sequence LIMIT 1");
    if (!q.bind(bucket).bind_blob(key).step()) return;
    sequence = q.integer(0);
    if (q.integer(1) != 0) {
      c.prepare("UPDATE versions SET superseded = NULL WHERE bucket = ? AND key = ? AND sequence = ?")
          .bind(bucket)
          .bind_blob(key)
          .bind(sequence)
          .execute();
      return;
    }
  }
  c.prepare("INSERT INTO objects (bucket, key, " VEDETTE_OBJECT_COLUMNS ") SELECT bucket, key, " VEDETTE_OBJECT_COLUMNS
            " FROM versions WHERE bucket = ? AND key = ? AND sequence = ?")
      .bind(bucket)
      .bind_blob(key)
      .bind(sequence)
      .execute();
  c.prepare("DELETE FROM versions WHERE bucket = ? AND key = ? AND sequence = ?")
      .bind(bucket)
      .bind_blob(key)
      .bind(sequence)
      .execute();
}

Removed FolderStore::hide(sql::Connection& c, const std::string& bucket, const std::string& key, Versioning versioning,
                          Contents& gone) {
  const auto version = make_room(c, bucket, key, versioning, gone);
  if (versioning == Versioning::off) return {};
  c.prepare("INSERT INTO versions (bucket, key, sequence, superseded, " VEDETTE_OBJECT_COLUMNS
            ") VALUES (?1, ?2, (SELECT COALESCE(MIN(sequence), 0) - 1 FROM versions WHERE bucket = ?1 AND key = ?2), "
            "NULL, ?3, NULL, 0, '', '', '', '', '', '', ?4, NULL)")
      .bind(bucket)
      .bind_blob(key)
      .bind(version)
      .bind(now())
      .execute();
  return {version.value_or("null"), true};
}

Result<Removed> FolderStore::remove(const std::string& bucket, const std::string& key,
                                    const std::optional<std::string>& version_id) {
  Contents gone;
  Removed removed;
  {
    sql::Transaction t(pool_, Access::write);
    auto& c = t.connection();
    const auto versioning = find_bucket(c, bucket);
    if (!versioning) return no_such_bucket();
    if (version_id) {
      removed.version_id = version_id;
      const auto version = stored_version(*version_id);
      bool was_latest = false;
      {
        auto q = c.prepare("DELETE FROM objects WHERE bucket = ? AND key = ? AND version IS ? RETURNING content");
        q.bind(bucket).bind_blob(key).bind(version);
        while (q.step()) gone.push_back(q.text(0)), was_latest = true;
      }
      if (!was_latest) {
        auto q = c.prepare(
            "DELETE FROM versions WHERE bucket = ? AND key = ? AND version IS ? RETURNING content, superseded");
        q.bind(bucket).bind_blob(key).bind(version);
        while (q.step()) {
          was_latest = q.is_null(1);
          removed.is_delete_marker = q.is_null(0);
          if (auto content = q.optional_text(0)) gone.push_back(std::move(*content));
        }
      }
      if (was_latest) promote(c, bucket, key);
    } else {
      removed = hide(c, bucket, key, *versioning, gone);
    }
    commit(t, gone);
  }
  unlink(gone);
  return removed;
}

Result<Removed> FolderStore::remove_if(const std::string& bucket, const std::string& key,
                                       const RemoveCondition& condition) {
  Contents gone;
  Removed removed;
  {
    sql::Transaction t(pool_, Access::write);
    auto& c = t.connection();
    const auto found = find(c, bucket, key, std::nullopt);
    if (!found) return found.error();
    const auto& info = found->info;
    if ((condition.etag_is && *condition.etag_is != "*" && *condition.etag_is != info.etag) ||
        (condition.modified_is && *condition.modified_is != info.modified))
      return precondition_failed();
    removed = hide(c, bucket, key, *find_bucket(c, bucket), gone);
    commit(t, gone);
  }
  unlink(gone);
  return removed;
}

Result<std::vector<ObjectVersion>> FolderStore::list_versions(const std::string& bucket,
                                                              const VersionListRequest& request) {
  sql::Transaction t(pool_, Access::read);
  auto& c = t.connection();
  const auto versioning = find_bucket(c, bucket);
  if (!versioning) return no_such_bucket();
  // Of the marker's key, only versions after this sequence number are listed; without a version marker none are.
  auto beyond = std::numeric_limits<std::int64_t>::max();
  auto after_key = request.key_marker;
  if (!request.version_marker.empty()) {
    auto q = c.prepare(
        "SELECT ?4 FROM objects WHERE bucket = ?1 AND key = ?2 AND version IS ?3 UNION ALL "
        "SELECT sequence FROM versions WHERE bucket = ?1 AND key = ?2 AND version IS ?3");
    if (q.bind(bucket)
            .bind_blob(request.key_marker)
            .bind(stored_version(request.version_marker))
            .bind(kNewest)
            .step()) {
      beyond = q.integer(0);
    } else if (!is_version_id(request.version_marker)) {
      return s3_error(ErrorKind::invalid_input, "InvalidArgument", "Invalid version id specified");
    } else {
      // The marker's version was deleted since the last page, as by a client that empties the bucket. Its place is no
      // longer known, so all remaining versions of the key are listed: some perhaps twice, but none is missed.
      after_key.clear();
    }
  }
  auto q = c.prepare("SELECT key, ?6 AS sequence, NULL AS superseded, 1 AS latest, " VEDETTE_OBJECT_COLUMNS
                     " FROM objects WHERE bucket = ?1 AND key >= ?2 AND (key > ?3 OR ?6 > ?4) UNION ALL "
                     "SELECT key, sequence, superseded, superseded IS NULL, " VEDETTE_OBJECT_COLUMNS
                     " FROM versions WHERE bucket = ?1 AND key >= ?2 AND (key > ?3 OR sequence > ?4) "
                     "ORDER BY key, sequence LIMIT ?5");
  q.bind(bucket)
      .bind_blob(std::max(request.prefix, request.key_marker))
      .bind_blob(after_key)
      .bind(beyond)
      .bind(request.limit)
      .bind(kNewest);
  std::vector<ObjectVersion> out;
  while (q.step()) {
    auto key = q.text(0);
    if (!key.starts_with(request.prefix)) break;
    auto row = read_row(q, 4, std::move(key), *versioning);
    ObjectVersion version{std::move(row.info), q.integer(3) != 0, row.content.empty(), {}};
    if (const auto time = q.optional_integer(2)) version.superseded = Timestamp{std::chrono::milliseconds{*time}};
    if (!version.info.version_id) version.info.version_id = "null";
    out.push_back(std::move(version));
  }
  return out;
}

Result<void> FolderStore::set_tags(const std::string& bucket, const std::string& key,
                                   const std::optional<std::string>& version_id, const HeaderFields& tags) {
  sql::Transaction t(pool_, Access::write);
  auto& c = t.connection();
  if (auto found = find(c, bucket, key, version_id); !found) return found.error();
  const auto text = encode_fields(tags);
  const auto version = version_id ? stored_version(*version_id) : std::nullopt;
  if (c.prepare("UPDATE objects SET tags = ?1 WHERE bucket = ?2 AND key = ?3 AND (?4 OR version IS ?5)")
          .bind(text)
          .bind(bucket)
          .bind_blob(key)
          .bind(std::int64_t{!version_id})
          .bind(version)
          .execute() == 0)
    c.prepare("UPDATE versions SET tags = ? WHERE bucket = ? AND key = ? AND version IS ?")
        .bind(text)
        .bind(bucket)
        .bind_blob(key)
        .bind(version)
        .execute();
  t.commit();
  return {};
}

}  // namespace vedette
