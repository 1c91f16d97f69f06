#pragma once

#include <optional>
#include <string>

namespace vedette {

/// What holds for all nodes that share the database.
class InstallationRepository {
 public:
  virtual ~InstallationRepository() = default;
  /// Returns nothing if no node has said it yet.
  virtual std::optional<std::string> find(const std::string& name) = 0;
  virtual void put(const std::string& name, const std::string& value) = 0;
  virtual void remove(const std::string& name) = 0;
};

}  // namespace vedette
