#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "edge/record/record.hpp"

namespace vedette {

/// The records that the other side of one sink will never take, set aside so that they hold up no others: a file of JSON
/// lines beside the journal, `refused/SINK.jsonl`. resend_refused() renames it to `refused/SINK.again`, from where the
/// sink's thread sends the records once more. One thread may use an object; only count() may be called by any.
class RefusedRecords {
 public:
  static constexpr std::uint64_t kMostBytes = 16U << 20;

  /// `journal` is the folder of the journal.
  RefusedRecords(const std::filesystem::path& journal, const std::string& sink);

  /// Sets a record aside; it is on disk when this returns. Fails with quota_exceeded if there are 16 MiB already, and with
  /// unavailable if the disk fails.
  Result<void> add(const VerdictRecord& record);
  /// How many records are set aside. Those that are being sent again do not count.
  [[nodiscard]] std::uint64_t count() const { return count_; }

  /// Returns the next record that is to be sent again, the same one until pass_again() was called; nothing if there is
  /// none. A kill has all of them sent again from the beginning.
  std::optional<VerdictRecord> next_again();
  /// Says that the record of next_again() was taken, or set aside once more.
  void pass_again() { again_.reset(); }

 private:
  void count_lines();

  const std::filesystem::path file_, again_file_;
  std::atomic<std::uint64_t> count_ = 0;
  std::ifstream again_lines_;
  std::optional<VerdictRecord> again_;
};

/// Has a sink's refused records sent again, by an agent that runs or by the next one that is started. Returns how many
/// there are. Fails with not_found if there are none, and with conflict while those of an earlier call are being sent.
Result<std::uint64_t> resend_refused(const std::filesystem::path& journal, const std::string& sink);

}  // namespace vedette
