#include "store/metadata/repositories/repositories.hpp"

namespace vedette::metadata {
namespace {

#define VEDETTE_HOST_COLUMNS "model_uid, node, is_loaded, desired_units, units_in_service, changed"

class ModelHosts : public ModelHostRepository {
 public:
  explicit ModelHosts(Connection& c) : c_(c) {}
  std::vector<ModelHost> list() override {
    auto q = c_.prepare("SELECT " VEDETTE_HOST_COLUMNS " FROM model_hosts ORDER BY model_uid, node");
    return all(q);
  }
  std::vector<ModelHost> list_of_model(const std::string& model) override {
    auto q = c_.prepare("SELECT " VEDETTE_HOST_COLUMNS " FROM model_hosts WHERE model_uid = ? ORDER BY node");
    q.bind(model);
    return all(q);
  }
  void put(const ModelHost& h) override {
    c_.prepare("INSERT INTO model_hosts (" VEDETTE_HOST_COLUMNS
               ") SELECT uid, ?, ?, ?, ?, ? FROM models WHERE uid = ? "
               "ON CONFLICT (model_uid, node) DO UPDATE SET is_loaded = excluded.is_loaded, "
               "desired_units = excluded.desired_units, units_in_service = excluded.units_in_service, "
               "changed = excluded.changed")
        .bind(h.node)
        .bind(std::int64_t{h.is_loaded})
        .bind(h.desired_units)
        .bind(h.units_in_service)
        .bind(stored(h.changed))
        .bind(h.model)
        .execute();
  }
  void remove(const std::string& model, const std::string& node) override {
    c_.prepare("DELETE FROM model_hosts WHERE model_uid = ? AND node = ?").bind(model).bind(node).execute();
  }
  void remove_model(const std::string& model) override {
    c_.prepare("DELETE FROM model_hosts WHERE model_uid = ?").bind(model).execute();
  }
  void remove_node(const std::string& node) override {
    c_.prepare("DELETE FROM model_hosts WHERE node = ?").bind(node).execute();
  }

 private:
  static std::vector<ModelHost> all(Statement& q) {
    std::vector<ModelHost> out;
    while (q.step())
      out.push_back({q.text(0), q.text(1), q.integer(2) != 0, q.integer(3), q.integer(4), loaded(q.integer(5))});
    return out;
  }
  Connection& c_;
};

}  // namespace

std::unique_ptr<ModelHostRepository> make_model_hosts(Connection& c) {
  return std::make_unique<ModelHosts>(c);
}

}  // namespace vedette::metadata
