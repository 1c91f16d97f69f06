#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "api/model.hpp"
#include "http/exchange.hpp"

namespace vedette {

/// The reserved paths that unsigned requests reach: health, metrics, the descriptions of the API. Buckets may not take
/// their names. Thread-safe.
class OpenPaths {
 public:
  /// `is_ready` says whether this node can serve: its database answers.
  OpenPaths(const std::vector<const ApiModel*>& models, const std::string& version,
            std::function<std::string()> metrics, std::function<bool()> is_ready);
  /// An answer, or nothing if the path is not one of them.
  std::optional<Response> answer(const RequestHead& head) const;

 private:
  std::map<std::string, std::string> documents_;  // by path; JSON
  std::function<std::string()> metrics_;
  const std::function<bool()> is_ready_;
};

}  // namespace vedette
