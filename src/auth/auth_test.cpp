#include "auth/auth.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "auth/identities.hpp"
#include "auth/key_ring.hpp"
#include "auth/session_token.hpp"
#include "base/files.hpp"
#include "store/metadata/repeating_store.hpp"
#include "store/metadata/sqlite/sqlite_metadata.hpp"

namespace vedette {
namespace {

constexpr const char* kAccount = "123456789012";

class Auth : public testing::Test {
 protected:
  TemporaryFolder folder_;
  FakeClock clock_{Timestamp{}};
  std::unique_ptr<MetadataStore> store_ =
      std::make_unique<RepeatingStore>(open_sqlite_metadata(folder_.path() / "m.sqlite", clock_));
  Identities identities_{*store_};
  KeyRing ring_{*store_, clock_, folder_.path() / "master-key"};
};

TEST_F(Auth, AKeyWorksUntilItIsRevokedAndSecretsAreNotStoredPlain) {
  ASSERT_TRUE(identities_.create_user(kAccount, "ann"));
  const auto key = ring_.create_key(kAccount, "ann");
  ASSERT_TRUE(key);
  EXPECT_EQ(key->access_key_id.size(), 20U);
  KeyRing reopened(*store_, clock_, folder_.path() / "master-key");
  EXPECT_EQ(reopened.authenticate({key->access_key_id})->signing_secret, key->secret);
  EXPECT_EQ(store_->read()->users().find_key(key->access_key_id)->sealed_secret.find(key->secret), std::string::npos);
  EXPECT_EQ(identities_.revoke_key(kAccount, "bob", key->access_key_id).error().kind, ErrorKind::not_found);
  EXPECT_TRUE(identities_.revoke_key(kAccount, "ann", key->access_key_id));
  EXPECT_EQ(reopened.authenticate({key->access_key_id}).error().code, "InvalidAccessKeyId");
  EXPECT_EQ(reopened.authenticate({"AKIANONE"}).error().code, "InvalidAccessKeyId");
  EXPECT_EQ(ring_.create_key(kAccount, "nobody").error().kind, ErrorKind::not_found);
}

TEST_F(Auth, APermanentKeyWithASessionTokenIsRefused) {
  ASSERT_TRUE(identities_.create_user(kAccount, "ann"));
  const auto key = ring_.create_key(kAccount, "ann");
  const auto refused = ring_.authenticate({key->access_key_id, "FwoGZXIvYXdzEXAMPLE"});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::unauthenticated);
  EXPECT_EQ(refused.error().code, "InvalidToken");
  EXPECT_EQ(ring_.authenticate({"AKIANONE", "FwoGZXIvYXdzEXAMPLE"}).error().code, "InvalidAccessKeyId");
}

class Sessions : public Auth {
 protected:
  Sessions() {
    EXPECT_TRUE(identities_.create_user(kAccount, "ann"));
    EXPECT_TRUE(identities_.attach(kAccount, "ann", "VedetteReadOnlyAccess"));
    key_ = ring_.create_key(kAccount, "ann")->access_key_id;
    made_ = *ring_.create_session(ring_.authenticate({key_})->caller, kDuration);
  }
  Result<Authenticated> enter() { return ring_.authenticate({made_.access_key_id, made_.session_token}); }

  static constexpr std::chrono::seconds kDuration{900};
  std::string key_;
  KeyRing::TemporaryCredentials made_;
};

TEST_F(Sessions, AreTheUserUntilTheyExpire) {
  EXPECT_TRUE(made_.access_key_id.starts_with("ASIA"));
  EXPECT_EQ(made_.access_key_id.size(), 20U);
  EXPECT_EQ(made_.expires, clock_.now() + kDuration);
  KeyRing other_node(*store_, clock_, folder_.path() / "master-key");
  const auto owner = other_node.authenticate({made_.access_key_id, made_.session_token});
  ASSERT_TRUE(owner);
  EXPECT_EQ(owner->signing_secret, made_.secret);
  EXPECT_EQ(owner->caller.user, "ann");
  EXPECT_EQ(owner->caller.access_key_id, made_.access_key_id);
  EXPECT_EQ(owner->caller.source_key_id, key_);
  clock_.advance(kDuration - std::chrono::milliseconds(1));
  EXPECT_TRUE(enter());
  clock_.advance(std::chrono::milliseconds(1));
  const auto refused = enter();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::unauthenticated);
  EXPECT_EQ(refused.error().code, "ExpiredToken");
}

TEST_F(Sessions, HaveTheRightsThatTheUserHasNow) {
  EXPECT_TRUE(authorize(enter()->caller, "lookoutvision:ListProjects", "*"));
  EXPECT_FALSE(authorize(enter()->caller, "lookoutvision:CreateProject", "*"));
  EXPECT_TRUE(identities_.detach(kAccount, "ann", "VedetteReadOnlyAccess"));
  EXPECT_FALSE(authorize(enter()->caller, "lookoutvision:ListProjects", "*"));
}

TEST_F(Sessions, EndWithTheKeyTheyCameFrom) {
  ASSERT_TRUE(ring_.create_key(kAccount, "ann"));
  EXPECT_TRUE(identities_.revoke_key(kAccount, "ann", key_));
  EXPECT_EQ(enter().error().code, "InvalidAccessKeyId");
}

TEST_F(Sessions, EndWithTheUserAlsoIfTheNameComesAgain) {
  EXPECT_TRUE(identities_.delete_user(kAccount, "ann"));
  EXPECT_TRUE(identities_.create_user(kAccount, "ann"));
  EXPECT_EQ(enter().error().code, "InvalidAccessKeyId");
}

TEST_F(Sessions, MakeNoFurtherSessions) {
  const auto refused = ring_.create_session(enter()->caller, kDuration);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::access_denied);
}

TEST_F(Sessions, NeedTheirOwnUnalteredToken) {
  EXPECT_EQ(ring_.authenticate({made_.access_key_id}).error().code, "InvalidAccessKeyId");
  const auto code = [&](const std::string& token) {
    const auto entered = ring_.authenticate({made_.access_key_id, token});
    return entered ? std::string("let in") : entered.error().code;
  };
  const auto& token = made_.session_token;
  for (std::size_t i = 0; i < token.size(); ++i)
    for (int bit = 0; bit < 8; ++bit) {
      auto altered = token;
      altered[i] = static_cast<char>(altered[i] ^ (1 << bit));
      EXPECT_EQ(code(altered), "InvalidToken") << i << " " << bit;
    }
  for (const auto& bad : {std::string("x"), std::string("===="), token.substr(4), token + "AAAA",
                          std::string(kLongestSessionToken + 4, 'A'), std::string(1 << 20, 'A')})
    EXPECT_EQ(code(bad), "InvalidToken") << bad.size();
  const auto other = ring_.create_session(ring_.authenticate({key_})->caller, kDuration);
  EXPECT_EQ(code(other->session_token), "InvalidToken");
}

// The token was computed by another implementation, from the master key 00 01 … 1f and the nonce 00 01 … 0b.
TEST(SessionToken, IsReadAsItWasWrittenBefore) {
  Bytes master_key(32);
  for (std::size_t i = 0; i < master_key.size(); ++i) master_key[i] = static_cast<std::uint8_t>(i);
  const Session session{"AKIA0000000000000000", "secret", Timestamp(std::chrono::seconds(1'800'000'000))};
  const std::string token = "AAECAwQFBgcICQoL3uRGxwsHiiFpd3GNC2UMBuneDf0GLOvi4CqeSxcXOWTcUMWK4SutlaPcnNkNGbqTWMluC2gy";
  const auto read = open_session(master_key, "ASIA0000000000000000", token);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->source_key_id, session.source_key_id);
  EXPECT_EQ(read->secret, session.secret);
  EXPECT_EQ(read->expires, session.expires);
  auto other = master_key;
  other[31] ^= 1;
  EXPECT_EQ(open_session(other, "ASIA0000000000000000", token).error().code, "InvalidToken");
}

TEST_F(Auth, RightsFollowThePoliciesAttachedAtTheMomentOfTheCall) {
  ASSERT_TRUE(identities_.create_user(kAccount, "ann"));
  const auto key = ring_.create_key(kAccount, "ann");
  const auto may = [&](const char* action) {
    return authorize(ring_.authenticate({key->access_key_id})->caller, action, "arn:x").has_value();
  };
  EXPECT_FALSE(may("lookoutvision:ListProjects"));
  EXPECT_TRUE(identities_.attach(kAccount, "ann", "VedetteReadOnlyAccess"));
  EXPECT_TRUE(may("lookoutvision:ListProjects"));
  EXPECT_FALSE(may("lookoutvision:CreateProject"));
  ASSERT_TRUE(identities_.put_policy(kAccount, "no-lists",
                                     R"({"Statement":{"Effect":"Deny","Action":"*:List*","Resource":"*"}})"));
  EXPECT_TRUE(identities_.attach(kAccount, "ann", "no-lists"));
  EXPECT_FALSE(may("lookoutvision:ListProjects"));
  const auto refused = authorize(ring_.authenticate({key->access_key_id})->caller, "lookoutvision:ListProjects", "*");
  EXPECT_EQ(refused.error().message,
            "User: arn:aws:iam::123456789012:user/ann is not authorized to perform: lookoutvision:ListProjects on "
            "resource: * with an explicit deny in an identity-based policy");
  EXPECT_EQ(identities_.delete_policy(kAccount, "no-lists").error().kind, ErrorKind::conflict);
  EXPECT_TRUE(identities_.detach(kAccount, "ann", "no-lists"));
  EXPECT_TRUE(identities_.delete_policy(kAccount, "no-lists"));
  EXPECT_TRUE(may("lookoutvision:ListProjects"));
}

TEST_F(Auth, ADamagedPolicyAllowsNothing) {
  store_->write([&](UnitOfWork& work) {
    work.users().put_policy({kAccount, "broken", "{", clock_.now()});
    work.users().insert({kAccount, "ann", {"AdministratorAccess", "broken"}, clock_.now()});
  });
  const auto caller = caller_of_job(*store_, kAccount, "ann");
  ASSERT_TRUE(caller);
  EXPECT_FALSE(authorize(*caller, "s3:GetObject", "arn:x"));
}

TEST_F(Auth, NamesAreCheckedAndManagedPoliciesStay) {
  EXPECT_FALSE(identities_.create_user(kAccount, ""));
  EXPECT_FALSE(identities_.create_user(kAccount, "a b"));
  for (const char* name : {".", ".."}) {  // no client can put these names into the path of a URL
    EXPECT_EQ(identities_.create_user(kAccount, name).error().kind, ErrorKind::invalid_input);
    EXPECT_EQ(identities_.put_policy(kAccount, name, R"({"Statement":[]})").error().kind, ErrorKind::invalid_input);
  }
  EXPECT_TRUE(identities_.create_user(kAccount, "a.b..c"));
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

TEST_F(Auth, NobodyReachesTheServersOwnBuckets) {
  ASSERT_TRUE(identities_.create_user(kAccount, "root"));
  ASSERT_TRUE(identities_.attach(kAccount, "root", "AdministratorAccess"));
  const auto caller = caller_of_job(*store_, kAccount, "root");
  for (const char* bucket : {".vedette", ".", "..", ".Vedette"}) {
    EXPECT_EQ(authorize(*caller, "s3:GetObject", object_arn(bucket, "models/x")).error().kind,
              ErrorKind::access_denied);
    EXPECT_EQ(authorize(*caller, "s3:GetBucketLocation", bucket_arn(bucket)).error().kind, ErrorKind::access_denied);
  }
  EXPECT_TRUE(authorize(*caller, "s3:GetObject", object_arn("parts", ".vedette/x")));
}

TEST_F(Auth, TheLastAdministratorStays) {
  const std::string all = R"({"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}})",
                    none = R"({"Statement":{"Effect":"Deny","Action":"*","Resource":"*"}})";
  const auto is_refused = [](const Result<void>& result) {
    return !result && result.error().kind == ErrorKind::conflict && result.error().resource_id == "root";
  };
  for (const char* user : {"ann", "root"}) ASSERT_TRUE(identities_.create_user(kAccount, user));
  ASSERT_TRUE(identities_.attach(kAccount, "root", "AdministratorAccess"));
  const auto key = ring_.create_key(kAccount, "root");
  EXPECT_TRUE(is_refused(identities_.delete_user(kAccount, "root")));
  EXPECT_TRUE(is_refused(identities_.detach(kAccount, "root", "AdministratorAccess")));
  EXPECT_TRUE(is_refused(identities_.revoke_key(kAccount, "root", key->access_key_id)));
  ASSERT_TRUE(identities_.put_policy(kAccount, "none", none));
  EXPECT_TRUE(is_refused(identities_.attach(kAccount, "root", "none")));
  EXPECT_TRUE(ring_.authenticate({key->access_key_id}));
  EXPECT_TRUE(identities_.delete_policy(kAccount, "none"));  // the refused attachment left nothing behind

  // A user without a key, or with rights over only some users, is not an administrator.
  ASSERT_TRUE(identities_.put_policy(
      kAccount, "some", R"({"Statement":{"Effect":"Allow","Action":"*","Resource":"arn:aws:iam::*:user/a*"}})"));
  ASSERT_TRUE(identities_.attach(kAccount, "ann", "AdministratorAccess"));
  EXPECT_TRUE(is_refused(identities_.delete_user(kAccount, "root")));
  ASSERT_TRUE(ring_.create_key(kAccount, "ann"));
  EXPECT_TRUE(identities_.detach(kAccount, "ann", "AdministratorAccess"));
  EXPECT_TRUE(identities_.attach(kAccount, "ann", "some"));
  EXPECT_TRUE(is_refused(identities_.delete_user(kAccount, "root")));

  // A user can also be an administrator through a stored policy. Then nobody can replace the policy's document so that
  // the right is lost.
  ASSERT_TRUE(identities_.put_policy(
      kAccount, "mine",
      R"({"Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"true"}}},
                       {"Effect":"Deny","Action":"*","Resource":"*","Condition":{"NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}]})"));
  ASSERT_TRUE(identities_.attach(kAccount, "ann", "mine"));
  EXPECT_TRUE(identities_.delete_user(kAccount, "root"));
  const auto refused = identities_.put_policy(kAccount, "mine", none);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().resource_id, "ann");
  EXPECT_TRUE(identities_.put_policy(kAccount, "mine", all));

  Identities forced(*store_, Identities::LastAdministrator::may_go);
  EXPECT_TRUE(forced.delete_user(kAccount, "ann"));
  ASSERT_TRUE(identities_.create_user(kAccount, "bob"));
  EXPECT_TRUE(identities_.delete_user(kAccount, "bob"));  // an account that has no administrator need not keep one
}

TEST_F(Auth, TwoAdministratorsCannotDeleteEachOther) {
  for (int round = 0; round < 20; ++round) {
    for (const char* user : {"a", "b"}) {
      (void)identities_.create_user(kAccount, user);
      ASSERT_TRUE(identities_.attach(kAccount, user, "AdministratorAccess"));
      ASSERT_TRUE(ring_.create_key(kAccount, user));
    }
    std::thread other([&] { (void)identities_.delete_user(kAccount, "a"); });
    (void)identities_.delete_user(kAccount, "b");
    other.join();
    EXPECT_EQ(identities_.list_users(kAccount, "", 10).size(), 1U);
  }
}

}  // namespace
}  // namespace vedette
