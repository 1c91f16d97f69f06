#include "edge/frames/camera_settings.hpp"

#include <algorithm>
#include <utility>

#include "edge/frames/settings_reader.hpp"

namespace vedette {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::size_t kMostFeatures = 256;

void read_trigger(SettingsReader& reader, CameraSettings& out) {
  const auto* const object = reader.object("trigger");
  if (object == nullptr) return;
  SettingsReader trigger(*object, reader.path() + ".trigger");
  const auto mode = trigger.text("mode", "free");
  if (mode == "software")
    out.mode = TriggerMode::software;
  else if (mode == "hardware")
    out.mode = TriggerMode::hardware;
  else if (mode != "free")
    trigger.refuse("mode", "must be free, software or hardware.");
  if (out.mode == TriggerMode::free) out.rate = trigger.number("rate", out.rate, 0.001, 1000);
  if (out.mode == TriggerMode::software) {
    out.timeout = trigger.milliseconds("timeout_ms", out.timeout, milliseconds(10), minutes(10));
    if (out.kind != CameraKind::aravis)
      out.settle = trigger.milliseconds("settle_ms", out.settle, milliseconds(0), seconds(10));
  }
  if (out.mode == TriggerMode::hardware && out.kind == CameraKind::aravis)
    out.trigger_source = trigger.text("source", out.trigger_source, 64);
  if (auto ok = trigger.finish(); !ok) reader.refuse("trigger", "is wrong: " + ok.error().message);
}

void read_features(SettingsReader& reader, const char* member, CameraSettings& out) {
  const auto* const object = reader.object(member);
  if (object == nullptr) return;
  if (object->size() > kMostFeatures) return reader.refuse(member, "has more than 256 members.");
  for (const auto& [name, value] : object->items()) {
    if (name.empty() || name.size() > 128 || name.find('\0') != std::string::npos)
      return reader.refuse(member, "has a name that no feature has.");
    if (value.is_boolean())
      out.features[name] = value.get<bool>();
    else if (value.is_number_integer())
      out.features[name] = value.get<std::int64_t>();
    else if (value.is_number_float())
      out.features[name] = value.get<double>();
    else if (value.is_string())
      out.features[name] = value.get<std::string>();
    else
      return reader.refuse(member, "has a value that is no text, number, true or false: " + name + ".");
  }
}

void read_format(SettingsReader& reader, CameraSettings& out) {
  if (const auto format = reader.text("pixel_format", "", 32); !format.empty()) {
    const auto known = parse_pixel_format(format);
    if (known)
      out.pixel_format = *known;
    else
      reader.refuse("pixel_format", "is wrong: " + known.error().message);
  }
  out.width = static_cast<int>(reader.integer("width", 0, 0, kMostFrameSide));
  out.height = static_cast<int>(reader.integer("height", 0, 0, kMostFrameSide));
  out.frame_rate = reader.number("frame_rate", 0, 0, 100000);
}

void read_v4l2(SettingsReader& reader, CameraSettings& out) {
  out.device = reader.text("device", out.device);
  if (out.device.empty()) reader.refuse("device", "must name a device such as /dev/video0.");
  read_format(reader, out);
  read_features(reader, "controls", out);
  out.buffers = static_cast<int>(reader.integer("buffers", 4, 2, 32));
}

void read_gstreamer(SettingsReader& reader, CameraSettings& out) {
  out.url = reader.text("url", "");
  out.pipeline = reader.text("pipeline", "", 65536);
  if (out.url.empty() == out.pipeline.empty()) return reader.refuse("url", "or pipeline must be given, and not both.");
  if (!out.url.empty() && !out.url.starts_with("rtsp://") && !out.url.starts_with("rtsps://"))
    reader.refuse("url", "must begin with rtsp:// or rtsps://.");
  if (!out.url.empty()) out.latency = reader.milliseconds("latency_ms", out.latency, milliseconds(0), seconds(10));
}

void read_aravis(SettingsReader& reader, CameraSettings& out) {
  out.camera = reader.text("camera", "", 256);
  read_format(reader, out);
  read_features(reader, "features", out);
  out.buffers = static_cast<int>(reader.integer("buffers", out.buffers, 2, 100));
  out.packet_size = static_cast<int>(reader.integer("packet_size", 0, 0, 16384));
  if (out.packet_size != 0 && out.packet_size < 576) reader.refuse("packet_size", "must be 0 or 576 to 16384.");
  out.packet_delay_ns = reader.integer("packet_delay_ns", -1, -1, 1'000'000'000);
  out.is_packet_socket_allowed = reader.flag("packet_socket", true);
}

}  // namespace

Result<CameraSettings> parse_camera_settings(const nlohmann::json& settings) {
  CameraSettings out;
  SettingsReader reader(settings, "source");
  const auto kind = reader.text("kind", "");
  if (kind == "aravis")
    out.kind = CameraKind::aravis;
  else if (kind == "gstreamer")
    out.kind = CameraKind::gstreamer;
  else if (kind != "v4l2")
    reader.refuse("kind", "must be v4l2, gstreamer or aravis.");
  out.name = reader.name("name");
  (void)reader.text("model", "");
  read_trigger(reader, out);
  out.frame_bytes = static_cast<std::size_t>(
      reader.integer("frame_bytes", static_cast<std::int64_t>(out.frame_bytes), 4096, std::int64_t{1} << 30));
  out.silence = reader.milliseconds("silence_ms", out.silence, milliseconds(100), hours(1));
  // Slow pictures are no silence.
  if (out.mode == TriggerMode::free)
    out.silence = std::max(out.silence, milliseconds(static_cast<std::int64_t>(3000 / out.rate)));
  out.first_pause = reader.milliseconds("restart_ms", out.first_pause, milliseconds(10), hours(1));
  out.longest_pause = std::max(out.first_pause, out.longest_pause);
  switch (out.kind) {
    case CameraKind::v4l2:
      read_v4l2(reader, out);
      break;
    case CameraKind::gstreamer:
      read_gstreamer(reader, out);
      break;
    case CameraKind::aravis:
      read_aravis(reader, out);
      break;
  }
  if (auto ok = reader.finish(); !ok) return ok.error();
  return out;
}

}  // namespace vedette
