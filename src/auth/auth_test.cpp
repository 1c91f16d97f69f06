#include "auth/auth.hpp"

#include <gtest/gtest.h>

#include "auth/identities.hpp"
#include "base/files.hpp"
#include "store/metadata/sqlite/sqlite_metadata.hpp"

namespace vedette {
namespace {

constexpr const char* kAccount = "123456789012";

class Auth : public testing::Test {
 protected:
  TemporaryFolder folder_;
  FakeClock clock_{Timestamp{}};
  std::unique_ptr<MetadataStore> store_ = open_sqlite_metadata(folder_.path() / "m.sqlite");
  Identities identities_{*store_, clock_};
  KeyRing ring_{*store_, clock_, folder_.path() / "master-key"};
};

TEST_F(Auth, AKeyWorksUntilItIsRevokedAndSecretsAreNotStoredPlain) {
  ASSERT_TRUE(identities_.create_user(kAccount, "ann"));
  const auto key = ring_.create_key(kAccount, "ann");
  ASSERT_TRUE(key);
  EXPECT_EQ(key->access_key_id.size(), 20U);
  KeyRing reopened(*store_, clock_, folder_.path() / "master-key");
  EXPECT_EQ(reopened.look_up(key->access_key_id)->secret, key->secret);
  EXPECT_EQ(store_->read()->users().find_key(key->access_key_id)->sealed_secret.find(key->secret), std::string::npos);
  EXPECT_EQ(identities_.revoke_key(kAccount, "bob", key->access_key_id).error().kind, ErrorKind::not_found);
  EXPECT_TRUE(identities_.revoke_key(kAccount, "ann", key->access_key_id));
  EXPECT_EQ(reopened.look_up(key->access_key_id).error().code, "InvalidAccessKeyId");
  EXPECT_EQ(reopened.look_up("AKIANONE").error().code, "InvalidAccessKeyId");
  EXPECT_EQ(ring_.create_key(kAccount, "nobody").error().kind, ErrorKind::not_found);
}

TEST_F(Auth, RightsFollowThePoliciesAttachedAtTheMomentOfTheCall) {
  ASSERT_TRUE(identities_.create_user(kAccount, "ann"));
  const auto key = ring_.create_key(kAccount, "ann");
  const auto may = [&](const char* action) {
    return authorize(ring_.look_up(key->access_key_id)->caller, action, "arn:x").has_value();
  };
  EXPECT_FALSE(may("lookoutvision:ListProjects"));
  EXPECT_TRUE(identities_.attach(kAccount, "ann", "VedetteReadOnlyAccess"));
  EXPECT_TRUE(may("lookoutvision:ListProjects"));
  EXPECT_FALSE(may("lookoutvision:CreateProject"));
  ASSERT_TRUE(identities_.put_policy(kAccount, "no-lists",
                                     R"({"Statement":{"Effect":"Deny","Action":"*:List*","Resource":"*"}})"));
  EXPECT_TRUE(identities_.attach(kAccount, "ann", "no-lists"));
  EXPECT_FALSE(may("lookoutvision:ListProjects"));
  const auto refused = authorize(ring_.look_up(key->access_key_id)->caller, "lookoutvision:ListProjects", "*");
  EXPECT_EQ(refused.error().message,
            "User: arn:aws:iam::123456789012:user/ann is not authorized to perform: lookoutvision:ListProjects on "
            "resource: * with an explicit deny in an identity-based policy");
  EXPECT_EQ(identities_.delete_policy(kAccount, "no-lists").error().kind, ErrorKind::conflict);
  EXPECT_TRUE(identities_.detach(kAccount, "ann", "no-lists"));
  EXPECT_TRUE(identities_.delete_policy(kAccount, "no-lists"));
  EXPECT_TRUE(may("lookoutvision:ListProjects"));
}

TEST_F(Auth, ADamagedPolicyAllowsNothing) {
  auto work = store_->write();
  work->users().put_policy({kAccount, "broken", "{", clock_.now()});
  work->users().insert({kAccount, "ann", {"AdministratorAccess", "broken"}, clock_.now()});
  work->commit();
  work.reset();
  const auto caller = caller_of_job(*store_, kAccount, "ann");
  ASSERT_TRUE(caller);
  EXPECT_FALSE(authorize(*caller, "s3:GetObject", "arn:x"));
}

TEST_F(Auth, NamesAreCheckedAndManagedPoliciesStay) {
  EXPECT_FALSE(identities_.create_user(kAccount, ""));
  EXPECT_FALSE(identities_.create_user(kAccount, "a b"));
  EXPECT_FALSE(identities_.create_user(kAccount, std::string(65, 'a')));
  EXPECT_TRUE(identities_.create_user(kAccount, std::string(64, 'a')));
  EXPECT_EQ(identities_.create_user(kAccount, std::string(64, 'a')).error().kind, ErrorKind::conflict);
  EXPECT_EQ(identities_.put_policy(kAccount, "AdministratorAccess", "{}").error().kind, ErrorKind::conflict);
  EXPECT_EQ(identities_.delete_policy(kAccount, "AdministratorAccess").error().kind, ErrorKind::conflict);
  EXPECT_EQ(identities_.attach(kAccount, "nobody", "AdministratorAccess").error().resource_type, "USER");
  EXPECT_EQ(identities_.attach(kAccount, std::string(64, 'a'), "none").error().resource_type, "POLICY");
  EXPECT_TRUE(identities_.delete_user(kAccount, std::string(64, 'a')));
  EXPECT_FALSE(identities_.delete_user(kAccount, std::string(64, 'a')));
}

}  // namespace
}  // namespace vedette
