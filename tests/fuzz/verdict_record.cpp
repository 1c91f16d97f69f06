// This target fuzzes records, as the journal and the server read them: a record that is read comes back to the bit from
// what is written of it, and its short form keeps its limit.
#include "edge/record/record.hpp"

#include <cstdlib>

#include "edge/sinks/bounded_json.hpp"
#include "edge/sinks/modbus_registers.hpp"
#include "edge/sinks/sparkplug_payload.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vedette;
  const auto record = parse_record({reinterpret_cast<const char*>(data), size});
  if (!record) return 0;
  const auto again = parse_record(to_json(*record));
  if (!again || !(*again == *record)) std::abort();
  if (record->state != RecordState::judged && !record->is_anomalous) std::abort();
  const auto registers = sinks::registers_of(*record, 7, 3);
  if (registers[sinks::registers::kLastChange] != 7) std::abort();
  (void)sinks::sparkplug::device_data(*record, true, 1, 1, 1024);
  // An agent writes no others.
  if (!is_station_name(record->station) || record->journal.size() > 26 || record->model_sha256.size() > 64 ||
      record->picture_sha256.size() > 64)
    return 0;
  if (sinks::bounded_json(*record, 1024).size() > 1024) std::abort();
  return 0;
}
