#include "edge/frames/camera_settings.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace vedette {
namespace {

using Json = nlohmann::json;
using std::chrono::milliseconds;

TEST(CameraSettings, EveryMemberIsRead) {
  const auto parsed = parse_camera_settings(Json::parse(R"({
    "kind": "aravis", "name": "top", "model": "lid", "camera": "Basler-1", "pixel_format": "Mono12p", "width": 640, "height": 480,
    "frame_rate": 12.5, "features": {"ExposureTime": 250.5, "Gain": 3, "GammaEnable": false, "LineSelector": "Line2"},
    "trigger": {"mode": "hardware", "source": "Line3"}, "frame_bytes": 1000000, "silence_ms": 5000, "restart_ms": 100,
    "buffers": 20, "packet_size": 8000, "packet_delay_ns": 1000, "packet_socket": false})"));
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->kind, CameraKind::aravis);
  EXPECT_EQ(parsed->name, "top");
  EXPECT_EQ(parsed->camera, "Basler-1");
  EXPECT_EQ(parsed->pixel_format, PixelFormat::mono12p);
  EXPECT_EQ(parsed->width, 640);
  EXPECT_EQ(parsed->frame_rate, 12.5);
  EXPECT_EQ(std::get<double>(parsed->features.at("ExposureTime")), 250.5);
  EXPECT_EQ(std::get<std::int64_t>(parsed->features.at("Gain")), 3);
  EXPECT_FALSE(std::get<bool>(parsed->features.at("GammaEnable")));
  EXPECT_EQ(std::get<std::string>(parsed->features.at("LineSelector")), "Line2");
  EXPECT_EQ(parsed->mode, TriggerMode::hardware);
  EXPECT_EQ(parsed->trigger_source, "Line3");
  EXPECT_EQ(parsed->frame_bytes, 1000000U);
  EXPECT_EQ(parsed->buffers, 20);
  EXPECT_EQ(parsed->packet_size, 8000);
  EXPECT_FALSE(parsed->is_packet_socket_allowed);
  EXPECT_EQ(parsed->first_pause, milliseconds(100));
}

TEST(CameraSettings, SlowPicturesAreNoSilence) {
  const auto parsed = parse_camera_settings(
      Json::parse(R"({"kind": "gstreamer", "name": "a", "pipeline": "videotestsrc", "trigger": {"rate": 0.01}})"));
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->silence, milliseconds(300'000));
}

TEST(CameraSettings, ErrorsNameTheMember) {
  struct Wrong {
    const char* settings;
    const char* named;
  };
  for (const auto& wrong : {
           Wrong{R"([])", "source must be an object"},
           Wrong{R"({"kind": "webcam"})", "source.kind"},
           Wrong{R"({"kind": "v4l2"})", "source.name"},
           Wrong{R"({"kind": "v4l2", "name": "../a"})", "source.name"},
           Wrong{R"({"kind": "v4l2", "name": "a", "devise": "/dev/video1"})", "devise"},
           Wrong{R"({"kind": "v4l2", "name": "a", "url": "rtsp://camera"})", "url"},
           Wrong{R"({"kind": "v4l2", "name": "a", "width": 16385})", "source.width"},
           Wrong{R"({"kind": "v4l2", "name": "a", "width": 1e300})", "source.width"},
           Wrong{R"({"kind": "v4l2", "name": "a", "width": 18446744073709551615})", "source.width"},
           Wrong{R"({"kind": "v4l2", "name": "a", "pixel_format": "Mono13"})", "source.pixel_format"},
           Wrong{R"({"kind": "v4l2", "name": "a", "controls": {"gain": []}})", "source.controls"},
           Wrong{R"({"kind": "v4l2", "name": "a", "trigger": {"mode": "sometimes"}})", "source.trigger.mode"},
           Wrong{R"({"kind": "v4l2", "name": "a", "trigger": {"mode": "free", "rate": 0}})", "source.trigger.rate"},
           Wrong{R"({"kind": "v4l2", "name": "a", "trigger": {"mode": "free", "timeout_ms": 100}})", "timeout_ms"},
           Wrong{R"({"kind": "gstreamer", "name": "a"})", "source.url"},
           Wrong{R"({"kind": "gstreamer", "name": "a", "url": "rtsp://a", "pipeline": "b"})", "source.url"},
           Wrong{R"({"kind": "gstreamer", "name": "a", "url": "file:///etc/passwd"})", "source.url"},
           Wrong{R"({"kind": "aravis", "name": "a", "packet_size": 100})", "source.packet_size"},
           Wrong{R"({"kind": "aravis", "name": "a", "camera": 5})", "source.camera"},
       }) {
    const auto parsed = parse_camera_settings(Json::parse(wrong.settings));
    ASSERT_FALSE(parsed) << wrong.settings;
    EXPECT_NE(parsed.error().message.find(wrong.named), std::string::npos) << parsed.error().message;
  }
}

}  // namespace
}  // namespace vedette
