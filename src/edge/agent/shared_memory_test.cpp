#include "edge/agent/shared_memory.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <limits>

#include "base/digest.hpp"

namespace vedette {
namespace {

/// A segment as a client makes it.
class Segment {
 public:
  explicit Segment(std::string_view content) {
    file_ = ::shm_open(name.c_str(), O_CREAT | O_EXCL | O_RDWR, 0600);
    EXPECT_GE(file_, 0);
    EXPECT_EQ(::pwrite(file_, content.data(), content.size(), 0), static_cast<ssize_t>(content.size()));
  }
  ~Segment() {
    ::shm_unlink(name.c_str());
    ::close(file_);
  }
  Segment(const Segment&) = delete;
  Segment& operator=(const Segment&) = delete;
  void shorten(off_t size) const { EXPECT_EQ(::ftruncate(file_, size), 0); }
  [[nodiscard]] std::string content() const {
    std::string out(64, '\0');
    out.resize(static_cast<std::size_t>(::pread(file_, out.data(), out.size(), 0)));
    return out;
  }
  const std::string name = "/vedette-test-" + random_id(16);

 private:
  int file_ = -1;
};

using enum SharedMemory::Access;

TEST(SharedMemory, IsReadAndWrittenWithinTheAgreedPart) {
  const Segment segment("0123456789");
  const auto part = SharedMemory::open(segment.name, 2, 6, write);
  ASSERT_TRUE(part) << part.error().message;
  std::array<std::uint8_t, 3> bytes{};
  ASSERT_TRUE(part->read(1, bytes));
  EXPECT_EQ(as_text(bytes), "345");
  ASSERT_TRUE(part->write(4, as_bytes("xy")));
  EXPECT_EQ(segment.content(), "012345xy89");
  // The slash may be missing, as in Python's multiprocessing.shared_memory.
  EXPECT_TRUE(SharedMemory::open(segment.name.substr(1), 0, 10, read));
}

TEST(SharedMemory, NamesThatAreNoneAndPartsThatDoNotExistAreRefused) {
  const Segment segment("0123456789");
  for (const auto& name : {std::string(), std::string("/"), std::string("."), std::string("/.."),
                           std::string("/../etc/passwd"), std::string("//x"), std::string("/a/b"),
                           std::string("/") + std::string(255, 'a'), std::string("/a\0b", 4), segment.name + "-not"}) {
    const auto refused = SharedMemory::open(name, 0, 1, read);
    ASSERT_FALSE(refused) << name;
    EXPECT_EQ(refused.error().kind, ErrorKind::invalid_input);
  }
  constexpr auto most = std::numeric_limits<std::uint64_t>::max();
  for (const auto& [offset, size] :
       {std::pair<std::uint64_t, std::uint64_t>(0, 11), {1, 10}, {10, 1}, {most, 2}, {2, most}, {most, most}})
    EXPECT_FALSE(SharedMemory::open(segment.name, offset, size, read)) << offset << ' ' << size;
  EXPECT_TRUE(SharedMemory::open(segment.name, 10, 0, read));
  EXPECT_TRUE(SharedMemory::open(segment.name, 0, 10, read));
}

TEST(SharedMemory, ASegmentThatShrinksIsAnErrorAndOneThatVanishesIsStillRead) {
  std::optional<Segment> segment(std::in_place, "0123456789");
  const auto part = SharedMemory::open(segment->name, 0, 10, read);
  ASSERT_TRUE(part);
  std::array<std::uint8_t, 10> bytes{};
  segment->shorten(9);
  const auto shorter = part->read(0, bytes);
  ASSERT_FALSE(shorter);
  EXPECT_EQ(shorter.error().kind, ErrorKind::invalid_input);
  segment.reset();
  EXPECT_TRUE(part->read(0, std::span(bytes).first(9)));
  EXPECT_EQ(as_text(std::span(bytes).first(9)), "012345678");
}

TEST(SharedMemory, WhatIsNoSegmentIsNotOpened) {
  const auto name = "/vedette-test-" + random_id(16);
  const auto fifo = "/dev/shm" + name;
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_FALSE(SharedMemory::open(name, 0, 0, read));
  EXPECT_FALSE(SharedMemory::open(name, 0, 0, write));
  ::unlink(fifo.c_str());
  ASSERT_EQ(::symlink("/etc/hostname", fifo.c_str()), 0);
  EXPECT_FALSE(SharedMemory::open(name, 0, 0, read));
  ::unlink(fifo.c_str());
}

}  // namespace
}  // namespace vedette
