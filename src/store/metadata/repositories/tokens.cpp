#include "store/metadata/repositories/repositories.hpp"

namespace vedette::metadata {
namespace {

class Tokens : public TokenRepository {
 public:
  explicit Tokens(Connection& c) : c_(c) {}
  std::optional<RememberedToken> find(const Scope& s, const std::string& operation, const std::string& token,
                                      Timestamp not_before) override {
    auto q = c_.prepare(
        "SELECT parameters_hash, resource FROM client_tokens WHERE account = ? AND region = ? AND operation = ? AND "
        "token = ? AND created >= ?");
    q.bind(s.account).bind(s.region).bind(operation).bind(token).bind(stored(not_before));
    if (!q.step()) return std::nullopt;
    return RememberedToken{q.text(0), q.text(1)};
  }
  void remember(const Scope& s, const std::string& operation, const std::string& token, const RememberedToken& value,
                Timestamp now) override {
    c_.prepare(
          "INSERT INTO client_tokens (account, region, operation, token, parameters_hash, resource, "
          "created) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (account, region, operation, token) DO UPDATE SET "
          "parameters_hash = excluded.parameters_hash, resource = excluded.resource, created = excluded.created")
        .bind(s.account)
        .bind(s.region)
        .bind(operation)
        .bind(token)
        .bind(value.parameters_hash)
        .bind(value.resource)
        .bind(stored(now))
        .execute();
  }
  void forget_before(Timestamp time) override {
    c_.prepare("DELETE FROM client_tokens WHERE created < ?").bind(stored(time)).execute();
  }

 private:
  Connection& c_;
};

}  // namespace

std::unique_ptr<TokenRepository> make_tokens(Connection& c) {
  return std::make_unique<Tokens>(c);
}

}  // namespace vedette::metadata
