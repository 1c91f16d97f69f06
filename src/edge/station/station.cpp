#include "edge/station/station.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/digest.hpp"
#include "base/log.hpp"
#include "base/priority.hpp"

namespace vedette {
namespace {

constexpr int kMostPicturesWaiting = 8;
constexpr std::chrono::seconds kLongestCall{10};

std::int64_t now_in_nanoseconds() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

RecordState state_of(const Error& error) {
  switch (error.kind) {
    case ErrorKind::conflict:
    case ErrorKind::not_found:
      return RecordState::model_not_running;
    case ErrorKind::invalid_input:
    case ErrorKind::too_large:
      return RecordState::wrong_picture;
    case ErrorKind::throttled:
    case ErrorKind::quota_exceeded:
      return RecordState::overloaded;
    default:
      return RecordState::failed;
  }
}

/// Cuts a text to what a record may have, between two characters.
std::string shortened(std::string text) {
  auto most = kLongestRecordText;
  if (text.size() <= most) return text;
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xC0U) == 0x80U) --most;
  text.resize(most);
  return text;
}

std::string digest_of(const RgbImage& picture) {
  return sha256_hex(as_text(picture.pixels));
}

}  // namespace

VerdictRecord make_record(const std::string& station, const std::string& component, const Part& part,
                          const Result<Judged>& judged) {
  VerdictRecord out;
  out.station = station;
  out.source = shortened(part.source);
  out.trigger_id = shortened(part.trigger_id);
  // A file may bear a time before 1970, and a clock may be wrong.
  out.triggered_at = std::max<std::int64_t>(0, part.triggered_at);
  out.pictured_at = std::max<std::int64_t>(0, part.pictured_at);
  out.judged_at = std::max<std::int64_t>(0, now_in_nanoseconds());
  out.model = shortened(component);
  if (!judged) {
    out.state = state_of(judged.error());
    out.reason = shortened(judged.error().message);
    return out;
  }
  const auto& verdict = judged->verdict;
  out.model_version = shortened(judged->model->version);
  out.model_sha256 = judged->model->sha256;
  out.state = verdict.reason.empty() ? RecordState::judged : RecordState::cannot_judge;
  out.reason = shortened(verdict.reason);
  out.is_anomalous = verdict.is_anomalous || !verdict.reason.empty();
  out.confidence = verdict.confidence;
  out.score = verdict.anomaly_score;
  out.threshold = judged->model->engine->manifest().threshold;
  const auto areas = std::min(verdict.areas.size(), kMostRecordClasses + 1);
  for (std::size_t a = 1; a < areas; ++a)  // the first area is the background
    out.classes.push_back({shortened(verdict.areas[a].name), verdict.areas[a].fraction, verdict.areas[a].color});
  return out;
}

EdgeStation::EdgeStation(Components& components, Journal* journal, std::vector<std::unique_ptr<LiveOutput>> outputs,
                         StationOptions options)
    : components_(components), journal_(journal), outputs_(std::move(outputs)), options_(std::move(options)) {
  if (journal_ && options_.keep != KeepPictures::none) keeper_ = std::thread([this] { loop(); });
}

EdgeStation::~EdgeStation() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (keeper_.joinable()) keeper_.join();
}

bool EdgeStation::is_kept(const VerdictRecord& record) const {
  return journal_ &&
         (options_.keep == KeepPictures::all || (options_.keep == KeepPictures::anomalies && record.is_anomalous));
}

bool EdgeStation::reserve() {
  const MutexLock lock(mutex_);
  if (reserved_ >= kMostPicturesWaiting) {
    ++pictures_skipped_;
    return false;
  }
  ++reserved_;
  return true;
}

void EdgeStation::keep(KeptPicture picture) {
  journal_->announce_picture(picture.name);
  {
    const MutexLock lock(mutex_);
    to_keep_.push_back(std::move(picture));
  }
  changed_.notify_all();
}

void EdgeStation::loop() {
  lower_thread_priority();  // Compressing a picture takes longer than judging it, and pictures must not wait for it.
  MutexLock lock(mutex_);
  while (true) {
    changed_.wait(lock.standard(), [this]() REQUIRES(mutex_) { return stopping_ || !to_keep_.empty(); });
    if (to_keep_.empty()) return;
    auto picture = std::move(to_keep_.front());
    to_keep_.pop_front();
    lock.unlock();
    auto file = picture.file.empty() ? encode_png(picture.pixels) : Result<Bytes>(std::move(picture.file));
    const auto ok = file ? journal_->keep_picture(picture.name, *file) : Result<void>(file.error());
    if (!file) journal_->give_up_picture(picture.name);
    if (!ok) log::warning("a picture cannot be kept", {{"picture", picture.name}, {"reason", ok.error().message}});
    lock.lock();
    --reserved_;
  }
}

EdgeStation::Shown EdgeStation::show(VerdictRecord record, const Part& part) {
  Shown shown{std::move(record), std::make_unique<Underway::Work>(underway_), std::nullopt};
  if (journal_) {
    shown.place.emplace(journal_->take_place());
    shown.record.journal = journal_->id();
    shown.record.sequence = shown.place->sequence();
  }
  // A machine on the line waits for this: not for the disk, nor for what is done with the picture.
  if (!part.is_repeated)
    for (const auto& output : outputs_) output->show(shown.record);
  return shown;
}

Result<VerdictRecord> EdgeStation::finish(Shown shown, bool waits) {
  auto& record = shown.record;
  Result<Journal::Written> written = Journal::Written{};
  if (journal_) {
    written = journal_->write(record, std::move(*shown.place));
    record.sequence = written ? written->sequence : 0;
  }
  Result<void> done = written ? Result<void>() : Result<void>(written.error());
  if (journal_ && done && waits) done = journal_->wait_durable(*written);
  // A full disk would otherwise write a line for every part.
  if (is_losing_.exchange(!done) == done.has_value()) {
    if (done)
      log::info("the journal takes records again");
    else
      log::error("the journal takes no records", {{"reason", done.error().message}});
  }
  if (!done) return done.error();
  return std::move(record);
}

Result<VerdictRecord> EdgeStation::record(const std::string& component, const Part& part, const Result<Judged>& judged,
                                          const PartPixels* pixels) {
  return record_judged(component, part, judged, pixels, false);
}

Result<VerdictRecord> EdgeStation::record_judged(const std::string& component, const Part& part,
                                                 const Result<Judged>& judged, const PartPixels* pixels, bool waits) {
  auto shown = show(make_record(options_.name, component, part, judged), part);
  auto& record = shown.record;
  if (!pixels || !is_kept(record) || !reserve()) return finish(std::move(shown), waits);
  KeptPicture kept{journal_->name_picture("png"), {pixels->height, pixels->width, {}}, {}};
  kept.pixels.pixels.resize(static_cast<std::size_t>(pixels->height) * static_cast<std::size_t>(pixels->width) * 3);
  if (pixels->read(0, kept.pixels.pixels)) {
    record.picture = kept.name;
    record.picture_sha256 = digest_of(kept.pixels);
    keep(std::move(kept));
  } else {
    const MutexLock lock(mutex_);
    --reserved_;
  }
  return finish(std::move(shown), waits);
}

Result<VerdictRecord> EdgeStation::judge(const std::string& component, const Part& part, const RgbImage& picture) {
  return judge_made(component, part, picture.height, picture.width,
                    [&](int) { return Result<const RgbImage*>(&picture); });
}

Result<VerdictRecord> EdgeStation::judge_made(const std::string& component, const Part& part, int height, int width,
                                              const Components::MakePicture& make) {
  const RgbImage* picture = nullptr;
  const auto make_once = [&](int sample_bits) -> Result<const RgbImage*> {
    auto made = make(sample_bits);
    if (made) picture = *made;
    return made;
  };
  const auto judged = components_.judge_made(component, height, width, make_once);
  const PartPixels pixels{height, width, [&](std::size_t offset, std::span<std::uint8_t> out) -> Result<void> {
                            if (!picture)
                              if (auto made = make_once(16); !made) return made.error();
                            std::copy_n(picture->pixels.data() + offset, out.size(), out.data());
                            return {};
                          }};
  return record_judged(component, part, judged, &pixels, true);
}

Result<VerdictRecord> EdgeStation::judge(const std::string& component, const Part& part,
                                         std::span<const std::uint8_t> file) {
  RgbImage picture;
  const auto judged = components_.judge(component, file, options_.keep == KeepPictures::none ? nullptr : &picture);
  auto shown = show(make_record(options_.name, component, part, judged), part);
  auto& record = shown.record;
  const auto header = read_image_header(file);
  // What is no picture is not kept: nothing is known of its size or content.
  if (header && is_kept(record) && reserve()) {
    KeptPicture kept{journal_->name_picture(header->format == ImageFormat::jpeg ? "jpg" : "png"), {}, {}};
    kept.file.assign(file.begin(), file.end());
    record.picture = kept.name;
    if (picture.pixels.empty())
      if (auto decoded = decode_image(file)) picture = std::move(*decoded);
    if (!picture.pixels.empty()) record.picture_sha256 = digest_of(picture);
    keep(std::move(kept));
  }
  return finish(std::move(shown), true);
}

Result<VerdictRecord> EdgeStation::record_failure(const std::string& component, const Part& part, RecordState state,
                                                  std::string reason) {
  auto record = make_record(options_.name, component, part, internal_error(std::move(reason)));
  record.state = state;
  return finish(show(std::move(record), part), true);
}

void EdgeStation::beat() {
  const bool is_stuck = std::max(components_.longest_call(), underway_.longest()) > kLongestCall;
  if (is_stuck_.exchange(is_stuck) != is_stuck) {
    if (is_stuck)
      log::error("a picture has no verdict or no record after 10 seconds, so that outputs go to their safe state");
    else
      log::info("pictures get their verdicts again");
  }
  if (is_stuck) return;
  for (const auto& output : outputs_) output->beat();
}

}  // namespace vedette
