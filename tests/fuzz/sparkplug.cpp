// This target fuzzes what other programs publish to a station's Sparkplug node: commands (protobuf) and the state of the
// host application (JSON). Both may be anything.
#include <cstdlib>

#include "edge/sinks/sparkplug_payload.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vedette::sinks::sparkplug;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const bool is_command = asks_for_rebirth(bytes);
  // Nothing is both.
  if (parse_host_state(bytes) && is_command) std::abort();
  return 0;
}
