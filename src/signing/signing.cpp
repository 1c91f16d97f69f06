#include "signing/signing.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "signing/signature_v2.hpp"

namespace vedette {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";
constexpr std::int64_t kLongestExpiry = 604'800;  // in seconds: a week
constexpr std::string_view kMaximumSkewMinutes = "15";
constexpr std::size_t kLongestRegion = 32;

Error unauthenticated(const char* code, std::string message) {
  return fail(ErrorKind::unauthenticated, std::move(message), code);
}

Error incomplete(const std::string& what) {
  return unauthenticated("IncompleteSignature",
                         "The authorization of this request is incomplete or malformed: " + what + ".");
}

/// Returns whether a text may be a region. The region becomes part of metrics and of ARNs, which policies compare, so
/// it may have no colons and no wildcards. Capitals are allowed, since clients of other clouds are configured for
/// "RegionOne".
bool is_region(std::string_view text) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  if (text.size() < 2 || text.size() > kLongestRegion || !is_letter(text.front()) || text.back() == '-') return false;
  return text.find("--") == std::string_view::npos && std::all_of(text.begin(), text.end(), [&](char c) {
           return is_letter(c) || (c >= '0' && c <= '9') || c == '-';
         });
}

Result<CredentialScope> parse_scope(std::string_view text) {
  const auto parts = split(text, '/');
  if (parts.size() != 5 || parts[4] != "aws4_request" || parts[0].empty() || parts[1].size() != 8 || parts[2].empty() ||
      parts[3].empty())
    return incomplete("Credential must have the form key/date/region/service/aws4_request");
  if (!is_region(parts[2]))
    return incomplete("the region has letters, digits and single hyphens between them, 2 to 32, a letter first");
  return CredentialScope{std::string(parts[0]), std::string(parts[1]), std::string(parts[2]), std::string(parts[3])};
}

bool is_signature(std::string_view text) {
  return text.size() == 64 && from_hex(text).has_value();
}

/// Trims a value and replaces runs of spaces within it by one space.
std::string canonical_value(std::string_view value) {
  std::string out;
  for (char c : trim(value)) {
    if (c == ' ' && !out.empty() && out.back() == ' ') continue;
    out += c;
  }
  return out;
}

using QueryPair = std::pair<std::string, std::string>;  // The name and the value, both in the canonical encoding.

/// Decodes a component and encodes it again, so that differences between clients' ways to escape do not matter. A
/// component with a broken escape stays as it is: no client that follows the rules signed it, so it will not verify.
std::string canonical_component(std::string_view text) {
  const auto decoded = uri_decode(text);
  return decoded ? uri_encode(*decoded) : std::string(text);
}

std::vector<QueryPair> query_pairs(std::string_view query) {
  std::vector<QueryPair> pairs;
  if (query.empty()) return pairs;
  for (auto part : split(query, '&')) {
    if (part.empty()) continue;
    const auto equals = part.find('=');
    pairs.push_back({canonical_component(part.substr(0, equals)),
                     equals == std::string_view::npos ? std::string() : canonical_component(part.substr(equals + 1))});
  }
  return pairs;
}

std::string normalized_path(std::string_view path) {
  std::vector<std::string_view> parts;
  for (auto part : split(path, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      if (!parts.empty()) parts.pop_back();
      continue;
    }
    parts.push_back(part);
  }
  std::string out;
  for (auto part : parts) out += "/" + std::string(part);
  if (out.empty() || (path.ends_with('/') && !out.ends_with('/'))) out += '/';
  return out;
}

}  // namespace

std::string_view header_value(const HeaderList& headers, std::string_view name) {
  for (const auto& [n, v] : headers)
    if (n == name) return v;
  return {};
}

Result<Authorization> parse_authorization(const SignableRequest& request) {
  Authorization a;
  const auto header = trim(header_value(request.headers, "authorization"));
  if (!header.empty()) {
    if (header.starts_with("AWS "))
      return unauthenticated("InvalidRequest", "Signature Version 2 is not offered for the Authorization header. " +
                                                   std::string(kHowToSignWithVersion4));
    if (!header.starts_with(kAlgorithm)) return incomplete("only AWS4-HMAC-SHA256 is supported");
    bool has_credential = false;
    for (auto field : split(header.substr(kAlgorithm.size()), ',')) {
      field = trim(field);
      const auto equals = field.find('=');
      if (equals == std::string_view::npos) return incomplete("a field has no value");
      const auto name = field.substr(0, equals), value = field.substr(equals + 1);
      if (name == "Credential") {
        auto scope = parse_scope(value);
        if (!scope) return scope.error();
        a.credential = std::move(*scope);
        has_credential = true;
      } else if (name == "SignedHeaders") {
        for (auto h : split(value, ';')) a.signed_headers.emplace_back(h);
      } else if (name == "Signature") {
        a.signature = value;
      }
    }
    if (!has_credential || a.signed_headers.empty() || !is_signature(a.signature))
      return incomplete("Credential, SignedHeaders and Signature are needed");
    a.timestamp = std::string(trim(header_value(request.headers, "x-amz-date")));
    if (a.timestamp.empty()) {
      const auto date = parse_http_date(header_value(request.headers, "date"));
      if (!date) return incomplete("X-Amz-Date or Date is needed");
      a.timestamp = to_basic_iso8601(*date);
    }
  } else {
    bool is_presigned = false;
    std::string credential;
    for (const auto& [encoded_name, encoded_value] : query_pairs(request.query)) {
      const auto value = uri_decode(encoded_value);
      if (!value) continue;
      if (encoded_name == "X-Amz-Algorithm") is_presigned = *value == kAlgorithm;
      if (encoded_name == "X-Amz-Credential") credential = *value;
      if (encoded_name == "X-Amz-Date") a.timestamp = *value;
      if (encoded_name == "X-Amz-Expires") a.expires_seconds = parse_integer(*value);
      if (encoded_name == "X-Amz-Signature") a.signature = *value;
      if (encoded_name == "X-Amz-SignedHeaders")
        for (auto h : split(*value, ';')) a.signed_headers.emplace_back(h);
    }
    if (!is_presigned) return unauthenticated("MissingAuthenticationToken", "Missing Authentication Token");
    auto scope = parse_scope(credential);
    if (!scope) return scope.error();
    a.credential = std::move(*scope);
    a.is_presigned = true;
    if (!is_signature(a.signature) || a.signed_headers.empty() || !a.expires_seconds || *a.expires_seconds < 1 ||
        *a.expires_seconds > kLongestExpiry)
      return unauthenticated("AuthorizationQueryParametersError",
                             "The presigned URL lacks a parameter, or X-Amz-Expires is not 1 to 604800.");
  }
  const auto time = parse_timestamp(a.timestamp);
  if (!time || a.timestamp.size() != 16 || !a.timestamp.starts_with(a.credential.date))
    return incomplete("the date must have the form yyyymmddThhmmssZ and match the credential's");
  a.time = *time;
  if (std::find(a.signed_headers.begin(), a.signed_headers.end(), "host") == a.signed_headers.end())
    return incomplete("host must be signed");
  return a;
}

std::string session_token(const SignableRequest& request) {
  constexpr std::string_view kName = "x-amz-security-token";
  if (const auto token = trim(header_value(request.headers, kName)); !token.empty()) return std::string(token);
  for (const auto& [name, value] : query_pairs(request.query)) {
    if (equals_ignore_case(name, kName) && !value.empty()) {
      const auto token = uri_decode(value);
      return token ? *token : value;
    }
  }
  return {};
}

Result<void> check_signed_headers(const Authorization& a, const HeaderList& headers) {
  if (a.is_version_2) return {};  // a signature of Version 2 covers every x-amz-… header that arrives
  std::string missing;
  for (const auto& [name, value] : headers) {
    // CloudFront adds x-amz-cf-id after the client has signed, and no code in this server reads that header.
    const bool has_meaning = (name.starts_with("x-amz-") && name != "x-amz-cf-id") || name == "x-amzn-client-token";
    if (!has_meaning || std::find(a.signed_headers.begin(), a.signed_headers.end(), name) != a.signed_headers.end())
      continue;
    missing += (missing.empty() ? "" : ", ") + name;
  }
  if (missing.empty()) return {};
  return Error{ErrorKind::access_denied, "There were headers present in the request which were not signed",
               "AccessDenied",           kHeadersNotSigned,
               std::move(missing),       0};
}

Result<void> check_time(const Authorization& a, Timestamp now) {
  const auto skew = std::chrono::minutes(15);
  if (a.is_version_2) {
    if (now > a.time) return fail(ErrorKind::access_denied, "Request has expired", "AccessDenied");
    if (a.time > now + std::chrono::seconds(kLongestExpiry))
      return unauthenticated("AuthorizationQueryParametersError",
                             "The presigned URL may expire at most 604800 seconds from now.");
    return {};
  }
  if (a.is_presigned) {
    if (now > a.time + std::chrono::seconds(*a.expires_seconds))
      return fail(ErrorKind::access_denied, "Request has expired", "AccessDenied");
    if (now < a.time - skew) return fail(ErrorKind::access_denied, "Request is not valid yet", "AccessDenied");
    return {};
  }
  if (a.time < now - skew || a.time > now + skew)
    return unauthenticated("RequestTimeTooSkewed",
                           "Signature expired: " + a.timestamp + " is more than " + std::string(kMaximumSkewMinutes) +
                               " minutes away from the server's time " + to_basic_iso8601(now) + ".");
  return {};
}

std::string canonical_request(const SignableRequest& request, const std::vector<std::string>& signed_headers,
                              std::string_view payload_hash, PathStyle style, bool is_presigned) {
  std::string out = request.method + "\n";
  if (style == PathStyle::s3) {
    const auto decoded = uri_decode(request.path);
    out += decoded ? uri_encode(*decoded, true) : request.path;
  } else {
    out += uri_encode(normalized_path(request.path), true);
  }
  out += '\n';
  auto pairs = query_pairs(request.query);
  std::sort(pairs.begin(), pairs.end());
  bool first = true;
  for (const auto& [name, value] : pairs) {
    if (is_presigned && name == "X-Amz-Signature") continue;
    if (!first) out += '&';
    first = false;
    out += name + "=" + value;
  }
  out += '\n';
  for (const auto& name : signed_headers) {
    out += name + ":";
    bool any = false;
    for (const auto& [n, v] : request.headers) {
      if (n != name) continue;
      if (any) out += ',';
      out += canonical_value(v);
      any = true;
    }
    out += '\n';
  }
  out += '\n';
  for (std::size_t i = 0; i < signed_headers.size(); ++i) out += (i > 0 ? ";" : "") + signed_headers[i];
  out += '\n';
  out += payload_hash;
  return out;
}

Sha256 signing_key(std::string_view secret, const CredentialScope& scope) {
  auto key = hmac_sha256(as_bytes("AWS4" + std::string(secret)), scope.date);
  key = hmac_sha256(key, scope.region);
  key = hmac_sha256(key, scope.service);
  return hmac_sha256(key, "aws4_request");
}

std::string sign(std::string_view secret, const CredentialScope& scope, std::string_view timestamp,
                 std::string_view canonical) {
  const auto key = signing_key(secret, scope);
  const std::string text = std::string(kAlgorithm) + "\n" + std::string(timestamp) + "\n" + scope.date + "/" +
                           scope.region + "/" + scope.service + "/aws4_request\n" + sha256_hex(canonical);
  return to_hex(hmac_sha256(key, text));
}

bool verify(const Authorization& a, const SignableRequest& request, std::string_view payload_hash,
            std::string_view secret) {
  if (a.is_version_2)
    return equal_in_constant_time(sign_v2(secret, string_to_sign_v2(request, a.timestamp)), a.signature);
  const auto style = a.credential.service == "s3" ? PathStyle::s3 : PathStyle::normalized;
  const auto canonical = canonical_request(request, a.signed_headers, payload_hash, style, a.is_presigned);
  return equal_in_constant_time(sign(secret, a.credential, a.timestamp, canonical), to_lower(a.signature));
}

}  // namespace vedette
