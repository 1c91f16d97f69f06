#include "server/object_storage.hpp"

#include <cstdlib>
#include <stdexcept>
#include <string_view>

#include "base/log.hpp"
#include "http_client/credentials.hpp"
#include "store/objects/filesystem/filesystem_objects.hpp"
#include "store/objects/s3/s3_objects.hpp"

namespace vedette {

S3StoreOptions s3_store_options(const RemoteObjectSettings& settings) {
  constexpr std::string_view kScheme = "s3://";
  const std::string_view url = settings.url;
  const auto rest = url.starts_with(kScheme) ? url.substr(kScheme.size()) : std::string_view();
  S3StoreOptions s3;
  s3.system_bucket = std::string(rest.substr(0, rest.find('/')));
  if (rest.find('/') != std::string_view::npos) s3.system_prefix = std::string(rest.substr(rest.find('/') + 1));
  if (!s3.system_prefix.empty() && !s3.system_prefix.ends_with('/')) s3.system_prefix += '/';
  if (s3.system_bucket.empty())
    throw std::runtime_error("--objects wants s3://BUCKET or s3://BUCKET/PREFIX, not " + settings.url);
  s3.endpoint = settings.endpoint;
  for (const char* name : {"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"})
    if (const char* value = std::getenv(name); s3.endpoint.empty() && value != nullptr) s3.endpoint = value;
  while (s3.endpoint.ends_with('/')) s3.endpoint.pop_back();
  if (!s3.endpoint.empty() && !s3.endpoint.starts_with("http://") && !s3.endpoint.starts_with("https://"))
    throw std::runtime_error("an endpoint looks like https://s3.plant.example:9000, not " + s3.endpoint);
  if (auto region = settings.region.empty() ? find_region() : settings.region; !region.empty()) s3.region = region;
  s3.ca_file = settings.ca_file;
  s3.idle_timeout = std::chrono::seconds(settings.timeout_seconds);
  return s3;
}

ObjectStorage::ObjectStorage(const ServerSettings& settings, const DataFolder& folder, const Clock& clock) {
  if (settings.objects.url.empty()) {
    buckets_ = open_filesystem_objects(folder.objects(), clock, settings.storage);
    objects_ = buckets_.get();
    return;
  }
  auto s3 = s3_store_options(settings.objects);
  s3.spool = folder.spool();
  s3.cancelled = &cancelled_;
  elsewhere_ = open_s3_objects(s3, clock);
  objects_ = elsewhere_.get();
  const auto has = objects_->has_bucket(kSystemBucket);
  log::info(
      "the objects are in another S3 service",
      {{"bucket", s3.system_bucket}, {"endpoint", s3.endpoint.empty() ? "AWS" : s3.endpoint}, {"region", s3.region}});
  if (has && !*has) throw std::runtime_error("there is no bucket " + s3.system_bucket + " for the server's objects");
  if (!has && has.error().kind != ErrorKind::unavailable) throw std::runtime_error(has.error().message);
  if (!has) log::warning("the S3 service that keeps the objects does not answer", {{"reason", has.error().message}});
}

}  // namespace vedette
