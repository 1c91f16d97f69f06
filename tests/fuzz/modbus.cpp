// This target fuzzes what clients of the Modbus output send: a stream of bytes is cut into requests, each of which gets
// one answer that belongs to it, until something is no Modbus.
#include <cstdlib>
#include <string_view>

#include "edge/sinks/modbus_registers.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vedette::sinks;
  Registers all{};
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::uint16_t>(257 * i);
  std::span<const std::uint8_t> received(data, size);
  while (true) {
    const auto step = answer_first(received, all);
    if (step.is_broken) {
      if (step.used != 0 || !step.answer.empty()) std::abort();
      return 0;
    }
    if (step.used == 0) {
      // The client has not sent the whole request yet: no request is that long.
      if (!step.answer.empty() || received.size() >= kLongestModbusFrame) std::abort();
      return 0;
    }
    const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(step.answer.at(i)); };
    if (step.used > received.size() || step.answer.size() > kLongestModbusFrame) std::abort();
    // Transaction, protocol, length, unit and function.
    if (byte(0) != received[0] || byte(1) != received[1] || byte(2) != 0 || byte(3) != 0) std::abort();
    if (static_cast<std::size_t>(byte(4) << 8 | byte(5)) != step.answer.size() - 6) std::abort();
    if (byte(6) != received[6] || (byte(7) & 0x7F) != (received[7] & 0x7F)) std::abort();
    received = received.subspan(step.used);
  }
}
