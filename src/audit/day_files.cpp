#include "audit/day_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace vedette {
namespace fs = std::filesystem;
namespace {

constexpr auto kBelievedJump = std::chrono::days(3);

}  // namespace

fs::path day_file(const fs::path& folder, const std::string& day) {
  return folder / (day + ".jsonl");
}

std::string day_of(Timestamp time) {
  return to_extended_iso8601(time).substr(0, 10);
}

bool is_day(std::string_view text) {
  if (text.size() != 10) return false;
  for (std::size_t i = 0; i < text.size(); ++i)
    if (i == 4 || i == 7 ? text[i] != '-' : text[i] < '0' || text[i] > '9') return false;
  return true;
}

Result<std::vector<std::string>> days_of(const fs::path& folder) {
  std::error_code error;
  std::vector<std::string> days;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    auto name = it->path().stem().string();
    if (it->path().extension() == ".jsonl" && is_day(name)) days.push_back(std::move(name));
  }
  if (error) return internal_error("cannot list the audit log: " + error.message());
  std::sort(days.rbegin(), days.rend());
  return days;
}

Timestamp oldest_kept(Timestamp now, Timestamp before, int days_kept) {
  const auto believed = std::min(now, Timestamp(std::chrono::floor<std::chrono::days>(before)) + kBelievedJump);
  return std::chrono::floor<std::chrono::days>(believed) - std::chrono::days(days_kept);
}

DayFile::DayFile(const fs::path& path) : file_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)) {
  struct stat status {};
  if (file_ >= 0 && ::fstat(file_, &status) == 0 && S_ISREG(status.st_mode))
    size_ = static_cast<std::uint64_t>(status.st_size);
}

DayFile::~DayFile() {
  if (file_ >= 0) ::close(file_);
}

Result<std::string> DayFile::read(std::uint64_t from, std::uint64_t to) const {
  std::string out(to - from, '\0');
  for (std::size_t done = 0; done < out.size();) {
    const auto got = ::pread(file_, out.data() + done, out.size() - done, static_cast<off_t>(from + done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0)
      return internal_error("cannot read the audit log: " + std::string(std::strerror(got < 0 ? errno : EIO)));
    done += static_cast<std::size_t>(got);
  }
  return out;
}

}  // namespace vedette
