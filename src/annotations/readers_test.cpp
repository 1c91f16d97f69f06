#include "annotations/readers.hpp"

#include "annotations/conversion_fixture.hpp"

namespace vedette {
namespace {

/// A COCO file of one picture a.png of 4 x 6 pixels, with these annotations.
std::string coco_of(const std::string& annotations) {
  return R"({"images": [{"id": 7, "file_name": "a.png", "height": 4, "width": 6}],
    "annotations": [)" +
         annotations + R"(],
    "categories": [{"id": 1, "name": "scratch"}, {"id": 2, "name": "dent"}, {"id": 3, "name": "Good"}]})";
}

Conversion convert_coco(const std::string& annotations, const DatasetRules& rules = {}) {
  MemoryFiles files;
  files.put("a.png", picture_bytes(4, 6));
  files.put("labels.json", coco_of(annotations));
  return convert(files, rules);
}

TEST(Coco, ReadsPolygonsOfSeveralParts) {
  const auto done = convert_coco(
      R"({"id": 1, "image_id": 7, "category_id": 1, "segmentation": [[0,0, 2,0, 2,2, 0,2], [4,2, 6,2, 6,4, 4,4]]})");
  EXPECT_EQ(done.mask("a.png"), (MaskRows{"ss....", "ss....", "....ss", "....ss"}));
  EXPECT_EQ(done.verdict("a.png"), "anomaly");
}

TEST(Coco, ReadsRunsAlongColumnsInBothForms) {
  // Column 0 has two marked pixels from row 1 on, column 1 begins with one: 1 unmarked, 2 + 1 + 1 …
  const MaskRows rows = {".s....", "s.....", "s.....", "......"};
  const auto list = convert_coco(
      R"({"id": 1, "image_id": 7, "category_id": 1, "iscrowd": 1, "segmentation": {"size": [4, 6], "counts": [1, 2, 1, 1, 19]}})");
  EXPECT_EQ(list.mask("a.png"), rows);
  // The fourth length is 1 - 2 = -1, whose one digit is 31 with the sign ('O'); the fifth is 19 - 1 = 18, which takes
  // a second digit 0 because of its highest bit ('b', '0').
  const auto text = convert_coco(
      R"({"id": 1, "image_id": 7, "category_id": 1, "segmentation": {"size": [4, 6], "counts": "121Ob0"}})");
  EXPECT_EQ(text.mask("a.png"), rows);
}

TEST(Coco, BoxesAreRectanglesOrOnlyVerdicts) {
  const std::string box = R"({"id": 1, "image_id": 7, "category_id": 2, "bbox": [1, 1, 3, 2], "segmentation": []})";
  EXPECT_EQ(convert_coco(box).mask("a.png"), (MaskRows{"......", ".ddd..", ".ddd..", "......"}));
  DatasetRules rules;
  rules.boxes_are_masks = false;
  const auto done = convert_coco(box, rules);
  EXPECT_EQ(done.verdict("a.png"), "anomaly");
  EXPECT_TRUE(done.mask("a.png").empty());
  EXPECT_NE(done.notes().find("1 box makes"), std::string::npos);
}

TEST(Coco, AnnotationsWithoutAPlaceLabelThePicture) {
  const auto bad = convert_coco(R"({"id": 1, "image_id": 7, "category_id": 2, "bbox": [0, 0, 0, 0]})");
  EXPECT_EQ(bad.verdict("a.png"), "anomaly");
  EXPECT_TRUE(bad.mask("a.png").empty());
  EXPECT_EQ(convert_coco(R"({"id": 1, "image_id": 7, "category_id": 3})").verdict("a.png"), "normal");
  // The box around a good part is no defect.
  EXPECT_EQ(convert_coco(R"({"id": 1, "image_id": 7, "category_id": 3, "bbox": [0, 0, 6, 4]})").verdict("a.png"),
            "normal");
}

TEST(Coco, PicturesWithoutAnnotationsAreWhatTheUserSays) {
  DatasetRules rules;
  EXPECT_EQ(convert_coco("", rules).verdict("a.png"), "unlabelled");
  rules.unannotated = Unannotated::normal;
  EXPECT_EQ(convert_coco("", rules).verdict("a.png"), "normal");
  rules.unannotated = Unannotated::skip;
  EXPECT_FALSE(convert_coco("", rules).summary);
}

TEST(Coco, BadAnnotationsAreNamedAndLeaveTheVerdict) {
  const std::vector<std::pair<std::string, std::string>> bad = {
      {R"("category_id": 1, "segmentation": [[0,0, 1e300,0, 2,2]])", "three or more corners"},
      {R"("category_id": 1, "segmentation": [[0,0, 2,0]])", "three or more corners"},
      {R"("category_id": 1, "segmentation": [[0,0, 2,0, 2]])", "three or more corners"},
      {R"("category_id": 1, "segmentation": [[0,0, "2",0, 2,2]])", "three or more corners"},
      {R"("category_id": 1, "bbox": [0, 0, -3, 2])", "negative side"},
      {R"("category_id": 1, "bbox": [0, 0, 3])", "bbox"},
      {R"("category_id": 1, "segmentation": {"size": [4, 6], "counts": [1, 2]})", "do not add up"},
      {R"("category_id": 1, "segmentation": {"size": [4, 6], "counts": [4294967295, 25]})", "do not add up"},
      {R"("category_id": 1, "segmentation": {"size": [4, 6], "counts": [-1, 25]})", "counts is no number"},
      {R"("category_id": 1, "segmentation": {"size": [4, 6], "counts": "!!"})", "compressed counts are broken"},
      {R"("category_id": 1, "segmentation": {"size": [6, 4], "counts": [0, 24]})", "is of 4 x 6 pixels, but"},
      {R"("category_id": 9, "bbox": [0, 0, 3, 3])", "no category with its category_id 9"}};
  for (const auto& [members, reason] : bad) {
    const auto done = convert_coco(R"({"id": 31, "image_id": 7, )" + members +
                                   R"(}, {"id": 32, "image_id": 7, "category_id": 1, "bbox": [0, 0, 2, 2]})");
    ASSERT_TRUE(done.summary) << members;
    EXPECT_EQ(done.summary->problems.count(), 1U) << members;
    EXPECT_NE(done.problems().find("annotation 31 (/annotations/0)"), std::string::npos) << done.problems();
    EXPECT_NE(done.problems().find(reason), std::string::npos) << done.problems();
    // The mask would show the defect of the bad annotation as good.
    EXPECT_EQ(done.verdict("a.png"), "anomaly");
    EXPECT_TRUE(done.mask("a.png").empty());
  }
  const auto stray = convert_coco(R"({"id": 5, "image_id": 8, "category_id": 1, "bbox": [0, 0, 3, 3]})");
  EXPECT_NE(stray.problems().find("no image with its image_id 8"), std::string::npos);
}

TEST(Coco, AnnotationsMayStandBeforeTheirPictures) {
  MemoryFiles files;
  files.put("a.png", picture_bytes(2, 2));
  files.put("c.json", R"({"categories": [{"id": "k", "name": "dent", "color": [1, 2, 3]}],
    "annotations": [{"image_id": "p", "category_id": "k", "segmentation": [0,0, 1,0, 1,1, 0,1]}],
    "images": [{"id": "p", "file_name": "photos/a.png"}]})");
  const auto done = convert(files);
  EXPECT_EQ(done.mask("a.png"), (MaskRows{"d.", ".."}));
  EXPECT_EQ(done.summary->labels[0].color, "#010203");
}

TEST(Json, RefusesWhatIsBrokenOrTooDeep) {
  AnnotationSet set;
  EXPECT_NE(read_coco("{\"images\": [", "c.json", set).error().message.find("c.json is no JSON"), std::string::npos);
  EXPECT_NE(read_coco("[]", "c.json", set).error().message.find("no COCO file"), std::string::npos);
  EXPECT_FALSE(read_coco("7", "c.json", set));
  EXPECT_NE(read_coco("{\"images\":" + std::string(1000, '[') + std::string(1000, ']') + "}", "c.json", set)
                .error()
                .message.find("nested too deeply"),
            std::string::npos);
  // Numbers that no double holds are an error of the whole file.
  EXPECT_FALSE(read_coco(R"({"images": [{"id": 1, "file_name": "a", "height": 1e999}]})", "c.json", set));
}

/// A task of Label Studio for a.png of 10 x 20 pixels (height x width), with these entries.
Conversion convert_tasks(const std::string& entries, const std::string& more = "") {
  MemoryFiles files;
  files.put("a.png", picture_bytes(10, 20));
  files.put(
      "export.json", R"([{"id": 3, "data": {"image": "/data/upload/1/0123abcd-a.png"}, "annotations": [{"id": 9,
    "result": [)" + entries +
                         R"(]})" + more +
                         R"(], "predictions": [{"result": [{"type": "choices", "value": {"choices": ["bad"]}}]}]}])");
  return convert(files);
}

constexpr const char* kSize = R"("original_width": 20, "original_height": 10, "image_rotation": 0)";

std::string entry(const std::string& type, const std::string& value) {
  return R"({"id": "x", "type": ")" + type + "\", " + kSize + R"(, "value": {)" + value + "}}";
}

TEST(LabelStudio, ReadsPolygonsInPerCent) {
  const auto done = convert_tasks(
      entry("polygonlabels", R"("points": [[10, 20], [50, 20], [50, 60], [10, 60]], "polygonlabels": ["dent"])"));
  MaskRows rows(10, std::string(20, '.'));
  for (int y = 2; y < 6; ++y) rows[static_cast<std::size_t>(y)].replace(2, 8, "dddddddd");
  EXPECT_EQ(done.mask("a.png"), rows);
}

TEST(LabelStudio, TurnsRectanglesAboutTheirFirstCorner) {
  // 4 x 2 pixels at (10, 4), turned by a quarter clockwise: they reach down 4 and left 2.
  const auto done = convert_tasks(
      entry("rectanglelabels",
            R"("x": 50, "y": 40, "width": 20, "height": 20, "rotation": 90, "rectanglelabels": ["dent"])"));
  MaskRows rows(10, std::string(20, '.'));
  for (int y = 4; y < 8; ++y) rows[static_cast<std::size_t>(y)].replace(8, 2, "dd");
  EXPECT_EQ(done.mask("a.png"), rows);
}

TEST(LabelStudio, ReadsEllipsesByCentreAndRadii) {
  const auto done = convert_tasks(entry(
      "ellipselabels", R"("x": 15, "y": 20, "radiusX": 12, "radiusY": 14, "rotation": 0, "ellipselabels": ["dent"])"));
  // The centre is (3, 2), and the radii are 2.4 and 1.4, as in the test of the canvas.
  const auto rows = done.mask("a.png");
  ASSERT_EQ(rows.size(), 10U);
  EXPECT_EQ(rows[0], std::string(20, '.'));
  EXPECT_EQ(rows[1], ".dddd" + std::string(15, '.'));
  EXPECT_EQ(rows[2], rows[1]);
  EXPECT_EQ(rows[3], rows[0]);
}

TEST(LabelStudio, ReadsBrushes) {
  MemoryFiles files;
  files.put("a.png", picture_bytes(4, 5));
  files.put("export.json",
            R"([{"id": 3, "data": {"photo": "s3://bucket/line/a.png?x=1"}, "annotations": [{"result": [{"type":
    "brushlabels", "original_width": 5, "original_height": 4, "value": {"format": "rle", "brushlabels": ["stain"], "rle": [
    0,0,0,80,57,27,252,96,1,228,8,129,255,219,0,63,144,34,7,255,144,34,7,255,144,34,7,255,144,34,7,255,132,192,16,190,64,
    136,31,254,64,136,31,254,64,136,31,254,64,136,31,254,64,136,31,254,64,136,31,248]}}]}]}])");
  EXPECT_EQ(convert(files).mask("a.png"), (MaskRows{".s...", "ssss.", "....s", "sssss"}));
}

TEST(LabelStudio, ChoicesLabelThePicture) {
  EXPECT_EQ(convert_tasks(entry("choices", R"("choices": ["Normal"])")).verdict("a.png"), "normal");
  EXPECT_EQ(convert_tasks(entry("choices", R"("choices": ["broken"])")).verdict("a.png"), "anomaly");
  EXPECT_EQ(convert_tasks(entry("textarea", R"("text": ["hm"])")).verdict("a.png"), "unlabelled");
}

TEST(LabelStudio, TheGroundTruthCountsElseTheLastThatWasNotCancelled) {
  const auto bad = entry("choices", R"("choices": ["bad"])");
  EXPECT_EQ(
      convert_tasks(entry("choices", R"("choices": ["good"])"), R"(, {"was_cancelled": true, "result": [)" + bad + "]}")
          .verdict("a.png"),
      "normal");
  EXPECT_EQ(
      convert_tasks(entry("choices", R"("choices": ["good"])"), R"(, {"result": [)" + bad + "]}").verdict("a.png"),
      "anomaly");
  EXPECT_EQ(convert_tasks(bad, R"(, {"ground_truth": true, "result": []}, {"result": [)" + bad + "]}").verdict("a.png"),
            "unlabelled");
}

TEST(LabelStudio, ShapesWithLabelsOfTheirOwnCountOnce) {
  const std::string area = R"("x": 0, "y": 0, "width": 10, "height": 20)";
  const auto done = convert_tasks(entry("rectangle", area) + "," + entry("labels", area + R"(, "labels": ["dent"])"));
  EXPECT_EQ(done.summary->problems.count(), 0U) << done.problems();
  EXPECT_EQ(done.mask("a.png")[1], "dd" + std::string(18, '.'));
  EXPECT_NE(convert_tasks(entry("rectangle", area)).problems().find("it has no label"), std::string::npos);
}

TEST(LabelStudio, NamesTaskAndEntryOfWhatIsBad) {
  const auto done = convert_tasks(entry("choices", R"("choices": ["bad"])") + "," +
                                  entry("polygonlabels", R"("points": [[10, 20]], "polygonlabels": ["dent"])"));
  EXPECT_NE(
      done.problems().find("export.json: task 3 (/0), entry 1 of its result: its polygon has less than three points"),
      std::string::npos)
      << done.problems();
  EXPECT_NE(convert_tasks(entry("keypointlabels", R"("x": 1, "y": 2, "width": 1, "keypointlabels": ["dent"])"))
                .problems()
                .find("marks no area"),
            std::string::npos);
  EXPECT_NE(
      convert_tasks(
          R"({"type": "polygonlabels", "original_width": 20, "original_height": 10, "image_rotation": 90, "value": {"points": [], "polygonlabels": ["dent"]}})")
          .problems()
          .find("was turned in Label Studio"),
      std::string::npos);
}

std::string labelme_of(const std::string& shapes, const std::string& flags = "{}") {
  return R"({"version": "5.4.1", "flags": )" + flags + R"(, "shapes": [)" + shapes +
         R"(], "imagePath": "..\\photos\\a.png", "imageData": "iVBORw0KGgo=", "imageHeight": 4, "imageWidth": 6})";
}

Conversion convert_labelme(const std::string& shapes, const std::string& flags = "{}") {
  MemoryFiles files;
  files.put("photos/a.png", picture_bytes(4, 6));
  files.put("photos/unseen.png", picture_bytes(4, 6));
  files.put("json/a.json", labelme_of(shapes, flags));
  return convert(files);
}

TEST(LabelMe, ReadsPolygonsRectanglesAndCircles) {
  const auto done = convert_labelme(
      R"({"label": "tri", "points": [[0, 0], [2.6, 0], [0, 2.6]], "shape_type": "polygon"},
         {"label": "box", "points": [[6, 4], [4, 3]], "shape_type": "rectangle"},
         {"label": "dot", "points": [[4, 1], [4, 1.9]], "shape_type": "circle"})");
  // The triangle's long side is x + y = 2.6: the centres (0.5, 0.5), (1.5, 0.5) and (0.5, 1.5) lie below it. The circle
  // of radius 0.9 around (4, 1) holds the four centres that are 0.71 away.
  EXPECT_EQ(done.mask("photos/a.png"), (MaskRows{"tt.dd.", "t..dd.", "......", "....bb"}));
  EXPECT_EQ(done.verdict("photos/unseen.png"), "unlabelled");
}

TEST(LabelMe, ReadsMasksThatLieAtTheirFirstPoint) {
  RgbImage patch{2, 2, {255, 255, 255, 0, 0, 0, 0, 0, 0, 255, 255, 255}};
  const auto png = to_base64(*encode_png(patch));
  const auto done =
      convert_labelme(R"({"label": "dent", "points": [[3, 1], [4, 2]], "shape_type": "mask", "mask": ")" + png + "\"}");
  EXPECT_EQ(done.mask("photos/a.png"), (MaskRows{"......", "...d..", "....d.", "......"}));
}

TEST(LabelMe, FlagsLabelThePictureAndLinesMarkNothing) {
  EXPECT_EQ(convert_labelme("", R"({"good": true, "blurred": false})").verdict("photos/a.png"), "normal");
  const auto done = convert_labelme(R"({"label": "dent", "points": [[3, 1], [4, 2]], "shape_type": "linestrip"})");
  EXPECT_NE(done.problems().find("json/a.json: /shapes/0: a shape of the type \"linestrip\" marks no area"),
            std::string::npos);
  EXPECT_EQ(done.verdict("photos/a.png"), "anomaly");
}

TEST(LabelMe, OneBrokenFileCostsOnlyItself) {
  MemoryFiles files;
  files.put("a.png", picture_bytes(4, 6));
  files.put("a.json", labelme_of(R"({"label": "dent", "points": [[0, 0], [1, 1]], "shape_type": "rectangle"})"));
  files.put("b.json", R"({"shapes": 7, "imagePath": "b.png"})");
  const auto done = convert(files);
  EXPECT_EQ(done.verdict("a.png"), "anomaly");
  EXPECT_NE(done.problems().find("b.json has no list of shapes"), std::string::npos);
}

Conversion convert_cvat(const std::string& shapes) {
  MemoryFiles files;
  files.put("images/a.png", picture_bytes(4, 6));
  files.put("annotations.xml",
            "<?xml version=\"1.0\"?>\n<annotations><version>1.1</version><meta><task><labels><label><name>"
            "scratch</name><color>#fa3253</color></label></labels></task></meta>\n"
            "<image id=\"0\" name=\"a.png\" width=\"6\" height=\"4\">\n" +
                shapes + "\n</image></annotations>");
  return convert(files);
}

TEST(Cvat, ReadsPolygonsBoxesAndMasks) {
  const auto done = convert_cvat(
      "<polygon label=\"scratch\" points=\"0.00,0.00;2.00,0.00;2.00,1.00;0.00,1.00\" z_order=\"0\"/>"
      "<box label=\"dent\" xtl=\"4\" ytl=\"0\" xbr=\"6\" ybr=\"2\" z_order=\"0\"/>"
      // 3 x 2 pixels at (1, 2): one unmarked, two marked, one marked again by the next row, then nothing.
      "<mask label=\"stain\" rle=\"1, 3\" left=\"1\" top=\"2\" width=\"3\" height=\"2\" z_order=\"0\"/>");
  EXPECT_EQ(done.mask("images/a.png"), (MaskRows{"ss..dd", "....dd", "..ss..", ".s...."}));
  EXPECT_EQ(done.summary->labels[0].color, "#FA3253");
}

TEST(Cvat, TheHigherLayerLiesOnTop) {
  const auto done = convert_cvat(
      "<box label=\"top\" xtl=\"1\" ytl=\"0\" xbr=\"3\" ybr=\"2\" z_order=\"2\"/>"
      "<box label=\"under\" xtl=\"0\" ytl=\"0\" xbr=\"2\" ybr=\"2\" z_order=\"-1\"/>");
  EXPECT_EQ(done.mask("images/a.png"), (MaskRows{"utt...", "utt...", "......", "......"}));
  EXPECT_NE(done.notes().find("1 picture areas of different labels overlap"), std::string::npos) << done.notes();
}

TEST(Cvat, TurnsBoxesAboutTheirCentre) {
  // 4 x 2 pixels around (3, 2), turned by a quarter: 2 x 4.
  const auto done = convert_cvat("<box label=\"dent\" xtl=\"1\" ytl=\"1\" xbr=\"5\" ybr=\"3\" rotation=\"90\"/>");
  EXPECT_EQ(done.mask("images/a.png"), (MaskRows{"..dd..", "..dd..", "..dd..", "..dd.."}));
}

TEST(Cvat, TagsLabelThePicture) {
  EXPECT_EQ(convert_cvat("<tag label=\"good\"/>").verdict("images/a.png"), "normal");
  EXPECT_EQ(convert_cvat("<tag label=\"broken\"/>").verdict("images/a.png"), "anomaly");
}

TEST(Cvat, NamesTheLineOfWhatIsBad) {
  const auto done = convert_cvat("<tag label=\"good\"/>\n<polygon label=\"dent\" points=\"0,0;nan,1;2,2\"/>");
  EXPECT_NE(done.problems().find("annotations.xml, line 5: <polygon> of a.png"), std::string::npos) << done.problems();
  for (const auto* shape : {"<polyline label=\"dent\" points=\"0,0;1,1\"/>",
                            "<mask label=\"dent\" rle=\"9\" left=\"0\" top=\"0\" width=\"2\" height=\"2\"/>",
                            "<mask label=\"dent\" rle=\"1\" left=\"99999999999\" top=\"0\" width=\"2\" height=\"2\"/>",
                            "<mask label=\"dent\" rle=\"-4\" left=\"0\" top=\"0\" width=\"2\" height=\"2\"/>",
                            "<box label=\"dent\" xtl=\"1e300\" ytl=\"0\" xbr=\"2\" ybr=\"2\"/>",
                            "<box xtl=\"0\" ytl=\"0\" xbr=\"2\" ybr=\"2\"/>"})
    EXPECT_EQ(convert_cvat(shape).summary->problems.count(), 1U) << shape;
}

TEST(Cvat, EntitiesAreNotExpandedAndVideosAreRefused) {
  AnnotationSet set;
  const std::string bomb =
      "<!DOCTYPE a [<!ENTITY x \"yyyyyyyyyy\"><!ENTITY z \"&x;&x;&x;\">]><annotations><image name=\"&z;&z;\" "
      "width=\"1\" "
      "height=\"1\"/></annotations>";
  ASSERT_TRUE(read_cvat(bomb, "a.xml", set));
  EXPECT_EQ(set.pictures[0].name, "&z;&z;");
  EXPECT_NE(read_cvat("<annotations><track/></annotations>", "a.xml", set).error().message.find("for videos"),
            std::string::npos);
  EXPECT_NE(read_cvat("<annotations>\n\n<image", "a.xml", set).error().message.find("a.xml, line 3"),
            std::string::npos);
}

std::string voc_of(const std::string& objects) {
  return "<annotation><filename>a.png</filename><size><width>6</width><height>4</height></size>\n" + objects +
         "</annotation>";
}

TEST(Voc, BoxesCountFromOneAndHoldTheirLastPixel) {
  MemoryFiles files;
  files.put("JPEGImages/a.png", picture_bytes(4, 6));
  files.put("JPEGImages/b.png", picture_bytes(4, 6));
  files.put("Annotations/a.xml", voc_of("<object><name>dent</name><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>3</"
                                        "xmax><ymax>4</ymax></bndbox></object>"));
  files.put("Annotations/b.xml",
            "<annotation><filename>b.png</filename>\n<object><name>dent</name><bndbox><xmin>5</xmin><ymin>2</"
            "ymin><xmax>3</xmax><ymax>4</ymax></bndbox></object></annotation>");
  files.put("ImageSets/Main/train.txt", "a\n");
  files.put("ImageSets/Main/val.txt", "b -1\n");
  const auto done = convert(files);
  EXPECT_EQ(done.mask("JPEGImages/a.png"), (MaskRows{"......", "ddd...", "ddd...", "ddd..."}));
  EXPECT_EQ(done.verdict("JPEGImages/b.png", "test"), "anomaly");
  EXPECT_NE(done.problems().find("Annotations/b.xml, line 2: <object>: its bndbox ends before it begins"),
            std::string::npos)
      << done.problems();
}

TEST(Voc, LabelFilesHaveThePaletteOfVocAndAVoidOutline) {
  MemoryFiles files;
  files.put("JPEGImages/a.png", picture_bytes(1, 4));
  // Index 1 is #800000, index 2 #008000, index 255 #E0E0C0.
  RgbImage labels{1, 4, {0, 0, 0, 0x80, 0, 0, 0, 0x80, 0, 0xE0, 0xE0, 0xC0}};
  files.put("SegmentationClass/a.png", std::string(as_text(*encode_png(labels))));
  files.put("class_names.txt", "_background_\nscratch\ndent\n");
  EXPECT_EQ(convert(files).mask("JPEGImages/a.png"), (MaskRows{".sd."}));
  // The same as levels of grey, and with the map of CVAT.
  RgbImage indices{1, 4, {0, 0, 0, 1, 1, 1, 2, 2, 2, 255, 255, 255}};
  files.put("SegmentationClass/a.png", std::string(as_text(*encode_png(indices))));
  EXPECT_EQ(convert(files).mask("JPEGImages/a.png"), (MaskRows{".sd."}));
  RgbImage colors{1, 4, {0, 0, 0, 10, 20, 30, 40, 50, 60, 0, 0, 0}};
  files.put("SegmentationClass/a.png", std::string(as_text(*encode_png(colors))));
  EXPECT_NE(convert(files).problems().find("holds the colour #0A141E"), std::string::npos);
  MemoryFiles mapped;
  mapped.put("JPEGImages/a.png", picture_bytes(1, 4));
  mapped.put("SegmentationClass/a.png", std::string(as_text(*encode_png(colors))));
  mapped.put("labelmap.txt",
             "# label:color_rgb:parts:actions\nbackground:0,0,0::\nxylol:10,20,30::\nyellow:40,50,60::\n");
  EXPECT_EQ(convert(mapped).mask("JPEGImages/a.png"), (MaskRows{".xy."}));
}

TEST(Yolo, ReadsPolygonsAndBoxesInShares) {
  MemoryFiles files;
  files.put("data.yaml",
            "path: .  # root\ntrain: images/train\nnames:\n  0: 'scratch'\n  1: dent # a comment\nnc: 2\n");
  files.put("images/train/a.png", picture_bytes(4, 10));
  files.put("images/train/b.png", picture_bytes(4, 10));
  files.put("images/val/c.png", picture_bytes(4, 10));
  files.put("labels/train/a.txt", "0 0.1 0.25 0.5 0.25 0.5 0.75 0.1 0.75\r\n1 0.8 0.5 0.2 1\n");
  files.put("labels/train/b.txt", "");
  files.put("labels/val/c.txt", "2 0.5 0.5 0.5 0.5\n0 0.5 0.5 nan 0.5\n0 0.5 0.5 0.5\n");
  const auto done = convert(files);
  EXPECT_EQ(done.mask("images/train/a.png"), (MaskRows{".......dd.", ".ssss..dd.", ".ssss..dd.", ".......dd."}));
  EXPECT_EQ(done.verdict("images/train/b.png"), "unlabelled");
  EXPECT_EQ(done.verdict("images/val/c.png", "test"), "anomaly");
  EXPECT_NE(done.problems().find("labels/val/c.txt, line 1: there is no name for the class 2"), std::string::npos)
      << done.problems();
  EXPECT_NE(done.problems().find("labels/val/c.txt, line 2: one of its numbers"), std::string::npos);
  EXPECT_NE(done.problems().find("labels/val/c.txt, line 3: it is neither"), std::string::npos);
}

TEST(Yolo, NamesComeInManyForms) {
  for (const auto* names :
       {"names: [scratch, \"dent\"]\n", "names: {0: scratch, 1: dent}\n", "names:\n- scratch\n- dent\n",
        "nc: 2\nnames: [\n  'scratch',\n  'dent'\n]\n", "names:\n    0: scratch\n    1: dent\ntrain: x\n"}) {
    MemoryFiles files;
    files.put("data.yaml", names);
    files.put("a.png", picture_bytes(4, 4));
    files.put("a.txt", "1 0.5 0.5 0.5 0.5\n");
    const auto done = convert(files);
    ASSERT_TRUE(done.summary) << names;
    ASSERT_EQ(done.summary->labels.size(), 1U) << names << done.problems();
    EXPECT_EQ(done.summary->labels[0].name, "dent") << names;
  }
}

std::string mask_bytes(const MaskRows& rows) {
  RgbImage image{static_cast<int>(rows.size()), static_cast<int>(rows[0].size()), {}};
  for (const auto& row : rows)
    for (const char c : row) image.pixels.insert(image.pixels.end(), 3, c == '#' ? 255 : 0);
  return std::string(as_text(*encode_png(image)));
}

TEST(Mvtec, FoldersSayWhatPicturesAre) {
  MemoryFiles files;
  for (const auto* name :
       {"bolt/train/good/000.png", "bolt/test/good/000.png", "bolt/test/cut_out/000.png", "bolt/test/cut_out/001.png"})
    files.put(name, picture_bytes(3, 6));
  files.put("bolt/ground_truth/cut_out/000_mask.png", mask_bytes({"......", "..##..", "......"}));
  const auto done = convert(files);
  EXPECT_EQ(done.verdict("bolt/train/good/000.png"), "normal");
  EXPECT_EQ(done.verdict("bolt/test/good/000.png", "test"), "normal");
  EXPECT_EQ(done.mask("bolt/test/cut_out/000.png", "test"), (MaskRows{"......", "..cc..", "......"}));
  EXPECT_EQ(done.summary->labels[0].name, "cutout");
  EXPECT_EQ(done.summary->labels[0].source, "cut_out");
  EXPECT_EQ(done.verdict("bolt/test/cut_out/001.png", "test"), "anomaly");
  EXPECT_TRUE(done.mask("bolt/test/cut_out/001.png", "test").empty());
}

TEST(MaskFolders, AreReadAsTrainReadsThem) {
  MemoryFiles files;
  for (const auto* name : {"images/a.png", "images/b.png", "images/c.png", "good/d.png"})
    files.put(name, picture_bytes(3, 6));
  files.put("masks/a.png", mask_bytes({"......", ".###..", "......"}));
  files.put("masks/b_mask.png", mask_bytes({"......", "......", "......"}));
  files.put("masks/z.png", mask_bytes({"......", "......", "#....."}));
  const auto done = convert(files);
  EXPECT_EQ(done.mask("images/a.png"), (MaskRows{"......", ".aaa..", "......"}));
  EXPECT_EQ(done.verdict("images/b.png"), "normal");
  EXPECT_EQ(done.verdict("images/c.png"), "unlabelled");
  EXPECT_EQ(done.verdict("good/d.png"), "normal");
  EXPECT_NE(done.problems().find("z.png: there is no picture for this mask"), std::string::npos) << done.problems();
}

TEST(Detection, NamesNoFormatForOtherFiles) {
  MemoryFiles files;
  files.put("readme.md", "nothing");
  EXPECT_NE(convert(files).summary.error().message.find("of no format that is known"), std::string::npos);
}

TEST(Splits, AreToldByWholeWords) {
  EXPECT_EQ(split_of("annotations/instances_val2017.json"), Split::validation);
  EXPECT_EQ(split_of("Test/x"), Split::test);
  EXPECT_EQ(split_of("contest/evaluation"), Split::train);
}

}  // namespace
}  // namespace vedette
