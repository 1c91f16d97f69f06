#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/result.hpp"
#include "edge/journal/segment.hpp"

namespace vedette::journal {

/// How far a sink is.
struct CursorPosition {
  std::uint64_t delivered = 0;  ///< the newest record that the sink has
  std::uint64_t dropped = 0;    ///< how many records it never got
};

/// The cursor of one sink in a small file of two slots, which are written in turns and carry a checksum: a power cut
/// damages at most the newer one, and the older one repeats some records. Only one thread may use a cursor.
class CursorFile {
 public:
  /// Opens the file or makes it. What cannot be read counts as a cursor that has delivered nothing. Fails with
  /// unavailable if the disk does.
  static Result<CursorFile> open(const std::filesystem::path& path);
  [[nodiscard]] const CursorPosition& position() const { return position_; }
  /// Writes a position, without a sync. A failure is not told: the file then has an older position.
  void write(const CursorPosition& position);

 private:
  File file_;
  std::uint64_t version_ = 0;
  CursorPosition position_;
};

}  // namespace vedette::journal
