#include "edge/sinks/modbus_registers.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <string_view>
#include <utility>

namespace vedette::sinks {
namespace {

constexpr std::uint8_t kReadHolding = 3;
constexpr std::uint8_t kReadInput = 4;
constexpr std::uint8_t kExceptionBit = 0x80;
constexpr std::uint8_t kIllegalFunction = 1;
constexpr std::uint8_t kIllegalAddress = 2;
constexpr std::uint8_t kIllegalValue = 3;
constexpr std::size_t kMostAtOnce = 125;
constexpr std::size_t kHead = 6;  // transaction, protocol and length of the MBAP header

void put(std::span<std::uint16_t> out, std::uint64_t value) {
  for (std::size_t i = out.size(); i-- > 0; value >>= 16) out[i] = static_cast<std::uint16_t>(value & 0xFFFF);
}

/// Two bytes in each register, the first one in the upper half; zeros behind the end.
void put(std::span<std::uint16_t> out, std::string_view text) {
  for (std::size_t i = 0; i < 2 * out.size(); ++i) {
    const auto byte = i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
    out[i / 2] = static_cast<std::uint16_t>(i % 2 == 0 ? byte << 8 : out[i / 2] | byte);
  }
}

std::uint16_t ten_thousandths(double share) {
  return static_cast<std::uint16_t>(std::lround(std::clamp(share, 0.0, 1.0) * 10'000));
}

std::string exception(std::uint8_t unit, std::uint8_t function, std::uint8_t code) {
  return {static_cast<char>(unit), static_cast<char>(function | kExceptionBit), static_cast<char>(code)};
}

}  // namespace

Registers registers_of(const VerdictRecord& record, std::uint16_t change, std::uint16_t alive) {
  using namespace registers;
  Registers all{};
  const std::span out(all);
  const bool good = record.state == RecordState::judged && !record.is_anomalous;
  all[kChange] = all[kLastChange] = change;
  all[kAlive] = alive;
  all[kResult] = good ? 1 : 2;
  all[kState] = static_cast<std::uint16_t>(static_cast<int>(record.state) + 1);
  put(out.subspan(kSequence, 4), record.sequence);
  all[kConfidence] = ten_thousandths(record.confidence);
  put(out.subspan(kScore, 2), std::bit_cast<std::uint32_t>(static_cast<float>(record.score)));
  put(out.subspan(kThreshold, 2), std::bit_cast<std::uint32_t>(static_cast<float>(record.threshold)));
  put(out.subspan(kJudgedAt, 4), static_cast<std::uint64_t>(record.judged_at / 1'000'000));
  put(out.subspan(kTriggerId, 16), record.trigger_id);
  const auto count = std::min(record.classes.size(), kMostClasses);
  all[kClassCount] = static_cast<std::uint16_t>(count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto place = out.subspan(kClasses + i * kClassSize, kClassSize);
    put(place.first(kClassSize - 1), record.classes[i].name);
    place.back() = ten_thousandths(record.classes[i].area);
  }
  return all;
}

std::string answer_modbus(std::span<const std::uint8_t> request, const Registers& all) {
  const auto unit = request[0];
  const auto function = request[1];
  if (function != kReadHolding && function != kReadInput) return exception(unit, function, kIllegalFunction);
  if (request.size() != 6) return exception(unit, function, kIllegalValue);
  const auto first = static_cast<std::size_t>(request[2] << 8 | request[3]);
  const auto count = static_cast<std::size_t>(request[4] << 8 | request[5]);
  if (count == 0 || count > kMostAtOnce) return exception(unit, function, kIllegalValue);
  if (first + count > all.size()) return exception(unit, function, kIllegalAddress);
  std::string answer{static_cast<char>(unit), static_cast<char>(function), static_cast<char>(2 * count)};
  for (std::size_t i = first; i < first + count; ++i) {
    answer.push_back(static_cast<char>(all[i] >> 8));
    answer.push_back(static_cast<char>(all[i] & 0xFF));
  }
  return answer;
}

ModbusStep answer_first(std::span<const std::uint8_t> received, const Registers& all) {
  if (received.size() < kHead) return {};
  const auto length = static_cast<std::size_t>(received[4] << 8 | received[5]);
  if (received[2] != 0 || received[3] != 0 || length < 2 || kHead + length > kLongestModbusFrame)
    return {.is_broken = true};
  if (received.size() < kHead + length) return {};
  const auto answer = answer_modbus(received.subspan(kHead, length), all);
  std::string head{static_cast<char>(received[0]),        static_cast<char>(received[1]),         0, 0,
                   static_cast<char>(answer.size() >> 8), static_cast<char>(answer.size() & 0xFF)};
  return {.used = kHead + length, .answer = std::move(head) + answer};
}

}  // namespace vedette::sinks
