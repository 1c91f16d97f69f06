#include "edge/journal/refused_records.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "base/log.hpp"
#include "edge/journal/segment.hpp"

namespace vedette {

namespace fs = std::filesystem;
using journal::disk_error;

namespace {

constexpr const char* kFolder = "refused";

fs::path file_of(const fs::path& journal, const std::string& sink) {
  return journal / kFolder / (sink + ".jsonl");
}

fs::path again_file_of(const fs::path& journal, const std::string& sink) {
  return journal / kFolder / (sink + ".again");
}

std::uint64_t lines_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return static_cast<std::uint64_t>(std::count(std::istreambuf_iterator<char>(in), {}, '\n'));
}

}  // namespace

RefusedRecords::RefusedRecords(const fs::path& journal, const std::string& sink)
    : file_(file_of(journal, sink)), again_file_(again_file_of(journal, sink)) {
  count_ = lines_of(file_);
}

Result<void> RefusedRecords::add(const VerdictRecord& record) {
  std::error_code error;
  fs::create_directories(file_.parent_path(), error);
  if (error) return disk_error("make the folder of refused records", error.value());
  const auto file = journal::open_file(file_, O_RDWR | O_CREAT);
  const auto end = file ? ::lseek(file.descriptor(), 0, SEEK_END) : -1;
  if (end < 0) return disk_error("open the refused records", errno);
  const auto line = to_json(record) + "\n";
  if (static_cast<std::uint64_t>(end) + line.size() > kMostBytes)
    return fail(ErrorKind::quota_exceeded, "The refused records take 16 MiB already.");
  auto number = journal::write_at(file, line, static_cast<std::uint64_t>(end));
  if (number == 0 && ::fsync(file.descriptor()) != 0) number = errno;
  if (number != 0) {
    // Half a line must not become a part of the next one.
    if (::ftruncate(file.descriptor(), end) != 0) log::warning("a refused record was written in part");
    return disk_error("write a refused record", number);
  }
  ++count_;
  return {};
}

std::optional<VerdictRecord> RefusedRecords::next_again() {
  if (again_) return again_;
  if (!again_lines_.is_open()) {
    again_lines_.open(again_file_, std::ios::binary);
    if (!again_lines_.is_open()) return std::nullopt;
    count_ = lines_of(file_);
  }
  for (std::string line; std::getline(again_lines_, line);)
    if (auto record = parse_record(line)) return again_ = std::move(*record);
  again_lines_.close();
  again_lines_.clear();
  std::error_code error;
  if (!fs::remove(again_file_, error))
    log::error("the refused records that were sent again cannot be deleted", {{"reason", error.message()}});
  return std::nullopt;
}

Result<std::uint64_t> resend_refused(const fs::path& journal, const std::string& sink) {
  const auto file = file_of(journal, sink);
  const auto again = again_file_of(journal, sink);
  std::error_code error;
  if (fs::exists(again, error))
    return conflict("SINK", sink, "The records of an earlier call are still being sent; is the agent running?");
  const auto count = lines_of(file);
  if (count == 0) return not_found("SINK", sink, "No record of the sink " + sink + " was refused.");
  fs::rename(file, again, error);
  if (error) return disk_error("rename the refused records", error.value());
  return count;
}

}  // namespace vedette
