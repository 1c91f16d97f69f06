// This target fuzzes tar archives that clients send to have them unpacked into a bucket.
#include "api/s3/archive.hpp"

#include <cstdlib>

#include "api/s3/messages.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vedette;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto entries = s3::parse_archive(bytes);
  if (!entries) return 0;
  if (entries->size() > s3::kMostArchiveEntries) std::abort();
  std::size_t content = 0;
  for (const auto& entry : *entries) {
    content += entry.content.size();
    if (entry.name.empty() || entry.name.size() > s3::kLongestKey || entry.name.starts_with('/')) std::abort();
    if (("/" + entry.name + "/").find("/../") != std::string::npos) std::abort();
    if (!entry.content.empty() && (entry.content.data() < bytes.data() ||
                                   entry.content.data() + entry.content.size() > bytes.data() + bytes.size()))
      std::abort();
  }
  if (content > size) std::abort();
  return 0;
}
