#include "edge/journal/cursors.hpp"

#include <fcntl.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace vedette::journal {
namespace {

/// A slot is one entry of a segment: its sequence number is the version, its payload the position.
constexpr std::size_t kPayload = 16;
constexpr std::size_t kSlot = kEntryHead + kPayload;

}  // namespace

Result<CursorFile> CursorFile::open(const std::filesystem::path& path) {
  CursorFile cursor;
  cursor.file_ = open_file(path, O_RDWR | O_CREAT);
  if (!cursor.file_) return disk_error("open a cursor", errno);
  std::array<std::uint8_t, 2 * kSlot> bytes{};
  const auto count = read_at(cursor.file_, bytes, 0);
  if (!count) return disk_error("read a cursor", errno);
  for (std::size_t slot = 0; slot < 2; ++slot) {
    const auto entry = entry_at(bytes, slot * kSlot);
    if (!entry || entry->payload.size() != kPayload || entry->sequence <= cursor.version_) continue;
    cursor.version_ = entry->sequence;
    std::memcpy(&cursor.position_.delivered, entry->payload.data(), 8);
    std::memcpy(&cursor.position_.dropped, entry->payload.data() + 8, 8);
  }
  // A new file gets its space now, so that a full disk cannot keep the cursor from moving.
  if (*count < bytes.size()) {
    cursor.write(cursor.position_);
    cursor.write(cursor.position_);
  }
  return cursor;
}

void CursorFile::write(const CursorPosition& position) {
  position_ = position;
  ++version_;
  std::string payload(kPayload, '\0');
  std::memcpy(payload.data(), &position.delivered, 8);
  std::memcpy(payload.data() + 8, &position.dropped, 8);
  std::string slot;
  append_entry(slot, version_, payload);
  write_at(file_, slot, version_ % 2 * kSlot);
}

}  // namespace vedette::journal
