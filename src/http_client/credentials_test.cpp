#include "http_client/credentials.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <future>
#include <latch>

namespace vedette {
namespace {

ClientCredentials keys_until(Timestamp expires, const char* name) {
  return {name, "secret", "token", expires};
}

class Credentials : public testing::Test {
 protected:
  void SetUp() override {
    ::unsetenv("AWS_ACCESS_KEY_ID");
    ::setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null", 1);
  }
  FakeClock clock_{Timestamp{std::chrono::hours(500'000)}};
};

TEST_F(Credentials, WhileOneThreadRenewsThemTheOthersGoOnWithThoseThatWork) {
  std::latch renewing{1}, may_end{1};
  std::atomic<int> fetches{0};
  CredentialSource source(clock_, [&]() -> Result<ClientCredentials> {
    if (++fetches == 1) return keys_until(clock_.now() + std::chrono::hours(1), "first");
    renewing.count_down();
    may_end.wait();
    return keys_until(clock_.now() + std::chrono::hours(1), "second");
  });
  EXPECT_EQ(source.get()->access_key_id, "first");
  EXPECT_EQ(source.get()->access_key_id, "first");
  EXPECT_EQ(fetches, 1);
  clock_.advance(std::chrono::minutes(57));
  auto renewed = std::async(std::launch::async, [&] { return source.get()->access_key_id; });
  renewing.wait();
  auto meanwhile = std::async(std::launch::async, [&] { return source.get()->access_key_id; });
  const bool went_on = meanwhile.wait_for(std::chrono::minutes(1)) == std::future_status::ready;
  may_end.count_down();
  EXPECT_TRUE(went_on);
  EXPECT_EQ(meanwhile.get(), "first");
  EXPECT_EQ(renewed.get(), "second");
  EXPECT_EQ(source.get()->access_key_id, "second");
  EXPECT_EQ(fetches, 2);
}

TEST_F(Credentials, ThatStillWorkAreBetterThanNone) {
  bool answers = true;
  CredentialSource source(clock_, [&]() -> Result<ClientCredentials> {
    if (!answers) return fail(ErrorKind::unavailable, "The credential service is away.");
    return keys_until(clock_.now() + std::chrono::hours(1), "kept");
  });
  EXPECT_TRUE(source.get());
  answers = false;
  clock_.advance(std::chrono::minutes(57));
  EXPECT_EQ(source.get()->access_key_id, "kept");
  clock_.advance(std::chrono::minutes(3));
  const auto none = source.get();
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().kind, ErrorKind::unavailable);
  EXPECT_NE(none.error().message.find("service is away"), std::string::npos);
}

}  // namespace
}  // namespace vedette
