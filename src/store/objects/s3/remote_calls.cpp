#include "store/objects/s3/remote_calls.hpp"

#include <algorithm>
#include <pugixml.hpp>
#include <random>
#include <thread>

#include "base/log.hpp"
#include "base/text.hpp"

namespace vedette {
namespace {

constexpr std::chrono::milliseconds kFirstWait{100}, kLongestWait{5000}, kCancelPoll{50};
constexpr std::size_t kMostIdle = 64;

/// Whether a failure may pass by itself. S3 answers RequestTimeout with status 400.
bool may_pass(const HttpResponse& answer) {
  return answer.status >= 500 || answer.status == 429 || answer.status == 408 ||
         (answer.status == 400 && answer.body.find("<Code>RequestTimeout<") != std::string::npos);
}

/// Returns how long to wait, by the "full jitter" of
/// https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
std::chrono::milliseconds backoff(int attempt) {
  thread_local std::minstd_rand random(std::random_device{}());
  const auto most = std::min(kLongestWait, kFirstWait * (1 << std::min(attempt, 10)));
  return std::chrono::milliseconds(std::uniform_int_distribution<std::int64_t>(most.count() / 4, most.count())(random));
}

pugi::xml_node root_of(pugi::xml_document& document, std::string_view xml) {
  const auto flags = pugi::parse_default | pugi::parse_ws_pcdata_single;
  if (!document.load_buffer(xml.data(), xml.size(), flags, pugi::encoding_utf8)) return {};
  return document.document_element();
}

/// Decodes a key of a listing with encoding-type=url, in which some services write a space as '+'.
std::string decode_key(std::string_view text) {
  std::string spaced(text);
  std::replace(spaced.begin(), spaced.end(), '+', ' ');
  auto decoded = uri_decode(spaced);
  return decoded ? std::move(*decoded) : std::string(text);
}

}  // namespace

std::string element_text(std::string_view xml, const char* name) {
  pugi::xml_document document;
  return root_of(document, xml).child_value(name);
}

Error error_of(const HttpResponse& answer, const RemoteCalls::Request& request) {
  auto code = element_text(answer.body, "Code"), message = element_text(answer.body, "Message");
  const auto at = request.bucket + (request.key.empty() ? "" : "/" + request.key);
  if (message.empty()) message = "status " + std::to_string(answer.status);
  if (answer.status == 404) {
    // The answer to HEAD has no body that would say what is missing.
    if (code.empty()) code = request.key.empty() ? "NoSuchBucket" : "NoSuchKey";
    return fail(ErrorKind::not_found, code == "NoSuchBucket" ? "The specified bucket does not exist" : message, code);
  }
  const auto text = "The object store refused s3://" + at.substr(0, 1100) + ": " + message;
  if (answer.status == 412) return fail(ErrorKind::conflict, message, "PreconditionFailed");
  if (answer.status == 416) return fail(ErrorKind::invalid_input, message, "InvalidRange");
  if (answer.status == 401 || answer.status == 403)
    return fail(ErrorKind::access_denied, text, code.empty() ? "AccessDenied" : code);
  if (answer.status >= 500 || answer.status == 429)
    return fail(ErrorKind::unavailable, "The object store failed on s3://" + at.substr(0, 1100) + ": " + message,
                "ServiceUnavailable");
  return fail(ErrorKind::invalid_input, text, code);
}

Result<HttpResponse> RemoteCalls::send(const Request& request) {
  auto client = take();
  Result<HttpResponse> answer = fail(ErrorKind::unavailable, "The server is stopping.");
  for (int attempt = 0; !is_cancelled(); ++attempt) {
    answer = send_once(request, *client);
    if (answer && !may_pass(*answer)) break;
    if (!answer && answer.error().kind != ErrorKind::unavailable) break;
    const auto reason = answer ? "status " + std::to_string(answer->status) : answer.error().message;
    if (attempt + 1 >= options_.attempts) {
      log::warning("a call to the object store failed", {{"method", request.method},
                                                         {"bucket", request.bucket},
                                                         {"key", request.key.substr(0, 200)},
                                                         {"reason", reason}});
      break;
    }
    log::warning("a call to the object store failed and is tried again",
                 {{"method", request.method}, {"bucket", request.bucket}, {"reason", reason}});
    if (!wait(backoff(attempt))) break;
  }
  give_back(std::move(client));
  if (!answer) return answer.error();
  if (answer->status < 300 || answer->status == 304) return answer;
  return error_of(*answer, request);
}

Result<HttpResponse> RemoteCalls::send_once(const Request& request, ServiceClient& client) {
  const auto keys = credentials_.get();
  if (!keys) return fail(ErrorKind::access_denied, keys.error().message, "AccessDenied");
  std::string query;
  for (const auto& [name, value] : request.query)
    query += (query.empty() ? "" : "&") + uri_encode(name) + "=" + uri_encode(value);
  auto path = "/" + uri_encode(request.bucket);
  if (!request.key.empty()) path += "/" + uri_encode(request.key, true);
  for (int turn = 0;; ++turn) {
    const auto region = region_of(request.bucket);
    client.set_target(options_.endpoint.empty() ? "https://s3." + region + ".amazonaws.com" : options_.endpoint, region,
                      *keys);
    auto answer =
        client.send({"s3", request.method, path, query, request.headers, request.body, request.largest_answer});
    // If the bucket lies in another region, the answer says which: the request goes there next.
    if (answer && turn == 0 && answer->status >= 300 && answer->status <= 400 && answer->status != 304 &&
        learn_region(request.bucket, *answer))
      continue;
    return answer;
  }
}

std::unique_ptr<ServiceClient> RemoteCalls::take() {
  {
    const MutexLock lock(mutex_);
    if (!idle_.empty()) {
      auto client = std::move(idle_.back());
      idle_.pop_back();
      return client;
    }
  }
  ServiceClientOptions client;
  client.endpoint = options_.endpoint.empty() ? "https://s3.amazonaws.com" : options_.endpoint;
  client.transport.ca_file = options_.ca_file;
  client.transport.connect_timeout = options_.connect_timeout;
  client.transport.idle_timeout = options_.idle_timeout;
  client.transport.cancelled = options_.cancelled;
  return std::make_unique<ServiceClient>(std::move(client));
}

void RemoteCalls::give_back(std::unique_ptr<ServiceClient> client) {
  const MutexLock lock(mutex_);
  if (idle_.size() < kMostIdle) idle_.push_back(std::move(client));
}

std::string RemoteCalls::region_of(const std::string& bucket) {
  const MutexLock lock(mutex_);
  const auto it = regions_.find(bucket);
  return it == regions_.end() ? options_.region : it->second;
}

bool RemoteCalls::learn_region(const std::string& bucket, const HttpResponse& answer) {
  std::string region(header_value(answer.headers, "x-amz-bucket-region"));
  if (region.empty()) region = element_text(answer.body, "Region");
  // The region becomes part of a host name.
  const auto is_plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; };
  if (region.empty() || !std::all_of(region.begin(), region.end(), is_plain) || region == region_of(bucket))
    return false;
  const MutexLock lock(mutex_);
  regions_[bucket] = region;
  return true;
}

bool RemoteCalls::wait(std::chrono::milliseconds time) const {
  for (auto left = time; left.count() > 0 && !is_cancelled(); left -= kCancelPoll)
    std::this_thread::sleep_for(std::min(left, kCancelPoll));
  return !is_cancelled();
}

Result<RemotePage> parse_listing(std::string_view xml) {
  pugi::xml_document document;
  const auto root = root_of(document, xml);
  if (std::string_view(root.name()) != "ListBucketResult")
    return fail(ErrorKind::unavailable, "The object store answered a listing with something else.");
  const bool is_encoded = std::string_view(root.child_value("EncodingType")) == "url";
  RemotePage page;
  page.is_truncated = std::string_view(root.child_value("IsTruncated")) == "true";
  for (const auto node : root.children("Contents")) {
    ObjectInfo info;
    const std::string_view key = node.child_value("Key");
    info.key = is_encoded ? decode_key(key) : std::string(key);
    info.size_bytes =
        static_cast<std::uint64_t>(std::max<std::int64_t>(parse_integer(node.child_value("Size")).value_or(0), 0));
    info.etag = node.child_value("ETag");
    std::erase(info.etag, '"');
    info.modified = parse_timestamp(node.child_value("LastModified")).value_or(Timestamp{});
    page.objects.push_back(std::move(info));
  }
  return page;
}

}  // namespace vedette
