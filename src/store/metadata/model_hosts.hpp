#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.hpp"

namespace vedette {

/// What a node reports about a model that should be in service.
struct ModelHost {
  std::string model;  ///< the model's uid
  std::string node;   ///< the node's id
  bool is_loaded =
      false;  ///< The node judges pictures with it. Otherwise it tried at `changed`, and could not load it.
  /// The units that the demand at this node asks for, and those of them that can run at once.
  std::int64_t desired_units = 0, units_in_service = 0;
  Timestamp changed{};
};

/// The reports of all nodes, also of those that are dead: whether a node lives is not known here.
class ModelHostRepository {
 public:
  virtual ~ModelHostRepository() = default;
  virtual std::vector<ModelHost> list() = 0;  ///< in the order of models and nodes
  virtual std::vector<ModelHost> list_of_model(const std::string& model) = 0;
  /// Inserts the report, or puts it in the place of the node's former one about the model. Does nothing if the model does
  /// not exist.
  virtual void put(const ModelHost& host) = 0;
  virtual void remove(const std::string& model, const std::string& node) = 0;
  virtual void remove_model(const std::string& model) = 0;
  virtual void remove_node(const std::string& node) = 0;
};

}  // namespace vedette
