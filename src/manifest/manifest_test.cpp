#include "manifest/manifest.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace vedette {
namespace {

constexpr const char* kLine =
    R"({"source-ref":"s3://line7/img/0001.png","anomaly-label":1,"anomaly-label-metadata":{"class-name":"anomaly","type":"groundtruth/image-classification","human-annotated":"yes","creation-date":"2022-03-01T10:00:00.000","confidence":1}})";

TEST(Manifest, ClassNameDecidesAndTheNumberFollowsIt) {
  const auto line = parse_manifest_line(kLine);
  ASSERT_TRUE(line);
  EXPECT_TRUE(line->is_anomalous.value());
  EXPECT_EQ(line->text, kLine);
  // The numbers are inverted and the label has another name, as published helper scripts write them.
  const auto inverted = parse_manifest_line(
      R"({"auto-label": 1, "source-ref": "s3://b/k", "auto-label-metadata": {"class-name": "Normal", "type": "groundtruth/image-classification"}})");
  ASSERT_TRUE(inverted);
  EXPECT_FALSE(inverted->is_anomalous.value());
  EXPECT_NE(inverted->text.find("\"auto-label\":0"), std::string::npos);
}

TEST(Manifest, LinesWhoseTextsNoDatabaseCanStoreAreRefused) {
  for (const char* line : {R"({"source-ref":"s3://b/\u0000"})", R"({"source-ref":"s3://b/k","a\u0000b":1})",
                           R"({"source-ref":"s3://b/k","a":[{"b":["\u0000"]}]})"}) {
    const auto refused = parse_manifest_line(line);
    ASSERT_FALSE(refused) << line;
    EXPECT_EQ(refused.error().message, "one of its texts has a NUL character (\\u0000)");
  }
  EXPECT_FALSE(parse_manifest_line("{\"source-ref\":\"s3://b/\xff\"}"));
  EXPECT_FALSE(parse_manifest_line(R"({"source-ref":"s3://b/\ud800"})"));
  EXPECT_TRUE(parse_manifest_line(R"({"source-ref":"s3://b/\\u0000"})"));  // a backslash, and then letters
}

TEST(Manifest, OtherClassNamesAndBareLinesAreUnlabelled) {
  EXPECT_FALSE(parse_manifest_line(R"({"source-ref":"s3://b/k"})")->is_anomalous);
  EXPECT_FALSE(
      parse_manifest_line(
          R"({"source-ref":"s3://b/k","l":0,"l-metadata":{"class-name":"maybe","type":"groundtruth/image-classification"}})")
          ->is_anomalous);
}

TEST(Manifest, ColorMapsWithoutBackgroundOrConfidenceAreAccepted) {
  const auto line = parse_manifest_line(
      R"({"source-ref":"s3://b/k","l":1,"l-metadata":{"class-name":"anomaly","type":"groundtruth/image-classification"},)"
      R"("anomaly-mask-ref":"s3://b/m.png","anomaly-mask-ref-metadata":{"internal-color-map":{"0":{"class-name":"cracked","hex-color":"#23A436"}},)"
      R"~("type":"groundtruth/semantic-segmentation","creation-date":"Mon Aug 22 2022 13:52:52 GMT-0700 (Pacific Daylight Time)"}})~");
  ASSERT_TRUE(line);
  EXPECT_EQ(*line->mask_ref, "s3://b/m.png");
  ASSERT_EQ(line->mask_colors.size(), 1U);
  EXPECT_EQ(line->mask_colors[0].name, "cracked");
  EXPECT_EQ(line->mask_colors[0].color, "#23A436");
}

TEST(Manifest, EvaluationManifestsCanBeReadAgainWithTheirTruth) {
  const auto line = parse_manifest_line(
      R"({"source-ref":"s3://b/k","source-ref-metadata":{"creation-date":"2022-03-01T10:00:00"},)"
      R"("anomaly-label-detected":0,"anomaly-label-detected-metadata":{"class-name":"normal","confidence":0.9,"type":"groundtruth/image-classification","human-annotated":"no"},)"
      R"("anomaly-label":"1","anomaly-label-metadata":{"class-name":"ANOMALY","type":"groundtruth/image-classification","human-annotated":"yes"}})");
  ASSERT_TRUE(line) << line.error().message;
  EXPECT_TRUE(line->is_anomalous.value());
  EXPECT_NE(line->text.find(R"("anomaly-label":1)"), std::string::npos) << line->text;
}

TEST(Manifest, AChainOfJobsIsLabelledByTheOneThatSaysNormalOrAnomaly) {
  const auto line = parse_manifest_line(
      R"({"source-ref":"s3://b/k","color":3,"color-metadata":{"class-name":"red","type":"groundtruth/image-classification"},)"
      R"("quality":0,"quality-metadata":{"class-name":"anomaly","type":"groundtruth/image-classification"}})");
  ASSERT_TRUE(line);
  EXPECT_TRUE(line->is_anomalous.value());
}

TEST(Manifest, AMapOfNothingButBackgroundIsNoMaskAndForeignMembersStay) {
  const auto line = parse_manifest_line(
      R"({"source-ref":"s3://b/k","line-metadata":{"speed":3},"anomaly-mask-ref":"s3://b/white.png","anomaly-mask-ref-metadata":)"
      R"({"internal-color-map":{"0":{"class-name":"BACKGROUND","hex-color":"#ffffff"}},"type":"groundtruth/semantic-segmentation"}})");
  ASSERT_TRUE(line) << line.error().message;
  EXPECT_FALSE(line->mask_ref);
  EXPECT_NE(line->text.find("line-metadata"), std::string::npos);
}

TEST(Manifest, ANormalPictureMayHaveAMaskWithoutColors) {
  const auto line =
      parse_manifest_line(R"({"source-ref":"s3://b/k","m-ref":"s3://b/white.png","l":0,)"
                          R"("l-metadata":{"class-name":"normal","type":"groundtruth/image-classification"}})");
  ASSERT_TRUE(line) << line.error().message;
  EXPECT_FALSE(line->mask_ref);
}

TEST(Manifest, BadLinesSayWhy) {
  for (
      const auto& [text, reason] : std::vector<std::pair<std::string, std::string>>{
          {"not json", "JSON"},
          {"[1]", "JSON"},
          {R"({"x":1})", "source-ref"},
          {"{\"source-ref\":\"s3://b/\xC3\x28\"}", "UTF-8"},
          {R"({"source-ref":"s3://b/k","l-metadata":{"class-name":"normal"}})", "type"},
          {R"({"source-ref":"s3://b/k","l-metadata":{"class-name":"normal","type":"groundtruth/image-classification"}})",
           "l is missing"},
          {R"({"source-ref":"s3://b/k","m-ref":"s3://b/m","m-ref-metadata":{"type":"groundtruth/semantic-segmentation"}})",
           "internal-color-map"},
          {R"({"source-ref":"s3://b/k","m-ref":"s3://b/m","m-ref-metadata":{"type":"groundtruth/semantic","internal-color-map":{}}})",
           "its type is not groundtruth/semantic-segmentation"},
          {R"({"source-ref":"s3://b/k","anomaly-mask-ref":"s3://b/m"})", "anomaly-mask-ref-metadata is missing"},
          {R"({"source-ref":"s3://b/k","m-ref":"s3://b/m","m-ref-metadata":"none"})", "m-ref-metadata is missing"},
          {R"({"source-ref":")" + std::string(8192, 'a') + "\"}", "8192"}}) {
    const auto line = parse_manifest_line(text);
    ASSERT_FALSE(line) << text;
    EXPECT_NE(line.error().message.find(reason), std::string::npos) << line.error().message;
  }
}

TEST(Manifest, LinesAreSplitAsFilesOccur) {
  using Lines = std::vector<std::pair<std::string_view, std::size_t>>;
  const auto lines = [](std::string_view text) {
    Lines out;
    for (const auto line : manifest_lines(text)) out.emplace_back(line.text, line.number);
    return out;
  };
  EXPECT_EQ(lines("\xEF\xBB\xBF{\"a\":1}\r\n\r\n{\"b\":2}"), (Lines{{"{\"a\":1}", 1}, {"{\"b\":2}", 3}}));
  EXPECT_EQ(lines("\n \na\n \n"), (Lines{{"a", 3}}));
  EXPECT_TRUE(lines("").empty());
  // The memory that the lines take does not grow with the text.
  EXPECT_TRUE(lines(std::string(5'000'000, '\n')).empty());
  static_assert(sizeof(ManifestLines) + sizeof(ManifestLines::Iterator) < 100);
}

TEST(Manifest, AFeedFindsTheSameLinesWhereverItsPiecesAreCut) {
  const std::string text = "\xEF\xBB\xBF{\"a\":1}\r\n\r\n  {\"b\":2} \t\n \n\n{\"c\":3}";
  std::vector<std::string> expected;
  for (const auto line : manifest_lines(text)) expected.emplace_back(line.text);
  ASSERT_EQ(expected.size(), 3U);
  for (std::size_t size = 1; size <= text.size(); ++size) {
    std::vector<std::string> lines;
    ManifestLineFeed feed([&](std::string_view line, std::size_t) { return lines.emplace_back(line), Result<void>(); });
    for (std::size_t at = 0; at < text.size(); at += size) ASSERT_TRUE(feed.add(text.substr(at, size)));
    ASSERT_TRUE(feed.finish());
    EXPECT_EQ(lines, expected) << size;
  }
}

TEST(Manifest, AFeedKeepsNoMoreThanALineMayHave) {
  std::size_t longest = 0, lines = 0;
  ManifestLineFeed feed([&](std::string_view line, std::size_t) -> Result<void> {
    longest = std::max(longest, line.size());
    ++lines;
    const auto parsed = parse_manifest_line(line);
    return parsed ? Result<void>() : parsed.error();
  });
  const std::string spaces(1 << 20, ' '), letters(1 << 20, 'a');
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(feed.add(spaces));
  ASSERT_TRUE(feed.add("{\"source-ref\":\"s3://b/k\"}\n"));
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(feed.add(letters));
  const auto end = feed.add("\n");
  ASSERT_FALSE(end);
  EXPECT_NE(end.error().message.find("8192"), std::string::npos);
  EXPECT_EQ(lines, 2U);
  EXPECT_LE(longest, 4 * kManifestLineLimit + 1);
}

TEST(Manifest, S3UrisSplitAtTheFirstSlashOnly) {
  const auto uri = parse_s3_uri("s3://bucket/a b/c%20d");
  ASSERT_TRUE(uri);
  EXPECT_EQ(uri->key, "a b/c%20d");
  EXPECT_FALSE(parse_s3_uri("s3://bucket"));
  EXPECT_FALSE(parse_s3_uri("s3:///key"));
  EXPECT_FALSE(parse_s3_uri("http://bucket/key"));
}

TEST(Manifest, ClassNamesThatAreNeitherNormalNorAnomalyAreTold) {
  const auto line = [](const std::string& name) {
    return parse_manifest_line(
               R"({"source-ref":"a.png","l":1,"l-metadata":{"type":"groundtruth/image-classification","class-name":")" +
               name + "\"}}")
        .value();
  };
  ClassTally own;
  for (const auto* name : {"good", "scratch", "good"}) own.add(line(name));
  EXPECT_FALSE(own.has_labelled());
  EXPECT_EQ(own.describe(),
            "None of the 3 lines is labelled normal or anomaly; their class names are: good (2), scratch (1).");
  own.add(line("Normal"));
  EXPECT_TRUE(own.has_labelled());
  EXPECT_EQ(own.describe(),
            "3 of the 4 lines count as unlabelled, because their class names are neither normal nor anomaly: good (2), "
            "scratch (1).");
  ClassTally usual;
  usual.add(line("anomaly"));
  usual.add(parse_manifest_line(R"({"source-ref":"a.png"})").value());
  EXPECT_EQ(usual.describe(), "");
  ClassTally many;
  for (int i = 0; i < 7; ++i) many.add(line(std::string(63, 'x') + "ü" + std::to_string(i)));
  EXPECT_NE(many.describe().find(std::string(63, 'x') + " (1)"), std::string::npos);
  EXPECT_NE(many.describe().find("and 2 more"), std::string::npos);
}

TEST(ManifestLineFeed, NumbersAreThoseOfTheFile) {
  std::vector<std::pair<std::string, std::size_t>> lines;
  ManifestLineFeed feed(
      [&](std::string_view line, std::size_t number) { return lines.emplace_back(line, number), Result<void>(); });
  ASSERT_TRUE(feed.add("\n  \r\na\n\nb\nc"));
  ASSERT_TRUE(feed.finish());
  EXPECT_EQ(lines, (std::vector<std::pair<std::string, std::size_t>>{{"a", 3}, {"b", 5}, {"c", 6}}));
}

}  // namespace
}  // namespace vedette
