#include "store/objects/copy.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <map>
#include <optional>
#include <thread>

#include "base/digest.hpp"
#include "base/mutex.hpp"
#include "base/text.hpp"
#include "store/objects/ordered_listing.hpp"

namespace vedette {
namespace {

Result<std::string> digest_of(ObjectReader& reader) {
  Hasher digest(Hasher::Algorithm::sha256);
  if (auto ok = for_each_chunk(reader, 0, reader.info().size_bytes,
                               [&](auto chunk) { return digest.update(chunk), Result<void>(); });
      !ok)
    return ok.error();
  return to_hex(digest.finish());
}

/// Services tell the names of metadata in small letters and in an order of their own.
std::map<std::string, std::string> in_order(const HeaderFields& fields) {
  std::map<std::string, std::string> out;
  for (const auto& [name, value] : fields) out[to_lower(name)] = value;
  return out;
}

/// Whether both say the same of their content. Tags are left out, because a store may not tell them, and so is what a service
/// may add by itself: a server of ours has browsers save what they should not show.
bool is_said_alike(const ObjectAttributes& source, const ObjectAttributes& target) {
  const auto theirs = in_order(target.headers);
  return source.content_type == target.content_type &&
         in_order(source.user_metadata) == in_order(target.user_metadata) &&
         std::ranges::all_of(in_order(source.headers), [&](const auto& header) {
           const auto found = theirs.find(header.first);
           return header.first == "content-disposition" || (found != theirs.end() && found->second == header.second);
         });
}

/// An ETag that is an MD5 tells contents apart. Those of multipart uploads, and those that a service makes as it likes, do not.
bool is_md5(const std::string& etag) {
  return etag.size() == 32 && etag.find_first_not_of("0123456789abcdef") == std::string::npos;
}

class Copying {
 public:
  Copying(ObjectStore& from, ObjectStore& to, const std::string& bucket) : from_(from), to_(to), bucket_(bucket) {}

  /// Copies an object unless the same is there. `listed` is what the target's listing says of the key, if it does.
  Result<void> copy(const std::string& key, const ObjectInfo* listed) {
    auto source = from_.get(bucket_, key, std::nullopt);
    if (!source && source.error().code == "NoSuchKey") return {};  // It was removed since it was listed.
    if (!source) return source.error();
    if (listed != nullptr) {
      const auto same = is_there(**source, *listed);
      if (!same) return same.error();
      if (*same) return {};
    }
    auto staged = to_.stage();
    if (!staged) return staged.error();
    const auto& info = (*source)->info();
    if (auto ok = append(**staged, **source, 0, info.size_bytes); !ok) return ok.error();
    const auto digest = (*staged)->finish();
    if (!digest) return digest.error();
    if (auto put = to_.put(bucket_, key, std::move(*staged), info.attributes, {}); !put) return put.error();
    auto back = to_.get(bucket_, key, std::nullopt);
    if (!back) return back.error();
    const auto stored = digest_of(**back);
    if (!stored) return stored.error();
    if (*stored != *digest) return internal_error("it comes back with another content");
    if (!is_said_alike(info.attributes, (*back)->info().attributes))
      return internal_error("it comes back with another content type or other metadata");
    const MutexLock lock(mutex_);
    ++result_.copied;
    result_.copied_bytes += info.size_bytes;
    return {};
  }
  void fail(const std::string& key, const std::string& why) {
    const MutexLock lock(mutex_);
    result_.failed.push_back(key + ": " + why);
  }
  BucketCopy result() {
    const MutexLock lock(mutex_);
    std::ranges::sort(result_.failed);
    return result_;
  }

 private:
  Result<bool> is_there(ObjectReader& source, const ObjectInfo& listed) {
    const auto& info = source.info();
    if (listed.size_bytes != info.size_bytes) return false;
    const bool is_told_by_etag = is_md5(info.etag) && listed.etag == info.etag;
    auto target = to_.get(bucket_, info.key, std::nullopt);
    if (!target) return target.error();
    if (!is_said_alike(info.attributes, (*target)->info().attributes)) return false;
    if (!is_told_by_etag) {
      const auto there = digest_of(**target);
      if (!there) return there.error();
      const auto here = digest_of(source);
      if (!here) return here.error();
      if (*here != *there) return false;
    }
    const MutexLock lock(mutex_);
    ++result_.present;
    return true;
  }

  ObjectStore& from_;
  ObjectStore& to_;
  const std::string& bucket_;
  Mutex mutex_;
  BucketCopy result_ GUARDED_BY(mutex_);
};

/// Calls `work` with each of the numbers below `count`, on several threads.
void share(std::size_t count, int workers, const std::function<void(std::size_t)>& work) {
  std::atomic<std::size_t> next{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < workers; ++i)
    threads.emplace_back([&] {
      for (std::size_t mine = 0; (mine = next++) < count;) work(mine);
    });
  for (auto& thread : threads) thread.join();
}

}  // namespace

Result<BucketCopy> copy_bucket(ObjectStore& from, ObjectStore& to, const std::string& bucket,
                               const BucketCopyOptions& options) {
  Copying copying(from, to, bucket);
  OrderedListing there(to, bucket, options.page);
  std::uint64_t looked_at = 0;
  for (std::string after;;) {
    const auto page = from.list(bucket, {.start_after = after, .limit = options.page});
    if (!page) return page.error();
    if (page->empty()) break;
    std::vector<std::optional<ObjectInfo>> listed;
    for (const auto& object : *page) {
      const auto found = there.find(object.key);
      if (!found) return found.error();
      listed.push_back(*found == nullptr ? std::nullopt : std::optional(**found));
    }
    share(page->size(), options.workers, [&](std::size_t i) {
      const auto& key = (*page)[i].key;
      try {
        if (auto ok = copying.copy(key, listed[i] ? &*listed[i] : nullptr); !ok) copying.fail(key, ok.error().message);
      } catch (const std::exception& e) {
        copying.fail(key, e.what());
      }
    });
    looked_at += page->size();
    if (options.on_progress) options.on_progress(looked_at);
    after = page->back().key;
  }
  return copying.result();
}

}  // namespace vedette
