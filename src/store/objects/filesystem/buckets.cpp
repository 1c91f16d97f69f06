#include "store/objects/filesystem/folder_store.hpp"

namespace vedette {
namespace {

using Access = sql::Access;

const char* to_text(Versioning value) {
  return value == Versioning::off ? "off" : value == Versioning::enabled ? "enabled" : "suspended";
}

}  // namespace

std::optional<Versioning> FolderStore::find_bucket(sql::Connection& c, const std::string& bucket) {
  auto q = c.prepare("SELECT versioning FROM buckets WHERE name = ?");
  if (!q.bind(bucket).step()) return std::nullopt;
  const auto text = q.text(0);
  return text == "off" ? Versioning::off : text == "enabled" ? Versioning::enabled : Versioning::suspended;
}

Result<void> FolderStore::create_bucket(const std::string& bucket) {
  sql::Transaction t(pool_, Access::write);
  if (t.connection()
          .prepare("INSERT INTO buckets (name, created) VALUES (?, ?) ON CONFLICT DO NOTHING")
          .bind(bucket)
          .bind(now())
          .execute() == 0)
    return s3_error(ErrorKind::conflict, "BucketAlreadyOwnedByYou",
                    "Your previous request to create the named bucket succeeded and you already own it.");
  t.commit();
  return {};
}

Result<void> FolderStore::delete_bucket(const std::string& bucket) {
  Contents gone;
  {
    sql::Transaction t(pool_, Access::write);
    auto& c = t.connection();
    if (!find_bucket(c, bucket)) return no_such_bucket();
    {
      auto any = c.prepare(
          "SELECT 1 FROM objects WHERE bucket = ?1 UNION ALL SELECT 1 FROM versions WHERE bucket = ?1 LIMIT 1");
      if (any.bind(bucket).step())
        return s3_error(ErrorKind::conflict, "BucketNotEmpty", "The bucket you tried to delete is not empty");
    }
    {
      auto parts =
          c.prepare("SELECT p.content FROM upload_parts p JOIN uploads u ON u.id = p.upload WHERE u.bucket = ?");
      parts.bind(bucket);
      while (parts.step()) gone.push_back(parts.text(0));
    }
    c.prepare("DELETE FROM buckets WHERE name = ?").bind(bucket).execute();
    commit(t, gone);
  }
  unlink(gone);
  return {};
}

Result<bool> FolderStore::has_bucket(const std::string& bucket) {
  sql::Transaction t(pool_, Access::read);
  return find_bucket(t.connection(), bucket).has_value();
}

std::vector<std::pair<std::string, Timestamp>> FolderStore::list_buckets() {
  sql::Transaction t(pool_, Access::read);
  auto q = t.connection().prepare("SELECT name, created FROM buckets WHERE name <> ? ORDER BY name");
  q.bind(kSystemBucket);
  std::vector<std::pair<std::string, Timestamp>> out;
  while (q.step()) out.emplace_back(q.text(0), Timestamp{std::chrono::milliseconds{q.integer(1)}});
  return out;
}

Result<Versioning> FolderStore::versioning(const std::string& bucket) {
  sql::Transaction t(pool_, Access::read);
  const auto found = find_bucket(t.connection(), bucket);
  if (!found) return no_such_bucket();
  return *found;
}

Result<void> FolderStore::set_versioning(const std::string& bucket, Versioning value) {
  sql::Transaction t(pool_, Access::write);
  if (t.connection()
          .prepare("UPDATE buckets SET versioning = ? WHERE name = ?")
          .bind(to_text(value))
          .bind(bucket)
          .execute() == 0)
    return no_such_bucket();
  t.commit();
  return {};
}

Result<std::optional<std::string>> FolderStore::setting(const std::string& bucket, const std::string& name) {
  sql::Transaction t(pool_, Access::read);
  if (!find_bucket(t.connection(), bucket)) return no_such_bucket();
  auto q = t.connection().prepare("SELECT document FROM bucket_settings WHERE bucket = ? AND name = ?");
  if (!q.bind(bucket).bind(name).step()) return std::optional<std::string>();
  return std::optional(q.text(0));
}

Result<void> FolderStore::set_setting(const std::string& bucket, const std::string& name,
                                      const std::optional<std::string>& document) {
  sql::Transaction t(pool_, Access::write);
  if (!find_bucket(t.connection(), bucket)) return no_such_bucket();
  if (document) {
    t.connection()
        .prepare("INSERT OR REPLACE INTO bucket_settings (bucket, name, document) VALUES (?, ?, ?)")
        .bind(bucket)
        .bind(name)
        .bind(*document)
        .execute();
  } else {
    t.connection()
        .prepare("DELETE FROM bucket_settings WHERE bucket = ? AND name = ?")
        .bind(bucket)
        .bind(name)
        .execute();
  }
  t.commit();
  return {};
}

}  // namespace vedette
