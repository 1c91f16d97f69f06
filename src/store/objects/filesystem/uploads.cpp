#include <fcntl.h>

#include <algorithm>
#include <cerrno>

#include "store/objects/filesystem/folder_store.hpp"

namespace vedette {
namespace {

using Access = sql::Access;

constexpr std::size_t kUploadIdLength = 40;
/// Where an upload's row keeps its condition: among the headers, which the object does not get.
constexpr const char* kMustNotExist = "if-none-match";
constexpr const char* kEtagIs = "if-match";

HeaderFields with_condition(HeaderFields headers, const PutCondition& condition) {
  if (condition.must_not_exist) headers.emplace_back(kMustNotExist, "*");
  if (condition.etag_is) headers.emplace_back(kEtagIs, *condition.etag_is);
  return headers;
}

PutCondition take_condition(HeaderFields& headers) {
  PutCondition condition;
  std::erase_if(headers, [&](const auto& header) {
    if (header.first == kMustNotExist) condition.must_not_exist = true;
    if (header.first == kEtagIs) condition.etag_is = header.second;
    return header.first == kMustNotExist || header.first == kEtagIs;
  });
  return condition;
}

}  // namespace

Result<std::string> FolderStore::create_upload(const std::string& bucket, const std::string& key,
                                               const ObjectAttributes& attributes, const PutCondition& condition) {
  const auto id = random_id(kUploadIdLength);
  sql::Transaction t(pool_, Access::write);
  if (!find_bucket(t.connection(), bucket)) return no_such_bucket();
  if (auto ok = check_condition(t.connection(), bucket, key, condition); !ok) return ok.error();
  t.connection()
      .prepare(
          "INSERT INTO uploads (id, bucket, key, content_type, user_metadata, headers, tags, initiated) VALUES (?, ?, "
          "?, ?, ?, ?, ?, ?)")
      .bind(id)
      .bind(bucket)
      .bind_blob(key)
      .bind(attributes.content_type)
      .bind(encode_fields(attributes.user_metadata))
      .bind(encode_fields(with_condition(attributes.headers, condition)))
      .bind(encode_fields(attributes.tags))
      .bind(now())
      .execute();
  t.commit();
  return id;
}

Result<UploadPart> FolderStore::put_part(const std::string& bucket, const std::string& key, const std::string& upload,
                                         int number, std::unique_ptr<StagedObject> content) {
  auto& file = static_cast<StagedFile&>(*content);
  if (auto ok = file.sync(); !ok) return ok.error();
  const UploadPart part{number, file.size(), file.md5_hex(), clock_.now()};
  Contents replaced;
  {
    sql::Transaction t(pool_, Access::write);
    if (!find_upload(t.connection(), bucket, key, upload)) return no_such_upload();
    {
      auto old = t.connection().prepare("SELECT content FROM upload_parts WHERE upload = ? AND number = ?");
      if (old.bind(upload).bind(std::int64_t{number}).step()) replaced.push_back(old.text(0));
    }
    t.connection()
        .prepare(
            "INSERT OR REPLACE INTO upload_parts (upload, number, content, size, etag, modified) VALUES (?, ?, ?, ?, "
            "?, ?)")
        .bind(upload)
        .bind(std::int64_t{number})
        .bind(file.name())
        .bind(static_cast<std::int64_t>(part.size_bytes))
        .bind(part.etag)
        .bind(part.modified.time_since_epoch().count())
        .execute();
    if (auto ok = keep_and_commit(t, file, replaced); !ok) return ok.error();
  }
  unlink(replaced);
  return part;
}

Result<std::vector<UploadPart>> FolderStore::list_parts(const std::string& bucket, const std::string& key,
                                                        const std::string& upload) {
  sql::Transaction t(pool_, Access::read);
  if (!find_upload(t.connection(), bucket, key, upload)) return no_such_upload();
  std::vector<UploadPart> out;
  for (auto& stored : parts_of(t.connection(), upload)) out.push_back(std::move(stored.part));
  return out;
}

Result<ObjectInfo> FolderStore::complete_upload(const std::string& bucket, const std::string& key,
                                                const std::string& upload,
                                                const std::vector<std::pair<int, std::string>>& parts,
                                                const PutCondition& condition) {
  // A client that did not receive the answer asks again.
  const auto already = [&](sql::Connection& c) -> Result<ObjectInfo> {
    auto done = find(c, bucket, key, std::nullopt);
    if (done && !parts.empty() && done->info.etag == multipart_etag(parts)) return std::move(done->info);
    return no_such_upload();
  };
  std::optional<ObjectAttributes> attributes;
  std::vector<StoredPart> stored;
  {
    sql::Transaction t(pool_, Access::read);
    attributes = find_upload(t.connection(), bucket, key, upload);
    if (!attributes) return already(t.connection());
    stored = parts_of(t.connection(), upload);
  }
  const auto condition_at_start = take_condition(attributes->headers);
  for (std::size_t i = 1; i < parts.size(); ++i)
    if (parts[i].first <= parts[i - 1].first)
      return s3_error(ErrorKind::invalid_input, "InvalidPartOrder",
                      "The list of parts was not in ascending order. Parts must be ordered by part number.");
  auto staged = stage();
  if (!staged) return staged.error();
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto number = parts[i].first;
    const auto& etag = parts[i].second;
    const auto it = std::find_if(stored.begin(), stored.end(), [&](const auto& s) { return s.part.number == number; });
    if (it == stored.end() || it->part.etag != etag)
      return s3_error(ErrorKind::invalid_input, "InvalidPart",
                      "One or more of the specified parts could not be found, or its entity tag did not match.");
    if (i + 1 < parts.size() && it->part.size_bytes < kSmallestPart)
      return s3_error(ErrorKind::invalid_input, "EntityTooSmall",
                      "Your proposed upload is smaller than the minimum allowed size");
    const int fd = ::open(content_path(it->content).c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
      // The same completion ended beside this one, or the part was sent anew.
      sql::Transaction t(pool_, Access::read);
      if (!find_upload(t.connection(), bucket, key, upload)) return already(t.connection());
      const auto now = parts_of(t.connection(), upload);
      if (std::none_of(now.begin(), now.end(), [&](const auto& s) { return s.content == it->content; }))
        return s3_error(ErrorKind::conflict, "OperationAborted",
                        "A part was replaced while the upload was being completed. Please try again.");
    }
    if (fd < 0) return disk_failure("read a part");
    FileReader reader(fd, {});
    if (auto ok = append(**staged, reader, 0, it->part.size_bytes); !ok) return ok.error();
  }
  if (auto ok = (*staged)->finish(); !ok) return ok.error();
  auto& file = static_cast<StagedFile&>(**staged);
  if (auto ok = file.sync(); !ok) return ok.error();
  ObjectInfo info{key, file.size(), multipart_etag(parts), *attributes, clock_.now(), {}, {}};
  Contents gone;
  {
    sql::Transaction t(pool_, Access::write);
    if (!find_upload(t.connection(), bucket, key, upload)) return already(t.connection());
    if (auto ok = check_condition(t.connection(), bucket, key, condition_at_start); !ok) return ok.error();
    if (auto ok = enter(t.connection(), bucket, info, file, condition, gone); !ok) return ok.error();
    // Parts that were not used go, too.
    for (auto& part : parts_of(t.connection(), upload)) gone.push_back(std::move(part.content));
    t.connection().prepare("DELETE FROM uploads WHERE id = ?").bind(upload).execute();
    if (auto ok = keep_and_commit(t, file, gone); !ok) return ok.error();
  }
  unlink(gone);
  return info;
}

Result<void> FolderStore::abort_upload(const std::string& bucket, const std::string& key, const std::string& upload) {
  Contents gone;
  {
    sql::Transaction t(pool_, Access::write);
    if (!find_upload(t.connection(), bucket, key, upload)) return no_such_upload();
    for (auto& part : parts_of(t.connection(), upload)) gone.push_back(std::move(part.content));
    t.connection().prepare("DELETE FROM uploads WHERE id = ?").bind(upload).execute();
    commit(t, gone);
  }
  unlink(gone);
  return {};
}

Result<std::vector<MultipartUpload>> FolderStore::list_uploads(const std::string& bucket, const std::string& prefix,
                                                               std::int64_t limit) {
  sql::Transaction t(pool_, Access::read);
  if (!find_bucket(t.connection(), bucket)) return no_such_bucket();
  auto q = t.connection().prepare(
      "SELECT id, key, initiated FROM uploads WHERE bucket = ?1 AND substr(key, 1, length(?2)) = ?2 ORDER BY key, "
      "initiated LIMIT ?3");
  q.bind(bucket).bind_blob(prefix).bind(limit);
  std::vector<MultipartUpload> out;
  while (q.step()) out.push_back({q.text(0), q.text(1), Timestamp{std::chrono::milliseconds{q.integer(2)}}});
  return out;
}

std::optional<ObjectAttributes> FolderStore::find_upload(sql::Connection& c, const std::string& bucket,
                                                         const std::string& key, const std::string& upload) {
  auto q = c.prepare(
      "SELECT content_type, user_metadata, headers, tags FROM uploads WHERE id = ? AND bucket = ? AND key = ?");
  if (!q.bind(upload).bind(bucket).bind_blob(key).step()) return std::nullopt;
  return ObjectAttributes{q.text(0), decode_fields(q.text(1)), decode_fields(q.text(2)), decode_fields(q.text(3))};
}

std::vector<FolderStore::StoredPart> FolderStore::parts_of(sql::Connection& c, const std::string& upload) {
  auto q = c.prepare("SELECT number, size, etag, modified, content FROM upload_parts WHERE upload = ? ORDER BY number");
  q.bind(upload);
  std::vector<StoredPart> out;
  while (q.step())
    out.push_back({{static_cast<int>(q.integer(0)), static_cast<std::uint64_t>(q.integer(1)), q.text(2),
                    Timestamp{std::chrono::milliseconds{q.integer(3)}}},
                   q.text(4)});
  return out;
}

}  // namespace vedette
