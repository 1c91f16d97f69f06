#pragma once

#include <optional>
#include <string>
#include <vector>

#include "domain/server_node.hpp"

namespace vedette {

/// The rows of nodes. It decides nothing: `nodes/membership.hpp` does.
class NodeRepository {
 public:
  virtual ~NodeRepository() = default;
  /// Returns a node, whose row stays locked until the end of the transaction.
  virtual std::optional<ServerNode> lock(const std::string& id) = 0;
  /// Inserts the node, or puts it in the place of the row with its id.
  virtual void put(const ServerNode& node) = 0;
  virtual std::vector<ServerNode> list() = 0;  ///< in the order of their ids
  /// Removes the nodes that were last seen before this time.
  virtual void remove_seen_before(Timestamp time) = 0;
};

}  // namespace vedette
