#include <gtest/gtest.h>
#include <linux/videodev2.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <deque>
#include <vector>

#include "edge/cameras/video_device.hpp"

namespace vedette {
namespace {

using std::chrono::milliseconds;

/// What a test sets and reads of a fake device. It outlives the device.
struct Device {
  std::vector<std::uint32_t> formats = {V4L2_PIX_FMT_MJPEG, V4L2_PIX_FMT_YUYV};
  std::uint32_t capabilities = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
  std::uint32_t width = 640, height = 480;  ///< the only size that it offers
  std::uint32_t padding = 0;                ///< of each row
  std::uint32_t chosen = 0;
  std::uint32_t rate_numerator = 0, rate_denominator = 0;
  std::int32_t exposure = 0;
  bool streams = false;
  bool is_unplugged = false;
  std::vector<std::vector<std::uint8_t>> buffers;
  std::deque<std::uint32_t> queued;
  struct Filled {
    std::uint32_t index, bytes, flags;
    std::chrono::nanoseconds at;  ///< by the monotonic clock
  };
  std::deque<Filled> filled;

  void fill(std::uint8_t value, std::uint32_t bytes, std::uint32_t flags = 0, std::chrono::nanoseconds at = {}) {
    const auto index = queued.front();
    queued.pop_front();
    std::fill(buffers[index].begin(), buffers[index].end(), value);
    filled.push_back({index, bytes, flags, at});
  }
};

class FakeVideoDevice final : public VideoDevice {
 public:
  explicit FakeVideoDevice(Device& device) : d_(device) {}

  int control(unsigned long request, void* argument) override {
    if (d_.is_unplugged) return refuse(ENODEV);
    switch (request) {
      case VIDIOC_QUERYCAP: {
        auto& about = *static_cast<v4l2_capability*>(argument);
        std::memcpy(about.card, "Fake", 5);
        about.capabilities = d_.capabilities | V4L2_CAP_DEVICE_CAPS;
        about.device_caps = d_.capabilities;
        return 0;
      }
      case VIDIOC_ENUM_FMT: {
        auto& entry = *static_cast<v4l2_fmtdesc*>(argument);
        if (entry.index >= d_.formats.size()) return refuse(EINVAL);
        entry.pixelformat = d_.formats[entry.index];
        return 0;
      }
      case VIDIOC_G_FMT:
        return 0;
      case VIDIOC_S_FMT: {
        auto& picture = static_cast<v4l2_format*>(argument)->fmt.pix;
        d_.chosen = picture.pixelformat;
        picture.width = d_.width;
        picture.height = d_.height;
        const std::uint32_t per_pixel =
            picture.pixelformat == V4L2_PIX_FMT_YUYV || picture.pixelformat == V4L2_PIX_FMT_Y12 ? 2 : 1;
        picture.bytesperline = d_.width * per_pixel + d_.padding;
        return 0;
      }
      case VIDIOC_S_PARM: {
        const auto& frame = static_cast<v4l2_streamparm*>(argument)->parm.capture.timeperframe;
        d_.rate_numerator = frame.numerator;
        d_.rate_denominator = frame.denominator;
        return 0;
      }
      case VIDIOC_QUERYCTRL: {
        auto& query = *static_cast<v4l2_queryctrl*>(argument);
        if (query.id != V4L2_CTRL_FLAG_NEXT_CTRL) return refuse(EINVAL);
        query.id = V4L2_CID_EXPOSURE_ABSOLUTE;
        std::memcpy(query.name, "Exposure Time, Absolute", 24);
        query.minimum = 1;
        query.maximum = 5000;
        return 0;
      }
      case VIDIOC_S_CTRL:
        d_.exposure = static_cast<v4l2_control*>(argument)->value;
        return 0;
      case VIDIOC_REQBUFS:
        d_.buffers.assign(static_cast<v4l2_requestbuffers*>(argument)->count,
                          std::vector<std::uint8_t>(d_.height * (d_.width * 2 + d_.padding)));
        return 0;
      case VIDIOC_QUERYBUF: {
        auto& buffer = *static_cast<v4l2_buffer*>(argument);
        buffer.length = static_cast<std::uint32_t>(d_.buffers[buffer.index].size());
        buffer.m.offset = buffer.index;
        return 0;
      }
      case VIDIOC_QBUF:
        d_.queued.push_back(static_cast<v4l2_buffer*>(argument)->index);
        return 0;
      case VIDIOC_DQBUF: {
        if (d_.filled.empty()) return refuse(EAGAIN);
        auto& buffer = *static_cast<v4l2_buffer*>(argument);
        buffer.index = d_.filled.front().index;
        buffer.bytesused = d_.filled.front().bytes;
        buffer.flags = d_.filled.front().flags;
        const auto at = d_.filled.front().at;
        buffer.timestamp.tv_sec = std::chrono::duration_cast<std::chrono::seconds>(at).count();
        buffer.timestamp.tv_usec =
            std::chrono::duration_cast<std::chrono::microseconds>(at % std::chrono::seconds(1)).count();
        d_.filled.pop_front();
        return 0;
      }
      case VIDIOC_STREAMON:
      case VIDIOC_STREAMOFF:
        d_.streams = request == VIDIOC_STREAMON;
        return 0;
      default:
        return refuse(ENOTTY);
    }
  }
  const std::uint8_t* map(std::size_t /*length*/, std::int64_t offset) override {
    return d_.buffers[static_cast<std::size_t>(offset)].data();
  }
  bool wait(milliseconds /*timeout*/) override { return !d_.filled.empty() || d_.is_unplugged; }

 private:
  static int refuse(int reason) {
    errno = reason;
    return -1;
  }
  Device& d_;
};

Result<std::unique_ptr<Camera>> open(Device& device, const CameraSettings& settings = {}) {
  return open_v4l2(std::make_unique<FakeVideoDevice>(device), settings);
}

TEST(V4l2, PixelsAreBetterThanCompressedFilesAndDeepOnesBetterThanShallow) {
  Device device;
  ASSERT_TRUE(open(device));
  EXPECT_EQ(device.chosen, static_cast<std::uint32_t>(V4L2_PIX_FMT_YUYV));
  device.formats = {V4L2_PIX_FMT_GREY, V4L2_PIX_FMT_Y12, V4L2_PIX_FMT_NV12};
  ASSERT_TRUE(open(device));
  EXPECT_EQ(device.chosen, static_cast<std::uint32_t>(V4L2_PIX_FMT_Y12));
  EXPECT_FALSE(device.streams);  // The camera has been closed again.
}

TEST(V4l2, TheSettingsReachTheCamera) {
  Device device;
  CameraSettings settings;
  settings.pixel_format = PixelFormat::jpeg;
  settings.width = 640;
  settings.height = 480;
  settings.frame_rate = 12.5;
  settings.features["exposure_time_absolute"] = std::int64_t{250};
  const auto camera = open(device, settings);
  ASSERT_TRUE(camera) << camera.error().message;
  EXPECT_EQ((*camera)->description(), "Fake (JPEG, 640x480)");
  EXPECT_EQ(device.chosen, static_cast<std::uint32_t>(V4L2_PIX_FMT_MJPEG));
  EXPECT_EQ(device.rate_denominator, 12'500U);
  EXPECT_EQ(device.rate_numerator, 1000U);
  EXPECT_EQ(device.exposure, 250);
  EXPECT_TRUE(device.streams);
}

TEST(V4l2, WhatTheCameraCannotDoIsAnErrorThatSaysWhatItCan) {
  Device device;
  CameraSettings settings;
  settings.pixel_format = PixelFormat::mono16;
  EXPECT_NE(open(device, settings).error().message.find("it offers YUYV, JPEG"), std::string::npos);
  settings = {};
  settings.width = 800;
  EXPECT_NE(open(device, settings).error().message.find("nearest size is 640x480"), std::string::npos);
  settings = {};
  settings.features["zoom"] = std::int64_t{1};
  EXPECT_NE(open(device, settings).error().message.find("exposure_time_absolute"), std::string::npos);
  settings.features = {{"exposure_time_absolute", std::int64_t{5001}}};
  EXPECT_NE(open(device, settings).error().message.find("1 to 5000"), std::string::npos);
  device.capabilities = V4L2_CAP_META_CAPTURE | V4L2_CAP_STREAMING;
  EXPECT_NE(open(device).error().message.find("try the next number"), std::string::npos);
  device = {};
  device.formats.clear();
  EXPECT_FALSE(open(device));
  device = {};
  device.is_unplugged = true;
  EXPECT_EQ(open(device).error().kind, ErrorKind::unavailable);
}

TEST(V4l2, FramesKeepThePaddingOfTheirRowsAndGoBackToTheDriver) {
  Device device;
  device.padding = 64;
  CameraSettings settings;
  settings.buffers = 2;
  const auto camera = open(device, settings);
  ASSERT_TRUE(camera);
  EXPECT_EQ((*camera)->next(milliseconds(0))->kind, Capture::Kind::nothing);
  for (std::uint8_t i = 1; i <= 5; ++i) {  // more often than there are buffers
    ASSERT_FALSE(device.queued.empty());
    device.fill(i, 480 * (1280 + 64));
    const auto capture = (*camera)->next(milliseconds(0));
    ASSERT_TRUE(capture);
    ASSERT_EQ(capture->kind, Capture::Kind::frame);
    EXPECT_EQ(capture->frame.stride, 1344U);
    EXPECT_EQ(capture->frame.format, PixelFormat::yuyv);
    EXPECT_EQ(capture->frame.pixels[0], i);
    EXPECT_TRUE(to_rgb(capture->frame, 16));
  }
}

TEST(V4l2, AFrameIsAsOldAsTheDriverSays) {
  using std::chrono::nanoseconds;
  Device device;
  const auto camera = open(device);
  ASSERT_TRUE(camera);
  const auto wall = [] { return nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count(); };
  const auto steady = [] { return nanoseconds(std::chrono::steady_clock::now().time_since_epoch()); };
  const auto pictured_at = [&](std::uint32_t flags, nanoseconds at) {
    device.fill(1, 480 * 1280, flags, at);
    return (*camera)->next(milliseconds(0))->frame.pictured_at;
  };
  constexpr std::int64_t kSecond = 1'000'000'000;
  auto before = wall();
  auto at = pictured_at(V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC, steady() - std::chrono::seconds(5));
  EXPECT_LE(at, wall() - 5 * kSecond + 2000);  // The driver counts microseconds.
  EXPECT_GT(at, before - 6 * kSecond);
  // The same time by another clock, and one that is still to come, say nothing.
  for (const auto& [flags, time] : {std::pair<std::uint32_t, nanoseconds>{V4L2_BUF_FLAG_TIMESTAMP_COPY, steady()},
                                    {V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC, steady() + std::chrono::hours(1)}}) {
    before = wall();
    at = pictured_at(flags, time);
    EXPECT_GE(at, before);
    EXPECT_LE(at, wall());
  }
}

TEST(V4l2, DamagedAndShortFramesAreIncomplete) {
  Device device;
  const auto camera = open(device);
  ASSERT_TRUE(camera);
  device.fill(1, 480 * 1280, V4L2_BUF_FLAG_ERROR);
  EXPECT_EQ((*camera)->next(milliseconds(0))->kind, Capture::Kind::incomplete);
  device.fill(1, 480 * 1280 - 1);
  EXPECT_EQ((*camera)->next(milliseconds(0))->kind, Capture::Kind::incomplete);
  device.fill(1, 480 * 1280);
  EXPECT_EQ((*camera)->next(milliseconds(0))->kind, Capture::Kind::frame);
  device.is_unplugged = true;
  EXPECT_EQ((*camera)->next(milliseconds(0)).error().kind, ErrorKind::unavailable);
}

}  // namespace
}  // namespace vedette
