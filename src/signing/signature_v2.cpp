#include "signing/signature_v2.hpp"

#include <algorithm>
#include <array>
#include <map>

#include "base/text.hpp"
#include "signing/presigned_headers.hpp"

namespace vedette {
namespace {

constexpr std::size_t kSignatureBytes = 20, kLongestExpires = 12;

/// Lists the sub-resources that are part of the string to sign, and the parameters that set headers of the answer.
constexpr std::array<std::string_view, 31> kSigned = {"accelerate",
                                                      "acl",
                                                      "analytics",
                                                      "cors",
                                                      "delete",
                                                      "inventory",
                                                      "lifecycle",
                                                      "location",
                                                      "logging",
                                                      "metrics",
                                                      "notification",
                                                      "object-lock",
                                                      "partNumber",
                                                      "policy",
                                                      "replication",
                                                      "requestPayment",
                                                      "response-cache-control",
                                                      "response-content-disposition",
                                                      "response-content-encoding",
                                                      "response-content-language",
                                                      "response-content-type",
                                                      "response-expires",
                                                      "restore",
                                                      "tagging",
                                                      "torrent",
                                                      "uploadId",
                                                      "uploads",
                                                      "versionId",
                                                      "versioning",
                                                      "versions",
                                                      "website"};
/// Lists the parameters that do not change what is read or written.
constexpr std::array<std::string_view, 2> kHarmless = {"encoding-type", "x-id"};

template <typename Names>
bool holds(const Names& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

struct Parameter {
  std::string name;
  std::optional<std::string> value;  ///< empty if the parameter has no "="
};

/// Returns the decoded parameters. A parameter that is not percent-encoded correctly stays as it is; no signature
/// covers it.
std::vector<Parameter> parameters_of(std::string_view query) {
  std::vector<Parameter> out;
  for (auto part : split(query, '&')) {
    if (part.empty()) continue;
    const auto equals = part.find('=');
    const auto decoded = [](std::string_view text) {
      auto value = uri_decode(text);
      return value ? std::move(*value) : std::string(text);
    };
    Parameter parameter{decoded(part.substr(0, equals)), std::nullopt};
    if (equals != std::string_view::npos) parameter.value = decoded(part.substr(equals + 1));
    out.push_back(std::move(parameter));
  }
  return out;
}

/// Whether the parameter stands for a header that the string to sign covers.
bool is_signed_header(std::string_view parameter) {
  const auto name = to_lower(parameter);
  return is_presigned_header(parameter) &&
         (name.starts_with("x-amz-") || name == "content-md5" || name == "content-type");
}

/// The string to sign joins decoded values, so that a value which holds "&versionId=…" signs like two parameters.
bool hides_a_parameter(std::string_view value) {
  for (auto at = value.find('&'); at != std::string_view::npos; at = value.find('&', at + 1)) {
    const auto rest = value.substr(at + 1);
    if (holds(kSigned, rest.substr(0, rest.find_first_of("=&")))) return true;
  }
  return false;
}

Error refused(std::string message) {
  return fail(ErrorKind::access_denied, std::move(message), "AccessDenied");
}

}  // namespace

bool is_presigned_v2(std::string_view query) {
  const auto parameters = parameters_of(query);
  return std::any_of(parameters.begin(), parameters.end(), [](const auto& p) { return p.name == "AWSAccessKeyId"; });
}

Result<Authorization> parse_presigned_v2(std::string_view query) {
  Authorization a;
  a.is_presigned = a.is_version_2 = true;
  a.credential.service = "s3";
  for (auto& [name, value] : parameters_of(query)) {
    if (name == "AWSAccessKeyId") {
      a.credential.access_key_id = value.value_or("");
    } else if (name == "Expires") {
      a.timestamp = value.value_or("");
    } else if (name == "Signature") {
      a.signature = value.value_or("");
    } else if (!holds(kSigned, name) && !holds(kHarmless, name) && !is_signed_header(name)) {
      return refused("The query parameter " + name +
                     " is not covered by a presigned URL of Signature Version 2, so that anybody could change it. " +
                     kHowToSignWithVersion4);
    } else if (value && hides_a_parameter(*value)) {
      return refused("The value of the query parameter " + name +
                     " looks like a further parameter, which Signature Version 2 cannot tell apart. " +
                     kHowToSignWithVersion4);
    }
  }
  const bool is_number =
      a.timestamp.size() <= kLongestExpires && a.timestamp.find_first_not_of("0123456789") == std::string::npos;
  const auto expires = is_number ? parse_integer(a.timestamp) : std::nullopt;
  const auto signature = from_base64(a.signature);
  if (a.credential.access_key_id.empty() || !expires || !signature || signature->size() != kSignatureBytes)
    return refused("Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters");
  a.time = Timestamp{std::chrono::seconds(*expires)};
  return a;
}

std::string string_to_sign_v2(const SignableRequest& request, std::string_view expires) {
  // Clients sign headers and then write them into the URL, so those in the URL count as well.
  auto headers = request.headers;
  for (auto& header : presigned_headers(request.query, request.headers)) headers.push_back(std::move(header));
  std::map<std::string, std::string> amazon_headers;
  for (const auto& [name, value] : headers) {
    if (!name.starts_with("x-amz-")) continue;
    auto& joined = amazon_headers[name];
    if (!joined.empty()) joined += ',';
    joined += trim(value);
  }
  std::string out = request.method + "\n" + std::string(trim(header_value(headers, "content-md5"))) + "\n" +
                    std::string(trim(header_value(headers, "content-type"))) + "\n" + std::string(expires) + "\n";
  for (const auto& [name, value] : amazon_headers) out += name + ":" + value + "\n";
  out += request.resource;
  auto parameters = parameters_of(request.query);
  std::erase_if(parameters, [](const auto& p) { return !holds(kSigned, p.name); });
  std::stable_sort(parameters.begin(), parameters.end(),
                   [](const auto& left, const auto& right) { return left.name < right.name; });
  char separator = '?';
  for (const auto& [name, value] : parameters) {
    out += separator + name;
    if (value) out += "=" + *value;
    separator = '&';
  }
  return out;
}

std::string sign_v2(std::string_view secret, std::string_view string_to_sign) {
  return to_base64(hmac_sha1(as_bytes(secret), string_to_sign));
}

}  // namespace vedette
