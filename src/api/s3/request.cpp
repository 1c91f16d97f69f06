#include <algorithm>
#include <array>

#include "api/s3/messages.hpp"
#include "api/s3/settings.hpp"
#include "base/storable_text.hpp"
#include "base/text.hpp"

namespace vedette::s3 {
namespace {

using Kind = OperationKind;

Error not_implemented(std::string_view what) {
  return fail(ErrorKind::unsupported, "This server does not offer " + std::string(what) + ".", "NotImplemented");
}

/// A version id is this server's, "null", or another S3 service's: it has letters, digits and a few marks. Version ids
/// become headers of answers.
bool is_version_id(std::string_view text) {
  constexpr std::size_t kLongest = 1024;
  return !text.empty() && text.size() <= kLongest && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("-_.~+/=").find(c) != std::string_view::npos;
  });
}

Error wrong_version_id() {
  return fail(ErrorKind::invalid_input, "Invalid version id specified", "InvalidArgument");
}

/// The first row whose method and query fit decides. A query parameter that the row does not name belongs to the
/// operation.
struct Row {
  std::string_view method, parameter, value;  ///< If `value` is empty, any value fits.
  Kind kind;
  std::string_view action, version_action;  ///< `version_action` counts if versionId is given.
};

constexpr Row kBucketRows[] = {
    {"GET", "location", "", Kind::get_bucket_location, "s3:GetBucketLocation", {}},
    {"GET", "versioning", "", Kind::get_versioning, "s3:GetBucketVersioning", {}},
    {"PUT", "versioning", "", Kind::put_versioning, "s3:PutBucketVersioning", {}},
    {"GET", "versions", "", Kind::list_object_versions, "s3:ListBucketVersions", {}},
    {"GET", "uploads", "", Kind::list_multipart_uploads, "s3:ListBucketMultipartUploads", {}},
    {"GET", "acl", "", Kind::get_acl, "s3:GetBucketAcl", {}},
    {"PUT", "acl", "", Kind::put_acl, "s3:PutBucketAcl", {}},
    {"POST", "delete", "", Kind::delete_objects, "s3:DeleteObject", {}},
    {"GET", "list-type", "2", Kind::list_objects_v2, "s3:ListBucket", {}},
    {"GET", "", "", Kind::list_objects_v1, "s3:ListBucket", {}},
    {"PUT", "", "", Kind::create_bucket, "s3:CreateBucket", {}},
    {"HEAD", "", "", Kind::head_bucket, "s3:ListBucket", {}},
    {"DELETE", "", "", Kind::delete_bucket, "s3:DeleteBucket", {}},
};

constexpr Row kObjectRows[] = {
    {"GET", "acl", "", Kind::get_acl, "s3:GetObjectAcl", "s3:GetObjectVersionAcl"},
    {"PUT", "acl", "", Kind::put_acl, "s3:PutObjectAcl", "s3:PutObjectVersionAcl"},
    {"GET", "tagging", "", Kind::get_object_tagging, "s3:GetObjectTagging", "s3:GetObjectVersionTagging"},
    {"PUT", "tagging", "", Kind::put_object_tagging, "s3:PutObjectTagging", "s3:PutObjectVersionTagging"},
    {"DELETE", "tagging", "", Kind::delete_object_tagging, "s3:DeleteObjectTagging", "s3:DeleteObjectVersionTagging"},
    {"PUT", "uploadId", "", Kind::upload_part, "s3:PutObject", {}},
    {"POST", "uploadId", "", Kind::complete_multipart_upload, "s3:PutObject", {}},
    {"DELETE", "uploadId", "", Kind::abort_multipart_upload, "s3:AbortMultipartUpload", {}},
    {"GET", "uploadId", "", Kind::list_parts, "s3:ListMultipartUploadParts", {}},
    {"POST", "uploads", "", Kind::create_multipart_upload, "s3:PutObject", {}},
    {"PUT", "", "", Kind::put_object, "s3:PutObject", {}},
    {"GET", "", "", Kind::get_object, "s3:GetObject", "s3:GetObjectVersion"},
    {"HEAD", "", "", Kind::head_object, "s3:GetObject", "s3:GetObjectVersion"},
    {"DELETE", "", "", Kind::delete_object, "s3:DeleteObject", "s3:DeleteObjectVersion"},
};

/// Subresources that neither the rows above nor the settings nor the absent settings name.
constexpr std::string_view kNotOffered[] = {
    "analytics",    "attributes", "intelligent-tiering", "inventory", "legal-hold", "metadataTable", "metrics",
    "renameObject", "restore",    "retention",           "select",    "session",    "torrent"};

template <std::size_t N>
const Row* find_row(const Row (&rows)[N], std::string_view method, const Request& r) {
  for (const auto& row : rows) {
    if (row.method != method) continue;
    if (row.parameter.empty()) return &row;
    const auto value = r.parameter(row.parameter);
    if (value && (row.value.empty() || *value == row.value)) return &row;
  }
  return nullptr;
}

/// Whether a query parameter names what a row of this target names for another method.
template <std::size_t N>
bool is_subresource(const Row (&rows)[N], std::string_view name) {
  return std::any_of(std::begin(rows), std::end(rows), [&](const Row& row) {
    return !row.parameter.empty() && row.value.empty() && row.parameter == name;
  });
}

/// Recognises kind and action of a request. Fails with NotImplemented.
Result<void> recognise(Request& r, std::string_view method, bool is_copy) {
  const auto is = [&](Kind kind, std::string_view action) {
    r.kind = kind;
    r.action = std::string(action);
    return Result<void>();
  };
  if (r.bucket.empty())
    return method == "GET" ? is(Kind::list_buckets, "s3:ListAllMyBuckets")
                           : not_implemented(std::string(method) + " without a bucket");
  for (const auto& [name, value] : r.query) {
    if (std::find(std::begin(kNotOffered), std::end(kNotOffered), name) != std::end(kNotOffered))
      return not_implemented("the subresource \"" + name + "\"");
    if (!r.key.empty()) continue;
    if (const auto* setting = find_setting(name)) {
      r.setting = setting;
      if (method == "GET") return is(Kind::get_setting, setting->get_action);
      if (method == "PUT") return is(Kind::put_setting, setting->put_action);
      if (method == "DELETE") return is(Kind::delete_setting, setting->put_action);
    }
    if (const auto* absent = find_absent_setting(name)) {
      r.absent = absent;
      if (method == "GET") return is(Kind::get_absent_setting, absent->get_action);
      return not_implemented("the subresource \"" + name + "\"");
    }
  }
  const auto* row = r.key.empty() ? find_row(kBucketRows, method, r) : find_row(kObjectRows, method, r);
  // A subresource with a method that it does not have is not the plain operation of that method: a request that meant
  // something else must not delete or replace anything.
  const bool is_plain = row != nullptr && row->parameter.empty();
  if (is_plain)
    for (const auto& [name, value] : r.query)
      if (r.key.empty() ? is_subresource(kBucketRows, name) : is_subresource(kObjectRows, name)) row = nullptr;
  if (row == nullptr) return not_implemented(std::string(method) + " here");
  const bool has_version = r.parameter("versionId").has_value() && !row->version_action.empty();
  auto kind = row->kind;
  if (is_copy && kind == Kind::put_object) kind = Kind::copy_object;
  if (is_copy && kind == Kind::upload_part) kind = Kind::upload_part_copy;
  return is(kind, has_version ? row->version_action : row->action);
}

}  // namespace

std::optional<std::string> Request::parameter(std::string_view name) const {
  for (const auto& [n, v] : query)
    if (n == name) return v;
  return std::nullopt;
}

bool is_bucket_name(std::string_view name) {
  static constexpr std::array<std::string_view, 9> kReserved = {"console",    "healthz",      "readyz",
                                                                "metrics",    "openapi.json", "2020-11-20",
                                                                "2026-11-01", "favicon.ico",  "client-models"};
  if (name.size() < 3 || name.size() > 63 || std::find(kReserved.begin(), kReserved.end(), name) != kReserved.end())
    return false;
  const auto is_alphanumeric = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  if (!is_alphanumeric(name.front()) || !is_alphanumeric(name.back()) || name.find("..") != std::string_view::npos)
    return false;
  return std::all_of(name.begin(), name.end(), [&](char c) { return is_alphanumeric(c) || c == '-' || c == '.'; });
}

bool is_new_bucket_name(std::string_view name) {
  static constexpr std::array<std::string_view, 3> kPrefixes = {"xn--", "sthree-", "amzn-s3-demo-"};
  static constexpr std::array<std::string_view, 5> kSuffixes = {"-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"};
  const bool is_address =
      std::count(name.begin(), name.end(), '.') == 3 &&
      std::all_of(name.begin(), name.end(), [](char c) { return (c >= '0' && c <= '9') || c == '.'; });
  // Each part between dots becomes a label of a host name.
  const bool has_bad_label = name.find(".-") != std::string_view::npos || name.find("-.") != std::string_view::npos;
  return is_bucket_name(name) && !is_address && !has_bad_label &&
         std::none_of(kPrefixes.begin(), kPrefixes.end(), [&](auto prefix) { return name.starts_with(prefix); }) &&
         std::none_of(kSuffixes.begin(), kSuffixes.end(), [&](auto suffix) { return name.ends_with(suffix); });
}

Result<Request> parse_request(std::string_view method, std::string_view raw_path, std::string_view raw_query,
                              bool is_copy) {
  Request r{};
  for (auto part : split(raw_query, '&')) {
    if (part.empty()) continue;
    const auto equals = part.find('=');
    auto name = uri_decode(part.substr(0, equals));
    auto value = uri_decode(equals == std::string_view::npos ? std::string_view() : part.substr(equals + 1));
    if (!name || !value)
      return fail(ErrorKind::invalid_input, "The query is not percent-encoded correctly.", "InvalidURI");
    r.query.emplace_back(std::move(*name), std::move(*value));
  }
  if (raw_path.starts_with('/')) raw_path.remove_prefix(1);
  const auto slash = raw_path.find('/');
  auto bucket = uri_decode(raw_path.substr(0, slash));
  auto key = uri_decode(slash == std::string_view::npos ? std::string_view() : raw_path.substr(slash + 1));
  if (!bucket || !key)
    return fail(ErrorKind::invalid_input, "The path is not percent-encoded correctly.", "InvalidURI");
  r.bucket = std::move(*bucket);
  r.key = std::move(*key);
  if (auto ok = recognise(r, method, is_copy); !ok) return ok.error();
  if (!r.bucket.empty() && !is_bucket_name(r.bucket))
    return fail(ErrorKind::invalid_input, "The specified bucket is not valid.", "InvalidBucketName");
  if (const auto version = r.parameter("versionId"); version && !is_version_id(*version)) return wrong_version_id();
  if (r.key.size() > kLongestKey) return fail(ErrorKind::invalid_input, "Your key is too long", "KeyTooLongError");
  if (!is_storable_text(r.key))
    return fail(ErrorKind::invalid_input, "The key is not UTF-8 text, or has a NUL character.", "InvalidURI");
  return r;
}

Result<CopySource> parse_copy_source(std::string_view header) {
  const auto malformed =
      fail(ErrorKind::invalid_input, "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
           "InvalidArgument");
  CopySource source;
  constexpr std::string_view kVersion = "?versionId=";
  if (const auto question = header.find('?'); question != std::string_view::npos) {
    const auto version = header.substr(question);
    if (!version.starts_with(kVersion) || version.size() == kVersion.size()) return malformed;
    source.version_id = std::string(version.substr(kVersion.size()));
    if (!is_version_id(*source.version_id)) return wrong_version_id();
    header = header.substr(0, question);
  }
  const auto decoded = uri_decode(header);
  std::string_view path = decoded ? std::string_view(*decoded) : std::string_view();
  if (path.starts_with('/')) path.remove_prefix(1);
  const auto slash = path.find('/');
  if (slash == std::string_view::npos || slash == 0 || slash + 1 == path.size() || !is_storable_text(path))
    return malformed;
  source.bucket = std::string(path.substr(0, slash));
  source.key = std::string(path.substr(slash + 1));
  return source;
}

Result<std::optional<ByteRange>> parse_range(std::string_view header, std::uint64_t size) {
  constexpr std::string_view unit = "bytes=";
  if (!header.starts_with(unit) || header.find(',') != std::string_view::npos) return std::optional<ByteRange>();
  const auto dash = header.find('-', unit.size());
  if (dash == std::string_view::npos) return std::optional<ByteRange>();
  const auto first_text = header.substr(unit.size(), dash - unit.size()), last_text = header.substr(dash + 1);
  const auto first = parse_integer(first_text), last = parse_integer(last_text);
  if ((!first && !first_text.empty()) || (!last && !last_text.empty()) || (!first && !last) || (first && *first < 0) ||
      (last && *last < 0))
    return std::optional<ByteRange>();
  const auto invalid = fail(ErrorKind::invalid_input, "The requested range is not satisfiable", "InvalidRange");
  if (!first) {  // The header asks for the last n bytes.
    const auto n = std::min<std::uint64_t>(static_cast<std::uint64_t>(*last), size);
    if (n == 0) return invalid;
    return std::optional<ByteRange>({size - n, size - 1});
  }
  const auto begin = static_cast<std::uint64_t>(*first);
  if (begin >= size) return invalid;
  const std::uint64_t end = last ? std::min<std::uint64_t>(static_cast<std::uint64_t>(*last), size - 1) : size - 1;
  if (end < begin) return std::optional<ByteRange>();
  return std::optional<ByteRange>({begin, end});
}

Result<ByteRange> parse_copy_range(std::string_view header, std::uint64_t size) {
  constexpr std::string_view unit = "bytes=";
  const auto invalid =
      fail(ErrorKind::invalid_input,
           "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last "
           "are the zero-based offsets of the first and last bytes to copy",
           "InvalidArgument");
  const auto dash = header.find('-');
  if (!header.starts_with(unit) || dash == std::string_view::npos || dash < unit.size()) return invalid;
  const auto number = [](std::string_view text) {
    const bool is_plain = text.find_first_not_of("0123456789") == std::string_view::npos;
    return is_plain ? parse_integer(text) : std::nullopt;
  };
  const auto first = number(header.substr(unit.size(), dash - unit.size())), last = number(header.substr(dash + 1));
  if (!first || !last || *first > *last) return invalid;
  const ByteRange range{static_cast<std::uint64_t>(*first), static_cast<std::uint64_t>(*last)};
  if (range.last >= size)
    return fail(ErrorKind::invalid_input,
                "Range specified is not valid for source object of size: " + std::to_string(size), "InvalidRange");
  return range;
}

}  // namespace vedette::s3
