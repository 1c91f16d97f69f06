#include "store/objects/s3/s3_objects.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cstring>

#include "base/digest.hpp"
#include "base/text.hpp"
#include "store/objects/content_files.hpp"
#include "store/objects/s3/remote_calls.hpp"

namespace vedette {
namespace {

// So many bytes are read at once: a picture is one request, and memory stays bounded.
constexpr std::uint64_t kWindow = 8 << 20;
constexpr std::uint64_t kLargestPut = 16 << 20;  // Larger objects are sent in parts of this many bytes.
constexpr std::int64_t kPage = 1000;
constexpr std::uint64_t kMostParts = 10'000;

// S3 keeps these headers with an object, and sends them with its content.
constexpr std::string_view kKeptHeaders[] = {"cache-control",    "content-disposition",
                                             "content-encoding", "content-language",
                                             "expires",          "x-amz-website-redirect-location"};

/// Returns tags as the header x-amz-tagging has them.
std::string encoded_tags(const HeaderFields& tags) {
  std::string out;
  for (const auto& [key, value] : tags) out += (out.empty() ? "" : "&") + uri_encode(key) + "=" + uri_encode(value);
  return out;
}

std::string unquoted(std::string_view etag) {
  std::string out(etag);
  std::erase(out, '"');
  return out;
}

ObjectInfo info_of(const std::string& key, const HttpResponse& answer) {
  constexpr std::string_view kMetadataPrefix = "x-amz-meta-";
  ObjectInfo info;
  info.key = key;
  info.etag = unquoted(header_value(answer.headers, "etag"));
  info.attributes.content_type = std::string(header_value(answer.headers, "content-type"));
  for (const auto& [name, value] : answer.headers) {
    if (name.starts_with(kMetadataPrefix))
      info.attributes.user_metadata.emplace_back(name.substr(kMetadataPrefix.size()), value);
    if (std::ranges::find(kKeptHeaders, name) != std::end(kKeptHeaders))
      info.attributes.headers.emplace_back(name, value);
  }
  info.modified = parse_http_date(header_value(answer.headers, "last-modified")).value_or(Timestamp{});
  if (const auto version = header_value(answer.headers, "x-amz-version-id"); !version.empty())
    info.version_id = std::string(version);
  return info;
}

/// Returns the size of the whole object, in bytes, from the answer to a range request.
std::uint64_t whole_size(const HttpResponse& answer) {
  const auto range = header_value(answer.headers, "content-range");
  if (answer.status == 206)
    if (const auto slash = range.rfind('/'); slash != std::string_view::npos)
      if (const auto size = parse_integer(range.substr(slash + 1)))
        return static_cast<std::uint64_t>(std::max<std::int64_t>(*size, 0));
  return answer.body.size();
}

class S3Objects : public ObjectStore {
 public:
  S3Objects(S3StoreOptions options, const Clock& clock) : options_(std::move(options)), calls_(options_, clock) {
    fs::create_directories(options_.spool);
    for (const auto& left : fs::directory_iterator(options_.spool)) fs::remove(left.path());
  }

  Result<bool> has_bucket(const std::string& bucket) override {
    const auto answer = calls_.send({.method = "HEAD", .bucket = real(bucket, {}).bucket});
    if (answer) return true;
    if (answer.error().kind == ErrorKind::not_found) return false;
    return answer.error();
  }

  Result<std::unique_ptr<StagedObject>> stage() override {
    auto name = random_id(26);
    auto path = options_.spool / name;
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return disk_failure("create a file");
    return std::unique_ptr<StagedObject>(std::make_unique<StagedFile>(std::move(path), std::move(name), fd));
  }

  Result<ObjectInfo> put(const std::string& bucket, const std::string& key, std::unique_ptr<StagedObject> content,
                         const ObjectAttributes& attributes, const PutCondition& condition) override {
    if (auto ok = check_reach(bucket, key); !ok) return ok.error();
    const auto& file = static_cast<StagedFile&>(*content);
    const auto at = real(bucket, key);
    HeaderList headers = {{"content-type", attributes.content_type}};
    for (const auto& [name, value] : attributes.user_metadata) headers.emplace_back("x-amz-meta-" + name, value);
    for (const auto& header : attributes.headers) headers.push_back(header);
    if (!attributes.tags.empty()) headers.emplace_back("x-amz-tagging", encoded_tags(attributes.tags));
    HeaderList conditions;
    if (condition.must_not_exist) conditions.emplace_back("if-none-match", "*");
    if (condition.etag_is)
      conditions.emplace_back("if-match", *condition.etag_is == "*" ? "*" : "\"" + *condition.etag_is + "\"");
    const int fd = ::open((options_.spool / file.name()).c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return disk_failure("read a file");
    FileReader reader(fd, {});
    auto etag = file.size() <= kLargestPut ? put_whole(at, reader, file.size(), headers, conditions)
                                           : put_parts(at, reader, file.size(), headers, conditions);
    if (!etag) return etag.error();
    ObjectInfo info;
    info.key = key;
    info.size_bytes = file.size();
    info.etag = std::move(*etag);
    info.attributes = attributes;
    return info;
  }

  Result<ObjectInfo> head(const std::string& bucket, const std::string& key,
                          const std::optional<std::string>& version_id) override {
    if (auto ok = check_reach(bucket, key); !ok) return ok.error();
    const auto at = real(bucket, key);
    const auto answer =
        calls_.send({.method = "HEAD", .bucket = at.bucket, .key = at.key, .query = version_query(version_id)});
    if (!answer) return answer.error();
    auto info = info_of(key, *answer);
    info.size_bytes = static_cast<std::uint64_t>(
        std::max<std::int64_t>(parse_integer(header_value(answer->headers, "content-length")).value_or(0), 0));
    return info;
  }

  Result<std::unique_ptr<ObjectReader>> get(const std::string& bucket, const std::string& key,
                                            const std::optional<std::string>& version_id) override {
    auto start = fetch_start(bucket, key, version_id, kWindow);
    if (!start) return start.error();
    return std::unique_ptr<ObjectReader>(std::make_unique<Reader>(*this, real(bucket, key), version_id,
                                                                  std::move(start->info), std::move(start->bytes)));
  }

  Result<ObjectStart> get_start(const std::string& bucket, const std::string& key, std::size_t length) override {
    return fetch_start(bucket, key, std::nullopt, length);
  }

  Result<std::vector<ObjectInfo>> list(const std::string& bucket, const ListRequest& request) override {
    const auto at = real(bucket, {});
    const auto own_prefix = bucket == kSystemBucket ? options_.system_prefix : std::string();
    std::vector<ObjectInfo> out;
    auto after = request.start_after.empty() ? std::string() : own_prefix + request.start_after;
    while (static_cast<std::int64_t>(out.size()) < request.limit) {
      const auto room = std::min(request.limit - static_cast<std::int64_t>(out.size()), kPage);
      std::vector<std::pair<std::string, std::string>> query = {{"encoding-type", "url"},
                                                                {"list-type", "2"},
                                                                {"max-keys", std::to_string(room)},
                                                                {"prefix", own_prefix + request.prefix}};
      if (!after.empty()) query.emplace_back("start-after", after);
      const auto answer = calls_.send({.method = "GET", .bucket = at.bucket, .query = query});
      if (!answer) return answer.error();
      auto page = parse_listing(answer->body);
      if (!page) return page.error();
      if (page->objects.empty()) break;
      if (!after.empty() && page->objects.back().key <= after)
        return fail(ErrorKind::unavailable,
                    "The object store returned a page of a listing that does not go on after the page before.");
      after = page->objects.back().key;
      for (auto& o : page->objects) {
        if (!o.key.starts_with(own_prefix)) continue;
        o.key.erase(0, own_prefix.size());
        out.push_back(std::move(o));
      }
      if (!page->is_truncated) break;
    }
    return out;
  }

  Result<Removed> remove(const std::string& bucket, const std::string& key,
                         const std::optional<std::string>& version_id) override {
    if (auto ok = check_reach(bucket, key); !ok) return ok.error();
    const auto at = real(bucket, key);
    const auto answer =
        calls_.send({.method = "DELETE", .bucket = at.bucket, .key = at.key, .query = version_query(version_id)});
    if (!answer && answer.error().code != "NoSuchKey") return answer.error();
    return Removed();
  }

 private:
  struct Location {
    std::string bucket, key;
  };

  /// Refuses a client's name for the server's own objects: rights are decided on names, so these objects must have one
  /// name only.
  [[nodiscard]] Result<void> check_reach(const std::string& bucket, const std::string& key) const {
    if (bucket != options_.system_bucket || !key.starts_with(options_.system_prefix)) return {};
    return fail(
        ErrorKind::access_denied,
        "s3://" + bucket + "/" + options_.system_prefix + " is where the server keeps its own objects (--objects).",
        "AccessDenied");
  }

  /// Returns where the server's own objects really are.
  [[nodiscard]] Location real(const std::string& bucket, const std::string& key) const {
    if (bucket != kSystemBucket) return {bucket, key};
    return {options_.system_bucket, key.empty() ? key : options_.system_prefix + key};
  }

  static std::vector<std::pair<std::string, std::string>> version_query(const std::optional<std::string>& version_id) {
    if (!version_id) return {};
    return {{"versionId", *version_id}};
  }

  Result<ObjectStart> fetch_start(const std::string& bucket, const std::string& key,
                                  const std::optional<std::string>& version_id, std::uint64_t length) {
    if (auto ok = check_reach(bucket, key); !ok) return ok.error();
    const auto at = real(bucket, key);
    auto answer =
        calls_.send({.method = "GET",
                     .bucket = at.bucket,
                     .key = at.key,
                     .query = version_query(version_id),
                     .headers = {{"range", "bytes=0-" + std::to_string(std::max<std::uint64_t>(length, 1) - 1)}}});
    if (!answer && answer.error().code == "InvalidRange") {  // The object is empty.
      auto info = head(bucket, key, version_id);
      if (!info) return info.error();
      return ObjectStart{std::move(*info), {}};
    }
    if (!answer) return answer.error();
    ObjectStart start{info_of(key, *answer), std::move(answer->body)};
    answer->body.clear();
    start.info.size_bytes = answer->status == 206 ? whole_size(*answer) : start.bytes.size();
    return start;
  }

  Result<std::string> put_whole(const Location& at, FileReader& reader, std::uint64_t size, HeaderList headers,
                                const HeaderList& conditions) {
    const auto bytes = read_part(reader, 0, size);
    if (!bytes) return bytes.error();
    headers.insert(headers.end(), conditions.begin(), conditions.end());
    const auto answer =
        calls_.send({.method = "PUT", .bucket = at.bucket, .key = at.key, .headers = headers, .body = *bytes});
    if (!answer) return answer.error();
    return unquoted(header_value(answer->headers, "etag"));
  }

  Result<std::string> put_parts(const Location& at, FileReader& reader, std::uint64_t size, const HeaderList& headers,
                                const HeaderList& conditions) {
    const auto started = calls_.send(
        {.method = "POST", .bucket = at.bucket, .key = at.key, .query = {{"uploads", ""}}, .headers = headers});
    if (!started) return started.error();
    const auto upload = element_text(started->body, "UploadId");
    auto etag = send_parts(at, upload, reader, size, conditions);
    if (!etag)
      (void)calls_.send({.method = "DELETE", .bucket = at.bucket, .key = at.key, .query = {{"uploadId", upload}}})
          .has_value();
    return etag;
  }

  Result<std::string> send_parts(const Location& at, const std::string& upload, FileReader& reader, std::uint64_t size,
                                 const HeaderList& conditions) {
    const auto part_size = std::max(kLargestPut, size / kMostParts + 1);
    std::string document = "<CompleteMultipartUpload>";
    int number = 0;
    for (std::uint64_t offset = 0; offset < size; offset += part_size) {
      const auto bytes = read_part(reader, offset, std::min(part_size, size - offset));
      if (!bytes) return bytes.error();
      const auto text = std::to_string(++number);
      const auto answer = calls_.send({.method = "PUT",
                                       .bucket = at.bucket,
                                       .key = at.key,
                                       .query = {{"partNumber", text}, {"uploadId", upload}},
                                       .body = *bytes});
      if (!answer) return answer.error();
      document += "<Part><PartNumber>" + text + "</PartNumber><ETag>&quot;" +
                  unquoted(header_value(answer->headers, "etag")) + "&quot;</ETag></Part>";
    }
    document += "</CompleteMultipartUpload>";
    const RemoteCalls::Request complete = {"POST", at.bucket, at.key, {{"uploadId", upload}}, conditions, document};
    const auto answer = calls_.send(complete);
    if (!answer && answer.error().code == "NoSuchUpload") {
      // Perhaps a request whose answer was lost has completed the upload.
      const auto head = calls_.send({.method = "HEAD", .bucket = at.bucket, .key = at.key});
      if (head && header_value(head->headers, "content-length") == std::to_string(size))
        return unquoted(header_value(head->headers, "etag"));
    }
    if (!answer) return answer.error();
    // Completing may fail after the head of the answer was sent.
    if (!element_text(answer->body, "Code").empty())
      return fail(ErrorKind::unavailable, error_of(*answer, complete).message);
    return unquoted(element_text(answer->body, "ETag"));
  }

  static Result<std::string> read_part(FileReader& reader, std::uint64_t offset, std::uint64_t length) {
    std::string bytes(length, '\0');
    const auto n = reader.read(offset, {reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size()});
    if (!n) return n.error();
    if (*n != length) return internal_error("A staged file is shorter than what was written.");
    return bytes;
  }

  /// Reads windows of the content as they are asked for. The ETag makes sure that all are of the same content.
  class Reader : public ObjectReader {
   public:
    Reader(S3Objects& store, Location at, std::optional<std::string> version_id, ObjectInfo info, std::string start)
        : store_(store),
          at_(std::move(at)),
          version_id_(std::move(version_id)),
          info_(std::move(info)),
          window_(std::move(start)) {}
    [[nodiscard]] const ObjectInfo& info() const override { return info_; }
    Result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> out) override {
      std::size_t done = 0;
      while (done < out.size() && offset < info_.size_bytes) {
        if (offset < begin_ || offset >= begin_ + window_.size())
          if (auto ok = fetch(offset); !ok) return ok.error();
        const auto n = std::min<std::size_t>(out.size() - done, window_.size() - (offset - begin_));
        std::memcpy(out.data() + done, window_.data() + (offset - begin_), n);
        done += n;
        offset += n;
      }
      return done;
    }

   private:
    Result<void> fetch(std::uint64_t offset) {
      const auto last = std::min(offset + kWindow, info_.size_bytes) - 1;
      auto answer =
          store_.calls_.send({.method = "GET",
                              .bucket = at_.bucket,
                              .key = at_.key,
                              .query = version_query(version_id_),
                              .headers = {{"range", "bytes=" + std::to_string(offset) + "-" + std::to_string(last)},
                                          {"if-match", "\"" + info_.etag + "\""}}});
      if (!answer) {
        if (answer.error().code == "PreconditionFailed")
          return fail(ErrorKind::conflict, "The object " + at_.key + " was replaced while it was read.");
        return answer.error();
      }
      if (answer->status != 206 || answer->body.size() != last - offset + 1)
        return fail(ErrorKind::unavailable, "The object store did not answer with the range that was asked for.");
      begin_ = offset;
      window_ = std::move(answer->body);
      return {};
    }

    S3Objects& store_;
    const Location at_;
    const std::optional<std::string> version_id_;
    const ObjectInfo info_;
    std::uint64_t begin_ = 0;
    std::string window_;
  };

  const S3StoreOptions options_;
  RemoteCalls calls_;
};

}  // namespace

std::unique_ptr<ObjectStore> open_s3_objects(S3StoreOptions options, const Clock& clock) {
  return std::make_unique<S3Objects>(std::move(options), clock);
}

}  // namespace vedette
