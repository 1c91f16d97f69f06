#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

/// The record of one part on the line: what was seen, when, by which model, and the verdict. Records are what the
/// journal keeps, what sinks send, and what the server receives. Pictures are never inside; they are named.
namespace vedette {

/// How a record came to its verdict, or why it has none. Whoever acts on records treats all but `judged` as "not good":
/// the line must not let a part pass that nothing has looked at.
enum class RecordState {
  judged,             ///< The model gave a verdict.
  cannot_judge,       ///< The model found the picture unlike its training (too dark, out of focus, another part).
  model_not_running,  ///< The model was stopped, starting, or had failed.
  no_picture,         ///< The camera gave no picture after a trigger, or an incomplete one.
  wrong_picture,      ///< The picture was broken, or its size is not that of the training pictures.
  overloaded,         ///< The agent could not keep up with the calls.
  failed,             ///< The agent failed in another way; `reason` says how.
};

/// The name of a state in JSON: "judged", "cannot_judge", …
std::string_view to_text(RecordState state);

/// One class of defects in a picture.
struct RecordClass {
  std::string name;
  double area = 0;    ///< the share of the picture's pixels that it covers, 0 … 1
  std::string color;  ///< its colour in the mask, "#rrggbb"
  bool operator==(const RecordClass&) const = default;
};

constexpr std::size_t kLongestRecordText = 1024;  ///< in bytes
constexpr std::size_t kMostRecordClasses = 256;

/// Times are nanoseconds since the Unix epoch by the station's clock, not negative; 0 means unknown. No text has more
/// than 1,024 bytes.
struct VerdictRecord {
  std::uint64_t sequence = 0;     ///< counts the records of a journal without a gap, from 1; 0 until it is known
  std::string journal;            ///< the id of the journal: with `sequence` it names one record for ever
  std::string station;            ///< the name of the station, see is_station_name()
  std::string source;             ///< where the picture came from: "grpc", or the name of a source in the configuration
  std::string trigger_id;         ///< what the trigger said of the part (a serial number); may be empty
  std::int64_t triggered_at = 0;  ///< when the trigger came
  std::int64_t pictured_at = 0;   ///< when the picture was complete
  std::int64_t judged_at = 0;     ///< when the verdict was there
  std::string model;              ///< the name of the model component
  std::string model_version;      ///< the version of the component; may be empty
  std::string model_sha256;       ///< of the artifact's manifest: 64 hexadecimal digits, or empty
  std::string picture_sha256;     ///< of the picture's pixels (RGB, 8 bit, row by row): 64 hexadecimal digits, or empty
  std::string picture;  ///< the name of the kept picture in the journal's folder, or its s3:// address; or empty
  RecordState state = RecordState::judged;
  std::string reason;                ///< for people, if the state is not `judged`; at most 1,024 bytes
  bool is_anomalous = true;          ///< true whenever the state is not `judged`
  double confidence = 0;             ///< 0 … 1; 0 without a verdict
  double score = 0;                  ///< the anomaly score; 0 without a verdict
  double threshold = 0;              ///< from which score on the model calls a picture anomalous
  std::vector<RecordClass> classes;  ///< the classes that cover anything, at most 256
  bool operator==(const VerdictRecord&) const = default;
};

/// Whether a text can be the name of a station, at the station as on the server: 1 to 64 characters of a-z A-Z 0-9 - _ .
/// that begin with a letter or a digit.
bool is_station_name(std::string_view name);

/// Returns the record as one JSON object on one line, without a line end. Times are members that end in `_ns`. Numbers
/// come back from parse_record to the bit.
std::string to_json(const VerdictRecord& record);

/// Reads what to_json wrote. Unknown members are ignored, so that older programs read newer records. Fails with
/// invalid_input for anything that no agent could have written.
Result<VerdictRecord> parse_record(std::string_view json);

}  // namespace vedette
