// Tests that a source cannot make the readers take more memory than they are given.
#include <fmt/format.h>

#include "annotations/conversion_fixture.hpp"

namespace vedette {
namespace {

std::string repeated(const std::string& piece, int times, const std::string& between) {
  std::string out = piece;
  for (int i = 1; i < times; ++i) out += between + piece;
  return out;
}

struct Source {
  AnnotationFormat format;
  std::string file;
  std::string (*text)(int areas);  ///< Describes a.png with so many areas.
};

const Source kSources[] = {
    {AnnotationFormat::coco, "a.json",
     [](int areas) {
       return R"({"images": [{"id": 7, "file_name": "a.png"}], "categories": [{"id": 1, "name": "dent"}],
                  "annotations": [)" +
              repeated(R"({"image_id": 7, "category_id": 1, "bbox": [0, 0, 1, 1]})", areas, ",") + "]}";
     }},
    {AnnotationFormat::label_studio, "a.json",
     [](int areas) {
       return R"([{"data": {"image": "a.png"}, "annotations": [{"result": [)" +
              repeated(R"({"type": "ellipselabels", "original_width": 6, "original_height": 4, "value":
                           {"x": 1, "y": 1, "radiusX": 1, "radiusY": 1, "ellipselabels": ["dent"]}})",
                       areas, ",") +
              "]}]}]";
     }},
    {AnnotationFormat::labelme, "a.json",
     [](int areas) {
       return R"({"imagePath": "a.png", "shapes": [)" +
              repeated(R"({"label": "dent", "points": [[1, 1], [1, 2]], "shape_type": "circle"})", areas, ",") + "]}";
     }},
    {AnnotationFormat::cvat, "a.xml",
     [](int areas) {
       return R"(<annotations><image name="a.png" width="6" height="4">)" +
              repeated(R"(<ellipse label="dent" cx="1" cy="1" rx="1" ry="1"/>)", areas, "\n") +
              "</image></annotations>";
     }},
    {AnnotationFormat::voc, "a.xml",
     [](int areas) {
       return "<annotation><filename>a.png</filename>" +
              repeated(
                  "<object><name>dent</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax>"
                  "</bndbox></object>",
                  areas, "\n") +
              "</annotation>";
     }},
    {AnnotationFormat::yolo, "a.txt", [](int areas) { return repeated("0 0.5 0.5 0.1 0.1", areas, "\n"); }}};

TEST(Limits, AnnotationsThatTakeTooMuchMemoryAreRefusedWithTheirFile) {
  for (const auto& source : kSources) {
    MemoryFiles files;
    files.put("a.png", picture_bytes(4, 6));
    files.put("classes.txt", "dent");
    AnnotationLimits limits;
    limits.kept_bytes = 100'000;
    files.put(source.file, source.text(3));
    const auto few = read_annotations(files, files, source.format, limits);
    ASSERT_TRUE(few) << to_text(source.format) << ": " << few.error().message;
    EXPECT_EQ(few->pictures.at(0).regions.size(), 3U) << to_text(source.format);
    files.put(source.file, source.text(1000));
    const auto many = read_annotations(files, files, source.format, limits);
    ASSERT_FALSE(many) << to_text(source.format);
    EXPECT_EQ(many.error().kind, ErrorKind::invalid_input);
    EXPECT_NE(many.error().message.find(source.file), std::string::npos) << many.error().message;
    EXPECT_TRUE(read_annotations(files, files, source.format)) << to_text(source.format);
  }
}

TEST(Limits, LabelsThatManyAreasRepeatCountEachTime) {
  MemoryFiles files;
  files.put("a.png", picture_bytes(4, 6));
  const std::string name(1000, 'x');
  const auto coco = [&](int areas) {
    return R"({"images": [{"id": 7, "file_name": "a.png"}], "categories": [{"id": 1, "name": ")" + name +
           R"("}], "annotations": [)" + repeated(R"({"image_id": 7, "category_id": 1})", areas, ",") + "]}";
  };
  AnnotationLimits limits;
  limits.kept_bytes = 100'000;
  files.put("a.json", coco(10));
  EXPECT_TRUE(read_annotations(files, files, AnnotationFormat::coco, limits));
  files.put("a.json", coco(100));
  EXPECT_FALSE(read_annotations(files, files, AnnotationFormat::coco, limits));
}

TEST(Limits, FilesThatAreReadAsAWholeAreShorter) {
  for (const auto& source : kSources) {
    const bool is_in_pieces =
        source.format == AnnotationFormat::coco || source.format == AnnotationFormat::label_studio;
    MemoryFiles files;
    files.put("a.png", picture_bytes(4, 6));
    files.put("classes.txt", "dent");
    files.put(source.file, source.text(100));
    AnnotationLimits limits;
    limits.tree_bytes = 1000;
    const auto set = read_annotations(files, files, source.format, limits);
    EXPECT_EQ(set.has_value(), is_in_pieces) << to_text(source.format);
  }
}

TEST(Limits, AnItemHasOnlySoManyValues) {
  AnnotationLimits limits;
  limits.json_values = 1000;
  for (const auto& source : kSources) {
    if (!source.file.ends_with(".json")) continue;
    MemoryFiles files;
    files.put("a.png", picture_bytes(4, 6));
    files.put(source.file, source.text(200));
    const auto set = read_annotations(files, files, source.format, limits);
    // The annotations of COCO are items of their own.
    if (source.format == AnnotationFormat::coco) {
      EXPECT_TRUE(set);
    } else if (source.format == AnnotationFormat::label_studio) {
      ASSERT_FALSE(set);
      EXPECT_NE(set.error().message.find("one of its entries is too large"), std::string::npos) << set.error().message;
    } else {
      ASSERT_TRUE(set);  // Of files that describe one picture, a bad one costs only itself.
      EXPECT_TRUE(set->pictures.empty());
      EXPECT_NE(set->problems.first().at(0).find("one of its entries is too large"), std::string::npos);
    }
  }
}

TEST(Limits, WhatIsNoItemDoesNotCount) {
  std::string text = R"({"images": [{"id": 7, "file_name": "a.png"}], "info": [[)";
  for (int i = 0; i < 2000; ++i) text += "[0],";
  MemoryFiles files;
  files.put("a.json", text + R"({"x": 0}]], "annotations": [7, []], "categories": {"x": 1}})");
  AnnotationLimits limits;
  limits.json_values = 1000;
  const auto set = read_annotations(files, files, AnnotationFormat::coco, limits);
  ASSERT_TRUE(set) << set.error().message;
  EXPECT_EQ(set->pictures.size(), 1U);
  EXPECT_EQ(set->problems.count(), 0U);
}

TEST(Limits, PicturesAndMasksWithLongerSidesAreProblems) {
  MemoryFiles files;
  files.put("a.png", picture_bytes(4, 6));
  files.put("long.png", picture_bytes(1, 7));
  const auto mask = to_base64(as_bytes(picture_bytes(1, 7)));
  files.put("a.json", R"({"imagePath": "a.png", "shapes": [{"label": "dent", "points": [[0, 0]], "shape_type": "mask",
                         "mask": ")" +
                          mask + "\"}]}");
  AnnotationLimits limits;
  limits.longest_side = 6;
  auto set = read_annotations(files, files, AnnotationFormat::labelme, limits);
  ASSERT_TRUE(set) << set.error().message;
  ASSERT_EQ(set->problems.count(), 1U);
  EXPECT_NE(set->problems.first()[0].find("its mask is no picture"), std::string::npos) << set->problems.first()[0];
  const auto done = write_dataset(std::move(*set), files, files, {}, [](const auto&, auto) { return Result<void>(); });
  ASSERT_TRUE(done) << done.error().message;
  ASSERT_EQ(done->problems.count(), 2U);
  EXPECT_NE(done->problems.first()[1].find("long.png has 7 x 1 pixels"), std::string::npos)
      << done->problems.first()[1];
}

}  // namespace
}  // namespace vedette
