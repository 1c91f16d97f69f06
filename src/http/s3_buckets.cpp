#include <algorithm>

#include "base/text.hpp"
#include "http/s3_operations.hpp"

namespace vedette::s3_operations {

Result<Response> list_buckets(S3Call& call) {
  constexpr std::int64_t kMostBuckets = 10'000;
  auto most = kMostBuckets;
  if (const auto text = call.request.parameter("max-buckets")) {
    const auto number = parse_integer(*text);
    if (!number || *number < 1 || *number > kMostBuckets)
      return s3_error(ErrorKind::invalid_input, "InvalidArgument", "max-buckets must be a number from 1 to 10000");
    most = *number;
  }
  std::string after;
  if (const auto token = call.request.parameter("continuation-token")) {
    const auto bytes = from_base64(*token);
    if (!bytes || bytes->empty())
      return s3_error(ErrorKind::invalid_input, "InvalidArgument", "The continuation token provided is incorrect");
    after = std::string(as_text(*bytes));
  }
  const auto prefix = call.request.parameter("prefix").value_or("");
  auto buckets = call.objects.list_buckets();
  std::sort(buckets.begin(), buckets.end());
  const bool is_elsewhere = call.request.parameter("bucket-region").value_or(call.scope.region) != call.scope.region;
  std::erase_if(buckets, [&](const auto& bucket) {
    return is_elsewhere || bucket.first <= after || !bucket.first.starts_with(prefix);
  });
  std::string next_token;
  if (static_cast<std::int64_t>(buckets.size()) > most) {
    buckets.resize(static_cast<std::size_t>(most));
    next_token = to_base64(as_bytes(buckets.back().first));
  }
  return xml(s3::encode_buckets(buckets, call.caller.account, prefix, next_token));
}

Result<Response> create_bucket(S3Call& call) {
  if (auto ok = check_put_headers(call.headers); !ok) return ok.error();
  if (!s3::is_new_bucket_name(call.request.bucket))
    return s3_error(ErrorKind::invalid_input, "InvalidBucketName", "The specified bucket is not valid.");
  // In us-east-1, S3's first region, S3 accepts that a caller makes an existing bucket again, and scripts rely on that.
  if (auto ok = call.objects.create_bucket(call.request.bucket);
      !ok && !(ok.error().code == "BucketAlreadyOwnedByYou" && call.scope.region == "us-east-1"))
    return ok.error();
  if (!header_value(call.headers, "x-amz-object-ownership").empty())
    if (auto ok =
            call.objects.set_setting(call.request.bucket, "ownershipControls", s3::encode_ownership(kOwnerEnforced));
        !ok)
      return ok.error();
  Response r;
  r.headers.emplace_back("location", "/" + call.request.bucket);
  return r;
}

Result<Response> head_bucket(S3Call& call) {
  if (auto ok = need_bucket(call); !ok) return ok.error();
  Response r;
  r.headers.emplace_back("x-amz-bucket-region", call.scope.region);
  return r;
}

Result<Response> delete_bucket(S3Call& call) {
  if (auto ok = call.objects.delete_bucket(call.request.bucket); !ok) return ok.error();
  return no_content();
}

Result<Response> get_bucket_location(S3Call& call) {
  if (auto ok = need_bucket(call); !ok) return ok.error();
  return xml(s3::encode_location(call.scope.region));
}

Result<Response> get_versioning(S3Call& call) {
  const auto versioning = call.objects.versioning(call.request.bucket);
  if (!versioning) return versioning.error();
  return xml(s3::encode_versioning(*versioning == Versioning::off       ? ""
                                   : *versioning == Versioning::enabled ? "Enabled"
                                                                        : "Suspended"));
}

Result<Response> put_versioning(S3Call& call) {
  const auto enabled = s3::parse_versioning(call.body);
  if (!enabled) return enabled.error();
  if (auto ok =
          call.objects.set_versioning(call.request.bucket, *enabled ? Versioning::enabled : Versioning::suspended);
      !ok)
    return ok.error();
  return Response();
}

Result<Response> get_setting(S3Call& call) {
  const auto& setting = *call.request.setting;
  const auto document = call.objects.setting(call.request.bucket, std::string(setting.name));
  if (!document) return document.error();
  if (!*document)
    return s3_error(ErrorKind::not_found, std::string(setting.missing_code).c_str(),
                    std::string(setting.missing_message));
  return xml(s3::encode_document(**document));
}

Result<Response> put_setting(S3Call& call) {
  const auto& setting = *call.request.setting;
  const auto document = s3::check_setting(setting, call.body);
  if (!document) return document.error();
  if (auto ok = call.objects.set_setting(call.request.bucket, std::string(setting.name), *document); !ok)
    return ok.error();
  return Response();
}

Result<Response> delete_setting(S3Call& call) {
  if (auto ok = call.objects.set_setting(call.request.bucket, std::string(call.request.setting->name), std::nullopt);
      !ok)
    return ok.error();
  return no_content();
}

Result<Response> get_absent_setting(S3Call& call) {
  if (auto ok = need_bucket(call); !ok) return ok.error();
  const auto& absent = *call.request.absent;
  if (absent.missing_code.empty()) return xml(s3::encode_document(absent.missing_message));
  return s3_error(ErrorKind::not_found, std::string(absent.missing_code).c_str(), std::string(absent.missing_message));
}

// Only policies decide about rights. So every access control list says that the account alone has all rights, which is
// S3's default, too.
Result<Response> get_acl(S3Call& call) {
  if (call.request.key.empty()) {
    if (auto ok = need_bucket(call); !ok) return ok.error();
  } else if (auto info = call.objects.head(call.request.bucket, call.request.key, call.version_id()); !info) {
    return info.error();
  }
  return xml(s3::encode_private_acl(call.caller.account));
}

Result<Response> put_acl(S3Call& call) {
  if (auto ok = check_put_headers(call.headers); !ok) return ok.error();
  const auto answer = get_acl(call);
  if (!answer) return answer.error();
  if (call.body.empty()) return Response();
  const auto is_private = s3::is_private_acl(call.body, call.caller.account);
  if (!is_private) return is_private.error();
  if (!*is_private)
    return s3_error(ErrorKind::invalid_input, "AccessControlListNotSupported", "The bucket does not allow ACLs");
  return Response();
}

}  // namespace vedette::s3_operations
