#include "api/s3/archive.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>

#include "api/s3/messages.hpp"
#include "base/storable_text.hpp"
#include "base/text.hpp"

namespace vedette::s3 {
namespace {

constexpr std::size_t kBlock = 512;
constexpr std::size_t kLargestExtension = 64 << 10;  // A pax header or a long name of more bytes is refused.

Error refused(const std::string& why) {
  return fail(ErrorKind::invalid_input, "The archive cannot be unpacked: " + why + " Nothing of it was stored.",
              "InvalidRequest");
}

/// A field of text ends at its first NUL, or at its end.
std::string_view text_of(std::string_view field) {
  return field.substr(0, field.find('\0'));
}

/// Reads an octal number that ends with a space, a NUL, or the field.
std::optional<std::uint64_t> number_of(std::string_view field) {
  while (field.starts_with(' ')) field.remove_prefix(1);
  field = field.substr(0, std::min(field.find_first_of(std::string_view(" \0", 2)), field.size()));
  if (field.empty()) return std::nullopt;
  std::uint64_t number = 0;  // The 12 digits of the longest field have 36 bits.
  for (const char c : field) {
    if (c < '0' || c > '7') return std::nullopt;
    number = number * 8 + static_cast<std::uint64_t>(c - '0');
  }
  return number;
}

bool is_zero(std::string_view bytes) {
  return bytes.find_first_not_of('\0') == std::string_view::npos;
}

/// The sum of all bytes of the header, in which the field of the sum counts as spaces.
bool has_right_sum(std::string_view header) {
  std::uint64_t sum = 8 * ' ';
  for (std::size_t i = 0; i < kBlock; ++i)
    if (i < 148 || i >= 156) sum += static_cast<unsigned char>(header[i]);
  return number_of(header.substr(148, 8)) == sum;
}

/// Reads the records "LENGTH NAME=VALUE\n" of a pax header. Returns the path that they give to the next entry, or an
/// empty text. Only what changes name, size or kind of an entry matters; times and owners are not kept.
Result<std::string> path_of_records(std::string_view records) {
  const auto damaged = refused("a pax header is damaged.");
  std::string path;
  while (!records.empty()) {
    const auto space = records.find(' ');
    if (space == std::string_view::npos || space == 0 || space > 6) return damaged;
    const auto length = parse_integer(records.substr(0, space));
    if (!length || *length <= static_cast<std::int64_t>(space) + 2 ||
        *length > static_cast<std::int64_t>(records.size()))
      return damaged;
    const auto record = records.substr(space + 1, static_cast<std::size_t>(*length) - space - 1);
    const auto equals = record.find('=');
    if (record.back() != '\n' || equals == std::string_view::npos) return damaged;
    const auto name = record.substr(0, equals), value = record.substr(equals + 1, record.size() - equals - 2);
    if (name == "size" || name == "linkpath" || name.starts_with("GNU.sparse."))
      return refused("it has a link, a sparse file, or a file that is too large.");
    if (name == "path") path = value;
    records.remove_prefix(static_cast<std::size_t>(*length));
  }
  return path;
}

/// Checks a name and returns it as an entry has it; empty for the folder "." itself.
Result<std::string> checked_name(std::string name, bool is_folder) {
  while (name.starts_with("./")) name.erase(0, 2);
  if (name == "." || name.empty()) return is_folder ? Result<std::string>("") : refused("an entry has no name.");
  if (is_folder && !name.ends_with('/')) name += '/';
  if (!is_folder && name.ends_with('/')) return refused("a file has the name of a folder.");
  if (name.size() > kLongestKey) return refused("the name of an entry has more than 1,024 bytes.");
  if (!is_storable_text(name)) return refused("the name of an entry is not UTF-8 text.");
  if (name.starts_with('/')) return refused("the name of an entry begins with \"/\": " + name + ".");
  for (const auto part : split(name, '/'))
    if (part == ".." || part == ".") return refused("the name of an entry has \".\" or \"..\" in it: " + name + ".");
  return name;
}

}  // namespace

Result<std::vector<ArchiveEntry>> parse_archive(std::string_view bytes) {
  constexpr std::string_view kUstar("ustar\00000", 8), kGnu("ustar  \0", 8);
  std::vector<ArchiveEntry> entries;
  std::string next_name;
  bool has_name = false;
  while (true) {
    if (bytes.size() < 2 * kBlock) return refused("it is cut off.");
    const auto header = bytes.substr(0, kBlock);
    if (is_zero(header)) {
      if (has_name || !is_zero(bytes)) return refused("something follows its end.");
      return entries;
    }
    const auto magic = header.substr(257, 8);
    if (magic != kUstar && magic != kGnu)
      return refused("it is not an uncompressed tar archive of the formats ustar, pax or GNU.");
    if (!has_right_sum(header)) return refused("a header is damaged.");
    const auto size = number_of(header.substr(124, 12));
    const char type = header[156];
    bytes.remove_prefix(kBlock);
    if (!size || *size > bytes.size()) return refused("an entry is longer than the archive.");
    const auto content = bytes.substr(0, static_cast<std::size_t>(*size));
    const auto padded = (content.size() + kBlock - 1) / kBlock * kBlock;
    if (padded > bytes.size()) return refused("it is cut off.");
    bytes.remove_prefix(padded);
    if (type == 'x' || type == 'g' || type == 'L') {
      if (content.size() > kLargestExtension || (type != 'g' && has_name)) return refused("a header is too long.");
      auto name = type == 'L' ? Result<std::string>(std::string(text_of(content))) : path_of_records(content);
      if (!name) return name.error();
      if (type == 'g') {
        if (!name->empty()) return refused("one path is given for all entries.");
        continue;
      }
      // A pax header that says nothing of the name leaves it to the entry's own header.
      next_name = std::move(*name);
      has_name = true;
      continue;
    }
    const bool is_folder = type == '5';
    if (!is_folder && type != '0' && type != '\0')
      return refused("it holds something that is neither file nor folder.");
    if (is_folder && !content.empty()) return refused("a folder has a content.");
    if (next_name.empty()) {
      next_name = text_of(header.substr(0, 100));
      const auto prefix = magic == kUstar ? text_of(header.substr(345, 155)) : std::string_view();
      if (!prefix.empty()) next_name.insert(0, std::string(prefix) + "/");
    }
    auto name = checked_name(std::move(next_name), is_folder);
    if (!name) return name.error();
    next_name.clear();
    has_name = false;
    if (name->empty()) continue;
    if (entries.size() == kMostArchiveEntries)
      return refused("it has more than " + std::to_string(kMostArchiveEntries) + " entries.");
    entries.push_back({std::move(*name), content});
  }
}

}  // namespace vedette::s3
