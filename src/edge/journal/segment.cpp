#include "edge/journal/segment.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

namespace vedette::journal {
namespace {

constexpr std::string_view kMagic = "VJE1";
constexpr std::size_t kCrcOffset = 16;
constexpr std::string_view kSuffix = ".journal";
constexpr std::size_t kDigits = 20;

void put(std::string& out, std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out.push_back(static_cast<char>(value >> (8 * i) & 0xFF));
}

std::uint64_t get(std::span<const std::uint8_t> bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) value = value << 8 | bytes[i];
  return value;
}

std::uint32_t crc_of(std::span<const std::uint8_t> numbers, std::span<const std::uint8_t> payload) {
  auto crc = crc32(0, numbers.data(), static_cast<uInt>(numbers.size()));
  crc = crc32(crc, payload.data(), static_cast<uInt>(payload.size()));
  return static_cast<std::uint32_t>(crc);
}

}  // namespace

void append_entry(std::string& out, std::uint64_t sequence, std::string_view payload) {
  const auto start = out.size();
  out += kMagic;
  put(out, payload.size(), 4);
  put(out, sequence, 8);
  const auto numbers = as_bytes(std::string_view(out).substr(start + kMagic.size()));
  put(out, crc_of(numbers, as_bytes(payload)), 4);
  out += payload;
}

std::optional<Entry> entry_at(std::span<const std::uint8_t> bytes, std::size_t offset) {
  if (offset > bytes.size() || bytes.size() - offset < kEntryHead) return std::nullopt;
  const auto head = bytes.subspan(offset, kEntryHead);
  if (as_text(head.first(kMagic.size())) != kMagic) return std::nullopt;
  const auto length = get(head.subspan(4, 4));
  const auto sequence = get(head.subspan(8, 8));
  if (length == 0 || length > kMostPayload || length > bytes.size() - offset - kEntryHead || sequence == 0)
    return std::nullopt;
  const auto payload = bytes.subspan(offset + kEntryHead, length);
  if (get(head.subspan(kCrcOffset)) != crc_of(head.subspan(4, kCrcOffset - 4), payload)) return std::nullopt;
  return Entry{offset, offset + kEntryHead + length, sequence, as_text(payload)};
}

std::optional<Entry> next_entry(std::span<const std::uint8_t> bytes, std::size_t offset) {
  for (auto text = as_text(bytes);; ++offset) {
    offset = text.find(kMagic, offset);
    if (offset == std::string_view::npos) return std::nullopt;
    if (auto entry = entry_at(bytes, offset)) return entry;
  }
}

SegmentContent scan_segment(std::span<const std::uint8_t> bytes) {
  SegmentContent content;
  while (const auto entry = next_entry(bytes, content.end)) {
    content.damaged |= entry->offset != content.end;
    content.end = entry->end;
    content.last_sequence = std::max(content.last_sequence, entry->sequence);
  }
  const auto tail = bytes.subspan(content.end);
  const auto last = std::find_if(tail.rbegin(), tail.rend(), [](std::uint8_t byte) { return byte != 0; });
  content.rest = static_cast<std::size_t>(tail.rend() - last);
  return content;
}

std::string segment_name(std::uint64_t first_sequence) {
  return fmt::format("{:020}{}", first_sequence, kSuffix);
}

std::optional<std::uint64_t> parse_segment_name(std::string_view name) {
  if (name.size() != kDigits + kSuffix.size() || !name.ends_with(kSuffix)) return std::nullopt;
  const auto number = parse_integer(name.substr(0, kDigits));
  if (!number || *number <= 0) return std::nullopt;
  return static_cast<std::uint64_t>(*number);
}

File::~File() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

File::File(File&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

File& File::operator=(File&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

File open_file(const std::filesystem::path& path, int flags, unsigned mode) {
  return File(::open(path.c_str(), flags | O_CLOEXEC, mode));
}

int write_at(const File& file, std::string_view bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const auto n = ::pwrite(file.descriptor(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    if (n == 0) return EIO;
    bytes.remove_prefix(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
  return 0;
}

std::optional<std::size_t> read_at(const File& file, std::span<std::uint8_t> out, std::uint64_t offset) {
  std::size_t done = 0;
  while (done < out.size()) {
    const auto n = ::pread(file.descriptor(), out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return std::nullopt;
    if (n == 0) break;
    done += static_cast<std::size_t>(n);
  }
  return done;
}

Error disk_error(std::string_view what, int number) {
  if (says_full(number)) return fail(ErrorKind::unavailable, "The disk of the journal is full.");
  return fail(ErrorKind::unavailable,
              fmt::format("The journal cannot {}: {}.", what, std::generic_category().message(number)));
}

bool says_full(int number) {
  return number == ENOSPC || number == EDQUOT || number == EFBIG;
}

}  // namespace vedette::journal
