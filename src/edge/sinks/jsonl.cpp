#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <set>
#include <system_error>
#include <utility>
#include <vector>

#include "base/files.hpp"
#include "edge/sinks/kinds.hpp"

/// The sink `jsonl`: one record per line, in files that are named after the journal and the first record in them.
namespace vedette::sinks {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSuffix = ".jsonl";
constexpr std::size_t kIdLength = 26;  // of a journal
constexpr std::size_t kNameLength = kIdLength + 1 + 20 + kSuffix.size();

bool is_our_file(const std::string& name) {
  return name.size() == kNameLength && name.ends_with(kSuffix) &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789") == kIdLength && name[kIdLength] == '-' &&
         name.find_first_not_of("0123456789", kIdLength + 1) == kNameLength - kSuffix.size();
}

Error disk_error(int number) {
  return fail(ErrorKind::unavailable,
              fmt::format("The file of verdicts cannot be written: {}.", std::generic_category().message(number)));
}

class JsonLines : public Sink {
 public:
  JsonLines(std::string name, fs::path folder, std::uint64_t file_bytes, std::uint64_t most_files)
      : name_(std::move(name)), folder_(std::move(folder)), file_bytes_(file_bytes), most_files_(most_files) {}
  ~JsonLines() override { close(); }
  JsonLines(const JsonLines&) = delete;
  JsonLines& operator=(const JsonLines&) = delete;

  [[nodiscard]] const std::string& name() const override { return name_; }
  [[nodiscard]] std::size_t most_records() const override { return 500; }
  void cancel() override {}

  Result<void> deliver(std::span<const VerdictRecord> records) override {
    std::string lines;
    for (const auto& record : records) lines += to_json(record) + "\n";
    if (const auto number = open_for(lines.size(), records.front()); number != 0) return disk_error(number);
    for (std::string_view rest = lines; !rest.empty();) {
      const auto written = ::write(file_, rest.data(), rest.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return give_up();
      rest.remove_prefix(static_cast<std::size_t>(written));
    }
    if (::fdatasync(file_) != 0) return give_up();
    size_ += lines.size();
    return {};
  }

 private:
  /// Readers must not meet a line in part: the file is cut where the whole lines end.
  Result<void> give_up() {
    const auto number = errno;
    if (::ftruncate(file_, static_cast<off_t>(size_)) != 0) close();
    return disk_error(number);
  }

  void close() {
    if (file_ >= 0) ::close(file_);
    file_ = -1;
  }

  int open_for(std::size_t bytes, const VerdictRecord& record) {
    if (file_ < 0) {
      std::error_code error;
      fs::create_directories(folder_, error);
      if (error) return error.value();
      const auto files = list(record.journal);
      if (!files.of_this_journal.empty() && open(*files.of_this_journal.rbegin()) != 0) return errno;
    }
    if (file_ >= 0 && (size_ == 0 || size_ + bytes <= file_bytes_)) return 0;
    close();
    if (open(folder_ / fmt::format("{}-{:020}{}", record.journal, record.sequence, kSuffix)) != 0) return errno;
    delete_oldest(list(record.journal));
    const auto synced = sync_path(folder_);
    return synced ? 0 : EIO;
  }

  /// Opens a file for appending, and cuts off a line that a kill left in part. Returns -1, with errno, if it fails.
  int open(const fs::path& path) {
    file_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (file_ < 0) return -1;
    const auto end = ::lseek(file_, 0, SEEK_END);
    size_ = end < 0 ? 0 : static_cast<std::uint64_t>(end);
    for (char last = 0; size_ > 0; --size_)
      if (::pread(file_, &last, 1, static_cast<off_t>(size_) - 1) != 1 || last == '\n') break;
    if (end < 0 || ::ftruncate(file_, static_cast<off_t>(size_)) != 0) return close(), -1;
    return 0;
  }

  struct Files {
    std::set<fs::path> of_this_journal;                           ///< the one that is written to is the last
    std::set<std::pair<fs::file_time_type, fs::path>> of_others;  ///< of journals that this one has replaced
  };

  Files list(const std::string& journal) {
    Files files;
    std::error_code error;
    for (fs::directory_iterator entry(folder_, error), end; !error && entry != end; entry.increment(error))
      if (const auto name = entry->path().filename().string(); !is_our_file(name)) {
        continue;
      } else if (name.starts_with(journal)) {
        files.of_this_journal.insert(entry->path());
      } else {
        std::error_code ignored;
        files.of_others.emplace(entry->last_write_time(ignored), entry->path());
      }
    return files;
  }

  /// The files of journals that were replaced go first: this one began later.
  void delete_oldest(const Files& files) const {
    std::vector<fs::path> all;
    for (const auto& file : files.of_others) all.push_back(file.second);
    all.insert(all.end(), files.of_this_journal.begin(), files.of_this_journal.end());
    for (std::size_t i = 0; i + most_files_ < all.size(); ++i) ::unlink(all[i].c_str());
  }

  const std::string name_;
  const fs::path folder_;
  const std::uint64_t file_bytes_;
  const std::uint64_t most_files_;
  int file_ = -1;
  std::uint64_t size_ = 0;
};

}  // namespace

MadeSink make_jsonl(Settings& settings, std::string name) {
  auto folder = settings.text("folder", true, 4096);
  const auto bytes = settings.number("bytes", 4096, 1ULL << 30, 16U << 20);
  const auto files = settings.number("files", 1, 100'000, 1000);
  if (auto finished = settings.finish(); !finished) return finished.error();
  return std::unique_ptr<Sink>(std::make_unique<JsonLines>(std::move(name), std::move(folder), bytes, files));
}

}  // namespace vedette::sinks
