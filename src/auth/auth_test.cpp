#include "auth/auth.hpp"

#include <gtest/gtest.h>

#include "base/files.hpp"
#include "store/metadata/sqlite/sqlite_metadata.hpp"

namespace vedette {
namespace {

TEST(Policy, AnExplicitDenyWinsAndSilenceDenies) {
  const auto policy = Policy::parse(R"({"Statement":[
      {"Effect":"Allow","Action":["lookoutvision:Detect*","s3:GetObject"],"Resource":"arn:aws:lookoutvision:*:*:model/line7/*"},
      {"Effect":"Deny","Action":"*","Resource":"*/2"}]})");
  ASSERT_TRUE(policy) << policy.error().message;
  EXPECT_TRUE(policy->allows("LookoutVision:DetectAnomalies", "arn:aws:lookoutvision:r:1:model/line7/1"));
  EXPECT_FALSE(policy->allows("lookoutvision:DetectAnomalies", "arn:aws:lookoutvision:r:1:model/line7/2"));
  EXPECT_FALSE(policy->allows("lookoutvision:DetectAnomalies", "arn:aws:lookoutvision:r:1:model/line8/1"));
  EXPECT_FALSE(policy->allows("lookoutvision:StopModel", "arn:aws:lookoutvision:r:1:model/line7/1"));
}

TEST(Policy, NotActionAllowsTheRest) {
  const auto policy = Policy::parse(R"({"Statement":{"Effect":"Allow","NotAction":"s3:*","Resource":"*"}})");
  ASSERT_TRUE(policy);
  EXPECT_TRUE(policy->allows("lookoutvision:ListProjects", "*"));
  EXPECT_FALSE(policy->allows("s3:PutObject", "arn:aws:s3:::b/k"));
}

TEST(Policy, WhatItCannotHonourIsRefused) {
  EXPECT_FALSE(Policy::parse("{}"));
  EXPECT_FALSE(Policy::parse(R"({"Statement":[{"Effect":"Allow","Action":"*"}]})"));
  EXPECT_FALSE(Policy::parse(R"({"Statement":[{"Effect":"Maybe","Action":"*","Resource":"*"}]})"));
  EXPECT_FALSE(Policy::parse(R"({"Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Condition":{}}]})"));
}

TEST(KeyRing, AKeyWorksUntilItIsRevokedAndSecretsAreNotStoredPlain) {
  TemporaryFolder folder;
  const FakeClock clock{Timestamp{}};
  auto store = open_sqlite_metadata(folder.path() / "m.sqlite");
  {
    auto work = store->write();
    work->users().insert({"123456789012", "admin", kAdministratorPolicy});
    work->commit();
  }
  KeyRing ring(*store, clock, folder.path() / "master-key");
  const auto key = ring.create_key("123456789012", "admin");
  ASSERT_TRUE(key);
  EXPECT_EQ(key->access_key_id.size(), 20U);
  KeyRing reopened(*store, clock, folder.path() / "master-key");
  EXPECT_EQ(reopened.look_up(key->access_key_id)->secret, key->secret);
  EXPECT_EQ(store->read()->users().find_key(key->access_key_id)->sealed_secret.find(key->secret), std::string::npos);
  {
    auto work = store->write();
    EXPECT_TRUE(work->users().deactivate_key(key->access_key_id));
    work->commit();
  }
  EXPECT_EQ(reopened.look_up(key->access_key_id).error().code, "InvalidAccessKeyId");
  EXPECT_EQ(reopened.look_up("AKIANONE").error().code, "InvalidAccessKeyId");
  EXPECT_FALSE(ring.create_key("123456789012", "nobody"));
}

}  // namespace
}  // namespace vedette
