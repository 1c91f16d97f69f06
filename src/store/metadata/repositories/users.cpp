#include "store/metadata/repositories/repositories.hpp"

namespace vedette::metadata {
namespace {

class Users : public UserRepository {
 public:
  explicit Users(Connection& c) : c_(c) {}
  bool insert(const User& u) override {
    if (c_.prepare("INSERT INTO users (account, name, created) VALUES (?, ?, ?) ON CONFLICT DO NOTHING")
            .bind(u.account)
            .bind(u.name)
            .bind(stored(u.created))
            .execute() == 0)
      return false;
    for (const auto& policy : u.policies) attach(u.account, u.name, policy);
    return true;
  }
  std::optional<User> find(const std::string& account, const std::string& name) override {
    auto q = c_.prepare("SELECT account, name, created FROM users WHERE account = ? AND name = ?");
    q.bind(account).bind(name);
    if (!q.step()) return std::nullopt;
    return read_user(q);
  }
  std::vector<User> list(const std::string& account, const std::string& after, std::int64_t limit) override {
    auto q =
        c_.prepare("SELECT account, name, created FROM users WHERE account = ? AND name > ? ORDER BY name LIMIT ?");
    q.bind(account).bind(after).bind(limit);
    std::vector<User> out;
    while (q.step()) out.push_back(read_user(q));
    return out;
  }
  bool remove(const std::string& account, const std::string& name) override {
    c_.prepare("DELETE FROM access_keys WHERE account = ? AND \"user\" = ?").bind(account).bind(name).execute();
    return c_.prepare("DELETE FROM users WHERE account = ? AND name = ?").bind(account).bind(name).execute() > 0;
  }
  bool attach(const std::string& account, const std::string& user, const std::string& policy) override {
    return c_.prepare("INSERT INTO user_policies (account, \"user\", policy) VALUES (?, ?, ?) ON CONFLICT DO NOTHING")
               .bind(account)
               .bind(user)
               .bind(policy)
               .execute() > 0;
  }
  bool detach(const std::string& account, const std::string& user, const std::string& policy) override {
    return c_.prepare("DELETE FROM user_policies WHERE account = ? AND \"user\" = ? AND policy = ?")
               .bind(account)
               .bind(user)
               .bind(policy)
               .execute() > 0;
  }

  void put_policy(const StoredPolicy& p) override {
    c_.prepare(
          "INSERT INTO policies (account, name, document, created) VALUES (?, ?, ?, ?) ON CONFLICT (account, name) DO "
          "UPDATE SET document = excluded.document")
        .bind(p.account)
        .bind(p.name)
        .bind(p.document)
        .bind(stored(p.created))
        .execute();
  }
  std::optional<StoredPolicy> find_policy(const std::string& account, const std::string& name) override {
    auto q = c_.prepare("SELECT account, name, document, created FROM policies WHERE account = ? AND name = ?");
    q.bind(account).bind(name);
    if (!q.step()) return std::nullopt;
    return read_policy(q);
  }
  std::vector<StoredPolicy> list_policies(const std::string& account) override {
    auto q = c_.prepare("SELECT account, name, document, created FROM policies WHERE account = ? ORDER BY name");
    q.bind(account);
    std::vector<StoredPolicy> out;
    while (q.step()) out.push_back(read_policy(q));
    return out;
  }
  bool remove_policy(const std::string& account, const std::string& name) override {
    return c_.prepare("DELETE FROM policies WHERE account = ? AND name = ?").bind(account).bind(name).execute() > 0;
  }
  bool is_attached(const std::string& account, const std::string& policy) override {
    auto q = c_.prepare("SELECT 1 FROM user_policies WHERE account = ? AND policy = ? LIMIT 1");
    q.bind(account).bind(policy);
    return q.step();
  }

  void insert_key(const AccessKey& k) override {
    c_.prepare(
          "INSERT INTO access_keys (access_key_id, account, \"user\", sealed_secret, is_active, created) VALUES (?, ?, "
          "?, "
          "?, ?, ?)")
        .bind(k.access_key_id)
        .bind(k.account)
        .bind(k.user)
        .bind_blob(k.sealed_secret)
        .bind(std::int64_t{k.is_active})
        .bind(stored(k.created))
        .execute();
  }
  std::optional<AccessKey> find_key(const std::string& id) override {
    auto q = c_.prepare(
        "SELECT access_key_id, account, \"user\", sealed_secret, is_active, created FROM access_keys WHERE "
        "access_key_id = "
        "?");
    q.bind(id);
    if (!q.step()) return std::nullopt;
    return read_key(q);
  }
  std::optional<KeyOwner> find_owner(const std::string& id) override {
    auto q = c_.prepare(
        "SELECT k.access_key_id, k.account, k.\"user\", k.sealed_secret, k.is_active, k.created, a.policy, p.document, "
        "p.created FROM access_keys k JOIN users u ON u.account = k.account AND u.name = k.\"user\" LEFT JOIN "
        "user_policies a ON a.account = k.account AND a.\"user\" = k.\"user\" LEFT JOIN policies p ON p.account = "
        "a.account AND p.name = a.policy WHERE k.access_key_id = ? AND k.is_active = 1 ORDER BY a.policy");
    q.bind(id);
    std::optional<KeyOwner> owner;
    while (q.step()) {
      if (!owner) owner = KeyOwner{read_key(q), {}, {}};
      auto policy = q.optional_text(6);
      if (!policy) break;  // the user has none
      if (auto document = q.optional_text(7))
        owner->stored_policies.push_back({owner->key.account, *policy, std::move(*document), loaded(q.integer(8))});
      owner->policies.push_back(std::move(*policy));
    }
    return owner;
  }
  std::vector<AccessKey> list_keys(const std::optional<std::string>& account,
                                   const std::optional<std::string>& user) override {
    auto q = c_.prepare(
        "SELECT access_key_id, account, \"user\", sealed_secret, is_active, created FROM access_keys WHERE (?1 IS NULL "
        "OR "
        "account = ?1) AND (?2 IS NULL OR \"user\" = ?2) ORDER BY created, access_key_id");
    q.bind(account).bind(user);
    std::vector<AccessKey> out;
    while (q.step()) out.push_back(read_key(q));
    return out;
  }
  bool deactivate_key(const std::string& id) override {
    return c_.prepare("UPDATE access_keys SET is_active = 0 WHERE access_key_id = ?").bind(id).execute() > 0;
  }

 private:
  User read_user(const Statement& q) {
    User user{q.text(0), q.text(1), {}, loaded(q.integer(2))};
    auto policies = c_.prepare("SELECT policy FROM user_policies WHERE account = ? AND \"user\" = ? ORDER BY policy");
    policies.bind(user.account).bind(user.name);
    while (policies.step()) user.policies.push_back(policies.text(0));
    return user;
  }
  static StoredPolicy read_policy(const Statement& q) {
    return {q.text(0), q.text(1), q.text(2), loaded(q.integer(3))};
  }
  static AccessKey read_key(const Statement& q) {
    return {q.text(0), q.text(1), q.text(2), q.text(3), q.integer(4) != 0, loaded(q.integer(5))};
  }
  Connection& c_;
};

}  // namespace

std::unique_ptr<UserRepository> make_users(Connection& c) {
  return std::make_unique<Users>(c);
}

}  // namespace vedette::metadata
