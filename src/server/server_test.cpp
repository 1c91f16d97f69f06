#include "server/server.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "base/files.hpp"
#include "base/text.hpp"
#include "http_client/credentials.hpp"
#include "http_client/http_client.hpp"
#include "server/data_folder.hpp"

namespace vedette {
namespace {

class InProcess : public testing::Test {
 protected:
  [[nodiscard]] ServerSettings settings() const {
    ServerSettings settings;
    settings.data = folder_.root.string();
    settings.listen = "127.0.0.1:0";
    settings.cores = 1;
    return settings;
  }

  static std::string endpoint(const Server& server) { return "http://127.0.0.1:" + std::to_string(server.port()); }

  /// Sends a request that is signed with the first key and returns the server's answer.
  [[nodiscard]] HttpResponse call(const Server& server, const char* service, const char* method,
                                  const std::string& path, std::string_view body = {}) const {
    const auto credentials = read_credentials(folder_.credentials(), "default");
    EXPECT_TRUE(credentials);
    ServiceClientOptions options;
    options.endpoint = endpoint(server);
    options.credentials = *credentials;
    ServiceClient::Call request;
    request.service = service;
    request.method = method;
    request.path = path;
    request.body = body;
    auto answer = ServiceClient(options).send(request);
    EXPECT_TRUE(answer) << (answer ? "" : answer.error().message);
    return answer ? *answer : HttpResponse{};
  }

  TemporaryFolder place_;
  DataFolder folder_{place_.path() / "data"};
};

TEST_F(InProcess, AServerAnswersAndKeepsWhatItHasWhenItStartsAgain) {
  {
    Server server(settings());
    server.start();
    const auto health = Transport({}).send("GET", endpoint(server) + "/healthz", {}, "");
    ASSERT_TRUE(health);
    EXPECT_EQ(health->body, "ok\n");
    EXPECT_EQ(call(server, "s3", "PUT", "/line7").status, 200);
    server.stop();
  }
  Server server(settings());
  server.start();
  const auto listing = call(server, "s3", "GET", "/");
  EXPECT_EQ(listing.status, 200);
  EXPECT_NE(listing.body.find("<Name>line7</Name>"), std::string::npos) << listing.body;
}

/// Returns the number that follows NAME= in a log line.
double number_after(const std::string& line, const std::string& name) {
  const auto at = line.find(" " + name + "=");
  EXPECT_NE(at, std::string::npos) << name << " is missing in " << line;
  return at == std::string::npos ? 0 : std::stod(line.substr(at + name.size() + 2));
}

TEST_F(InProcess, TheLinesOfARequestAndOfItsJobNameTheRequestAndItsStages) {
  testing::internal::CaptureStderr();
  std::string request;
  {
    Server server(settings());
    server.start();
    const auto api = [&](const char* method, const char* path, const char* body) {
      return call(server, "lookoutvision", method, std::string("/2020-11-20/projects") + path, body);
    };
    EXPECT_EQ(api("POST", "", R"({"ProjectName":"p"})").status, 200);
    const auto created = api("POST", "/p/datasets",
                             R"({"DatasetType":"train","DatasetSource":)"
                             R"({"GroundTruthManifest":{"S3Object":{"Bucket":"none","Key":"m"}}}})");
    EXPECT_EQ(created.status, 202) << created.body;
    request = header_value(created.headers, "x-amzn-requestid");
    while (api("GET", "/p/datasets/train", "").body.find("CREATE_IN_PROGRESS") != std::string::npos)
      std::this_thread::yield();
  }
  const auto text = testing::internal::GetCapturedStderr();
  std::string served, imported;
  for (const auto line : split(text, '\n')) {
    if (!line.ends_with(" request=" + request)) continue;
    if (line.find(" info request operation=CreateDataset ") != std::string_view::npos) served = line;
    if (line.find(" info dataset imported project=p ") != std::string_view::npos) imported = line;
  }
  ASSERT_FALSE(served.empty()) << text;
  ASSERT_FALSE(imported.empty()) << text;
  EXPECT_NE(imported.find(" job=1 "), std::string::npos) << imported;
  double stages = 0;
  for (const char* name : {"body_ms", "wait_ms", "verify_ms", "work_ms"}) stages += number_after(served, name);
  EXPECT_NEAR(number_after(served, "ms"), stages, 0.05) << served;
  EXPECT_GT(number_after(served, "work_ms"), 0);
}

TEST_F(InProcess, ASecondServerOnTheSameFolderIsRefused) {
  const Server first(settings());
  try {
    const Server second(settings());
    FAIL() << "two servers use one folder";
  } catch (const std::runtime_error& e) {
    EXPECT_EQ(std::string(e.what()), "another vedette serve uses " + folder_.root.string());
  }
}

TEST_F(InProcess, SettingsThatDoNotGoTogetherAreRefusedBeforeAnythingIsMade) {
  const auto refusal = [](const ServerSettings& settings) -> std::string {
    try {
      const Server server(settings);
      return "";
    } catch (const std::runtime_error& e) {
      return e.what();
    }
  };
  auto wrong = settings();
  wrong.account = "12345";
  EXPECT_EQ(refusal(wrong), "--account wants 12 DIGITS, not 12345");
  wrong = settings();
  wrong.cores = 0;
  EXPECT_EQ(refusal(wrong), "--cores wants 1..1024, not 0");
  wrong = settings();
  wrong.listen = "0.0.0.0:0";
  EXPECT_NE(refusal(wrong).find("plain HTTP is offered on loopback only"), std::string::npos);
  wrong = settings();
  wrong.tls_key = "key.pem";
  EXPECT_EQ(refusal(wrong), "--tls-cert and --tls-key go together");
  wrong = settings();
  wrong.metrics_access = "token";
  EXPECT_EQ(refusal(wrong), "--metrics-access token and --metrics-token-file go together");
  EXPECT_FALSE(std::filesystem::exists(folder_.root));
}

}  // namespace
}  // namespace vedette
