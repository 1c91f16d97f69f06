#include <arv.h>
#include <fmt/format.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>

#include "edge/cameras/kinds.hpp"

namespace vedette {
namespace {

using std::chrono::milliseconds;

struct GObjectDeleter {
  void operator()(gpointer object) const { g_object_unref(object); }
};
template <typename T>
using Owned = std::unique_ptr<T, GObjectDeleter>;

/// Passes to Aravis where it wants a place for an error, and keeps the error's text.
class ArvError {
 public:
  ArvError() = default;
  ~ArvError() { g_clear_error(&error_); }
  ArvError(const ArvError&) = delete;
  ArvError& operator=(const ArvError&) = delete;
  /// Returns the place; whatever it held is forgotten.
  GError** place() {
    g_clear_error(&error_);
    return &error_;
  }
  [[nodiscard]] bool is_set() const { return error_ != nullptr; }
  [[nodiscard]] std::string text() const { return error_ != nullptr ? error_->message : "unknown"; }

 private:
  GError* error_ = nullptr;
};

/// The formats of GenICam's Pixel Format Naming Convention that frames may have, by their numbers.
struct KnownFormat {
  std::uint32_t number;
  PixelFormat format;
};
constexpr std::array kFormats = {
    KnownFormat{0x01080001, PixelFormat::mono8},     KnownFormat{0x01100003, PixelFormat::mono10},
    KnownFormat{0x01100005, PixelFormat::mono12},    KnownFormat{0x010C0006, PixelFormat::mono12_packed},
    KnownFormat{0x010C0047, PixelFormat::mono12p},   KnownFormat{0x01100007, PixelFormat::mono16},
    KnownFormat{0x01080008, PixelFormat::bayer_gr8}, KnownFormat{0x01080009, PixelFormat::bayer_rg8},
    KnownFormat{0x0108000A, PixelFormat::bayer_gb8}, KnownFormat{0x0108000B, PixelFormat::bayer_bg8},
    KnownFormat{0x02180014, PixelFormat::rgb8},      KnownFormat{0x02180015, PixelFormat::bgr8},
    KnownFormat{0x02200016, PixelFormat::rgba8},     KnownFormat{0x02200017, PixelFormat::bgra8},
    KnownFormat{0x02100032, PixelFormat::yuyv},
};

std::optional<PixelFormat> known_format(std::uint32_t number) {
  const auto* const known =
      std::find_if(kFormats.begin(), kFormats.end(), [&](const KnownFormat& f) { return f.number == number; });
  if (known == kFormats.end()) return {};
  return known->format;
}

const char* why_incomplete(ArvBufferStatus status) {
  switch (status) {
    case ARV_BUFFER_STATUS_TIMEOUT:
      return "its packets took too long";
    case ARV_BUFFER_STATUS_MISSING_PACKETS:
      return "packets are missing";
    case ARV_BUFFER_STATUS_WRONG_PACKET_ID:
      return "a packet has a wrong number";
    case ARV_BUFFER_STATUS_SIZE_MISMATCH:
      return "it is larger than the camera said";
    case ARV_BUFFER_STATUS_ABORTED:
      return "the camera broke it off";
    default:
      return "the driver says that it is not whole";
  }
}

/// Whether this process may receive packets before the kernel's UDP does (CAP_NET_RAW).
bool may_use_packet_sockets() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> data{};
  return ::syscall(SYS_capget, &header, data.data()) == 0 && (data[0].effective >> CAP_NET_RAW & 1U) != 0;
}

class AravisCamera final : public Camera {
 public:
  ~AravisCamera() override {
    if (stream_) (void)stop();
    if (device_ != nullptr) g_signal_handlers_disconnect_by_data(device_, this);
  }

  Result<void> open(const CameraSettings& settings) {
    settings_ = settings;
    arv_update_device_list();
    camera_.reset(arv_camera_new(settings.camera.empty() ? nullptr : settings.camera.c_str(), error_.place()));
    if (!camera_) return fail(ErrorKind::unavailable, "No such camera answers: " + error_.text() + ".");
    device_ = arv_camera_get_device(camera_.get());
    g_signal_connect(device_, "control-lost", G_CALLBACK(&AravisCamera::on_lost), this);
    if (auto ok = set_up(); !ok) return ok.error();
    return start();
  }

  Result<Capture> next(milliseconds timeout) override {
    give_back();
    if (lost_) return fail(ErrorKind::unavailable, "The camera no longer answers.");
    buffer_ = arv_stream_timeout_pop_buffer(stream_.get(), static_cast<guint64>(timeout.count()) * 1000);
    if (buffer_ == nullptr) return Capture{};
    const auto pictured_at = std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count();
    if (const auto status = arv_buffer_get_status(buffer_); status != ARV_BUFFER_STATUS_SUCCESS) {
      const Capture incomplete{.kind = Capture::Kind::incomplete, .reason = why_incomplete(status)};
      give_back();
      return incomplete;
    }
    return whole(pictured_at);
  }

  [[nodiscard]] bool takes_software_triggers() const override { return settings_.mode == TriggerMode::software; }

  Result<void> trigger() override {
    arv_camera_software_trigger(camera_.get(), error_.place());
    if (error_.is_set()) return fail(ErrorKind::unavailable, error_.text());
    return {};
  }

  Result<void> flush() override {
    give_back();
    if (auto ok = stop(); !ok) return ok.error();
    while (ArvBuffer* const old = arv_stream_try_pop_buffer(stream_.get())) arv_stream_push_buffer(stream_.get(), old);
    arv_camera_start_acquisition(camera_.get(), error_.place());
    if (error_.is_set()) return refusal("start");
    return {};
  }

  [[nodiscard]] std::string description() const override { return description_; }

 private:
  static void on_lost(ArvDevice* /*device*/, AravisCamera* self) { self->lost_ = true; }

  [[nodiscard]] Error refusal(std::string_view what) const {
    return fail(ErrorKind::unavailable, fmt::format("The camera refuses to {}: {}.", what, error_.text()));
  }
  [[nodiscard]] Error wrong(std::string_view member) const {
    return invalid_input(fmt::format("The camera does not take {}: {}.", member, error_.text()));
  }

  Result<void> set_up() {
    auto* const camera = camera_.get();
    arv_camera_stop_acquisition(camera, error_.place());  // Whoever had it before may have left it running.
    if (settings_.pixel_format)
      arv_camera_set_pixel_format_from_string(camera, std::string(to_text(*settings_.pixel_format)).c_str(),
                                              error_.place());
    if (settings_.pixel_format && error_.is_set()) return wrong("pixel_format");
    if (settings_.width != 0 || settings_.height != 0) {
      gint x = 0, y = 0, width = 0, height = 0;
      arv_camera_get_region(camera, &x, &y, &width, &height, error_.place());
      if (!error_.is_set())
        arv_camera_set_region(camera, x, y, settings_.width != 0 ? settings_.width : width,
                              settings_.height != 0 ? settings_.height : height, error_.place());
      if (error_.is_set()) return wrong("width and height");
    }
    for (const auto& feature : settings_.features)
      if (auto ok = set_feature(feature.first, feature.second); !ok) return ok.error();
    if (auto ok = set_trigger(); !ok) return ok.error();
    if (settings_.frame_rate > 0) {
      arv_camera_set_frame_rate(camera, settings_.frame_rate, error_.place());
      if (error_.is_set()) return wrong("frame_rate");
    }
    return arv_camera_is_gv_device(camera) != 0 ? set_up_network() : Result<void>();
  }

  /// Sets a feature as what the camera says it is: a whole number is also good for a float.
  Result<void> set_feature(const std::string& name,
                           const std::variant<bool, std::int64_t, double, std::string>& value) {
    auto* const camera = camera_.get();
    auto* const node = arv_device_get_feature(device_, name.c_str());
    if (node == nullptr) return invalid_input(fmt::format("The camera has no feature {}.", name));
    if (const auto* const flag = std::get_if<bool>(&value))
      arv_camera_set_boolean(camera, name.c_str(), *flag ? 1 : 0, error_.place());
    else if (const auto* const text = std::get_if<std::string>(&value)) {
      if (ARV_IS_GC_COMMAND(node))
        arv_camera_execute_command(camera, name.c_str(), error_.place());
      else
        arv_camera_set_string(camera, name.c_str(), text->c_str(), error_.place());
    } else if (ARV_IS_GC_FLOAT(node)) {
      const auto* const whole = std::get_if<std::int64_t>(&value);
      arv_camera_set_float(camera, name.c_str(),
                           whole != nullptr ? static_cast<double>(*whole) : std::get<double>(value), error_.place());
    } else if (const auto* const number = std::get_if<std::int64_t>(&value)) {
      arv_camera_set_integer(camera, name.c_str(), *number, error_.place());
    } else {
      return invalid_input(fmt::format("The camera wants a whole number for the feature {}.", name));
    }
    if (error_.is_set()) return wrong("the feature " + name);
    return {};
  }

  Result<void> set_trigger() {
    auto* const camera = camera_.get();
    arv_camera_set_acquisition_mode(camera, ARV_ACQUISITION_MODE_CONTINUOUS, error_.place());
    if (error_.is_set()) return wrong("continuous acquisition");
    if (settings_.mode == TriggerMode::free) {
      arv_camera_clear_triggers(camera, error_.place());  // A camera without triggers has nothing to clear.
      return {};
    }
    arv_camera_set_trigger(camera,
                           settings_.mode == TriggerMode::software ? "Software" : settings_.trigger_source.c_str(),
                           error_.place());
    if (error_.is_set()) return wrong("this trigger");
    return {};
  }

  Result<void> set_up_network() {
    auto* const camera = camera_.get();
    const bool uses_packet_socket = settings_.is_packet_socket_allowed && may_use_packet_sockets();
    arv_camera_gv_set_stream_options(
        camera, uses_packet_socket ? ARV_GV_STREAM_OPTION_NONE : ARV_GV_STREAM_OPTION_PACKET_SOCKET_DISABLED);
    if (settings_.packet_size != 0) {
      arv_camera_gv_set_packet_size(camera, settings_.packet_size, error_.place());
      if (error_.is_set()) return wrong("packet_size");
    } else {
      arv_camera_gv_auto_packet_size(camera,
                                     error_.place());  // If the test packets do not come, the size stays as it is.
    }
    if (settings_.packet_delay_ns >= 0) {
      arv_camera_gv_set_packet_delay(camera, settings_.packet_delay_ns, error_.place());
      if (error_.is_set()) return wrong("packet_delay_ns");
    }
    return {};
  }

  Result<void> start() {
    auto* const camera = camera_.get();
    const guint payload = arv_camera_get_payload(camera, error_.place());
    if (error_.is_set()) return refusal("say how large its frames are");
    if (payload > settings_.frame_bytes)
      return invalid_input(fmt::format("A frame of this camera has {} bytes, more than frame_bytes allows.", payload));
    stream_.reset(arv_camera_create_stream(camera, nullptr, nullptr, error_.place()));
    if (!stream_) return refusal("open its stream");
    if (ARV_IS_GV_STREAM(stream_.get())) {
      // Aravis sizes the socket's buffer for the bytes of one frame, but the kernel also counts what it needs beside each
      // packet, more than half again, and the thread that reads may come late.
      constexpr int kFrames = 4, kLeast = 1 << 20, kMost = 64 << 20;
      const auto bytes = static_cast<int>(std::clamp<std::int64_t>(std::int64_t{payload} * kFrames, kLeast, kMost));
      g_object_set(stream_.get(), "socket-buffer", ARV_GV_STREAM_SOCKET_BUFFER_FIXED, "socket-buffer-size", bytes,
                   nullptr);
    }
    for (int i = 0; i < settings_.buffers; ++i) arv_stream_push_buffer(stream_.get(), arv_buffer_new_allocate(payload));
    describe();
    arv_camera_start_acquisition(camera, error_.place());
    if (error_.is_set()) return refusal("start");
    return {};
  }

  Result<void> stop() {
    arv_camera_stop_acquisition(camera_.get(), error_.place());
    if (error_.is_set()) return refusal("stop");
    return {};
  }

  void describe() {
    const char* const vendor = arv_camera_get_vendor_name(camera_.get(), error_.place());
    std::string who = vendor != nullptr ? vendor : "";
    const char* const model = arv_camera_get_model_name(camera_.get(), error_.place());
    who += std::string(who.empty() ? "" : " ") + (model != nullptr ? model : "camera");
    const char* const format = arv_camera_get_pixel_format_as_string(camera_.get(), error_.place());
    gint x = 0, y = 0, width = 0, height = 0;
    arv_camera_get_region(camera_.get(), &x, &y, &width, &height, error_.place());
    description_ = fmt::format("{} ({}, {}x{})", who, format != nullptr ? format : "?", width, height);
    if (arv_camera_is_gv_device(camera_.get()) != 0)
      description_ +=
          fmt::format(", packets of {} bytes", arv_camera_gv_get_packet_size(camera_.get(), error_.place()));
  }

  void give_back() {
    if (buffer_ != nullptr) arv_stream_push_buffer(stream_.get(), buffer_);
    buffer_ = nullptr;
  }

  Result<Capture> whole(std::int64_t pictured_at) {
    if (const auto type = arv_buffer_get_payload_type(buffer_);
        type != ARV_BUFFER_PAYLOAD_TYPE_IMAGE && type != ARV_BUFFER_PAYLOAD_TYPE_EXTENDED_CHUNK_DATA)
      return fail(ErrorKind::unavailable, "The camera sends something that is no picture.");
    const auto number = static_cast<std::uint32_t>(arv_buffer_get_image_pixel_format(buffer_));
    const auto format = known_format(number);
    if (!format)
      return invalid_input(fmt::format("The camera's pixel format {:#010x} is not one that Vedette reads.", number));
    Capture out{.kind = Capture::Kind::frame};
    std::size_t size = 0;
    const auto* const data = static_cast<const std::uint8_t*>(arv_buffer_get_image_data(buffer_, &size));
    out.frame.width = arv_buffer_get_image_width(buffer_);
    out.frame.height = arv_buffer_get_image_height(buffer_);
    out.frame.format = *format;
    out.frame.pictured_at = pictured_at;
    out.frame.pixels = {data, size};
    gint padding_x = 0, padding_y = 0;
    arv_buffer_get_image_padding(buffer_, &padding_x, &padding_y);
    if (padding_x > 0) {
      const auto tight = frame_bytes(*format, out.frame.width, out.frame.height, 0);
      if (tight)
        out.frame.stride = *tight / static_cast<std::size_t>(out.frame.height) + static_cast<std::size_t>(padding_x);
    }
    const auto least = frame_bytes(*format, out.frame.width, out.frame.height, out.frame.stride);
    if (!least || size < *least) {
      give_back();
      return Capture{.kind = Capture::Kind::incomplete, .reason = "it has fewer bytes than its size needs"};
    }
    return out;
  }

  CameraSettings settings_;
  ArvError error_;
  Owned<ArvCamera> camera_;
  ArvDevice* device_ = nullptr;  ///< the camera's
  Owned<ArvStream> stream_;
  ArvBuffer* buffer_ = nullptr;  ///< the frame that the caller looks at
  std::string description_;
  std::atomic<bool> lost_ = false;  ///< set by a thread of Aravis
};

}  // namespace

Result<std::unique_ptr<Camera>> open_aravis(const CameraSettings& settings) {
  auto camera = std::make_unique<AravisCamera>();
  if (auto ok = camera->open(settings); !ok) return ok.error();
  return std::unique_ptr<Camera>(std::move(camera));
}

}  // namespace vedette
