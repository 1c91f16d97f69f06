#pragma once

#include <cstdint>
#include <string>

#include "base/clock.hpp"

namespace vedette {

/// A server of the installation. Times are the database's.
struct ServerNode {
  std::string id;         ///< stays the same when the server starts again
  std::int64_t term = 0;  ///< grows with each start
  std::string address;    ///< the URL at which other nodes reach it; empty if they cannot
  std::string version;    ///< of the program
  std::int64_t cores = 0;
  bool is_draining = false;  ///< It ends what it does, and gets nothing new.
  bool has_left = false;     ///< It ended in an orderly way.
  Timestamp started{}, seen{};
  std::string objects = {};  ///< where it keeps objects: the S3 URL, or `folder` for its own data folder
};

enum class NodeState { live, draining, dead, left };

}  // namespace vedette
