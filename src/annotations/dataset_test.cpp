#include "annotations/dataset.hpp"

#include <fstream>

#include "annotations/coco_writer.hpp"
#include "annotations/conversion_fixture.hpp"
#include "annotations/folder_files.hpp"
#include "annotations/labels.hpp"
#include "annotations/picture_index.hpp"
#include "base/files.hpp"

namespace vedette {
namespace {

/// COCO of pictures that hold one box each: name, size, label and x, y, width, height.
struct Boxed {
  std::string name;
  int height, width;
  std::string label;
  std::array<int, 4> box;
};

std::string coco_of(const std::vector<Boxed>& pictures) {
  nlohmann::json out = {{"images", nlohmann::json::array()},
                        {"annotations", nlohmann::json::array()},
                        {"categories", nlohmann::json::array()}};
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    const auto& p = pictures[i];
    out["images"].push_back({{"id", i}, {"file_name", p.name}, {"height", p.height}, {"width", p.width}});
    out["annotations"].push_back({{"id", i}, {"image_id", i}, {"category_id", i}, {"bbox", p.box}});
    out["categories"].push_back({{"id", i}, {"name", p.label}});
  }
  return out.dump();
}

TEST(Dataset, LinesHaveTheFormOfGroundTruth) {
  MemoryFiles files;
  files.put("line 7/a.png", picture_bytes(2, 2));
  files.put("c.json", coco_of({{"line 7/a.png", 2, 2, "missing hole", {0, 0, 1, 1}}}));
  DatasetRules rules;
  rules.creation_date = "2026-01-31T12:00:00";
  rules.reference_prefix = "s3://line7/data/";
  const auto done = convert(files, rules);
  const auto expected = nlohmann::json::parse(R"({"source-ref": "s3://line7/data/line 7/a.png", "anomaly-label": 1,
    "anomaly-label-metadata": {"class-name": "anomaly", "confidence": 1, "type": "groundtruth/image-classification",
      "human-annotated": "yes", "creation-date": "2026-01-31T12:00:00", "job-name": "labeling-job/converted"},
    "anomaly-mask-ref": "s3://line7/data/masks/line 7/a.png",
    "anomaly-mask-ref-metadata": {"internal-color-map": {"0": {"class-name": "BACKGROUND", "hex-color": "#ffffff", "confidence": 0},
      "1": {"class-name": "missinghole", "hex-color": "#E60000", "confidence": 0}}, "type": "groundtruth/semantic-segmentation",
      "human-annotated": "yes", "creation-date": "2026-01-31T12:00:00", "job-name": "labeling-job/converted"}})");
  EXPECT_EQ(done.lines().begin()->second, expected);
  EXPECT_TRUE(done.files.contains("masks/line 7/a.png"));
  EXPECT_FALSE(done.files.contains("manifests/test.manifest"));
}

TEST(Dataset, AnnotationsOfTheTurnedPictureAreTurnedBack) {
  // The raw grid has 3 rows of 5; orientation 6 shows it turned clockwise, as 5 rows of 3. The first pixel that is shown
  // is then the last row's first.
  MemoryFiles files;
  files.put("a.jpg", turned_picture_bytes(3, 5, 6));
  files.put("c.json", coco_of({{"a.jpg", 5, 3, "dent", {0, 0, 1, 2}}}));
  const auto turned = convert(files);
  EXPECT_EQ(turned.mask("a.jpg"), (MaskRows{".....", ".....", "dd..."}));
  EXPECT_NE(turned.notes().find("EXIF orientation turns it"), std::string::npos) << turned.notes();
  // Annotations of the raw size are of the raw grid.
  files.put("c.json", coco_of({{"a.jpg", 3, 5, "dent", {0, 0, 1, 2}}}));
  EXPECT_EQ(convert(files).mask("a.jpg"), (MaskRows{"d....", "d....", "....."}));
  // Annotations of any other size are not used.
  files.put("c.json", coco_of({{"a.jpg", 4, 5, "dent", {0, 0, 1, 2}}}));
  EXPECT_NE(convert(files).problems().find("a.jpg has 5 x 3 pixels, but its annotations are of 5 x 4"),
            std::string::npos);
  EXPECT_EQ(convert(files).verdict("a.jpg"), "anomaly");
}

TEST(Dataset, WhereTheSizesDoNotTellTheToolDoes) {
  // Upside down: a tool that shows pictures turned means the other corner.
  MemoryFiles files;
  files.put("a.jpg", turned_picture_bytes(2, 3, 3));
  files.put("c.json", coco_of({{"a.jpg", 2, 3, "dent", {0, 0, 1, 1}}}));
  const auto coco = convert(files);
  EXPECT_EQ(coco.mask("a.jpg"), (MaskRows{"d..", "..."}));
  EXPECT_NE(coco.notes().find("the raw one was taken"), std::string::npos);
  MemoryFiles labelme;
  labelme.put("a.jpg", turned_picture_bytes(2, 3, 3));
  labelme.put("a.json", R"({"imagePath": "a.jpg", "imageHeight": 2, "imageWidth": 3,
    "shapes": [{"label": "dent", "shape_type": "rectangle", "points": [[0, 0], [1, 1]]}]})");
  EXPECT_EQ(convert(labelme).mask("a.jpg"), (MaskRows{"...", "..d"}));
}

TEST(Dataset, TheLaterAreaCounts) {
  MemoryFiles files;
  files.put("a.png", picture_bytes(1, 4));
  files.put(
      "c.json",
      R"({"images": [{"id": 1, "file_name": "a.png", "height": 1, "width": 4}], "categories": [{"id": 1, "name": "x"},
    {"id": 2, "name": "y"}, {"id": 3, "name": "_background_"}], "annotations": [{"image_id": 1, "category_id": 1, "bbox": [0, 0, 3, 1]},
    {"image_id": 1, "category_id": 2, "bbox": [1, 0, 2, 1]}, {"image_id": 1, "category_id": 3, "bbox": [2, 0, 1, 1]}]})");
  EXPECT_EQ(convert(files).mask("a.png"), (MaskRows{"xy.."}));
}

TEST(Dataset, ADescriptionOfAMissingOrRepeatedPictureIsAProblem) {
  MemoryFiles files;
  files.put("a.png", picture_bytes(2, 2));
  files.put("b.png", "no picture");
  files.put("c.json", coco_of({{"a.png", 2, 2, "x", {0, 0, 1, 1}},
                               {"a.png", 2, 2, "y", {1, 1, 1, 1}},
                               {"../../etc/passwd", 2, 2, "z", {0, 0, 1, 1}},
                               {"b.png", 2, 2, "w", {0, 0, 1, 1}}}));
  const auto done = convert(files);
  EXPECT_EQ(done.mask("a.png"), (MaskRows{"x.", ".."}));
  EXPECT_EQ(done.summary->problems.count(), 3U) << done.problems();
  EXPECT_NE(done.problems().find("a.png is described twice"), std::string::npos);
  EXPECT_NE(done.problems().find("there is no picture ../../etc/passwd"), std::string::npos);
  EXPECT_NE(done.problems().find("b.png cannot be read"), std::string::npos);
}

TEST(Dataset, MasksHaveNamesThatNoPictureHas) {
  MemoryFiles files;
  files.put("a.png", picture_bytes(2, 2));
  files.put("a.jpg", turned_picture_bytes(2, 2, 1));
  files.put("masks/b.png", picture_bytes(2, 2));
  files.put("b.png", picture_bytes(2, 2));
  files.put("c.json", coco_of({{"a.png", 2, 2, "x", {0, 0, 1, 1}},
                               {"a.jpg", 2, 2, "x", {0, 0, 1, 1}},
                               {"b.png", 2, 2, "x", {0, 0, 1, 1}}}));
  const auto done = convert(files);
  const auto lines = done.lines();
  EXPECT_EQ(lines.at("a.png")["anomaly-mask-ref"], "masks/a.png");
  EXPECT_EQ(lines.at("a.jpg")["anomaly-mask-ref"], "masks/a.jpg.png");
  EXPECT_EQ(lines.at("b.png")["anomaly-mask-ref"], "masks/b.png.png");
}

TEST(Dataset, LabelsAreLimited) {
  MemoryFiles files;
  std::vector<Boxed> pictures;
  for (int i = 0; i < 100; ++i) {
    const auto name = "p" + std::to_string(i) + ".png";
    files.put(name, picture_bytes(1, 1));
    pictures.push_back({name, 1, 1, "label" + std::to_string(i), {0, 0, 1, 1}});
  }
  files.put("c.json", coco_of(pictures));
  const auto most = convert(files);
  ASSERT_TRUE(most.summary);
  std::set<std::string> colors;
  for (const auto& label : most.summary->labels) colors.insert(label.color);
  EXPECT_EQ(colors.size(), 100U);
  files.put("p100.png", picture_bytes(1, 1));
  pictures.push_back({"p100.png", 1, 1, "one more", {0, 0, 1, 1}});
  files.put("c.json", coco_of(pictures));
  EXPECT_NE(convert(files).summary.error().message.find("more than 100 labels"), std::string::npos);
}

TEST(Dataset, AMaskHasAtMostTwentyLabels) {
  for (const int count : {20, 21}) {
    nlohmann::json coco = {{"images", {{{"id", 1}, {"file_name", "a.png"}, {"height", 1}, {"width", 21}}}}};
    for (int i = 0; i < count; ++i) {
      coco["annotations"].push_back({{"image_id", 1}, {"category_id", i}, {"bbox", {i, 0, 1, 1}}});
      coco["categories"].push_back({{"id", i}, {"name", "l" + std::to_string(i)}});
    }
    MemoryFiles files;
    files.put("a.png", picture_bytes(1, 21));
    files.put("c.json", coco.dump());
    const auto done = convert(files);
    EXPECT_EQ(done.verdict("a.png"), "anomaly");
    EXPECT_EQ(done.mask("a.png").empty(), count == 21);
    EXPECT_EQ(done.problems().find("a.png has 21 labels") != std::string::npos, count == 21);
  }
}

TEST(Labels, KeepLettersAndDigitsAndStayDifferent) {
  LabelTable table({{"a b", "#FFFFFF"}, {"x", "#00FF7F"}});
  for (const auto* name : {"a b", "a-b", "Background", "\xC3\xA9\xC3\xA9", "x", "a b"})
    EXPECT_TRUE(table.number_of(name));
  std::vector<std::string> names;
  for (const auto& label : table.labels()) names.push_back(label.name);
  EXPECT_EQ(names, (std::vector<std::string>{"ab", "ab2", "Background2", "defect", "x"}));
  EXPECT_EQ(table.labels()[4].color, "#00FF7F");
  EXPECT_NE(table.labels()[0].color, "#FFFFFF");  // It is the background's.
}

TEST(PictureIndex, FindsPicturesByTheEndsOfTheirNames) {
  const PictureIndex index(
      {"left/1.png", "right/1.png", "deep/er/2.jpg", "3 x.png", "notes.txt", "SegmentationClass/2.png"});
  const auto find = [&](const std::string& name, const std::string& beside = "") {
    const auto found = index.find(beside, name);
    return found ? *found : "no: " + found.error().message;
  };
  EXPECT_EQ(find("left/1.png"), "left/1.png");
  EXPECT_EQ(find("C:\\shots\\right\\1.png"), "right/1.png");
  EXPECT_EQ(find("1.png", "right/"), "right/1.png");
  EXPECT_EQ(find("er/2.jpg"), "deep/er/2.jpg");
  EXPECT_EQ(find("2"), "deep/er/2.jpg");
  EXPECT_EQ(find("/data/local-files/?d=x/deep/er/2.jpg"), "deep/er/2.jpg");
  EXPECT_EQ(find("https://host/up/3%20x.png?sig=1"), "3 x.png");
  EXPECT_EQ(find("/data/upload/4/0a1b2c3d-3 x.png"), "3 x.png");
  EXPECT_EQ(find("1.png"), "no: several pictures may be 1.png: left/1.png and right/1.png");
  EXPECT_EQ(find("other/2.jpg"), "no: there is no picture other/2.jpg among the pictures");
  EXPECT_EQ(find("notes.txt"), "no: there is no picture notes.txt among the pictures");
  EXPECT_EQ(find(""), "no: there is no picture  among the pictures");
}

TEST(Problems, AreCountedAndShownSafely) {
  Problems problems;
  for (int i = 0; i < 25; ++i) problems.add(i == 0 ? "red \x1B[31m\n" : "x");
  EXPECT_EQ(problems.count(), 25U);
  EXPECT_EQ(problems.first().size(), kMostListed);
  EXPECT_EQ(problems.first()[0], "red ?[31m?");
  EXPECT_EQ(printable("\xFF\xC3\xA9"), "???");
  EXPECT_EQ(printable("gr\xC3\xBC\xC3\x9F"), "gr\xC3\xBC\xC3\x9F");
  // 400 bytes would end within the last letter.
  EXPECT_EQ(printable("a" + std::string(398, 'b') + "\xC3\xA9").size(), 399U);
}

TEST(FolderFiles, AreThoseOfAFolderOrOneFile) {
  const TemporaryFolder folder;
  std::filesystem::create_directories(folder.path() / "a");
  std::ofstream(folder.path() / "a" / "b.txt") << "content";
  std::ofstream(folder.path() / "c.txt") << "more";
  const FolderFiles all(folder.path());
  EXPECT_EQ(all.names(), (std::vector<std::string>{"a/b.txt", "c.txt"}));
  EXPECT_EQ(as_text(*all.read("a/b.txt", 100)), "content");
  EXPECT_EQ(all.read("a/b.txt", 3).error().kind, ErrorKind::too_large);
  EXPECT_EQ(as_text(*all.read_beginning("a/b.txt", 3)), "con");
  EXPECT_EQ(as_text(*all.read_beginning("a/b.txt", 99)), "content");
  const FolderFiles one(folder.path() / "c.txt");
  EXPECT_EQ(one.names(), std::vector<std::string>{"c.txt"});
  EXPECT_EQ(as_text(*one.read("c.txt", 100)), "more");
}

TEST(CocoWriter, WritesWhatIsReadAgain) {
  Grid<std::uint8_t> mask(5, 7);
  const MaskRows rows = {"aaaaa.b", "a.a.a..", "aaaaa.b", ".......", "bb.a..."};
  for (int y = 0; y < 5; ++y)
    for (int x = 0; x < 7; ++x) {
      const char c = rows[static_cast<std::size_t>(y)][static_cast<std::size_t>(x)];
      mask.at(y, x) = c == '.' ? 0 : static_cast<std::uint8_t>(c - 'a' + 1);
    }
  for (const auto shapes : {CocoShapes::polygons, CocoShapes::runs}) {
    CocoWriter writer({{"a", {1, 2, 3}}, {"b", {200, 100, 0}}}, shapes);
    writer.add_picture("m.png", 5, 7);
    writer.add_areas(mask);
    writer.add_picture("good.png", 5, 7);
    writer.add_picture("bad.png", 5, 7);
    writer.add_verdict();
    MemoryFiles files;
    for (const auto* name : {"m.png", "good.png", "bad.png"}) files.put(name, picture_bytes(5, 7));
    const auto text = writer.finish();
    files.put("c.json", text);
    DatasetRules rules;
    rules.unannotated = Unannotated::normal;
    const auto done = convert(files, rules);
    ASSERT_TRUE(done.summary) << done.summary.error().message;
    EXPECT_EQ(done.summary->problems.count(), 0U) << done.problems();
    EXPECT_EQ(done.mask("m.png"), rows);
    EXPECT_EQ(done.verdict("good.png"), "normal");
    EXPECT_EQ(done.verdict("bad.png"), "anomaly");
    EXPECT_EQ(done.summary->labels[0].color, "#010203");
    const auto coco = nlohmann::json::parse(text);
    EXPECT_EQ(coco["annotations"].size(), shapes == CocoShapes::runs ? 3U : 6U);
    EXPECT_EQ(coco["annotations"][0]["area"], shapes == CocoShapes::runs ? 14 : 13);
    EXPECT_EQ(coco["annotations"][0]["bbox"],
              shapes == CocoShapes::runs ? nlohmann::json({0, 0, 5, 5}) : nlohmann::json({0, 0, 5, 3}));
  }
}

}  // namespace
}  // namespace vedette
