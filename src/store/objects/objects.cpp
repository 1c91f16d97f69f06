#include "store/objects/objects.hpp"

#include <algorithm>
#include <fstream>

#include "base/text.hpp"

namespace vedette {
namespace {

constexpr std::size_t kChunkBytes = 1 << 20;

}  // namespace

Result<void> for_each_chunk(ObjectReader& reader, std::uint64_t offset, std::uint64_t length,
                            const std::function<Result<void>(std::span<const std::uint8_t>)>& use) {
  std::vector<std::uint8_t> chunk(static_cast<std::size_t>(std::min<std::uint64_t>(length, kChunkBytes)));
  while (length > 0) {
    const auto wanted = std::span(chunk).first(static_cast<std::size_t>(std::min<std::uint64_t>(length, chunk.size())));
    auto n = reader.read(offset, wanted);
    if (!n) return n.error();
    if (*n == 0) return internal_error("An object is shorter than its index says.");
    if (auto ok = use(wanted.first(*n)); !ok) return ok;
    offset += *n;
    length -= *n;
  }
  return {};
}

Result<ObjectInfo> put_bytes(ObjectStore& store, const std::string& bucket, const std::string& key,
                             std::string_view bytes, const std::string& content_type) {
  auto staged = store.stage();
  if (!staged) return staged.error();
  if (auto ok = (*staged)->write(as_bytes(bytes)); !ok) return ok.error();
  if (auto ok = (*staged)->finish(); !ok) return ok.error();
  return store.put(bucket, key, std::move(*staged), {.content_type = content_type}, {});
}

Result<std::string> get_bytes(ObjectStore& store, const std::string& bucket, const std::string& key,
                              std::uint64_t limit_bytes, const std::optional<std::string>& version_id) {
  auto reader = store.get(bucket, key, version_id);
  if (!reader) return reader.error();
  if ((*reader)->info().size_bytes > limit_bytes)
    return fail(ErrorKind::too_large, "The object has " + std::to_string((*reader)->info().size_bytes) +
                                          " bytes; at most " + std::to_string(limit_bytes) + " are possible.");
  std::string out;
  out.reserve((*reader)->info().size_bytes);
  if (auto ok = for_each_chunk(**reader, 0, (*reader)->info().size_bytes,
                               [&](auto chunk) -> Result<void> { return out += as_text(chunk), Result<void>(); });
      !ok)
    return ok.error();
  return out;
}

Result<std::unique_ptr<StagedObject>> stage_file(ObjectStore& store, const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return internal_error("cannot read " + path.filename().string());
  auto staged = store.stage();
  if (!staged) return staged.error();
  std::vector<char> chunk(kChunkBytes);
  while (file) {
    file.read(chunk.data(), static_cast<std::streamsize>(chunk.size()));
    const auto n = static_cast<std::size_t>(file.gcount());
    if (auto ok = (*staged)->write(as_bytes(std::string_view(chunk.data(), n))); !ok) return ok.error();
  }
  if (file.bad()) return internal_error("cannot read " + path.filename().string());
  return staged;
}

Result<void> put_file(ObjectStore& store, const std::string& bucket, const std::string& key,
                      const std::filesystem::path& path) {
  auto staged = stage_file(store, path);
  if (!staged) return staged.error();
  if (auto ok = (*staged)->finish(); !ok) return ok.error();
  auto info = store.put(bucket, key, std::move(*staged), {.content_type = "application/octet-stream"}, {});
  if (!info) return info.error();
  return {};
}

Result<void> append(StagedObject& staged, ObjectReader& reader, std::uint64_t offset, std::uint64_t length) {
  return for_each_chunk(reader, offset, length, [&](auto chunk) { return staged.write(chunk); });
}

Result<void> remove_prefix(ObjectStore& store, const std::string& bucket, const std::string& prefix) {
  while (true) {
    auto objects = store.list(bucket, {prefix, "", 1000});
    if (!objects) return objects.error();
    if (objects->empty()) return {};
    for (const auto& o : *objects)
      if (auto ok = store.remove(bucket, o.key, std::nullopt); !ok) return ok.error();
  }
}

}  // namespace vedette
