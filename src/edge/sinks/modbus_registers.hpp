#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "edge/record/record.hpp"

namespace vedette::sinks {

/// The registers of the Modbus output. Numbers of several registers have the most significant one first.
namespace registers {
constexpr std::size_t kChange = 0;      ///< counts the verdicts shown, 16 bits; the last register has the same number
constexpr std::size_t kAlive = 1;       ///< counts on as long as the agent works
constexpr std::size_t kResult = 2;      ///< 1: judged and normal; 2: not good; 0: no verdict yet, or the agent is stuck
constexpr std::size_t kState = 3;       ///< RecordState + 1; 0: no verdict yet, or the agent is stuck
constexpr std::size_t kSequence = 4;    ///< 4 registers
constexpr std::size_t kConfidence = 8;  ///< in 1/10,000
constexpr std::size_t kScore = 9;       ///< 2 registers, IEEE 754
constexpr std::size_t kThreshold = 11;  ///< 2 registers, IEEE 754
constexpr std::size_t kJudgedAt = 13;   ///< 4 registers, milliseconds since the epoch
constexpr std::size_t kTriggerId = 17;  ///< 16 registers, 32 bytes of text
constexpr std::size_t kClassCount = 33;  ///< how many classes follow
constexpr std::size_t kClasses = 34;     ///< for each class 8 registers of name and one of area in 1/10,000
constexpr std::size_t kClassSize = 9;
constexpr std::size_t kMostClasses = 8;
constexpr std::size_t kLastChange = kClasses + kMostClasses * kClassSize;
constexpr std::size_t kCount = kLastChange + 1;
}  // namespace registers

using Registers = std::array<std::uint16_t, registers::kCount>;

/// The registers for a record. `change` and `alive` are put in as they are.
Registers registers_of(const VerdictRecord& record, std::uint16_t change, std::uint16_t alive);

/// Answers one request of Modbus TCP: the bytes behind the length in the MBAP header (unit, function, data). Only the
/// functions 3 and 4 (read registers) are offered; both read the same. Returns the answer from the unit on.
///   MODBUS Application Protocol Specification V1.1b3
std::string answer_modbus(std::span<const std::uint8_t> request, const Registers& registers);

constexpr std::size_t kLongestModbusFrame = 260;

/// What became of the bytes that a client has sent.
struct ModbusStep {
  std::size_t used = 0;     ///< how many of the bytes were the first request; 0 if it is not whole yet
  std::string answer = {};  ///< to that request, with its MBAP header
  bool is_broken = false;   ///< The bytes are no Modbus TCP: the connection must end.
};
/// Answers the first request in the bytes that a client has sent. The rest of them may be anything.
///   MODBUS Messaging on TCP/IP Implementation Guide V1.0b, section 3.1.3
ModbusStep answer_first(std::span<const std::uint8_t> received, const Registers& registers);

}  // namespace vedette::sinks
