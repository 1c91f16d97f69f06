#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "api/json_errors.hpp"
#include "api/lookoutvision/messages.hpp"
#include "api/s3/messages.hpp"
#include "api/sts/messages.hpp"
#include "api/vedette/messages.hpp"

namespace vedette {
namespace {

using Json = nlohmann::json;
const ApiModel& model() {
  return lookoutvision::api_model();
}

const Operation& operation(const std::string& name) {
  for (const auto& op : model().operations())
    if (op.name == name) return op;
  throw std::logic_error(name);
}

TEST(ApiModel, AllOperationsAreThereAndRoute) {
  EXPECT_EQ(model().operations().size(), 22U);
  EXPECT_EQ(extension::api_model().operations().size(), 50U);
  for (const auto& op : model().operations()) {
    std::string path;
    for (const auto& segment : op.path) path += "/" + (segment.starts_with('{') ? "x1" : segment);
    const auto route = model().route(op.method, path);
    ASSERT_TRUE(route) << op.name;
    EXPECT_EQ(route->operation->name, op.name);
    EXPECT_EQ(op.action, "lookoutvision:" + op.name);
    for (const auto& error : op.errors) EXPECT_TRUE(model().find_error(error)) << error;
    // A longer path is another operation or none. Tags are the exception: there an unescaped ARN may hold slashes.
    const auto longer = model().route(op.method, path + "/more");
    if (op.resource == "arn") continue;
    EXPECT_TRUE(!longer || longer->operation != route->operation) << op.name;
  }
}

TEST(ApiModel, LabelsAreDecodedAndArnsMayBeUnescaped) {
  EXPECT_EQ(model().route("GET", "/2020-11-20/tags/arn%3Aaws%3Ax%2Fp%2F1")->labels.at("resourceArn"), "arn:aws:x/p/1");
  EXPECT_EQ(model().route("GET", "/2020-11-20/tags/arn:aws:x/p/1")->labels.at("resourceArn"), "arn:aws:x/p/1");
  EXPECT_FALSE(model().route("GET", "/2020-11-20/projects/%zz"));
  EXPECT_FALSE(model().route("GET", "/2020-11-20/projects/"));
}

/// Returns a text of this length that fits the type's pattern.
std::string text_of(const ApiType& type, std::int64_t length) {
  for (const char c : {'a', '1'}) {
    std::string text(static_cast<std::size_t>(length), c);
    if (type.pattern_text.empty() || type.pattern_text.find("a-z") != std::string::npos ||
        type.pattern_text.find(".*") != std::string::npos)
      return text;
    if (type.pattern_text.find("0-9") != std::string::npos) return std::string(static_cast<std::size_t>(length), '1');
  }
  return std::string(static_cast<std::size_t>(length), 'a');
}

TEST(ApiModel, LengthsPassAtTheLimitAndFailJustOutside) {
  int checked = 0;
  for (const auto& op : model().operations())
    for (const auto& member : op.input) {
      if (member.type->kind != ValueKind::string || member.place == InputPlace::payload || !member.type->values.empty())
        continue;
      if (member.type->pattern_text.find('|') != std::string::npos && member.type->name != "ModelVersion")
        continue;  // The member takes fixed words only.
      const auto try_length = [&](std::int64_t length) {
        OperationInput input;
        Json body = Json::object();
        for (const auto& m : op.input) {
          std::string text = &m == &member ? text_of(*m.type, length)
                             : m.type->kind == ValueKind::string
                                 ? text_of(*m.type, std::max<std::int64_t>(1, m.type->minimum.value_or(1)))
                                 : "1";
          if (m.name == "DatasetType") text = "train";
          if (!m.is_required && &m != &member) continue;
          if (m.place == InputPlace::path) input.path_labels[m.wire_name] = text;
          if (m.place == InputPlace::query) input.query.emplace_back(m.wire_name, text);
          if (m.place == InputPlace::header) input.headers.emplace_back(m.wire_name, text);
          if (m.place == InputPlace::body) {
            if (m.type->kind == ValueKind::string)
              body[m.wire_name] = text;
            else if (m.type->kind == ValueKind::integer)
              body[m.wire_name] = 1;
            else if (m.name == "OutputConfig")
              body[m.wire_name] = {{"S3Location", {{"Bucket", "bbb"}}}};
            else if (m.name == "Configuration")
              body[m.wire_name] = {{"Greengrass", {{"S3OutputLocation", {{"Bucket", "bbb"}}}, {"ComponentName", "c"}}}};
            else if (m.name == "Tags")
              body[m.wire_name] = Json::array();
            else if (m.name == "Changes")
              body[m.wire_name] = "eHg=";
          }
        }
        const std::string text = body.dump();
        input.body = text;
        return model().decode(op, input);
      };
      if (member.type->maximum) {
        EXPECT_TRUE(try_length(*member.type->maximum))
            << op.name << "." << member.name << ": " << try_length(*member.type->maximum).error().message;
        EXPECT_FALSE(try_length(*member.type->maximum + 1)) << op.name << "." << member.name;
        ++checked;
      }
      if (member.type->minimum.value_or(0) > 0) {
        EXPECT_TRUE(try_length(*member.type->minimum)) << op.name << "." << member.name;
        EXPECT_FALSE(try_length(*member.type->minimum - 1)) << op.name << "." << member.name;
      }
    }
  EXPECT_GT(checked, 40);
}

TEST(ApiModel, BodiesThatAreNestedTooDeeplyAreRefusedBeforeTheyAreParsed) {
  OperationInput input;
  input.path_labels = {{"projectName", "p"}, {"modelVersion", "1"}};
  const auto start = [&](const std::string& unknown) {
    const std::string body = R"({"MinInferenceUnits":1,"Unknown":)" + unknown + "}";
    input.body = body;
    return model().decode(operation("StartModel"), input);
  };
  EXPECT_TRUE(start(std::string(60, '[') + std::string(60, ']')));
  EXPECT_TRUE(start("\"" + std::string(1000, '[') + R"(\"{{{\\)" + "\""));  // brackets of a text
  EXPECT_EQ(start(std::string(100, '[') + std::string(100, ']')).error().message, "The request is nested too deeply.");
  EXPECT_EQ(start(std::string(500'000, '[')).error().message, "The request is nested too deeply.");
}

TEST(ApiModel, TextsThatNoDatabaseCanStoreAreRefused) {
  OperationInput input;
  input.path_labels = {{"projectName", "p"}};
  const auto refusal = [&](const char* name) {
    const auto decoded = model().decode(operation(name), input);
    return decoded ? std::string("no error") : decoded.error().code + decoded.error().message;
  };
  const std::string rule = "' failed to satisfy constraint: Member must be UTF-8 text without NUL characters";
  input.body = R"({"Description":"good\u0000bad"})";
  EXPECT_EQ(refusal("CreateModel"), "1 validation error detected: Value 'good' at 'description" + rule);
  input.body = R"({"OutputConfig":{"S3Location":{"Bucket":"bbb"}},"Tags":[{"Key":"k","Value":"\u0000"}]})";
  EXPECT_EQ(refusal("CreateModel"), "1 validation error detected: Value '' at 'tags.1.member.value" + rule);
  input.body = "{\"Description\":\"\xff\"}";
  EXPECT_EQ(refusal("CreateModel"), "SerializationExceptionThe request body is not a JSON object.");
  input.body = R"({"Description":"\ud800"})";
  EXPECT_EQ(refusal("CreateModel"), "SerializationExceptionThe request body is not a JSON object.");
  input.body = "{}";
  for (const std::string& bad : {std::string("p\0", 2), std::string("p\xff"), std::string("p\xc0\x80")}) {
    input.path_labels["projectName"] = bad;
    EXPECT_EQ(refusal("CreateModel"), "1 validation error detected: Value 'p' at 'projectName" + rule);
  }
  input.path_labels["projectName"] = "p";
  input.headers = {{"x-amzn-client-token", "\xed\xa0\x80"}};
  EXPECT_EQ(refusal("CreateModel"), "1 validation error detected: Value '' at 'clientToken" + rule);
  input.path_labels["datasetType"] = "train";
  input.query = {{"sourceRefContains", "a\xc3"}};
  EXPECT_EQ(refusal("ListDatasetEntries"), "1 validation error detected: Value 'a' at 'sourceRefContains" + rule);
}

TEST(ApiModel, RequiredMembersAndRangesAndEnums) {
  OperationInput input;
  input.path_labels = {{"projectName", "p"}, {"modelVersion", "1"}};
  const auto start = [&](const std::string& body) {
    input.body = body;
    return model().decode(operation("StartModel"), input);
  };
  EXPECT_TRUE(start(R"({"MinInferenceUnits":1})"));
  EXPECT_FALSE(start(R"({"MinInferenceUnits":0})"));
  EXPECT_FALSE(start("{}"));
  EXPECT_EQ(start(R"({"MinInferenceUnits":"1"})").error().code, "SerializationException");
  EXPECT_EQ(start(R"({"MinInferenceUnits":1.5})").error().code, "SerializationException");
  EXPECT_FALSE(start(R"({"MinInferenceUnits":18446744073709551615})"));
  input.path_labels["modelVersion"] = "latest";
  EXPECT_TRUE(start(R"({"MinInferenceUnits":1})"));
  EXPECT_FALSE(model().decode(operation("DeleteModel"), input));
  input.path_labels["modelVersion"] = "01";
  EXPECT_FALSE(start(R"({"MinInferenceUnits":1})"));
  input.path_labels = {{"projectName", "p"}, {"datasetType", "TRAIN"}};
  EXPECT_FALSE(model().decode(operation("DescribeDataset"), input));
}

TEST(Errors, EveryKindHasItsNameAndStatus) {
  const auto wire = [](const Error& e) { return encode_json_error(model(), e); };
  EXPECT_EQ(wire(invalid_input("m")).status, 400);
  EXPECT_EQ(wire(conflict("MODEL", "1", "m")).body, R"({"Message":"m","ResourceId":"1","ResourceType":"MODEL"})");
  EXPECT_EQ(wire(not_found("PROJECT", "p", "m")).name, "ResourceNotFoundException");
  EXPECT_EQ(wire(fail(ErrorKind::quota_exceeded, "m", "L-X")).status, 402);
  EXPECT_EQ(wire(fail(ErrorKind::quota_exceeded, "m", "L-X")).body,
            R"({"Message":"m","QuotaCode":"L-X","ServiceCode":"lookoutvision"})");
  EXPECT_EQ(wire(fail(ErrorKind::throttled, "m")).status, 429);
  EXPECT_EQ(wire(fail(ErrorKind::throttled, "m")).body, R"({"Message":"m","ServiceCode":"lookoutvision"})");
  EXPECT_GT(wire(internal_error("m")).retry_after_seconds, 0);
  EXPECT_EQ(wire(fail(ErrorKind::not_found, "m", "UnknownOperationException")).name, "UnknownOperationException");
  EXPECT_EQ(wire(fail(ErrorKind::unauthenticated, "m", "InvalidAccessKeyId")).name, "UnrecognizedClientException");
  EXPECT_EQ(wire(fail(ErrorKind::unauthenticated, "m", "InvalidToken")).name, "InvalidClientTokenId");
  EXPECT_EQ(wire(fail(ErrorKind::unauthenticated, "m", "ExpiredToken")).name, "ExpiredTokenException");
  EXPECT_EQ(s3::encode_error(fail(ErrorKind::unauthenticated, "m", "ExpiredToken"), "/", "id").status, 400);
  EXPECT_EQ(wire(internal_error("m")).name, "InternalServerException");
}

TEST(Messages, NumbersAreFloat32Exact) {
  lookoutvision::DetectionResult r;
  r.confidence = 0.98397589F;
  EXPECT_EQ(
      lookoutvision::encode_detection(r).dump(),
      R"({"DetectAnomalyResult":{"Confidence":0.983975887298584,"IsAnomalous":false,"Source":{"Type":"direct"}}})");
  r.segmentation = {{{"background", "#FFFFFF", static_cast<float>(8008.0 / 442368)}}, "png"};
  EXPECT_NE(lookoutvision::encode_detection(r).dump().find("0.018102575093507767"), std::string::npos);
}

TEST(Sts, OnlyTwoActionsAreOffered) {
  using Action = sts::Request::Action;
  EXPECT_EQ(sts::parse_request("Version=2011-06-15&Action=GetCallerIdentity")->action, Action::get_caller_identity);
  EXPECT_EQ(sts::parse_request("Action=Get%53essionToken&Version=2011-06-15")->action, Action::get_session_token);
  EXPECT_EQ(sts::parse_request("Action=AssumeRole&Version=2011-06-15").error().code, "InvalidAction");
  EXPECT_EQ(sts::parse_request("").error().code, "MissingAction");
  EXPECT_EQ(sts::parse_request("Action").error().code, "MissingAction");
  EXPECT_FALSE(sts::parse_request("Action=%zz"));
  EXPECT_NE(sts::encode_caller_identity("1", "a<b", "arn:x", "id").find("<UserId>a&lt;b</UserId>"), std::string::npos);
  EXPECT_EQ(sts::encode_error(fail(ErrorKind::unauthenticated, "m", "InvalidAccessKeyId"), "id").status, 403);
  EXPECT_NE(sts::encode_error(fail(ErrorKind::unauthenticated, "m", "InvalidToken"), "id")
                .body.find("<Code>InvalidClientTokenId</Code>"),
            std::string::npos);
  EXPECT_EQ(sts::encode_error(fail(ErrorKind::unauthenticated, "m", "ExpiredToken"), "id").code, "ExpiredToken");
}

TEST(Sts, ASessionLasts15MinutesTo36Hours) {
  const auto parse = [](const std::string& more) { return sts::parse_request("Action=GetSessionToken" + more); };
  EXPECT_EQ(parse("")->duration, std::chrono::hours(12));
  EXPECT_EQ(parse("&DurationSeconds=900")->duration, std::chrono::seconds(900));
  EXPECT_EQ(parse("&DurationSeconds=129600")->duration, std::chrono::hours(36));
  for (const char* bad : {"899", "129601", "-900", "", "1h", "99999999999999999999"})
    EXPECT_EQ(parse(std::string("&DurationSeconds=") + bad).error().code, "ValidationError") << bad;
  for (const char* mfa : {"&SerialNumber=arn%3Aaws%3Aiam", "&TokenCode=123456"}) {
    const auto refused = parse(mfa);
    ASSERT_FALSE(refused) << mfa;
    EXPECT_NE(refused.error().message.find("multi-factor"), std::string::npos) << refused.error().message;
  }
}

TEST(Sts, ASessionIsWrittenAsClientsReadIt) {
  const auto text =
      sts::encode_session_token({"ASIAX", "s/1", "t+/=", Timestamp(std::chrono::milliseconds(1'500))}, "id");
  EXPECT_EQ(text,
            "<GetSessionTokenResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetSessionTokenResult>"
            "<Credentials><AccessKeyId>ASIAX</AccessKeyId><SecretAccessKey>s/1</SecretAccessKey><SessionToken>t+/="
            "</SessionToken><Expiration>1970-01-01T00:00:01Z</Expiration></Credentials></GetSessionTokenResult>"
            "<ResponseMetadata><RequestId>id</RequestId></ResponseMetadata></GetSessionTokenResponse>");
}

TEST(S3, PathsAreSplitAndReservedNamesRefused) {
  const auto request = s3::parse_request("GET", "/bucket/a%20b//c", "", false);
  ASSERT_TRUE(request);
  EXPECT_EQ(request->bucket, "bucket");
  EXPECT_EQ(request->key, "a b//c");
  EXPECT_EQ(s3::parse_request("PUT", "/console/x", "", false).error().code, "InvalidBucketName");
  EXPECT_EQ(s3::parse_request("PUT", "/2020-11-20/x", "", false).error().code, "InvalidBucketName");
  EXPECT_EQ(s3::parse_request("PUT", "/.vedette/x", "", false).error().code, "InvalidBucketName");
  EXPECT_EQ(s3::parse_request("POST", "/bucket/key", "select", false).error().code, "NotImplemented");
  EXPECT_EQ(s3::parse_request("POST", "/bucket/key", "uploads", false)->kind,
            s3::OperationKind::create_multipart_upload);
  EXPECT_EQ(s3::parse_request("PUT", "/bucket/key", "partNumber=1&uploadId=x", true)->kind,
            s3::OperationKind::upload_part_copy);
  EXPECT_EQ(s3::parse_request("GET", "/bucket/%zz", "", false).error().code, "InvalidURI");
  EXPECT_EQ(s3::parse_request("GET", "/bucket/%ff", "", false).error().code, "InvalidURI");
  EXPECT_EQ(s3::parse_request("GET", "/bucket/a%00", "", false).error().code, "InvalidURI");
}

TEST(S3, BodiesAreReadOrRefused) {
  const auto request = s3::parse_delete(
      R"(<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Object><Key>a &amp; b</Key><VersionId>7</VersionId></Object><Object><Key> </Key></Object><Quiet>true</Quiet></Delete>)");
  ASSERT_TRUE(request);
  ASSERT_EQ(request->objects.size(), 2U);
  EXPECT_EQ(request->objects[0].key, "a & b");
  EXPECT_EQ(request->objects[0].version_id, "7");
  EXPECT_EQ(request->objects[1].key, " ");
  EXPECT_FALSE(request->objects[1].version_id);
  EXPECT_TRUE(request->is_quiet);
  for (const char* bad : {"", "<Delete>", "<Delete/>", "<Other/>", "<Delete><Object><Key/></Object></Delete>", "{}"})
    EXPECT_EQ(s3::parse_delete(bad).error().code, "MalformedXML") << bad;
  const auto parts = s3::parse_complete(
      "<CompleteMultipartUpload><Part><PartNumber>2</PartNumber><ETag>\"abc\"</ETag></Part></CompleteMultipartUpload>");
  ASSERT_TRUE(parts);
  EXPECT_EQ(parts->at(0), (std::pair<int, std::string>(2, "abc")));
  EXPECT_EQ(s3::parse_complete("<CompleteMultipartUpload/>").error().code, "MalformedXML");
  EXPECT_EQ(s3::parse_copy_source("/b/a%20b//c")->key, "a b//c");
  EXPECT_EQ(s3::parse_copy_source("b/k%3F?versionId=1")->version_id, "1");
  EXPECT_EQ(s3::parse_copy_source("b/k%3F?versionId=1")->key, "k?");
  for (const char* bad : {"", "b", "/b", "b/", "%zz/k", "b/k?versionId=", "b/k?x", "b/k?versionId=a%0d%0ab"})
    EXPECT_EQ(s3::parse_copy_source(bad).error().code, "InvalidArgument") << bad;
}

TEST(S3, SubresourcesAreNeverMistakenForThePlainOperation) {
  const auto kind = [](const char* method, const char* path, const char* query) {
    const auto request = s3::parse_request(method, path, query, false);
    return request ? std::optional(request->kind) : std::nullopt;
  };
  using Kind = s3::OperationKind;
  EXPECT_EQ(kind("GET", "/bucket", "versioning"), Kind::get_versioning);
  EXPECT_EQ(kind("GET", "/bucket", "versions&prefix=x"), Kind::list_object_versions);
  EXPECT_EQ(kind("DELETE", "/bucket", "cors="), Kind::delete_setting);
  EXPECT_EQ(kind("GET", "/bucket", "policy"), Kind::get_absent_setting);
  EXPECT_EQ(kind("DELETE", "/bucket/k", "versionId=1"), Kind::delete_object);
  EXPECT_EQ(s3::parse_request("DELETE", "/bucket/k", "versionId=1", false)->action, "s3:DeleteObjectVersion");
  EXPECT_EQ(kind("GET", "/bucket/cors", "prefix"), Kind::get_object);
  for (const auto& [method, path, query] :
       {std::tuple("DELETE", "/bucket", "versioning"), std::tuple("DELETE", "/bucket", "policy"),
        std::tuple("PUT", "/bucket", "notification"), std::tuple("DELETE", "/bucket", "versions"),
        std::tuple("PUT", "/bucket/k", "uploads"), std::tuple("DELETE", "/bucket/k", "acl"),
        std::tuple("PUT", "/bucket/k", "retention"), std::tuple("PUT", "/", ""), std::tuple("POST", "/bucket", "")})
    EXPECT_EQ(s3::parse_request(method, path, query, false).error().code, "NotImplemented") << method << path << query;
}

TEST(S3, SettingsThatCouldNotBeKeptAreRefused) {
  const auto code = [](const char* name, const std::string& xml) {
    const auto document = s3::check_setting(*s3::find_setting(name), xml);
    return document ? *document : document.error().code;
  };
  const auto lifecycle = [&](const std::string& inner) {
    return code("lifecycle", "<LifecycleConfiguration><Rule><ID>r</ID><Status>Enabled</Status>" + inner +
                                 "</Rule></LifecycleConfiguration>");
  };
  EXPECT_TRUE(
      lifecycle("<Filter><Prefix>a/</Prefix></Filter><Expiration><Days>3</Days></Expiration>").starts_with("<Life"));
  EXPECT_EQ(lifecycle("<Filter/>"), "InvalidRequest");
  EXPECT_EQ(lifecycle("<Expiration><Days>0</Days></Expiration>"), "InvalidArgument");
  EXPECT_EQ(lifecycle("<Filter><Tag/></Filter><Expiration><Days>3</Days></Expiration>"), "NotImplemented");
  EXPECT_EQ(lifecycle("<Transition><Days>3</Days></Transition>"), "NotImplemented");
  EXPECT_EQ(lifecycle("<NoncurrentVersionExpiration><NewerNoncurrentVersions>3</NewerNoncurrentVersions>"
                      "</NoncurrentVersionExpiration>"),
            "MalformedXML");
  EXPECT_EQ(code("lifecycle", "<LifecycleConfiguration/>"), "MalformedXML");
  EXPECT_EQ(
      code("cors", "<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin></CORSRule></CORSConfiguration>"),
      "MalformedXML");
  EXPECT_EQ(code("cors",
                 "<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>PATCH</AllowedMethod>"
                 "</CORSRule></CORSConfiguration>"),
            "InvalidRequest");
  EXPECT_EQ(code("ownershipControls",
                 "<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule>"
                 "</OwnershipControls>"),
            "NotImplemented");
  EXPECT_EQ(code("encryption",
                 "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>"
                 "<SSEAlgorithm>none</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule>"
                 "</ServerSideEncryptionConfiguration>"),
            "MalformedXML");
  EXPECT_EQ(s3::parse_versioning("<VersioningConfiguration><Status>On</Status></VersioningConfiguration>").error().code,
            "MalformedXML");
  EXPECT_EQ(s3::parse_tagging_header("a=1&a=2").error().code, "InvalidTag");
  EXPECT_EQ(s3::parse_tagging_header("a%20b=c%3D")->at(0), (std::pair<std::string, std::string>("a b", "c=")));
}

TEST(S3, LifecycleRulesHaveIdsOfTheirOwn) {
  const auto kept = [](const std::vector<std::string>& ids) {
    std::string xml = "<LifecycleConfiguration>";
    for (const auto& id : ids)
      xml += "<Rule>" + (id.empty() ? "" : "<ID>" + id + "</ID>") +
             "<Status>Enabled</Status><Prefix/><Expiration><Days>3</Days></Expiration></Rule>";
    const auto document = s3::check_setting(*s3::find_setting("lifecycle"), xml + "</LifecycleConfiguration>");
    if (!document) return document.error().code;
    std::string out;
    const auto rules = s3::parse_lifecycle(*document);
    for (const auto& rule : *rules) out += rule.id + " ";
    return out;
  };
  EXPECT_EQ(kept({"", "mine", "rule-2", ""}), "rule-1 mine rule-2 rule-3 ");
  EXPECT_EQ(kept({"mine", "mine"}), "InvalidArgument");
  EXPECT_EQ(kept({std::string(256, 'x')}), "InvalidArgument");
  EXPECT_EQ(kept({std::string(255, 'x')}), std::string(255, 'x') + " ");
}

TEST(S3, TheFirstFittingCorsRuleAnswers) {
  const auto rules = *s3::parse_cors(
      "<CORSConfiguration><CORSRule><AllowedOrigin>https://*.plant.example</AllowedOrigin><AllowedMethod>PUT</"
      "AllowedMethod>"
      "<AllowedHeader>x-amz-*</AllowedHeader><ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds>60</MaxAgeSeconds></"
      "CORSRule>"
      "<CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>");
  const auto allowed = [&](const char* origin, const char* method, const std::optional<std::string>& headers) {
    const auto answer = s3::cors_headers(rules, origin, method, headers);
    return answer.empty() ? std::string() : answer[0].second;
  };
  EXPECT_EQ(allowed("https://a.plant.example", "PUT", "X-Amz-Date, x-amz-acl"), "https://a.plant.example");
  EXPECT_EQ(allowed("https://a.plant.example", "PUT", "content-type"), "");
  EXPECT_EQ(allowed("https://a.plant.example", "DELETE", std::nullopt), "");
  EXPECT_EQ(allowed("https://plant.example", "PUT", std::nullopt), "");
  EXPECT_EQ(allowed("http://elsewhere", "GET", std::nullopt), "*");
}

TEST(S3, RangesAreReadAsS3ReadsThem) {
  const auto range = [](const char* header) { return s3::parse_range(header, 10); };
  EXPECT_EQ((*range("bytes=0-"))->last, 9U);
  EXPECT_EQ((*range("bytes=-4"))->first, 6U);
  EXPECT_EQ((*range("bytes=8-100"))->last, 9U);
  EXPECT_FALSE(*range("bytes=a-b"));
  EXPECT_FALSE(*range("bytes=0-1,3-4"));
  EXPECT_EQ(range("bytes=10-11").error().code, "InvalidRange");
  const auto copied = s3::parse_copy_range("bytes=1-4", 5);
  ASSERT_TRUE(copied);
  EXPECT_EQ(copied->first, 1U);
  EXPECT_EQ(copied->last, 4U);
  EXPECT_EQ(s3::parse_copy_range("bytes=0-21", 5).error().code, "InvalidRange");
  for (const char* text : {"0-2", "bytes=0", "bytes=hello", "bytes=hello-world", "bytes=0-bar", "bytes=hello-",
                           "bytes=-3", "bytes=0-2,3-5", "bytes=3-2", "bytes=+1-2", "bytes= 1-2", "-bytes=", ""})
    EXPECT_EQ(s3::parse_copy_range(text, 5).error().code, "InvalidArgument") << text;
}

TEST(S3, VersionIdsCannotBecomePartsOfAHead) {
  for (const char* bad : {"a%0d%0aset-cookie:%20x", "a%00", "", "a%20b", "%ff"})
    EXPECT_EQ(s3::parse_request("DELETE", "/bucket/k", std::string("versionId=") + bad, false).error().code,
              "InvalidArgument")
        << bad;
  for (const char* good : {"null", "3sL4kqtJlcpXroDTDmJ%2BrmSpXd3dIbrHY", "a.b_c-d~"})
    EXPECT_TRUE(s3::parse_request("DELETE", "/bucket/k", std::string("versionId=") + good, false)) << good;
}

TEST(S3, AnErrorNamesTheHeadersThatAreNotSigned) {
  const Error error{ErrorKind::access_denied, "m", "AccessDenied", "HeadersNotSigned", "x-amz-acl", 0};
  EXPECT_NE(s3::encode_error(error, "/b/k", "id").body.find("<HeadersNotSigned>x-amz-acl</HeadersNotSigned>"),
            std::string::npos);
}

}  // namespace
}  // namespace vedette
