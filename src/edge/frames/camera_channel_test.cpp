#include "edge/frames/camera_channel.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <functional>
#include <utility>

namespace vedette {
namespace {

using std::chrono::milliseconds;

struct Sockets {
  Sockets() { EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends.data()), 0); }
  ~Sockets() {
    for (const int end : ends) ::close(end);
  }
  Sockets(const Sockets&) = delete;
  Sockets& operator=(const Sockets&) = delete;
  std::array<int, 2> ends{};
};

CameraMessage grey_frame(std::uint32_t slot) {
  CameraMessage message{.kind = CameraMessageKind::frame, .slot = slot};
  message.format = static_cast<std::uint32_t>(PixelFormat::mono8);
  message.width = 64;
  message.height = 32;
  message.size = 64 * 32;
  message.at = 5;
  return message;
}

TEST(CameraChannel, AFrameIsReadWhereTheCameraProgramWroteItAndItsSlotComesBack) {
  Sockets sockets;
  const auto memory = FrameMemory::create(4096);
  ASSERT_TRUE(memory) << memory.error().message;
  const auto theirs = FrameMemory::map((*memory)->descriptor(), 4096);
  ASSERT_TRUE(theirs) << theirs.error().message;
  std::ranges::fill((*theirs)->slot(1), std::uint8_t{42});
  std::optional<Frame> frame;
  {
    FrameReceiver receiver(*memory, sockets.ends[0]);
    auto accepted = receiver.accept(grey_frame(1));
    ASSERT_TRUE(accepted) << accepted.error().message;
    frame = *accepted;
    EXPECT_FALSE(receiver.accept(grey_frame(1)));  // The slot is in use.
    EXPECT_TRUE(receiver.accept(grey_frame(2)));
  }
  EXPECT_EQ(frame->pixels.data(), (*memory)->slot(1).data());
  EXPECT_EQ(frame->pixels.size(), 2048U);
  EXPECT_EQ(frame->pixels[2047], 42);
  EXPECT_EQ(frame->pictured_at, 5);
  CameraMessage message;
  ASSERT_EQ(receive_message(sockets.ends[1], milliseconds(1000), message), Received::message);
  EXPECT_EQ(message.kind, CameraMessageKind::release);
  EXPECT_EQ(message.slot, 2U);
  EXPECT_EQ(receive_message(sockets.ends[1], milliseconds(0), message), Received::nothing);
  frame.reset();
  ASSERT_EQ(receive_message(sockets.ends[1], milliseconds(1000), message), Received::message);
  EXPECT_EQ(message.slot, 1U);
}

TEST(CameraChannel, ACopyOfAJpegFileNoLongerChangesAndNeedsNoSlot) {
  Sockets sockets;
  const auto memory = FrameMemory::create(4096);
  ASSERT_TRUE(memory);
  FrameReceiver receiver(*memory, sockets.ends[0]);
  auto message = grey_frame(0);
  message.format = static_cast<std::uint32_t>(PixelFormat::jpeg);
  message.size = 100;
  const auto frame = receiver.accept(message);
  ASSERT_TRUE(frame);
  std::ranges::fill((*memory)->slot(0), std::uint8_t{1});
  EXPECT_EQ(frame->pixels.size(), 100U);
  EXPECT_EQ(frame->pixels[0], 0);
  EXPECT_TRUE(receiver.accept(message));
}

TEST(CameraChannel, WhateverCannotBeIsRefused) {
  Sockets sockets;
  const auto memory = FrameMemory::create(4096);
  ASSERT_TRUE(memory);
  const std::vector<std::function<void(CameraMessage&)>> lies = {
      [](CameraMessage& m) { m.slot = kFrameSlots; },  [](CameraMessage& m) { m.format = 17; },
      [](CameraMessage& m) { m.size = 4097; },         [](CameraMessage& m) { m.size = 2047; },
      [](CameraMessage& m) { m.width = 0; },           [](CameraMessage& m) { m.width = 0xFFFFFFFF; },
      [](CameraMessage& m) { m.height = 0x80000001; }, [](CameraMessage& m) { m.height = 65; },
      [](CameraMessage& m) { m.stride = 63; },         [](CameraMessage& m) { m.stride = ~std::uint64_t{0}; },
      [](CameraMessage& m) { m.stride = 200; },        [](CameraMessage& m) { m.size = ~std::uint64_t{0}; },
  };
  for (const auto& lie : lies) {
    FrameReceiver receiver(*memory, sockets.ends[0]);
    auto message = grey_frame(0);
    ASSERT_TRUE(receiver.accept(message));
    lie(message);
    EXPECT_FALSE(receiver.accept(message));
  }
}

TEST(CameraChannel, AMessageOfAnotherLengthIsBrokenAndAClosedSocketIsNoticed) {
  Sockets sockets;
  CameraMessage message;
  EXPECT_EQ(receive_message(sockets.ends[0], milliseconds(0), message), Received::nothing);
  std::vector<char> longer(sizeof(CameraMessage) + 1);
  ASSERT_GT(::send(sockets.ends[1], longer.data(), longer.size(), 0), 0);
  ASSERT_GT(::send(sockets.ends[1], longer.data(), 10, 0), 0);
  EXPECT_EQ(receive_message(sockets.ends[0], milliseconds(1000), message), Received::broken);
  EXPECT_EQ(receive_message(sockets.ends[0], milliseconds(1000), message), Received::broken);
  CameraMessage sent{.kind = CameraMessageKind::trigger};
  sent.set_text(std::string(300, 'x'));
  ASSERT_TRUE(send_message(sockets.ends[1], sent));
  ASSERT_EQ(receive_message(sockets.ends[0], milliseconds(1000), message), Received::message);
  EXPECT_EQ(message.words(), std::string(255, 'x'));
  ASSERT_EQ(::shutdown(sockets.ends[1], SHUT_RDWR), 0);
  EXPECT_EQ(receive_message(sockets.ends[0], milliseconds(1000), message), Received::closed);
  EXPECT_FALSE(send_message(sockets.ends[0], sent));
}

TEST(CameraChannel, TheLastWordsOfAProgramThatEndedWithUnreadMessagesAreHeard) {
  Sockets sockets;
  ASSERT_TRUE(send_message(sockets.ends[0], {.kind = CameraMessageKind::release}));
  ASSERT_TRUE(send_message(sockets.ends[1], {.kind = CameraMessageKind::state, .value = 7}));
  ::close(std::exchange(sockets.ends[1], -1));
  CameraMessage message;
  ASSERT_EQ(receive_message(sockets.ends[0], milliseconds(1000), message), Received::message);
  EXPECT_EQ(message.value, 7U);
  EXPECT_EQ(receive_message(sockets.ends[0], milliseconds(1000), message), Received::closed);
}

TEST(CameraChannel, TheMemoryCannotShrinkUnderTheAgent) {
  const auto memory = FrameMemory::create(5000);  // becomes whole pages
  ASSERT_TRUE(memory);
  EXPECT_NE(::ftruncate((*memory)->descriptor(), 0), 0);
  EXPECT_NE(::ftruncate((*memory)->descriptor(), 1 << 20), 0);
  EXPECT_EQ((*memory)->slot_bytes(), 8192U);
  EXPECT_FALSE(FrameMemory::create(100));
  EXPECT_FALSE(FrameMemory::map(-1, 4096));
}

}  // namespace
}  // namespace vedette
