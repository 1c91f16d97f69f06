#include "doctor/objects.hpp"

#include <chrono>
#include <cstdint>

#include <fmt/format.h>

#include "base/digest.hpp"
#include "base/text.hpp"

namespace vedette::doctor {
namespace {

constexpr const char* kCheck = "objects";
// More than the S3 store sends at once, so that this is sent in parts, and read in several.
constexpr std::size_t kLarge = 17 << 20;
constexpr const char* kCure =
    " The server relies on this, so keep its objects in another S3 service, or mend this one or what stands before it";

Result<ObjectInfo> put(ObjectStore& store, const std::string& key, std::string_view bytes) {
  auto staged = store.stage();
  if (!staged) return staged.error();
  if (auto ok = (*staged)->write(as_bytes(bytes)); !ok) return ok.error();
  if (auto ok = (*staged)->finish(); !ok) return ok.error();
  ObjectAttributes attributes;
  attributes.content_type = "application/x-vedette";
  attributes.user_metadata = {{"doctor", "a-b c"}};
  return store.put(kSystemBucket, key, std::move(*staged), attributes, {});
}

/// One try of the store. Each step returns what is wrong, or nothing.
class Trial {
 public:
  Trial(ObjectStore& store, const Report& report) : store_(store), report_(report) {}
  ~Trial() {
    // Whatever a step left behind goes, also if a listing does not show it.
    for (const auto* name : {"a", "b"}) (void)store_.remove(kSystemBucket, prefix_ + name, std::nullopt).has_value();
  }
  Trial(const Trial&) = delete;
  Trial& operator=(const Trial&) = delete;

  /// Ends with the first step that fails, since the others build on it.
  void run() {
    (void)(step("What is written is read at once, with its metadata and its ETag", [&] { return small_object(); }) &&
           step("What replaces an object is read at once", [&] { return replaced_object(); }) &&
           step("Listings show what is there, in the order of the keys", [&] { return listing(); }) &&
           step("A large object is sent in parts and read in ranges", [&] { return large_object(); }) &&
           step("What is removed is gone at once", [&] { return removal(); }));
  }

 private:
  template <typename Step>
  bool step(const char* what, Step work) {
    const auto start = std::chrono::steady_clock::now();
    const std::string wrong = work();
    const auto took = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    if (wrong.empty())
      report_({kCheck, Level::ok, fmt::format("{} ({:.0f} ms).", what, took)});
    else
      report_({kCheck, Level::failed, wrong + kCure});
    return wrong.empty();
  }

  std::string small_object() {
    const auto info = put(store_, prefix_ + "a", "first");
    if (!info) return "An object cannot be written: " + info.error().message;
    const auto start = store_.get_start(kSystemBucket, prefix_ + "a", 100);
    if (!start) return "What was just written cannot be read: " + start.error().message;
    if (start->bytes != "first") return "What was just written is read as something else.";
    if (start->info.etag != info->etag || info->etag.empty()) return "An object's ETag is another one when it is read.";
    const auto& attributes = start->info.attributes;
    if (attributes.content_type != "application/x-vedette" ||
        attributes.user_metadata != HeaderFields{{"doctor", "a-b c"}})
      return "An object does not keep its content type or its metadata (x-amz-meta-…).";
    return {};
  }

  std::string replaced_object() {
    if (const auto info = put(store_, prefix_ + "a", "second"); !info)
      return "An object cannot be replaced: " + info.error().message;
    const auto bytes = get_bytes(store_, kSystemBucket, prefix_ + "a", 100);
    if (!bytes) return "What was just replaced cannot be read: " + bytes.error().message;
    return *bytes == "second" ? "" : "What was just replaced is still read as it was before.";
  }

  std::string listing() {
    if (const auto info = put(store_, prefix_ + "b", ""); !info)
      return "An empty object cannot be written: " + info.error().message;
    const auto keys = list({.prefix = prefix_});
    if (!keys) return "Objects cannot be listed: " + keys.error().message;
    if (*keys != std::vector<std::string>{prefix_ + "a", prefix_ + "b"})
      return "A listing does not show what was just written.";
    const auto rest = list({.prefix = prefix_, .start_after = prefix_ + "a"});
    if (!rest || *rest != std::vector<std::string>{prefix_ + "b"})
      return "A listing does not begin where it should (start-after).";
    return {};
  }

  std::string large_object() {
    std::string bytes(kLarge, '\0');
    std::uint32_t state = 1;
    for (auto& byte : bytes) byte = static_cast<char>((state = state * 1'664'525U + 1'013'904'223U) >> 24);
    if (const auto info = put(store_, prefix_ + "b", bytes); !info)
      return "A large object cannot be written in parts: " + info.error().message;
    auto reader = store_.get(kSystemBucket, prefix_ + "b", std::nullopt);
    if (!reader) return "A large object cannot be read: " + reader.error().message;
    if ((*reader)->info().size_bytes != bytes.size()) return "A large object has another size when it is read.";
    for (const std::size_t offset : {bytes.size() - 1000, std::size_t{0}, bytes.size() / 2}) {
      std::string part(1000, '\0');
      const auto read = (*reader)->read(offset, {reinterpret_cast<std::uint8_t*>(part.data()), part.size()});
      if (!read) return "A range of an object cannot be read: " + read.error().message;
      if (*read != part.size() || part != std::string_view(bytes).substr(offset, part.size()))
        return "A range of an object is read as something else.";
    }
    return {};
  }

  std::string removal() {
    for (const auto* name : {"a", "b"})
      if (const auto removed = store_.remove(kSystemBucket, prefix_ + name, std::nullopt); !removed)
        return "An object cannot be removed: " + removed.error().message;
    const auto head = store_.head(kSystemBucket, prefix_ + "a", std::nullopt);
    if (head) return "What was just removed is still there.";
    if (head.error().kind != ErrorKind::not_found)
      return "It is not told that an object is gone: " + head.error().message;
    const auto keys = list({.prefix = prefix_});
    return keys && keys->empty() ? "" : "A listing still shows what was just removed.";
  }

  Result<std::vector<std::string>> list(const ListRequest& request) {
    const auto objects = store_.list(kSystemBucket, request);
    if (!objects) return objects.error();
    std::vector<std::string> keys;
    for (const auto& object : *objects) keys.push_back(object.key);
    return keys;
  }

  ObjectStore& store_;
  const Report& report_;
  const std::string prefix_ = "doctor/" + random_id(16) + "/";
};

}  // namespace

bool check_objects(ObjectStore& store, const Report& report) {
  const auto has = store.has_bucket(kSystemBucket);
  if (!has) {
    report({kCheck, Level::failed,
            "The S3 service cannot be used: " + has.error().message +
                " Look at --objects-endpoint, the keys, and the network between"});
    return has.error().kind != ErrorKind::unavailable;
  }
  if (!*has) {
    report({kCheck, Level::failed, "There is no bucket of the name that --objects says. Make it, or say another one"});
    return true;
  }
  Trial(store, report).run();
  return true;
}

}  // namespace vedette::doctor
