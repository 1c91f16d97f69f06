#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/text.hpp"

/// The files that hold the records of a journal. A segment is a row of entries; behind the last one there may be zeros,
/// which reserve space. An entry is, with integers in little-endian order:
///   4 bytes  the letters "VJE1"
///   4 bytes  the length of the payload in bytes, 1 … 1 MiB
///   8 bytes  the sequence number, from 1
///   4 bytes  the CRC-32 (that of zlib) of the 12 bytes before it and of the payload
///   payload  the record as JSON
namespace vedette::journal {

constexpr std::size_t kMostPayload = 1 << 20;
constexpr std::size_t kEntryHead = 20;

struct Entry {
  std::size_t offset = 0;  ///< where the entry begins
  std::size_t end = 0;     ///< where the next entry begins
  std::uint64_t sequence = 0;
  std::string_view payload;  ///< points into the bytes that were searched
};

void append_entry(std::string& out, std::uint64_t sequence, std::string_view payload);

/// The entry that begins at `offset`, if there is a whole and undamaged one.
std::optional<Entry> entry_at(std::span<const std::uint8_t> bytes, std::size_t offset);
/// The first whole and undamaged entry that begins at `offset` or later.
std::optional<Entry> next_entry(std::span<const std::uint8_t> bytes, std::size_t offset);

/// What a segment holds.
struct SegmentContent {
  std::size_t end = 0;              ///< behind the last entry
  std::uint64_t last_sequence = 0;  ///< of the last entry; 0 if there is none
  std::size_t rest = 0;             ///< how many bytes follow until the last one that is not zero
  bool damaged = false;             ///< whether something between the entries cannot be read
};
SegmentContent scan_segment(std::span<const std::uint8_t> bytes);

/// "00000000000000000001.journal", after the sequence number of the first entry.
std::string segment_name(std::uint64_t first_sequence);
/// The number in such a name; nothing for other names.
std::optional<std::uint64_t> parse_segment_name(std::string_view name);

/// An open file.
class File {
 public:
  File() = default;
  explicit File(int descriptor) : descriptor_(descriptor) {}
  ~File();
  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  [[nodiscard]] int descriptor() const { return descriptor_; }
  explicit operator bool() const { return descriptor_ >= 0; }

 private:
  int descriptor_ = -1;
};

/// Opens a file; `flags` and `mode` are those of open(2). The result converts to false, and errno says why, if it fails.
File open_file(const std::filesystem::path& path, int flags, unsigned mode = 0644);
/// Writes all bytes at an offset. Returns 0, or the number of the system's error.
int write_at(const File& file, std::string_view bytes, std::uint64_t offset);
/// Reads bytes at an offset until the buffer is full or the file ends; returns how many. Nothing if the system fails.
std::optional<std::size_t> read_at(const File& file, std::span<std::uint8_t> out, std::uint64_t offset);
/// Makes an error of the number of a system's error: `unavailable`, with what could not be done.
Error disk_error(std::string_view what, int number);
/// Whether the number of a system's error says that there is no room.
bool says_full(int number);

}  // namespace vedette::journal
