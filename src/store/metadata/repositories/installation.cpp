#include "store/metadata/repositories/repositories.hpp"

namespace vedette::metadata {
namespace {

class Installation : public InstallationRepository {
 public:
  explicit Installation(Connection& c) : c_(c) {}
  std::optional<std::string> find(const std::string& name) override {
    auto q = c_.prepare("SELECT value FROM installation WHERE name = ?");
    q.bind(name);
    if (!q.step()) return std::nullopt;
    return q.text(0);
  }
  void put(const std::string& name, const std::string& value) override {
    c_.prepare(
          "INSERT INTO installation (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = "
          "excluded.value")
        .bind(name)
        .bind(value)
        .execute();
  }
  void remove(const std::string& name) override {
    c_.prepare("DELETE FROM installation WHERE name = ?").bind(name).execute();
  }

 private:
  Connection& c_;
};

}  // namespace

std::unique_ptr<InstallationRepository> make_installation(Connection& c) {
  return std::make_unique<Installation>(c);
}

}  // namespace vedette::metadata
