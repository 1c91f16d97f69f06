#include "api/s3/settings.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <pugixml.hpp>
#include <set>
#include <sstream>

#include "api/s3/messages.hpp"
#include "base/storable_text.hpp"
#include "base/text.hpp"
#include "base/xml.hpp"

namespace vedette::s3 {
namespace {

constexpr std::size_t kMostRules = 1000, kMostCorsRules = 100, kMostBucketTags = 50, kMostObjectTags = 10;
constexpr std::size_t kLongestRuleId = 255;
constexpr std::size_t kLongestTagKey = 128, kLongestTagValue = 256;
constexpr int kMostDays = 365 * 1000;

constexpr Setting kSettings[] = {
    {"cors", "CORSConfiguration", "s3:GetBucketCORS", "s3:PutBucketCORS", "NoSuchCORSConfiguration",
     "The CORS configuration does not exist"},
    {"lifecycle", "LifecycleConfiguration", "s3:GetLifecycleConfiguration", "s3:PutLifecycleConfiguration",
     "NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist"},
    {"encryption", "ServerSideEncryptionConfiguration", "s3:GetEncryptionConfiguration",
     "s3:PutEncryptionConfiguration", "ServerSideEncryptionConfigurationNotFoundError",
     "The server side encryption configuration was not found"},
    {"publicAccessBlock", "PublicAccessBlockConfiguration", "s3:GetBucketPublicAccessBlock",
     "s3:PutBucketPublicAccessBlock", "NoSuchPublicAccessBlockConfiguration",
     "The public access block configuration was not found"},
    {"ownershipControls", "OwnershipControls", "s3:GetBucketOwnershipControls", "s3:PutBucketOwnershipControls",
     "OwnershipControlsNotFoundError", "The bucket ownership controls were not found"},
    {"tagging", "Tagging", "s3:GetBucketTagging", "s3:PutBucketTagging", "NoSuchTagSet", "The TagSet does not exist"},
};

constexpr AbsentSetting kAbsent[] = {
    {"policy", "s3:GetBucketPolicy", "NoSuchBucketPolicy", "The bucket policy does not exist"},
    {"policyStatus", "s3:GetBucketPolicyStatus", "NoSuchBucketPolicy", "The bucket policy does not exist"},
    {"website", "s3:GetBucketWebsite", "NoSuchWebsiteConfiguration",
     "The specified bucket does not have a website configuration"},
    {"replication", "s3:GetReplicationConfiguration", "ReplicationConfigurationNotFoundError",
     "The replication configuration was not found"},
    {"object-lock", "s3:GetBucketObjectLockConfiguration", "ObjectLockConfigurationNotFoundError",
     "Object Lock configuration does not exist for this bucket"},
    {"logging", "s3:GetBucketLogging", "", "<BucketLoggingStatus xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"/>"},
    {"notification", "s3:GetBucketNotification", "",
     "<NotificationConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"/>"},
    {"accelerate", "s3:GetAccelerateConfiguration", "",
     "<AccelerateConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"/>"},
    {"requestPayment", "s3:GetBucketRequestPayment", "",
     "<RequestPaymentConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Payer>BucketOwner</Payer>"
     "</RequestPaymentConfiguration>"},
};

Error malformed() {
  return fail(ErrorKind::invalid_input,
              "The XML you provided was not well-formed or did not validate against our published schema",
              "MalformedXML");
}
Error invalid(std::string message) {
  return fail(ErrorKind::invalid_input, std::move(message), "InvalidRequest");
}
Error not_kept(std::string_view what) {
  return fail(ErrorKind::unsupported, "This server does not offer " + std::string(what) + ".", "NotImplemented");
}

pugi::xml_node parsed(pugi::xml_document& document, std::string_view xml, std::string_view root) {
  if (!document.load_buffer(xml.data(), xml.size(), pugi::parse_default, pugi::encoding_utf8)) return {};
  return document.child(std::string(root).c_str());
}

std::vector<std::string> texts(const pugi::xml_node& node, const char* name) {
  std::vector<std::string> out;
  for (const auto child : node.children(name)) out.emplace_back(child.child_value());
  return out;
}

/// Reads a whole number of days from an element, if it is there.
Result<std::optional<int>> days_of(const pugi::xml_node& node, const char* name) {
  if (!node.child(name)) return std::optional<int>();
  const auto value = parse_integer(node.child_value(name));
  if (!value || *value < 1 || *value > kMostDays)
    return fail(ErrorKind::invalid_input, std::string("'") + name + "' must be a positive integer", "InvalidArgument");
  return std::optional(static_cast<int>(*value));
}

/// Whether a text fits a pattern: "*", or text with at most one * in it.
bool matches(std::string_view pattern, std::string_view text, bool ignore_case) {
  const auto same = [&](std::string_view a, std::string_view b) {
    return ignore_case ? equals_ignore_case(a, b) : a == b;
  };
  const auto star = pattern.find('*');
  if (star == std::string_view::npos) return same(pattern, text);
  const auto head = pattern.substr(0, star), tail = pattern.substr(star + 1);
  return text.size() >= head.size() + tail.size() && same(text.substr(0, head.size()), head) &&
         same(text.substr(text.size() - tail.size()), tail);
}

std::string joined(const std::vector<std::string>& parts) {
  std::string out;
  for (const auto& part : parts) out += (out.empty() ? "" : ", ") + part;
  return out;
}

Result<void> check_tags(const Headers& tags, std::size_t most) {
  std::set<std::string_view> keys;
  for (const auto& [key, value] : tags) {
    if (key.empty() || utf8_length(key) > kLongestTagKey || utf8_length(value) > kLongestTagValue ||
        !is_storable_text(key) || !is_storable_text(value))
      return fail(ErrorKind::invalid_input, "The TagKey or TagValue you have provided is invalid", "InvalidTag");
    if (!keys.insert(key).second)
      return fail(ErrorKind::invalid_input, "Cannot provide multiple Tags with the same key", "InvalidTag");
  }
  if (tags.size() > most)
    return fail(ErrorKind::invalid_input, "Tags cannot be greater than " + std::to_string(most), "BadRequest");
  return {};
}

Result<Headers> parse_tags(std::string_view xml, std::size_t most) {
  pugi::xml_document document;
  const auto root = parsed(document, xml, "Tagging");
  const auto set = root.child("TagSet");
  if (!set) return malformed();
  Headers tags;
  for (const auto tag : set.children("Tag")) tags.emplace_back(tag.child_value("Key"), tag.child_value("Value"));
  if (auto ok = check_tags(tags, most); !ok) return ok.error();
  return tags;
}

Result<void> check_encryption(const pugi::xml_node& root) {
  for (const auto rule : root.children("Rule"))
    if (const auto by_default = rule.child("ApplyServerSideEncryptionByDefault")) {
      const std::string_view algorithm = by_default.child_value("SSEAlgorithm");
      if (algorithm != "AES256" && algorithm != "aws:kms" && algorithm != "aws:kms:dsse") return malformed();
    }
  return root.child("Rule") ? Result<void>() : malformed();
}

Result<void> check_public_access_block(const pugi::xml_node& root) {
  for (const auto flag : root.children()) {
    const std::string_view value = flag.child_value();
    if (value != "true" && value != "false" && value != "TRUE" && value != "FALSE") return malformed();
  }
  return {};
}

Result<void> check_ownership(const pugi::xml_node& root) {
  const std::string_view value = root.child("Rule").child_value("ObjectOwnership");
  if (value == "BucketOwnerEnforced") return {};
  if (value == "BucketOwnerPreferred" || value == "ObjectWriter") return not_kept("access control lists");
  return malformed();
}

/// Gives each rule without an ID one that no other has: clients remove and replace rules by it.
void name_rules(const pugi::xml_node& root) {
  std::set<std::string, std::less<>> ids;
  for (const auto rule : root.children("Rule")) ids.insert(rule.child_value("ID"));
  int number = 0;
  for (auto rule : root.children("Rule")) {
    if (*rule.child_value("ID") != '\0') continue;
    std::string id;
    do id = "rule-" + std::to_string(++number);
    while (!ids.insert(id).second);
    rule.remove_child("ID");
    rule.prepend_child("ID").text().set(id.c_str());
  }
}

}  // namespace

const Setting* find_setting(std::string_view query_name) {
  const auto* it =
      std::find_if(std::begin(kSettings), std::end(kSettings), [&](auto& s) { return s.name == query_name; });
  return it == std::end(kSettings) ? nullptr : it;
}

const AbsentSetting* find_absent_setting(std::string_view query_name) {
  const auto* it = std::find_if(std::begin(kAbsent), std::end(kAbsent), [&](auto& s) { return s.name == query_name; });
  return it == std::end(kAbsent) ? nullptr : it;
}

Result<std::string> check_setting(const Setting& setting, std::string_view xml) {
  pugi::xml_document document;
  const auto root = parsed(document, xml, setting.root);
  if (!root) return malformed();
  Result<void> ok;
  if (setting.name == "cors") {
    if (auto rules = parse_cors(xml); !rules) ok = rules.error();
  } else if (setting.name == "lifecycle") {
    if (auto rules = parse_lifecycle(xml); !rules) ok = rules.error();
  } else if (setting.name == "tagging") {
    if (auto tags = parse_tags(xml, kMostBucketTags); !tags) ok = tags.error();
  } else if (setting.name == "encryption") {
    ok = check_encryption(root);
  } else if (setting.name == "publicAccessBlock") {
    ok = check_public_access_block(root);
  } else {
    ok = check_ownership(root);
  }
  if (!ok) return ok.error();
  if (setting.name == "lifecycle") name_rules(root);
  std::ostringstream out;
  root.print(out, "", pugi::format_raw);
  return out.str();
}

Result<std::vector<CorsRule>> parse_cors(std::string_view xml) {
  static const std::set<std::string> kMethods = {"GET", "PUT", "POST", "DELETE", "HEAD"};
  pugi::xml_document document;
  const auto root = parsed(document, xml, "CORSConfiguration");
  std::vector<CorsRule> rules;
  for (const auto node : root.children("CORSRule")) {
    CorsRule rule{texts(node, "AllowedOrigin"),
                  texts(node, "AllowedMethod"),
                  texts(node, "AllowedHeader"),
                  texts(node, "ExposeHeader"),
                  {}};
    if (rule.origins.empty() || rule.methods.empty()) return malformed();
    for (const auto& method : rule.methods)
      if (!kMethods.contains(method))
        return invalid("Found unsupported HTTP method in CORS config. Unsupported method is " + method);
    for (const auto* list : {&rule.origins, &rule.headers})
      for (const auto& text : *list)
        if (std::count(text.begin(), text.end(), '*') > 1)
          return invalid("\"" + text + "\" can not have more than one wildcard.");
    // These texts become headers of answers.
    for (const auto* list : {&rule.origins, &rule.headers, &rule.exposed})
      for (const auto& text : *list)
        if (std::any_of(text.begin(), text.end(), [](char c) { return c < ' ' || c == 127; })) return malformed();
    if (const auto age = node.child("MaxAgeSeconds")) {
      const auto value = parse_integer(age.child_value());
      if (!value || *value < 0 || *value > 1'000'000'000) return malformed();
      rule.max_age_seconds = static_cast<int>(*value);
    }
    rules.push_back(std::move(rule));
  }
  if (rules.empty() || rules.size() > kMostCorsRules) return malformed();
  return rules;
}

Headers cors_headers(const std::vector<CorsRule>& rules, std::string_view origin, std::string_view method,
                     const std::optional<std::string>& requested_headers) {
  for (const auto& rule : rules) {
    const auto fitting = std::find_if(rule.origins.begin(), rule.origins.end(),
                                      [&](const auto& pattern) { return matches(pattern, origin, false); });
    if (fitting == rule.origins.end() ||
        std::find(rule.methods.begin(), rule.methods.end(), method) == rule.methods.end())
      continue;
    std::vector<std::string> wanted;
    if (requested_headers)
      for (auto part : split(*requested_headers, ','))
        if (!trim(part).empty()) wanted.push_back(to_lower(trim(part)));
    const bool allows_all = std::all_of(wanted.begin(), wanted.end(), [&](const auto& header) {
      return std::any_of(rule.headers.begin(), rule.headers.end(),
                         [&](const auto& pattern) { return matches(pattern, header, true); });
    });
    if (!allows_all) continue;
    const bool is_any = *fitting == "*";
    Headers out = {{"access-control-allow-origin", is_any ? "*" : std::string(origin)},
                   {"access-control-allow-methods", joined(rule.methods)},
                   {"vary", "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"}};
    if (!is_any) out.emplace_back("access-control-allow-credentials", "true");
    if (!wanted.empty()) out.emplace_back("access-control-allow-headers", joined(wanted));
    if (!rule.exposed.empty()) out.emplace_back("access-control-expose-headers", joined(rule.exposed));
    if (rule.max_age_seconds) out.emplace_back("access-control-max-age", std::to_string(*rule.max_age_seconds));
    return out;
  }
  return {};
}

Result<std::vector<LifecycleRule>> parse_lifecycle(std::string_view xml) {
  pugi::xml_document document;
  const auto root = parsed(document, xml, "LifecycleConfiguration");
  std::vector<LifecycleRule> rules;
  std::set<std::string> ids;
  for (const auto node : root.children("Rule")) {
    LifecycleRule rule;
    rule.id = node.child_value("ID");
    if (utf8_length(rule.id) > kLongestRuleId)
      return fail(ErrorKind::invalid_input, "ID length should not exceed allowed limit of 255", "InvalidArgument");
    if (!rule.id.empty() && !ids.insert(rule.id).second)
      return fail(ErrorKind::invalid_input, "Rule ID must be unique. Found same ID for more than one rule",
                  "InvalidArgument");
    const std::string_view status = node.child_value("Status");
    if (status != "Enabled" && status != "Disabled") return malformed();
    rule.is_enabled = status == "Enabled";
    const auto filter = node.child("Filter");
    for (const auto part : filter.children())
      if (std::string_view(part.name()) != "Prefix") return not_kept("lifecycle filters other than a prefix");
    rule.prefix = filter ? filter.child_value("Prefix") : node.child_value("Prefix");
    for (const char* other : {"Transition", "NoncurrentVersionTransition"})
      if (node.child(other)) return not_kept("other storage classes");
    const auto expiration = node.child("Expiration");
    if (expiration.child("Date")) return not_kept("expiry on a date");
    const auto days = days_of(expiration, "Days");
    const auto noncurrent = node.child("NoncurrentVersionExpiration");
    const auto noncurrent_days = days_of(noncurrent, "NoncurrentDays");
    const auto newer = days_of(noncurrent, "NewerNoncurrentVersions");
    const auto abort = days_of(node.child("AbortIncompleteMultipartUpload"), "DaysAfterInitiation");
    for (const auto* value : {&days, &noncurrent_days, &newer, &abort})
      if (!*value) return value->error();
    rule.days = *days;
    rule.removes_lone_markers = std::string_view(expiration.child_value("ExpiredObjectDeleteMarker")) == "true";
    rule.noncurrent_days = *noncurrent_days;
    rule.newer_noncurrent = newer->value_or(0);
    rule.abort_upload_days = *abort;
    if (noncurrent && !rule.noncurrent_days) return malformed();
    if (!rule.days && !rule.removes_lone_markers && !rule.noncurrent_days && !rule.abort_upload_days)
      return invalid("At least one action needs to be specified in a rule");
    rules.push_back(std::move(rule));
  }
  if (rules.empty() || rules.size() > kMostRules) return malformed();
  return rules;
}

Result<bool> parse_versioning(std::string_view xml) {
  pugi::xml_document document;
  const auto root = parsed(document, xml, "VersioningConfiguration");
  const std::string_view status = root.child_value("Status");
  for (const char* name : {"MfaDelete", "MFADelete"})
    if (std::string_view(root.child_value(name)) == "Enabled") return not_kept("MFA delete");
  if (status != "Enabled" && status != "Suspended") return malformed();
  return status == "Enabled";
}

Result<bool> is_private_acl(std::string_view xml, std::string_view owner) {
  pugi::xml_document document;
  const auto list = parsed(document, xml, "AccessControlPolicy").child("AccessControlList");
  if (!list) return malformed();
  for (const auto grant : list.children("Grant"))
    if (std::string_view(grant.child("Grantee").child_value("ID")) != owner ||
        std::string_view(grant.child_value("Permission")) != "FULL_CONTROL")
      return false;
  return true;
}

Result<Headers> parse_tagging(std::string_view xml) {
  return parse_tags(xml, kMostObjectTags);
}

Result<Headers> parse_tagging_header(std::string_view header) {
  Headers tags;
  for (auto part : split(header, '&')) {
    if (part.empty()) continue;
    const auto equals = part.find('=');
    auto key = uri_decode(part.substr(0, equals));
    auto value = uri_decode(equals == std::string_view::npos ? std::string_view() : part.substr(equals + 1));
    if (!key || !value)
      return fail(ErrorKind::invalid_input,
                  "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without "
                  "tag name duplicates.",
                  "InvalidArgument");
    tags.emplace_back(std::move(*key), std::move(*value));
  }
  if (auto ok = check_tags(tags, kMostObjectTags); !ok) return ok.error();
  return tags;
}

std::string encode_tagging(const Headers& tags) {
  std::string out =
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Tagging xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><TagSet>";
  for (const auto& [key, value] : tags)
    out += fmt::format("<Tag><Key>{}</Key><Value>{}</Value></Tag>", xml_escape(key), xml_escape(value));
  return out + "</TagSet></Tagging>";
}

}  // namespace vedette::s3
