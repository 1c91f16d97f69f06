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
  for (const auto& content :
       {evil, bytes.substr(0, bytes.size() - 10), std::string("PK\x03\x04 nonsense"), std::string()}) {
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
