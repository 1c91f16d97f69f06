// This target fuzzes what a server, or whoever answers in its place, says to a station: the channels that it shall
// follow, and which record it refuses.
#include <cstdlib>

#include "edge/server_link/channels.hpp"
#include "edge/server_link/report.hpp"
#include "edge/server_link/server_calls.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vedette;
  const std::string body(reinterpret_cast<const char*>(data), size);
  if (const auto channels = parse_channels(body))
    for (const auto& channel : *channels) {
      // What may become the name of a folder leads nowhere else.
      const std::filesystem::path component(channel.component);
      if (is_folder_name(channel.component) &&
          (component.has_parent_path() || channel.component.front() == '.' || channel.component.size() > 128))
        std::abort();
    }
  for (const char* code : {"ValidationException", "RequestEntityTooLargeException", ""}) {
    const auto refused = refused_record(fail(ErrorKind::invalid_input, body, code), 3);
    if (refused && *refused >= 3) std::abort();
  }
  return 0;
}
