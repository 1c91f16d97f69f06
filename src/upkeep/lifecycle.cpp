#include <algorithm>
#include <limits>

#include "upkeep/upkeep.hpp"

namespace vedette {
namespace {

constexpr std::int64_t kPage = 1000;

/// Removes from one bucket what one set of rules wants gone.
class Lifecycle {
 public:
  Lifecycle(BucketStore& store, const std::string& bucket, const std::vector<s3::LifecycleRule>& rules, Timestamp now)
      : store_(store), bucket_(bucket), rules_(rules), now_(now) {}

  /// Applies the rules to all versions of one key, which are given newest first.
  Result<void> apply(const std::vector<ObjectVersion>& versions) {
    const auto& latest = versions.front();
    const auto& key = latest.info.key;
    for (const auto& rule : rules_) {
      if (!rule.is_enabled || !key.starts_with(rule.prefix)) continue;
      if (rule.noncurrent_days) {
        int kept = 0;
        for (const auto& v : versions) {
          if (v.is_latest || kept++ < rule.newer_noncurrent || !is_older(*v.superseded, *rule.noncurrent_days))
            continue;
          auto removed = store_.remove(bucket_, key, v.info.version_id);
          if (!removed) return removed.error();
          ++outcome.expired_versions;
        }
      }
      if (rule.days && !latest.is_delete_marker && is_older(latest.info.modified, *rule.days)) {
        const auto removed = store_.remove_if(bucket_, key, {latest.info.etag, latest.info.modified});
        if (removed) ++outcome.expired_objects;
        if (!removed && removed.error().code != "PreconditionFailed" && removed.error().code != "NoSuchKey")
          return removed.error();
      }
      if (rule.removes_lone_markers && latest.is_delete_marker && versions.size() == 1) {
        auto removed = store_.remove(bucket_, key, latest.info.version_id);
        if (!removed) return removed.error();
        ++outcome.removed_markers;
      }
    }
    return {};
  }

  Result<void> abort_uploads() {
    for (const auto& rule : rules_) {
      if (!rule.is_enabled || !rule.abort_upload_days) continue;
      const auto uploads = store_.list_uploads(bucket_, rule.prefix, std::numeric_limits<std::int64_t>::max());
      if (!uploads) return uploads.error();
      for (const auto& upload : *uploads) {
        if (!is_older(upload.initiated, *rule.abort_upload_days)) continue;
        auto aborted = store_.abort_upload(bucket_, upload.key, upload.id);
        if (aborted) ++outcome.aborted_uploads;
        if (!aborted && aborted.error().code != "NoSuchUpload") return aborted;
      }
    }
    return {};
  }

  LifecycleOutcome outcome;

 private:
  [[nodiscard]] bool is_older(Timestamp time, int days) const { return now_ - time >= std::chrono::days(days); }

  BucketStore& store_;
  const std::string& bucket_;
  const std::vector<s3::LifecycleRule>& rules_;
  const Timestamp now_;
};

}  // namespace

Result<LifecycleOutcome> apply_lifecycle(BucketStore& store, const std::string& bucket,
                                         const std::vector<s3::LifecycleRule>& rules, Timestamp now,
                                         const std::function<bool()>& stopping) {
  Lifecycle lifecycle(store, bucket, rules, now);
  if (auto ok = lifecycle.abort_uploads(); !ok) return ok.error();
  VersionListRequest request;
  request.limit = kPage;
  while (!stopping()) {
    auto page = store.list_versions(bucket, request);
    if (!page) return page.error();
    const bool is_last = static_cast<std::int64_t>(page->size()) < request.limit;
    // Rules are applied to whole keys only. The key that the end of the page may cut off comes with the next page; if
    // that key alone fills the page, the next page is larger.
    if (!is_last) {
      const auto cut = page->back().info.key;
      std::erase_if(*page, [&](const auto& v) { return v.info.key == cut; });
      request.limit = page->empty() ? request.limit * 2 : kPage;
    }
    for (auto begin = page->begin(); begin != page->end();) {
      const auto end = std::find_if(begin, page->end(), [&](const auto& v) { return v.info.key != begin->info.key; });
      if (auto ok = lifecycle.apply({begin, end}); !ok) return ok.error();
      request.key_marker = begin->info.key;
      begin = end;
    }
    if (is_last) break;
  }
  return lifecycle.outcome;
}

}  // namespace vedette
