// This target fuzzes the files of a journal after whatever a broken disk did to them: a journal opens on any bytes,
// every record that it gives belongs to an entry that is there, and a record that is appended afterwards comes last.
//   byte 0  bits: 1 the input holds a cursor, 2 it holds entries instead of raw bytes, 4 it is cut into two segments
//   byte 1  the number of the first segment
// Then come 72 bytes of the cursor, if there is one, and the content of the segments. An entry is its number, the length
// of its payload, one byte each, and the payload; its checksum is made here, since a fuzzer does not guess one.
#include "edge/journal/journal.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/files.hpp"
#include "edge/journal/segment.hpp"

namespace {

using namespace vedette;
namespace fs = std::filesystem;

constexpr std::size_t kCursor = 72;
constexpr std::uint64_t kSegment = 64 << 10;

std::string entries_of(std::span<const std::uint8_t> bytes) {
  std::string out;
  while (bytes.size() > 2) {
    const auto length = std::min<std::size_t>(bytes[1], bytes.size() - 2);
    journal::append_entry(out, bytes[0], as_text(bytes.subspan(2, length)));
    bytes = bytes.subspan(2 + length);
  }
  return out + std::string(as_text(bytes));
}

void check_scan(std::string_view segment) {
  const auto bytes = as_bytes(segment);
  const auto content = journal::scan_segment(bytes);
  if (content.end + content.rest > bytes.size()) std::abort();
  std::size_t offset = 0;
  while (const auto entry = journal::next_entry(bytes, offset)) {
    if (entry->offset < offset || entry->end <= entry->offset || entry->end > content.end) std::abort();
    std::string again;
    journal::append_entry(again, entry->sequence, entry->payload);
    if (again != segment.substr(entry->offset, entry->end - entry->offset)) std::abort();
    offset = entry->end;
  }
  if (offset != content.end) std::abort();
}

void write(const fs::path& file, std::string_view content) {
  std::ofstream(file, std::ios::binary).write(content.data(), static_cast<std::streamsize>(content.size()));
}

/// Reads and commits all that the sink has not got; returns the number of the last record.
std::uint64_t read_all(JournalReader& reader) {
  std::uint64_t last = 0;
  while (true) {
    const auto batch = reader.read(3, std::chrono::milliseconds(0));
    if (!batch) std::abort();
    if (batch->records.empty()) return last;
    for (const auto& record : batch->records) {
      if (record.sequence <= last) std::abort();
      last = record.sequence;
    }
    reader.commit(last);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  std::span<const std::uint8_t> rest(data + 2, size - 2);
  const bool has_cursor = (data[0] & 1) != 0 && rest.size() >= kCursor, has_entries = (data[0] & 2) != 0,
             are_two = (data[0] & 4) != 0;
  // A fuzzer writes this folder so often that it must be in memory.
  const TemporaryFolder folder("/dev/shm");
  fs::create_directories(folder.path() / "cursors");
  if (has_cursor) {
    write(folder.path() / "cursors" / "sink", as_text(rest.first(kCursor)));
    rest = rest.subspan(kCursor);
  }
  const std::uint64_t first = data[1] + 1U;
  const auto half = are_two ? rest.size() / 2 : rest.size();
  std::uint64_t number = first;
  for (const auto part : {rest.first(half), rest.subspan(half)}) {
    if (number > first && !are_two) break;
    const auto content = has_entries ? entries_of(part) : std::string(as_text(part));
    check_scan(content);
    write(folder.path() / journal::segment_name(number), content);
    number += 10;
  }
  const SystemClock clock;
  const JournalOptions options{
      .bytes = 16 * kSegment, .picture_bytes = 0, .age = std::chrono::hours(0), .segment_bytes = kSegment};
  auto journal = Journal::open(folder.path(), options, clock);
  if (!journal) std::abort();
  auto reader = (*journal)->reader("sink");
  if (!reader) std::abort();
  (void)read_all(**reader);
  const auto appended = (*journal)->append({});
  if (!appended || read_all(**reader) != *appended) std::abort();
  return 0;
}
