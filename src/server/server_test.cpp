#include "server/server.hpp"

#include <gtest/gtest.h>

#include "base/files.hpp"
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

  /// What the server's S3 service answers to a request that is signed with the first key.
  [[nodiscard]] HttpResponse call_s3(const Server& server, const std::string& method, const std::string& path) const {
    const auto credentials = read_credentials(folder_.credentials(), "default");
    EXPECT_TRUE(credentials);
    ServiceClientOptions options;
    options.endpoint = endpoint(server);
    options.credentials = *credentials;
    ServiceClient::Call call;
    call.service = "s3";
    call.method = method;
    call.path = path;
    auto answer = ServiceClient(options).send(call);
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
    EXPECT_EQ(call_s3(server, "PUT", "/line7").status, 200);
    server.stop();
  }
  Server server(settings());
  server.start();
  const auto listing = call_s3(server, "GET", "/");
  EXPECT_EQ(listing.status, 200);
  EXPECT_NE(listing.body.find("<Name>line7</Name>"), std::string::npos) << listing.body;
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
