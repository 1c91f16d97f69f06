#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.hpp"
#include "base/result.hpp"
#include "edge/journal/journal.hpp"
#include "edge/models/models.hpp"
#include "edge/record/record.hpp"
#include "edge/sinks/sinks.hpp"

/// What happens to a part on the line: its picture is judged, the record of it goes into the journal, and the live
/// outputs show it.
namespace vedette {

enum class KeepPictures : std::uint8_t { none, anomalies, all };

struct StationOptions {
  std::string name = "station";  ///< see is_station_name()
  KeepPictures keep = KeepPictures::none;
};

/// What is known of a part beside its picture.
struct Part {
  std::string source;             ///< "grpc", or the name of a source in the configuration
  std::string trigger_id;         ///< what the trigger said of the part; may be empty
  std::int64_t triggered_at = 0;  ///< nanoseconds since the Unix epoch; 0 means unknown
  std::int64_t pictured_at = 0;   ///< likewise
  bool is_repeated = false;       ///< whether the outputs have shown it already, and only its record failed
};

/// The pixels of a picture, packed R, G, B: `read` copies bytes of them.
struct PartPixels {
  int height = 0, width = 0;
  Components::ReadPixels read;
};

/// Any thread may call its functions.
class EdgeStation {
 public:
  /// Without a journal nothing is recorded or kept. `journal` and `components` must outlive the station.
  EdgeStation(Components& components, Journal* journal, std::vector<std::unique_ptr<LiveOutput>> outputs,
              StationOptions options);
  ~EdgeStation();  ///< returns when the pictures that are to be kept are written
  EdgeStation(const EdgeStation&) = delete;
  EdgeStation& operator=(const EdgeStation&) = delete;

  /// Judges the picture of a part and records the verdict, or that there is none. Returns the record once it is durable,
  /// with its sequence number. Fails with unavailable if the journal cannot take it: the outputs have shown it all the
  /// same, so set Part::is_repeated when you try again. Outputs show a verdict as soon as it is there, before it is
  /// recorded: they see the number that it is going to have (Journal::Place), and nothing of a kept picture.
  Result<VerdictRecord> judge(const std::string& component, const Part& part, const RgbImage& picture);
  /// The same for a picture that is made for the model that judges it (Components::judge_made). If no model gets as far
  /// and the picture is to be kept, `make` is called with 16.
  Result<VerdictRecord> judge_made(const std::string& component, const Part& part, int height, int width,
                                   const Components::MakePicture& make);
  /// The same for a JPEG or PNG file.
  Result<VerdictRecord> judge(const std::string& component, const Part& part, std::span<const std::uint8_t> file);
  /// Records a part without a verdict, such as one whose picture did not come. Fails likewise.
  Result<VerdictRecord> record_failure(const std::string& component, const Part& part, RecordState state,
                                       std::string reason);
  /// Records what somebody else had judged. `pixels` may be null; then the picture is not kept. Returns once the record
  /// survives a kill of the program, and does not wait for the disk. Fails likewise.
  Result<VerdictRecord> record(const std::string& component, const Part& part, const Result<Judged>& judged,
                               const PartPixels* pixels);

  /// Tells all outputs that the station works, unless a picture has been without its verdict, or a record without its
  /// place in the journal, for more than 10 seconds: then nothing says so, and outputs go to their safe state. Call it
  /// every second.
  void beat();
  /// How many pictures were not kept because others were still being written.
  [[nodiscard]] std::uint64_t pictures_skipped() const { return pictures_skipped_; }

 private:
  struct KeptPicture {
    std::string name;
    RgbImage pixels;  ///< is encoded as PNG, unless there is a file
    std::vector<std::uint8_t> file;
  };
  [[nodiscard]] bool is_kept(const VerdictRecord& record) const;
  /// Takes a place in the queue of pictures that are to be written.
  bool reserve();
  void keep(KeptPicture picture);
  Result<VerdictRecord> record_judged(const std::string& component, const Part& part, const Result<Judged>& judged,
                                      const PartPixels* pixels, bool waits);
  /// A record that outputs have been shown and that the journal does not have yet.
  struct Shown {
    VerdictRecord record;
    std::unique_ptr<Underway::Work> underway;
    std::optional<Journal::Place> place;  ///< nothing without a journal
  };
  /// Gives the record its place in the journal and shows it.
  Shown show(VerdictRecord record, const Part& part);
  /// Records what came of a part. If `waits`, it returns once the record is durable.
  Result<VerdictRecord> finish(Shown shown, bool waits);
  void loop();

  Components& components_;
  Journal* const journal_;
  const std::vector<std::unique_ptr<LiveOutput>> outputs_;
  const StationOptions options_;
  std::atomic<std::uint64_t> pictures_skipped_{0};
  Underway underway_;                   // records that the journal is taking
  std::atomic<bool> is_stuck_{false};   // whether the last beat was left out
  std::atomic<bool> is_losing_{false};  // whether the journal refused the last record
  Mutex mutex_;
  std::condition_variable changed_;
  std::deque<KeptPicture> to_keep_ GUARDED_BY(mutex_);
  int reserved_ GUARDED_BY(mutex_) = 0;  // places in the queue, from reserve() until the picture is written
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::thread keeper_;
};

/// Says of a component and of what came of its picture what the record of the part says. Texts that are too long are
/// cut, and times before 1970 count as unknown, so that the journal takes the record.
VerdictRecord make_record(const std::string& station, const std::string& component, const Part& part,
                          const Result<Judged>& judged);

}  // namespace vedette
