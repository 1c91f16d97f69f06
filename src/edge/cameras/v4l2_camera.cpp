#include <fmt/format.h>
#include <linux/videodev2.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <map>
#include <utility>
#include <vector>

#include "base/text.hpp"
#include "edge/cameras/video_device.hpp"

namespace vedette {
namespace {

using std::chrono::milliseconds;

struct KnownFormat {
  std::uint32_t code;
  PixelFormat format;
};
/// The best format comes first: what a camera offers without loss, then what it compresses.
constexpr std::array kFormats = {
    KnownFormat{V4L2_PIX_FMT_RGB24, PixelFormat::rgb8},       KnownFormat{V4L2_PIX_FMT_BGR24, PixelFormat::bgr8},
    KnownFormat{V4L2_PIX_FMT_SRGGB8, PixelFormat::bayer_rg8}, KnownFormat{V4L2_PIX_FMT_SGRBG8, PixelFormat::bayer_gr8},
    KnownFormat{V4L2_PIX_FMT_SGBRG8, PixelFormat::bayer_gb8}, KnownFormat{V4L2_PIX_FMT_SBGGR8, PixelFormat::bayer_bg8},
    KnownFormat{V4L2_PIX_FMT_Y16, PixelFormat::mono16},       KnownFormat{V4L2_PIX_FMT_Y12, PixelFormat::mono12},
    KnownFormat{V4L2_PIX_FMT_Y10, PixelFormat::mono10},       KnownFormat{V4L2_PIX_FMT_GREY, PixelFormat::mono8},
    KnownFormat{V4L2_PIX_FMT_YUYV, PixelFormat::yuyv},        KnownFormat{V4L2_PIX_FMT_NV12, PixelFormat::nv12},
    KnownFormat{V4L2_PIX_FMT_MJPEG, PixelFormat::jpeg},       KnownFormat{V4L2_PIX_FMT_JPEG, PixelFormat::jpeg},
};
constexpr unsigned kMostFormats = 256, kMostControls = 1024;

template <typename T>
T zeroed() {
  T out;
  std::memset(&out, 0, sizeof(out));
  return out;
}

template <std::size_t N>
std::string text_of(const std::uint8_t (&name)[N]) {  // NOLINT: the kernel's structures have arrays
  return {name, std::find(name, name + N, 0)};
}

/// Returns when the driver filled a buffer, in nanoseconds since the Unix epoch. A frame may wait in its buffer for long,
/// and would otherwise pass for that of a part that came later. A driver that tells no time by the monotonic clock, or
/// one in the future, leaves only the time of now.
std::int64_t filled_at(const v4l2_buffer& buffer) {
  const auto now = std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch());
  if ((buffer.flags & V4L2_BUF_FLAG_TIMESTAMP_MASK) != V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC) return now.count();
  const std::chrono::nanoseconds steady_now = std::chrono::steady_clock::now().time_since_epoch();
  const auto age =
      steady_now - std::chrono::seconds(buffer.timestamp.tv_sec) - std::chrono::microseconds(buffer.timestamp.tv_usec);
  return (now - std::clamp<std::chrono::nanoseconds>(age, std::chrono::nanoseconds(0), steady_now)).count();
}

class V4l2Camera final : public Camera {
 public:
  explicit V4l2Camera(std::unique_ptr<VideoDevice> device) : device_(std::move(device)) {}
  ~V4l2Camera() override {
    int type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    if (is_streaming_) device_->control(VIDIOC_STREAMOFF, &type);
  }
  V4l2Camera(const V4l2Camera&) = delete;
  V4l2Camera& operator=(const V4l2Camera&) = delete;

  Result<void> open(const CameraSettings& settings) {
    auto about = zeroed<v4l2_capability>();
    if (device_->control(VIDIOC_QUERYCAP, &about) != 0)
      return fail(ErrorKind::unavailable, "The device is no video device.");
    const auto abilities = (about.capabilities & V4L2_CAP_DEVICE_CAPS) != 0 ? about.device_caps : about.capabilities;
    if ((abilities & V4L2_CAP_VIDEO_CAPTURE) == 0 || (abilities & V4L2_CAP_STREAMING) == 0)
      return invalid_input("The device takes no pictures. A camera often has more than one: try the next number.");
    if (auto ok = choose_format(settings); !ok) return ok.error();
    if (auto ok = set_controls(settings); !ok) return ok.error();
    if (auto ok = set_rate(settings); !ok) return ok.error();
    if (auto ok = map_buffers(settings); !ok) return ok.error();
    description_ = fmt::format("{} ({}, {}x{})", text_of(about.card), to_text(format_), width_, height_);
    int type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    if (device_->control(VIDIOC_STREAMON, &type) != 0) return trouble("The camera does not start");
    is_streaming_ = true;
    return {};
  }

  Result<Capture> next(milliseconds timeout) override {
    if (auto ok = give_back(); !ok) return ok.error();
    if (!device_->wait(timeout)) return Capture{};
    auto buffer = empty_buffer();
    if (device_->control(VIDIOC_DQBUF, &buffer) != 0) {
      if (errno == EAGAIN) return Capture{};
      return trouble("The camera is lost");
    }
    if (buffer.index >= buffers_.size()) return fail(ErrorKind::unavailable, "The driver names a buffer of its own.");
    taken_ = buffer;
    Capture out{.kind = Capture::Kind::frame};
    out.frame.pictured_at = filled_at(buffer);
    out.frame.width = width_;
    out.frame.height = height_;
    out.frame.format = format_;
    out.frame.stride = stride_;
    const auto& mapped = buffers_[buffer.index];
    out.frame.pixels = mapped.first(std::min<std::size_t>(buffer.bytesused, mapped.size()));
    const auto least = frame_bytes(format_, width_, height_, stride_);
    if ((buffer.flags & V4L2_BUF_FLAG_ERROR) != 0)
      return Capture{.kind = Capture::Kind::incomplete, .reason = "the driver says that it is damaged"};
    if (!least || out.frame.pixels.size() < *least)
      return Capture{.kind = Capture::Kind::incomplete, .reason = "it has fewer bytes than its size needs"};
    return out;
  }

  [[nodiscard]] std::string description() const override { return description_; }

 private:
  static v4l2_buffer empty_buffer() {
    auto buffer = zeroed<v4l2_buffer>();
    buffer.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    buffer.memory = V4L2_MEMORY_MMAP;
    return buffer;
  }

  static Error trouble(const char* what) {
    return fail(ErrorKind::unavailable, fmt::format("{}: {}.", what, std::strerror(errno)));
  }

  Result<void> choose_format(const CameraSettings& settings) {
    std::vector<std::uint32_t> offered;
    auto entry = zeroed<v4l2_fmtdesc>();
    entry.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    for (; entry.index < kMostFormats && device_->control(VIDIOC_ENUM_FMT, &entry) == 0; ++entry.index)
      offered.push_back(entry.pixelformat);
    const auto* const best = std::find_if(kFormats.begin(), kFormats.end(), [&](const KnownFormat& known) {
      return (!settings.pixel_format || known.format == *settings.pixel_format) &&
             std::find(offered.begin(), offered.end(), known.code) != offered.end();
    });
    if (best == kFormats.end()) return invalid_input("The camera does not offer this pixel_format; " + list(offered));
    auto format = zeroed<v4l2_format>();
    format.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    if (device_->control(VIDIOC_G_FMT, &format) != 0) return trouble("The camera does not tell its format");
    auto& picture = format.fmt.pix;
    if (settings.width != 0) picture.width = static_cast<std::uint32_t>(settings.width);
    if (settings.height != 0) picture.height = static_cast<std::uint32_t>(settings.height);
    picture.pixelformat = best->code;
    picture.field = V4L2_FIELD_NONE;
    picture.bytesperline = 0;
    picture.sizeimage = 0;
    if (device_->control(VIDIOC_S_FMT, &format) != 0) return trouble("The camera does not take its format");
    // A driver gives what comes nearest to what it was asked for. Models know one size, so the nearest is not enough.
    if (picture.pixelformat != best->code) return invalid_input("The camera does not take this pixel_format.");
    if ((settings.width != 0 && picture.width != static_cast<std::uint32_t>(settings.width)) ||
        (settings.height != 0 && picture.height != static_cast<std::uint32_t>(settings.height)))
      return invalid_input(fmt::format("The camera does not offer this width and height; the nearest size is {}x{}.",
                                       picture.width, picture.height));
    if (picture.width > kMostFrameSide || picture.height > kMostFrameSide)
      return invalid_input("The camera's pictures are too large.");
    format_ = best->format;
    width_ = static_cast<int>(picture.width);
    height_ = static_cast<int>(picture.height);
    stride_ = format_ == PixelFormat::jpeg ? 0 : picture.bytesperline;
    if (!frame_bytes(format_, width_, height_, stride_))
      return invalid_input("The driver tells a size that cannot be.");
    return {};
  }

  static std::string list(const std::vector<std::uint32_t>& offered) {
    std::string out;
    for (const auto& known : kFormats)
      if (std::find(offered.begin(), offered.end(), known.code) != offered.end())
        out.append(out.empty() ? "it offers " : ", ").append(to_text(known.format));
    return out.empty() ? "it offers none that Vedette reads." : out + ".";
  }

  /// Sets each control by the name that the driver tells, in small letters with _ for what is no letter or digit:
  /// "Exposure Time, Absolute" is exposure_time_absolute, as v4l2-ctl writes it.
  Result<void> set_controls(const CameraSettings& settings) {
    if (settings.features.empty()) return {};
    std::map<std::string, v4l2_queryctrl> known;
    auto query = zeroed<v4l2_queryctrl>();
    query.id = V4L2_CTRL_FLAG_NEXT_CTRL;
    for (unsigned i = 0; i < kMostControls && device_->control(VIDIOC_QUERYCTRL, &query) == 0; ++i) {
      known[plain_name(text_of(query.name))] = query;
      query.id |= V4L2_CTRL_FLAG_NEXT_CTRL;
    }
    for (const auto& wish : settings.features) {
      const auto found = known.find(wish.first);
      if (found == known.end()) {
        std::string names;
        for (const auto& each : known) names.append(names.empty() ? "" : ", ").append(each.first);
        return invalid_input(fmt::format("The camera has no control {}; it has {}.", wish.first, names));
      }
      auto control = zeroed<v4l2_control>();
      control.id = found->second.id;
      if (const auto* const number = std::get_if<std::int64_t>(&wish.second); number != nullptr) {
        if (*number < found->second.minimum || *number > found->second.maximum)
          return invalid_input(
              fmt::format("The control {} takes {} to {}.", wish.first, found->second.minimum, found->second.maximum));
        control.value = static_cast<std::int32_t>(*number);
      } else if (const auto* const flag = std::get_if<bool>(&wish.second); flag != nullptr) {
        control.value = *flag ? 1 : 0;
      } else {
        return invalid_input(fmt::format("The control {} takes a whole number, true or false.", wish.first));
      }
      if (device_->control(VIDIOC_S_CTRL, &control) != 0)
        return invalid_input(
            fmt::format("The camera does not take the control {}: {}.", wish.first, std::strerror(errno)));
    }
    return {};
  }

  static std::string plain_name(const std::string& name) {
    std::string out;
    for (const char c : to_lower(name)) {
      const bool is_plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
      if (is_plain)
        out += c;
      else if (!out.empty() && out.back() != '_')
        out += '_';
    }
    while (out.ends_with('_')) out.pop_back();
    return out;
  }

  Result<void> set_rate(const CameraSettings& settings) {
    if (settings.frame_rate <= 0) return {};
    auto rate = zeroed<v4l2_streamparm>();
    rate.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    rate.parm.capture.timeperframe.numerator = 1000;
    rate.parm.capture.timeperframe.denominator = static_cast<std::uint32_t>(std::lround(settings.frame_rate * 1000));
    if (device_->control(VIDIOC_S_PARM, &rate) != 0) return invalid_input("The camera does not take this frame_rate.");
    return {};
  }

  Result<void> map_buffers(const CameraSettings& settings) {
    auto request = zeroed<v4l2_requestbuffers>();
    request.count = static_cast<std::uint32_t>(settings.buffers);
    request.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    request.memory = V4L2_MEMORY_MMAP;
    if (device_->control(VIDIOC_REQBUFS, &request) != 0) return trouble("The camera is in use, or gives no buffers");
    if (request.count < 2) return fail(ErrorKind::unavailable, "The camera gives too few buffers.");
    for (std::uint32_t i = 0; i < request.count; ++i) {
      auto buffer = empty_buffer();
      buffer.index = i;
      if (device_->control(VIDIOC_QUERYBUF, &buffer) != 0) return trouble("The camera does not tell its buffers");
      const std::uint8_t* const begin = device_->map(buffer.length, buffer.m.offset);
      if (begin == nullptr) return trouble("The camera's buffers cannot be mapped");
      buffers_.emplace_back(begin, buffer.length);
      if (device_->control(VIDIOC_QBUF, &buffer) != 0) return trouble("The camera does not take its buffers");
    }
    return {};
  }

  Result<void> give_back() {
    if (!taken_) return {};
    auto buffer = *std::exchange(taken_, std::nullopt);
    if (device_->control(VIDIOC_QBUF, &buffer) != 0) return trouble("The camera is lost");
    return {};
  }

  std::unique_ptr<VideoDevice> device_;
  PixelFormat format_ = PixelFormat::rgb8;
  int width_ = 0, height_ = 0;
  std::size_t stride_ = 0;
  std::vector<std::span<const std::uint8_t>> buffers_;
  std::optional<v4l2_buffer> taken_;  ///< the buffer that the caller looks at
  bool is_streaming_ = false;
  std::string description_;
};

}  // namespace

Result<std::unique_ptr<Camera>> open_v4l2(std::unique_ptr<VideoDevice> device, const CameraSettings& settings) {
  auto camera = std::make_unique<V4l2Camera>(std::move(device));
  if (auto ok = camera->open(settings); !ok) return ok.error();
  return std::unique_ptr<Camera>(std::move(camera));
}

}  // namespace vedette
