#include "edge/models/versions.hpp"

#include <gtest/gtest.h>

#include "base/files.hpp"

namespace vedette {
namespace {

namespace fs = std::filesystem;

void write(const fs::path& file, std::string_view text = "{}") {
  fs::create_directories(file.parent_path());
  ASSERT_TRUE(write_file_atomically(file, text));
}

std::vector<std::string> names(const std::vector<ComponentVersion>& versions) {
  std::vector<std::string> out;
  for (const auto& version : versions) out.push_back(version.name);
  return out;
}

TEST(Versions, AreComparedByTheValueOfTheirParts) {
  for (const auto& [newer, older] : {std::pair("10.0.0", "9.1.0"),
                                     {"1.0.1", "1.0"},
                                     {"2.0.0", "1.9.9"},
                                     {"1.0.0-b", "1.0.0-a"},
                                     {"b", "a"},
                                     {"9", "10b"}}) {
    EXPECT_TRUE(is_newer(newer, older)) << newer;
    EXPECT_FALSE(is_newer(older, newer)) << newer;
  }
  EXPECT_FALSE(is_newer("1.0.0", "1.0.0"));
}

TEST(Versions, AreInATotalOrder) {
  const std::vector<std::string> all = {"",    "1",     "01",  "1.0", "1.0.0", "1.0.b", "1.b.0",
                                        "9",   "10",    "1b",  "10b", "9.1",   "9.1b",  "10.0.0-a",
                                        "a.1", "a.10b", "-1",  "b",   "1..0",  "v2",    "99999999999999999999",
                                        "a.9", "a.10",  "a.1b"};
  for (const auto& a : all)
    for (const auto& b : all) {
      EXPECT_EQ(is_newer(a, b) || is_newer(b, a), a != b) << a << " " << b;
      EXPECT_FALSE(is_newer(a, b) && is_newer(b, a)) << a << " " << b;
      for (const auto& c : all)
        if (is_newer(a, b) && is_newer(b, c)) {
          EXPECT_TRUE(is_newer(a, c)) << a << " " << b << " " << c;
        }
    }
}

TEST(Versions, AComponentIsAModelOrHoldsOnePerVersion) {
  const TemporaryFolder folder;
  const auto& root = folder.path();
  EXPECT_TRUE(list_versions(root / "missing").empty());
  write(root / "plain" / "manifest.json");
  write(root / "plain" / "blobs" / "one.safetensors", "12345");
  const auto plain = list_versions(root / "plain");
  ASSERT_EQ(names(plain), std::vector<std::string>{""});
  EXPECT_EQ(plain[0].folder, root / "plain");
  EXPECT_EQ(plain[0].blob_bytes, 5U);
  write(root / "many" / "9.0.0" / "manifest.json");
  // Greengrass unpacks an archive below its name.
  write(root / "many" / "10.0.0" / "many-10.0.0-greengrass_model_component" / "manifest.json");
  write(root / "many" / ".11.0.0" / "manifest.json");
  fs::create_directories(root / "many" / "8.0.0");
  const auto many = list_versions(root / "many");
  ASSERT_EQ(names(many), (std::vector<std::string>{"10.0.0", "9.0.0", "8.0.0"}));
  EXPECT_EQ(many[0].folder, root / "many" / "10.0.0" / "many-10.0.0-greengrass_model_component");
}

TEST(Versions, TheChosenOneIsTriedBeforeTheOneThatRanLast) {
  const std::vector<ComponentVersion> all = {
      {"3.0.0", {}, {}, 0}, {"2.0.0", {}, {}, 0}, {"1.0.0", {}, {}, 0}, {"0.9.0", {}, {}, 0}};
  EXPECT_EQ(names(versions_to_try(all, {"", "1.0.0"})), names(all));
  EXPECT_EQ(names(versions_to_try(all, {"1.0.0", "2.0.0"})), (std::vector<std::string>{"1.0.0", "2.0.0"}));
  EXPECT_EQ(names(versions_to_try(all, {"7.0.0", "2.0.0"})), (std::vector<std::string>{"2.0.0"}));
  EXPECT_TRUE(versions_to_try(all, {"7.0.0", {}}).empty());
}

TEST(Versions, AFingerprintChangesWithEveryFile) {
  const TemporaryFolder folder;
  const auto model = folder.path() / "model";
  write(model / "manifest.json");
  std::vector<std::string> seen;
  const auto look = [&] {
    const auto now = list_versions(model)[0].fingerprint;
    EXPECT_EQ(now, list_versions(model)[0].fingerprint);
    EXPECT_EQ(std::count(seen.begin(), seen.end(), now), 0);
    seen.push_back(now);
  };
  look();
  write(model / "blobs" / "one.safetensors", "1");
  look();
  write(model / "blobs" / "one.safetensors", "2");
  look();
  write(model / "verified.json");
  look();
}

TEST(Versions, AreRememberedExactly) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "state" / "components.json";
  EXPECT_TRUE(read_remembered_versions(file)->empty());
  ASSERT_TRUE(remember_versions(file, {{"a", {"1.0.0", "2.0.0"}}, {"b", {"", ""}}, {"c", {}}}));
  const auto read = read_remembered_versions(file);
  ASSERT_TRUE(read);
  ASSERT_EQ(read->size(), 3U);
  EXPECT_EQ(read->at("a").chosen, "1.0.0");
  EXPECT_EQ(read->at("a").running, "2.0.0");
  EXPECT_EQ(read->at("b").running, "");
  EXPECT_FALSE(read->at("c").running);
  for (const auto* damaged :
       {"", "{", "[]", R"({"components":[]})", R"({"components":{"a":1}})", R"({"components":{"a":{"chosen":1}}})"}) {
    write(file, damaged);
    EXPECT_FALSE(read_remembered_versions(file)) << damaged;
  }
}

}  // namespace
}  // namespace vedette
