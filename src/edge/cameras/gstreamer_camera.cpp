#include <fmt/format.h>
#include <gst/app/gstappsink.h>
#include <gst/gst.h>
#include <gst/video/video.h>

#include <array>

#include "edge/cameras/kinds.hpp"

namespace vedette {
namespace {

using std::chrono::milliseconds;

struct GstObjectDeleter {
  void operator()(gpointer object) const { gst_object_unref(object); }
};
template <typename T>
using Owned = std::unique_ptr<T, GstObjectDeleter>;

struct KnownFormat {
  std::string_view name;  ///< as caps have it
  PixelFormat format;
};
/// YUV is not among them: how it becomes RGB depends on the picture's size and origin, and videoconvert knows that.
constexpr std::array kRawFormats = {
    KnownFormat{"RGB", PixelFormat::rgb8},    KnownFormat{"BGR", PixelFormat::bgr8},
    KnownFormat{"RGBA", PixelFormat::rgba8},  KnownFormat{"RGBx", PixelFormat::rgba8},
    KnownFormat{"BGRA", PixelFormat::bgra8},  KnownFormat{"BGRx", PixelFormat::bgra8},
    KnownFormat{"GRAY8", PixelFormat::mono8}, KnownFormat{"GRAY16_LE", PixelFormat::mono16},
};
constexpr std::array kBayerFormats = {
    KnownFormat{"rggb", PixelFormat::bayer_rg8}, KnownFormat{"grbg", PixelFormat::bayer_gr8},
    KnownFormat{"gbrg", PixelFormat::bayer_gb8}, KnownFormat{"bggr", PixelFormat::bayer_bg8}};
constexpr const char* kAccepted =
    "video/x-raw,format=(string){RGB,BGR,RGBA,RGBx,BGRA,BGRx,GRAY8,GRAY16_LE};"
    "video/x-bayer,format=(string){rggb,grbg,gbrg,bggr};image/jpeg";

constexpr const char* kArrival = "timestamp/x-vedette-arrival";  ///< names our clock on a frame

template <std::size_t N>
std::optional<PixelFormat> find_format(const std::array<KnownFormat, N>& formats, const char* name) {
  for (const auto& known : formats)
    if (name != nullptr && known.name == name) return known.format;
  return {};
}

/// One frame of the pipeline, mapped for reading.
class MappedSample {
 public:
  MappedSample() = default;
  ~MappedSample() { reset(); }
  MappedSample(const MappedSample&) = delete;
  MappedSample& operator=(const MappedSample&) = delete;

  /// Takes the sample over. Returns false if it is none of the accepted formats or cannot be mapped.
  bool map(GstSample* sample, Frame& frame) {
    reset();
    sample_ = sample;
    GstCaps* const caps = gst_sample_get_caps(sample);
    GstBuffer* const buffer = gst_sample_get_buffer(sample);
    if (caps == nullptr || buffer == nullptr) return false;
    const GstStructure* const structure = gst_caps_get_structure(caps, 0);
    if (gst_structure_has_name(structure, "video/x-raw") != 0) return map_raw(caps, buffer, frame);
    return map_plain(*structure, buffer, frame);
  }
  void reset() {
    if (is_video_mapped_) gst_video_frame_unmap(&video_);
    if (is_plain_mapped_) gst_buffer_unmap(gst_sample_get_buffer(sample_), &plain_);
    is_video_mapped_ = is_plain_mapped_ = false;
    if (sample_ != nullptr) gst_sample_unref(sample_);
    sample_ = nullptr;
  }

 private:
  bool map_raw(GstCaps* caps, GstBuffer* buffer, Frame& frame) {
    GstVideoInfo info;
    if (gst_video_info_from_caps(&info, caps) == 0 || gst_video_frame_map(&video_, &info, buffer, GST_MAP_READ) == 0)
      return false;
    is_video_mapped_ = true;
    const auto format = find_format(kRawFormats, gst_video_format_to_string(GST_VIDEO_FRAME_FORMAT(&video_)));
    const int stride = GST_VIDEO_FRAME_PLANE_STRIDE(&video_, 0);
    if (!format || stride <= 0) return false;
    frame.format = *format;
    frame.width = GST_VIDEO_FRAME_WIDTH(&video_);
    frame.height = GST_VIDEO_FRAME_HEIGHT(&video_);
    frame.stride = static_cast<std::size_t>(stride);
    const auto bytes = frame_bytes(frame.format, frame.width, frame.height, frame.stride);
    if (!bytes || *bytes > GST_VIDEO_FRAME_SIZE(&video_)) return false;
    frame.pixels = {static_cast<const std::uint8_t*>(GST_VIDEO_FRAME_PLANE_DATA(&video_, 0)), *bytes};
    return true;
  }

  bool map_plain(const GstStructure& structure, GstBuffer* buffer, Frame& frame) {
    if (gst_buffer_map(buffer, &plain_, GST_MAP_READ) == 0) return false;
    is_plain_mapped_ = true;
    const auto format = gst_structure_has_name(&structure, "image/jpeg") != 0
                            ? PixelFormat::jpeg
                            : find_format(kBayerFormats, gst_structure_get_string(&structure, "format"));
    if (!format || gst_structure_get_int(&structure, "width", &frame.width) == 0 ||
        gst_structure_get_int(&structure, "height", &frame.height) == 0)
      return false;
    frame.format = *format;
    // GStreamer pads the rows of Bayer patterns to four bytes.
    if (frame.format != PixelFormat::jpeg) frame.stride = (static_cast<std::size_t>(frame.width) + 3) / 4 * 4;
    frame.pixels = {plain_.data, plain_.size};
    const auto bytes = frame_bytes(frame.format, frame.width, frame.height, frame.stride);
    return bytes && *bytes <= plain_.size;
  }

  GstSample* sample_ = nullptr;
  GstVideoFrame video_{};
  GstMapInfo plain_{};
  bool is_video_mapped_ = false, is_plain_mapped_ = false;
};

class GStreamerCamera final : public Camera {
 public:
  ~GStreamerCamera() override {
    sample_.reset();
    if (pipeline_) gst_element_set_state(pipeline_.get(), GST_STATE_NULL);
  }

  Result<void> open(const CameraSettings& settings) {
    GError* error = nullptr;
    if (gst_init_check(nullptr, nullptr, &error) == 0) {
      const std::string text = error != nullptr ? error->message : "unknown";
      g_clear_error(&error);
      return fail(ErrorKind::unavailable, "GStreamer does not start: " + text + ".");
    }
    // The address is set as a property, not written into the text of the pipeline, whatever characters it holds.
    const std::string begin =
        settings.url.empty() ? settings.pipeline : "rtspsrc name=vedette_url ! decodebin ! videoconvert";
    // One frame waits, and the newest one wins. Frames are taken when they come, not when a clock says.
    const std::string text = begin + " ! appsink name=vedette_frames max-buffers=1 drop=true sync=false qos=false";
    pipeline_.reset(gst_parse_launch_full(text.c_str(), nullptr, GST_PARSE_FLAG_FATAL_ERRORS, &error));
    if (error != nullptr || !pipeline_) {
      const std::string why = error != nullptr ? error->message : "unknown";
      g_clear_error(&error);
      return invalid_input("GStreamer does not understand the pipeline: " + why + ".");
    }
    if (!GST_IS_BIN(pipeline_.get())) return invalid_input("The pipeline has no elements.");
    sink_.reset(gst_bin_get_by_name(GST_BIN(pipeline_.get()), "vedette_frames"));
    if (!sink_) return invalid_input("The pipeline has no end for frames.");
    GstCaps* const caps = gst_caps_from_string(kAccepted);
    gst_app_sink_set_caps(GST_APP_SINK(sink_.get()), caps);
    gst_caps_unref(caps);
    stamp_arrivals();
    if (!settings.url.empty()) set_address(settings);
    bus_.reset(gst_element_get_bus(pipeline_.get()));
    secret_ = settings.url;
    description_ = settings.url.empty() ? "a GStreamer pipeline" : "an RTSP camera";
    if (gst_element_set_state(pipeline_.get(), GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE) return trouble();
    return {};
  }

  Result<Capture> next(milliseconds timeout) override {
    sample_.reset();
    GstSample* const sample = gst_app_sink_try_pull_sample(GST_APP_SINK(sink_.get()),
                                                           static_cast<GstClockTime>(timeout.count()) * GST_MSECOND);
    const bool has_failed = has_error();
    if (sample == nullptr) {
      if (has_failed || gst_app_sink_is_eos(GST_APP_SINK(sink_.get())) != 0) return trouble();
      return Capture{};
    }
    Capture out{.kind = Capture::Kind::frame};
    GstBuffer* const buffer = gst_sample_get_buffer(sample);
    out.frame.pictured_at = came_at(buffer);
    const bool is_corrupted = buffer != nullptr && GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_CORRUPTED);
    if (!sample_.map(sample, out.frame))
      return fail(ErrorKind::unavailable, "The pipeline gives frames that cannot be read.");
    if (is_corrupted)
      return Capture{.kind = Capture::Kind::incomplete, .reason = "the decoder says that it is damaged"};
    return out;
  }

  [[nodiscard]] std::string description() const override { return description_; }

 private:
  static std::int64_t wall_clock_now() {
    return std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count();
  }

  /// Writes onto a frame when it reached the end of the pipeline. There it may wait until it is taken, and would
  /// otherwise pass for that of a part that came later.
  static GstPadProbeReturn stamp(GstPad* /*pad*/, GstPadProbeInfo* info, gpointer clock) {
    GstBuffer* const buffer = gst_buffer_make_writable(GST_PAD_PROBE_INFO_BUFFER(info));
    GST_PAD_PROBE_INFO_DATA(info) = buffer;
    gst_buffer_add_reference_timestamp_meta(buffer, static_cast<GstCaps*>(clock),
                                            static_cast<GstClockTime>(wall_clock_now()), GST_CLOCK_TIME_NONE);
    return GST_PAD_PROBE_OK;
  }

  static std::int64_t came_at(GstBuffer* buffer) {
    GstCaps* const clock = gst_caps_new_empty_simple(kArrival);
    const auto* const meta = buffer == nullptr ? nullptr : gst_buffer_get_reference_timestamp_meta(buffer, clock);
    gst_caps_unref(clock);
    return meta == nullptr ? wall_clock_now() : static_cast<std::int64_t>(meta->timestamp);
  }

  void stamp_arrivals() {
    const Owned<GstPad> end(gst_element_get_static_pad(sink_.get(), "sink"));
    gst_pad_add_probe(end.get(), GST_PAD_PROBE_TYPE_BUFFER, stamp, gst_caps_new_empty_simple(kArrival),
                      [](gpointer clock) { gst_caps_unref(static_cast<GstCaps*>(clock)); });
  }

  void set_address(const CameraSettings& settings) {
    const Owned<GstElement> source(gst_bin_get_by_name(GST_BIN(pipeline_.get()), "vedette_url"));
    // Over UDP a lost packet leaves a picture that is half grey, and nothing says so. is-live pictures are not kept back.
    gst_util_set_object_arg(G_OBJECT(source.get()), "protocols", settings.url.starts_with("rtsps:") ? "tls" : "tcp");
    g_object_set(source.get(), "location", settings.url.c_str(), "latency",
                 static_cast<guint>(settings.latency.count()), "drop-on-latency", TRUE, "tcp-timeout",
                 static_cast<guint64>(5'000'000), nullptr);
  }

  /// Empties the bus, which would otherwise grow for as long as the pipeline plays, and keeps the first error.
  bool has_error() {
    while (GstMessage* const message = gst_bus_pop(bus_.get())) {
      if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR && error_.empty()) read_error(message);
      gst_message_unref(message);
    }
    return !error_.empty();
  }

  void read_error(GstMessage* message) {
    GError* error = nullptr;
    gchar* detail = nullptr;
    gst_message_parse_error(message, &error, &detail);
    error_ = error->message;
    if (detail != nullptr && std::string_view(detail).find("not-negotiated") != std::string_view::npos)
      error_ = "its frames have a format that is not taken; add \"! videoconvert\" at the end of the pipeline";
    g_error_free(error);
    g_free(detail);
  }

  /// Says why there are no more frames, without the address, which may hold a password.
  Error trouble() {
    if (!has_error()) return fail(ErrorKind::unavailable, "The stream has ended.");
    std::string text = error_;
    for (std::size_t at = 0; !secret_.empty() && (at = text.find(secret_)) != std::string::npos;)
      text.replace(at, secret_.size(), "the address");
    while (text.ends_with('.')) text.pop_back();
    return fail(ErrorKind::unavailable, "The stream has failed: " + text + ".");
  }

  Owned<GstElement> pipeline_, sink_;
  Owned<GstBus> bus_;
  MappedSample sample_;
  std::string description_, secret_, error_;
};

}  // namespace

Result<std::unique_ptr<Camera>> open_gstreamer(const CameraSettings& settings) {
  auto camera = std::make_unique<GStreamerCamera>();
  if (auto ok = camera->open(settings); !ok) return ok.error();
  return std::unique_ptr<Camera>(std::move(camera));
}

}  // namespace vedette
