#include "store/metadata/repositories/repositories.hpp"

namespace vedette::metadata {
namespace {

#define VEDETTE_NODE "id, term, address, version, cores, is_draining, has_left, started, seen, objects"
#define VEDETTE_LOCK_NODE "SELECT " VEDETTE_NODE " FROM nodes WHERE id = ?"

class Nodes : public NodeRepository {
 public:
  explicit Nodes(Connection& c) : c_(c) {}
  std::optional<ServerNode> lock(const std::string& id) override {
    auto q = c_.prepare({.sqlite = VEDETTE_LOCK_NODE, .postgresql = VEDETTE_LOCK_NODE " FOR UPDATE"});
    q.bind(id);
    if (!q.step()) return std::nullopt;
    return read(q);
  }
  void put(const ServerNode& node) override {
    c_.prepare("INSERT INTO nodes (" VEDETTE_NODE
               ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET term = excluded.term, address = "
               "excluded.address, version = excluded.version, cores = excluded.cores, is_draining = "
               "excluded.is_draining, has_left = excluded.has_left, started = excluded.started, seen = excluded.seen, "
               "objects = excluded.objects")
        .bind(node.id)
        .bind(node.term)
        .bind(node.address)
        .bind(node.version)
        .bind(node.cores)
        .bind(std::int64_t{node.is_draining})
        .bind(std::int64_t{node.has_left})
        .bind(stored(node.started))
        .bind(stored(node.seen))
        .bind(node.objects)
        .execute();
  }
  std::vector<ServerNode> list() override {
    auto q = c_.prepare("SELECT " VEDETTE_NODE " FROM nodes ORDER BY id");
    std::vector<ServerNode> out;
    while (q.step()) out.push_back(read(q));
    return out;
  }
  void remove_seen_before(Timestamp time) override {
    c_.prepare("DELETE FROM nodes WHERE seen < ?").bind(stored(time)).execute();
  }

 private:
  static ServerNode read(const Statement& q) {
    return {q.text(0),         q.integer(1),         q.text(2),
            q.text(3),         q.integer(4),         q.integer(5) != 0,
            q.integer(6) != 0, loaded(q.integer(7)), loaded(q.integer(8)),
            q.text(9)};
  }

  Connection& c_;
};

}  // namespace

std::unique_ptr<NodeRepository> make_nodes(Connection& c) {
  return std::make_unique<Nodes>(c);
}

}  // namespace vedette::metadata
