#include "api/s3/archive.hpp"

#include <gtest/gtest.h>

#include <cstdio>

namespace vedette::s3 {
namespace {

/// One entry as a tar file has it: a header with the right sum, and the content in whole blocks.
std::string entry(const std::string& name, const std::string& content, char type = '0',
                  const std::string& prefix = "") {
  std::string header(512, '\0');
  const auto put = [&](std::size_t at, std::string_view text) { header.replace(at, text.size(), text); };
  char size[13];
  std::snprintf(size, sizeof size, "%011zo", content.size());
  put(0, name);
  put(124, size);
  put(148, "        ");
  header[156] = type;
  put(257, std::string_view("ustar\00000", 8));
  put(345, prefix);
  unsigned sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  char text[8];
  std::snprintf(text, sizeof text, "%06o", sum);
  put(148, std::string_view(text, 7));
  return header + content + std::string((512 - content.size() % 512) % 512, '\0');
}
std::string ended(const std::string& entries) {
  return entries + std::string(1024, '\0');
}
/// The names of the entries, or why the archive is refused.
std::vector<std::string> names_of(const std::string& archive) {
  const auto entries = parse_archive(archive);
  if (!entries) return {entries.error().code + ": " + entries.error().message};
  std::vector<std::string> names;
  for (const auto& e : *entries) names.push_back(e.name);
  return names;
}
bool is_refused(const std::string& archive) {
  const auto entries = parse_archive(archive);
  return !entries && entries.error().kind == ErrorKind::invalid_input && entries.error().code == "InvalidRequest";
}
using Names = std::vector<std::string>;

TEST(Archive, FilesAndFoldersAreReadInTheirOrder) {
  const std::string big(1000, 'x');
  const auto archive = ended(entry("b.png", big) + entry("./", "", '5') + entry("./d", "", '5') + entry("d/a", "12") +
                             entry("leaf", "", '0', "one/two"));
  const auto entries = parse_archive(archive);
  ASSERT_TRUE(entries);
  EXPECT_EQ(names_of(archive), (Names{"b.png", "d/", "d/a", "one/two/leaf"}));
  EXPECT_EQ(entries->at(0).content, big);
  EXPECT_TRUE(entries->at(1).is_folder());
  EXPECT_EQ(entries->at(2).content, "12");
  EXPECT_EQ(names_of(ended("")), Names());
}

TEST(Archive, LongNamesComeFromPaxAndGnuHeaders) {
  const std::string name = std::string(300, 'n') + ".png";
  const auto record = std::to_string(10 + name.size()) + " path=" + name + "\n";
  ASSERT_EQ(record.size(), 10 + name.size());
  EXPECT_EQ(names_of(ended(entry("x", "20 mtime=1234567890\n" + record, 'x') + entry("short", "1") + entry("b", "2"))),
            (Names{name, "b"}));
  EXPECT_EQ(names_of(ended(entry("x", name + '\0', 'L') + entry("short", "1"))), Names{name});
  EXPECT_EQ(names_of(ended(entry("x", "14 comment=ab\n", 'g') + entry("short", "1"))), Names{"short"});
}

TEST(Archive, WhatIsNeitherFileNorFolderIsRefused) {
  for (const char type : {'1', '2', '3', '4', '6', '7', 'S', 'K', 'M', 'V', 'D', 'z'})
    EXPECT_TRUE(is_refused(ended(entry("a", "", type)))) << type;
  for (const char* record : {"9 size=7\n", "14 linkpath=x\n", "22 GNU.sparse.major=1\n", "9 path=a", "99 path=a\n",
                             "9path=ab\n", "-9 path=a\n", "0 path=a\n", "9 pathaa\n"})
    EXPECT_TRUE(is_refused(ended(entry("x", record, 'x') + entry("a", "1")))) << record;
  EXPECT_TRUE(is_refused(ended(entry("x", "9 path=a\n", 'g') + entry("a", "1"))));
  EXPECT_TRUE(is_refused(ended(entry("d", "1", '5'))));
}

TEST(Archive, NamesThatLeaveTheFolderAreRefused) {
  for (const char* name : {"/a", "../a", "a/../b", "a/..", "..", "a/./b", ".", "", "a/", "\xff"})
    EXPECT_TRUE(is_refused(ended(entry(name, "1")))) << name;
  EXPECT_TRUE(is_refused(ended(entry("x", std::string(1025, 'n') + '\0', 'L') + entry("a", "1"))));
  EXPECT_EQ(names_of(ended(entry("...", "1") + entry("a//b", "1") + entry("..a", "1"))), (Names{"...", "a//b", "..a"}));
}

TEST(Archive, ADamagedArchiveIsRefused) {
  const auto whole = ended(entry("a", std::string(600, 'x')));
  for (std::size_t length = 0; length < whole.size(); length += 100)
    EXPECT_TRUE(is_refused(whole.substr(0, length))) << length;
  for (const std::size_t at : {0UL, 124UL, 150UL, 156UL, 257UL, 263UL}) {
    auto changed = whole;
    changed[at] ^= 1;
    EXPECT_TRUE(is_refused(changed)) << at;
  }
  EXPECT_TRUE(is_refused(whole + "x"));
  EXPECT_TRUE(is_refused(ended(entry("x", "9 path=a\n", 'x'))));
  EXPECT_TRUE(is_refused("\x1f\x8b" + std::string(2000, 'z')));
}

TEST(Archive, TheNumberOfEntriesIsBounded) {
  std::string most;
  for (std::size_t i = 0; i < kMostArchiveEntries; ++i) most += entry(std::to_string(i), "");
  EXPECT_EQ(names_of(ended(most)).size(), kMostArchiveEntries);
  EXPECT_TRUE(is_refused(ended(most + entry("one more", ""))));
}

}  // namespace
}  // namespace vedette::s3
