#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"

/// The files of the audit: <folder>/<yyyy-mm-dd>.jsonl. Other files in the folder are not the server's.
namespace vedette {

/// More bytes than any line has: calls have at most 1 MiB of JSON, and so do their answers.
inline constexpr std::size_t kLongestAuditLine = 8 << 20;

std::filesystem::path day_file(const std::filesystem::path& folder, const std::string& day);
std::string day_of(Timestamp time);  ///< "2020-09-13"
bool is_day(std::string_view text);
/// Returns the days that have a file, the latest first.
Result<std::vector<std::string>> days_of(const std::filesystem::path& folder);

/// Returns the beginning of the oldest day that is kept for `days_kept` days. `before` is a time of the last day before
/// today of which something is kept. If the clock jumped ahead, that must not delete everything. So ages are counted
/// from today only if that last day is recent; otherwise they are counted from shortly after it. If the server is used
/// rarely, a day therefore stays until the use after next.
Timestamp oldest_kept(Timestamp now, Timestamp before, int days_kept);

/// A file of the audit, as it was when it was opened.
class DayFile {
 public:
  explicit DayFile(const std::filesystem::path& path);
  ~DayFile();
  DayFile(const DayFile&) = delete;
  DayFile& operator=(const DayFile&) = delete;
  [[nodiscard]] std::uint64_t size() const { return size_; }  ///< 0 if there is no such file
  Result<std::string> read(std::uint64_t from, std::uint64_t to) const;

 private:
  const int file_;
  std::uint64_t size_ = 0;
};

}  // namespace vedette
