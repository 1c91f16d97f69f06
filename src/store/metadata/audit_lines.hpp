#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"

namespace vedette {

/// Names a line of the audit of the installation. Lines are listed by the time of the event; those of one second come in
/// the order of this tuple, which for the lines of one file is the order in which they were written.
struct AuditLinePlace {
  Timestamp time{};
  std::string node;
  std::string day;          ///< "2026-11-27": the node's file
  std::int64_t offset = 0;  ///< bytes from the beginning of that file
  auto operator<=>(const AuditLinePlace&) const = default;
};

struct SharedAuditLine {
  AuditLinePlace place;
  std::string line;  ///< without its end
};

/// The lines that the nodes have brought from their files. Nothing is ever changed here.
class AuditLineRepository {
 public:
  virtual ~AuditLineRepository() = default;
  /// Returns how much of the node's file of this day is here: the end of its last line, in bytes from the beginning of
  /// the file, or 0.
  virtual std::int64_t end_of(const std::string& node, const std::string& day) = 0;
  /// Adds lines. Those whose node, day and offset are here already are passed over.
  virtual void add(const std::vector<SharedAuditLine>& lines) = 0;

  struct Search {
    std::vector<std::string> texts;                 ///< Each of them must occur in the line; kMostTexts at most.
    std::optional<Timestamp> start = {}, end = {};  ///< The start is included, the end is excluded.
    std::optional<AuditLinePlace> from = {};        ///< Only lines before this place are looked at.
    std::int64_t most_bytes = 0;  ///< Once so many bytes of lines were looked at, the search ends; one line always is.
    std::int64_t most_lines = 0;  ///< and once so many lines are found
  };
  static constexpr std::size_t kMostTexts = 9;
  struct Found {
    std::vector<SharedAuditLine> lines;  ///< The latest comes first.
    std::optional<AuditLinePlace> next;  ///< where the search goes on; empty if it has come to its end
  };
  virtual Found search(const Search& search) = 0;

  /// Returns the time of the latest line before this time.
  virtual std::optional<Timestamp> latest_before(Timestamp time) = 0;
  /// Removes the oldest lines that lie before this time, `most` at most. Returns how many.
  virtual std::int64_t remove_before(Timestamp time, std::int64_t most) = 0;
};

}  // namespace vedette
