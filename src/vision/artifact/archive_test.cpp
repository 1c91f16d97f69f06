#include "vision/artifact/archive.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "base/files.hpp"

namespace vedette {
namespace fs = std::filesystem;
namespace {

std::string text_of(const fs::path& path) {
  const auto bytes = read_file(path, 1 << 20);
  return bytes ? std::string(as_text(*bytes)) : "(none)";
}

/// Returns a ZIP archive of one empty file, whose name no system call of ours would accept.
std::string archive_of(const std::string& name) {
  const auto put = [](std::initializer_list<std::pair<std::uint64_t, int>> numbers) {
    std::string out;
    for (const auto& [value, bytes] : numbers)
      for (int i = 0; i < bytes; ++i) out.push_back(static_cast<char>(i < 8 ? value >> (8 * i) & 0xFF : 0));
    return out;
  };
  const auto length = name.size();
  const auto local = put({{0x04034b50, 4}, {20, 2}, {0, 4}, {0x210000, 4}, {0, 12}, {length, 2}, {0, 2}}) + name;
  const auto central =
      put({{0x02014b50, 4}, {20, 2}, {20, 2}, {0, 4}, {0x210000, 4}, {0, 12}, {length, 2}, {0, 16}}) + name;
  return local + central +
         put({{0x06054b50, 4}, {0, 4}, {1, 2}, {1, 2}, {central.size(), 4}, {local.size(), 4}, {0, 2}});
}

TEST(Archive, WhatIsPackedIsUnpackedAndTheSameFolderGivesTheSameBytes) {
  TemporaryFolder t;
  fs::create_directories(t.path() / "model/blobs");
  std::ofstream(t.path() / "model/manifest.json") << "{}";
  std::ofstream(t.path() / "model/blobs/x") << std::string(100'000, 'x');
  ASSERT_TRUE(write_archive(t.path() / "model", t.path() / "a.zip"));
  ASSERT_TRUE(write_archive(t.path() / "model", t.path() / "b.zip"));
  EXPECT_EQ(text_of(t.path() / "a.zip"), text_of(t.path() / "b.zip"));
  EXPECT_TRUE(is_archive(t.path() / "a.zip"));
  EXPECT_FALSE(is_archive(t.path() / "model/manifest.json"));
  fs::create_directories(t.path() / "out");
  ASSERT_TRUE(read_archive(t.path() / "a.zip", t.path() / "out"));
  EXPECT_EQ(text_of(t.path() / "out/manifest.json"), "{}");
  EXPECT_EQ(text_of(t.path() / "out/blobs/x").size(), 100'000U);
}

TEST(Archive, NamesThatLeaveTheFolderAndDamageAreRefused) {
  TemporaryFolder t;
  fs::create_directories(t.path() / "model");
  std::ofstream(t.path() / "model/up__evil") << "evil";
  ASSERT_TRUE(write_archive(t.path() / "model", t.path() / "a.zip"));
  auto bytes = text_of(t.path() / "a.zip");
  const auto write = [&](const std::string& content) {
    std::ofstream(t.path() / "b.zip", std::ios::binary | std::ios::trunc) << content;
  };
  auto evil = bytes;
  for (auto at = evil.find("up__evil"); at != std::string::npos; at = evil.find("up__evil"))
    evil.replace(at, 8, "../1evil");
  for (const auto& content : {evil, archive_of(std::string(300, 'n')), archive_of(std::string(300, 'n') + "/x"),
                              bytes.substr(0, bytes.size() - 10), std::string("PK\x03\x04 nonsense"), std::string()}) {
    write(content);
    fs::remove_all(t.path() / "out");
    fs::create_directories(t.path() / "out");
    const auto result = read_archive(t.path() / "b.zip", t.path() / "out");
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().kind, ErrorKind::invalid_input);
  }
  EXPECT_FALSE(fs::exists(t.path() / "1evil"));
}

TEST(Archive, TooManyFilesAreRefusedBeforeOneIsWritten) {
  TemporaryFolder t;
  fs::create_directories(t.path() / "model");
  for (int i = 0; i <= 4096; ++i) std::ofstream(t.path() / "model" / std::to_string(i));
  ASSERT_TRUE(write_archive(t.path() / "model", t.path() / "a.zip"));
  fs::create_directories(t.path() / "out");
  EXPECT_FALSE(read_archive(t.path() / "a.zip", t.path() / "out"));
  EXPECT_TRUE(fs::is_empty(t.path() / "out"));
}

}  // namespace
}  // namespace vedette
