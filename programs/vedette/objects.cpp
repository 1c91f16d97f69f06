#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <stdexcept>

#include "base/files.hpp"
#include "commands.hpp"
#include "server/data_folder.hpp"
#include "server/object_storage.hpp"
#include "server_command.hpp"
#include "store/objects/copy.hpp"
#include "store/objects/filesystem/filesystem_objects.hpp"
#include "store/objects/s3/s3_objects.hpp"

namespace vedette {
namespace {

constexpr std::size_t kMostNamed = 20;

struct ObjectsOptions {
  std::string from, to;
  std::vector<std::string> buckets;
  int workers = 8;
  ServerSettings settings;  ///< how the S3 service is reached
};

/// The objects of a data folder, or those in an S3 service. No server may use the folder meanwhile.
struct Place {
  std::optional<FolderLock> lock = {};
  std::optional<TemporaryFolder> spool = {};
  std::unique_ptr<BucketStore> folder = {};  ///< null if this is an S3 service
  std::unique_ptr<ObjectStore> service = {};
  [[nodiscard]] ObjectStore& store() const { return folder ? *folder : *service; }
};

bool is_url(const std::string& place) {
  return place.starts_with("s3://");
}

void open_folder(Place& place, const DataFolder& folder, bool is_target, const Clock& clock) {
  if (!is_target && !std::filesystem::exists(folder.objects()))
    throw std::runtime_error("there are no objects in " + folder.root.string());
  if (is_target) std::filesystem::create_directories(folder.root);
  // A backup has no lock, and would be none any more if it got one.
  if (is_target || std::filesystem::exists(folder.lock())) place.lock.emplace(folder.lock());
  place.folder = open_filesystem_objects(folder.objects(), clock);
}

void open_service(Place& place, const std::string& url, RemoteObjectSettings settings, const Clock& clock) {
  settings.url = url;
  auto options = s3_store_options(settings);
  place.spool.emplace();
  options.spool = place.spool->path();
  place.service = open_s3_objects(options, clock);
}

std::string shown(const std::string& bucket) {
  return bucket == kSystemBucket ? "the server's own objects" : bucket;
}

/// Returns the buckets to copy: those that were named, or all of the folder. The server's own objects always go along.
std::vector<std::string> buckets_of(const ObjectsOptions& options, const Place& from) {
  auto buckets = options.buckets;
  if (from.folder && buckets.empty())
    for (const auto& [name, created] : from.folder->list_buckets()) buckets.push_back(name);
  buckets.emplace_back(kSystemBucket);
  return buckets;
}

bool has(const Place& place, const std::string& bucket) {
  const auto has = place.store().has_bucket(bucket);
  if (!has) throw std::runtime_error(has.error().message);
  return *has;
}

/// Makes the buckets of a folder. An S3 service wants to be told by its owner where buckets lie and who may use them, so it
/// must have them.
void prepare_buckets(const std::vector<std::string>& buckets, const Place& from, const Place& to) {
  std::string missing;
  for (const auto& bucket : buckets) {
    if (!has(from, bucket)) throw std::runtime_error("there is no bucket " + shown(bucket) + " to copy from");
    if (has(to, bucket)) continue;
    if (to.folder) {
      if (auto made = to.folder->create_bucket(bucket); !made) throw std::runtime_error(made.error().message);
    } else {
      missing += (missing.empty() ? "" : ", ") + (bucket == kSystemBucket ? std::string("the one in --to") : bucket);
    }
  }
  if (!missing.empty())
    throw std::runtime_error("the S3 service lacks these buckets, which must be made first: " + missing);
}

/// Returns how many objects could not be copied.
std::size_t copy(const std::string& bucket, const Place& from, const Place& to, int workers) {
  BucketCopyOptions options;
  options.workers = workers;
  options.on_progress = [&](std::uint64_t objects) {
    std::fprintf(stderr, "%s: %llu objects\n", shown(bucket).c_str(), static_cast<unsigned long long>(objects));
  };
  const auto done = copy_bucket(from.store(), to.store(), bucket, options);
  if (!done) throw std::runtime_error(shown(bucket) + ": " + done.error().message);
  std::printf("%-28s %8llu copied, %.1f MB, read back and compared; %llu were there; %zu failed\n",
              shown(bucket).c_str(), static_cast<unsigned long long>(done->copied),
              static_cast<double>(done->copied_bytes) / 1e6, static_cast<unsigned long long>(done->present),
              done->failed.size());
  std::fflush(stdout);
  for (std::size_t i = 0; i < std::min(kMostNamed, done->failed.size()); ++i)
    std::fprintf(stderr, "vedette: %s/%s\n", bucket.c_str(), done->failed[i].c_str());
  if (from.folder && bucket != kSystemBucket)
    if (const auto versioning = from.folder->versioning(bucket); versioning && *versioning != Versioning::off)
      std::printf("%-28s keeps versions, and only the newest ones were copied\n", "");
  return done->failed.size();
}

void run(const ObjectsOptions& options) {
  if (is_url(options.from) == is_url(options.to))
    throw std::runtime_error("one of --from and --to is a data folder, and the other one s3://BUCKET/PREFIX");
  if (is_url(options.from) && options.buckets.empty())
    std::fprintf(stderr, "vedette: without --bucket only the server's own objects are copied from an S3 service\n");
  const SystemClock clock;
  Place from, to;
  for (const bool is_target : {false, true}) {
    auto& place = is_target ? to : from;
    const auto& name = is_target ? options.to : options.from;
    if (is_url(name))
      open_service(place, name, options.settings.objects, clock);
    else
      open_folder(place, DataFolder{std::filesystem::absolute(name)}, is_target, clock);
  }
  const auto buckets = buckets_of(options, from);
  prepare_buckets(buckets, from, to);
  std::size_t failed = 0;
  for (const auto& bucket : buckets) failed += copy(bucket, from, to, options.workers);
  if (failed > 0)
    throw std::runtime_error(std::to_string(failed) +
                             " objects could not be copied; run the command again to try them once more");
}

}  // namespace

void add_objects(CLI::App& app, int& status) {
  auto* command = app.add_subcommand("objects", "Move the objects between a data folder and an S3 service");
  command->require_subcommand(1);
  auto* copying = command->add_subcommand(
      "copy", "Copy all objects, and compare each copy; what is there already stays, so that it can be run again");
  auto options = std::make_shared<ObjectsOptions>();
  const char* meaning = "A data folder, or s3://BUCKET/PREFIX as in --objects of vedette serve";
  copying->add_option("--from", options->from, meaning)->required();
  copying->add_option("--to", options->to, meaning)->required();
  copying->add_option(
      "--bucket", options->buckets,
      "A bucket to copy; may be given several times. Without it all buckets of a data folder are copied");
  copying->add_option("--parallel", options->workers, "How many objects are copied at the same time")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  add_server_options(*copying, options->settings,
                     {"--objects-endpoint", "--objects-region", "--objects-ca-file", "--objects-timeout"});
  copying->callback([options, &status] {
    run(*options);
    status = 0;
  });
}

}  // namespace vedette
