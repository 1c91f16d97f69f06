// Tests the import of what other tools exported, and the export to COCO, with objects in a folder.
#include "service/annotation_transfer.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "auth/identities.hpp"
#include "base/files.hpp"
#include "manifest/manifest.hpp"
#include "store/metadata/repeating_store.hpp"
#include "store/metadata/sqlite/sqlite_metadata.hpp"
#include "store/objects/filesystem/filesystem_objects.hpp"
#include "store/objects/forwarding_store.hpp"
#include "vision/image/image.hpp"

namespace vedette {
namespace {

using Json = nlohmann::json;

const Scope kScope{"000000000000", "us-east-1"};

/// A store that passes everything on to another one, but for what a test puts in the way of reading.
class WatchedObjects : public ForwardingStore {
 public:
  using ForwardingStore::ForwardingStore;
  /// Is called before an object is read. What it returns in place of success is the outcome.
  std::function<Result<void>(const std::string& key)> on_read = [](const auto&) { return Result<void>(); };

  Result<std::unique_ptr<ObjectReader>> get(const std::string& bucket, const std::string& key,
                                            const std::optional<std::string>& version_id) override {
    if (auto ok = on_read(key); !ok) return ok.error();
    return inner_.get(bucket, key, version_id);
  }
  Result<ObjectStart> get_start(const std::string& bucket, const std::string& key, std::size_t length) override {
    if (auto ok = on_read(key); !ok) return ok.error();
    return inner_.get_start(bucket, key, length);
  }
};

class Transfer : public testing::Test {
 protected:
  void SetUp() override {
    metadata_->write([&](UnitOfWork& work) {
      work.users().insert({kScope.account, "admin", {kAdministratorAccess}, clock_.now()});
      work.users().insert({kScope.account, "guest", {}, clock_.now()});
      work.projects().insert(kScope, {"p", clock_.now()});
    });
    call_.caller = *caller_of_job(*metadata_, kScope.account, "admin");
    call_.scope = kScope;
    ASSERT_TRUE(objects_->create_bucket("line7"));
    put("in/a.png", picture());
    put("in/b.png", picture());
    put("in/labels.json", coco().dump());
  }
  static std::string picture() {
    return std::string(as_text(encode_label_png(Grid<std::uint8_t>(80, 100), std::vector<Rgb>{{200, 200, 200}})));
  }
  /// A COCO file that marks a square of 10 × 10 pixels in a.png and nothing in b.png.
  static Json coco() {
    return {{"images",
             {{{"id", 1}, {"file_name", "a.png"}, {"width", 100}, {"height", 80}},
              {{"id", 2}, {"file_name", "b.png"}, {"width", 100}, {"height", 80}}}},
            {"annotations",
             {{{"id", 1},
               {"image_id", 1},
               {"category_id", 1},
               {"iscrowd", 0},
               {"bbox", {20, 30, 10, 10}},
               {"area", 100},
               {"segmentation", {{20, 30, 30, 30, 30, 40, 20, 40}}}}}},
            {"categories", {{{"id", 1}, {"name", "scratch"}}}}};
  }
  void put(const std::string& key, const std::string& bytes) {
    ASSERT_TRUE(put_bytes(*objects_, "line7", key, bytes, "t"));
  }
  std::vector<Json> lines(const std::string& key) {
    std::vector<Json> out;
    const auto text = get_bytes(*objects_, "line7", key, 1 << 20);
    if (!text) return out;
    for (const auto& line : ManifestLines(*text)) out.push_back(Json::parse(line.text));
    return out;
  }
  Result<extension::Conversion> convert(Json more = {}) {
    Json members = {{"ProjectName", "p"}, {"Bucket", "line7"}, {"Prefix", "in"}, {"OutputPrefix", "out"}};
    if (!more.is_null()) members.update(more);
    return transfer_.convert(call_, extension::ConvertAnnotationsRequest(members));
  }
  Result<extension::CocoExport> export_coco(const std::string& shapes) {
    return transfer_.export_coco(call_, extension::ExportCocoRequest(Json{{"ProjectName", "p"},
                                                                          {"DatasetType", "train"},
                                                                          {"Bucket", "line7"},
                                                                          {"Key", "coco.json"},
                                                                          {"Shapes", shapes}}));
  }
  void insert_dataset() {
    metadata_->write([&](UnitOfWork& work) {
      Dataset dataset;
      dataset.project = "p";
      dataset.uid = "d";
      dataset.type = DatasetType::train;
      work.datasets().insert(kScope, dataset);
    });
  }
  void replace_entries(const std::vector<Json>& made) {
    std::vector<DatasetEntry> entries;
    for (const auto& line : made) {
      const auto parsed = parse_manifest_line(line.dump());
      entries.push_back({parsed->source_ref, parsed->is_anomalous, clock_.now(), parsed->text});
    }
    metadata_->write([&](UnitOfWork& work) { work.datasets().replace_entries("d", entries); });
  }
  Json exported() { return Json::parse(*get_bytes(*objects_, "line7", "coco.json", 1 << 20)); }
  std::size_t below(const std::string& prefix) { return objects_->list("line7", {.prefix = prefix})->size(); }

  TemporaryFolder folder_;
  FakeClock clock_{Timestamp{std::chrono::hours(500'000)}};
  std::unique_ptr<MetadataStore> metadata_ =
      std::make_unique<RepeatingStore>(open_sqlite_metadata(folder_.path() / "metadata.sqlite", clock_));
  std::unique_ptr<BucketStore> objects_ = open_filesystem_objects(folder_.path() / "objects", clock_);
  WatchedObjects watched_{*objects_};
  AnnotationTransfer transfer_{*metadata_, watched_, clock_};
  CallContext call_;
};

TEST_F(Transfer, CocoBecomesAManifestAndMasks) {
  const auto done = convert({{"Unannotated", "NORMAL"}});
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->format, "coco");
  EXPECT_EQ(done->train.manifest_key, "out/manifests/train.manifest");
  EXPECT_EQ(std::pair(done->train.anomaly, done->train.normal), std::pair(std::int64_t{1}, std::int64_t{1}));
  EXPECT_EQ(done->train.masks, 1);
  EXPECT_FALSE(done->test);
  const auto made = lines(done->train.manifest_key);
  ASSERT_EQ(made.size(), 2U);
  EXPECT_EQ(made[0]["source-ref"], "s3://line7/in/a.png");
  EXPECT_EQ(made[0]["anomaly-mask-ref"], "s3://line7/out/masks/a.png");
  EXPECT_EQ(made[1]["anomaly-label-metadata"]["class-name"], "normal");
  EXPECT_EQ(below("out/masks/"), 1U);
  // A second run does not take the masks for pictures, even if they lie below the source.
  const auto again = convert({{"Prefix", ""}, {"Unannotated", "NORMAL"}});
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->train.anomaly + again->train.normal, 2);
}

TEST_F(Transfer, BadEntriesAreToldAndABrokenFileWritesNothing) {
  auto bad = coco();
  bad["annotations"][0]["image_id"] = 7;
  put("in/labels.json", bad.dump());
  const auto done = convert();
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->problem_count, 1);
  ASSERT_EQ(done->problems.size(), 1U);
  EXPECT_NE(done->problems[0].find("labels.json"), std::string::npos) << done->problems[0];
  put("in/labels.json", "{\"images\": [");
  const auto broken = convert({{"OutputPrefix", "none/"}});
  ASSERT_FALSE(broken);
  EXPECT_EQ(broken.error().kind, ErrorKind::invalid_input);
  EXPECT_NE(broken.error().message.find("labels.json"), std::string::npos) << broken.error().message;
  EXPECT_EQ(below("none/"), 0U);
}

TEST_F(Transfer, AConversionLeavesMemoryToTheServer) {
  // Each circle has 720 corners of 16 bytes: these take 280 MB, from files of 140 kB.
  std::string circles;
  for (int i = 0; i < 2'500; ++i)
    circles += std::string(i > 0 ? "," : "") + R"({"label":"a","shape_type":"circle","points":[[9,9],[9,8]]})";
  for (int i = 0; i < 10; ++i)
    put("many/labels" + std::to_string(i) + ".json", R"({"imagePath": "a.png", "shapes": [)" + circles + "]}");
  const auto circular = convert({{"Prefix", "many"}});
  ASSERT_FALSE(circular);
  EXPECT_EQ(circular.error().kind, ErrorKind::invalid_input);
  EXPECT_NE(circular.error().message.find("labels9.json"), std::string::npos) << circular.error().message;
  put("in/labels.json", R"({"imagePath": "a.png", "shapes": [], "imageData": ")" + std::string(16U << 20, 'A') + "\"}");
  const auto long_file = convert();
  ASSERT_FALSE(long_file);
  EXPECT_EQ(long_file.error().kind, ErrorKind::invalid_input);
  EXPECT_NE(long_file.error().message.find("labels.json"), std::string::npos) << long_file.error().message;
  put("in/labels.json", R"({"imagePath": "a.png", "shapes": []})");
  put("in/b.png",
      std::string(as_text(encode_label_png(Grid<std::uint8_t>(1, 8193), std::vector<Rgb>{{200, 200, 200}}))));
  const auto wide = convert();
  ASSERT_TRUE(wide) << wide.error().message;
  ASSERT_EQ(wide->problems.size(), 1U);
  EXPECT_NE(wide->problems[0].find("8193"), std::string::npos) << wide->problems[0];
}

TEST_F(Transfer, WhatCannotBeDoneIsRefused) {
  EXPECT_EQ(convert({{"ProjectName", "none"}}).error().kind, ErrorKind::not_found);
  EXPECT_EQ(convert({{"Bucket", "none"}}).error().kind, ErrorKind::invalid_input);
  EXPECT_EQ(convert({{"Prefix", "empty"}}).error().kind, ErrorKind::invalid_input);
  EXPECT_EQ(convert({{"OutputPrefix", "in"}}).error().kind, ErrorKind::invalid_input);
  EXPECT_EQ(convert({{"Format", "YOLO"}}).error().kind, ErrorKind::invalid_input);
  call_.caller = *caller_of_job(*metadata_, kScope.account, "guest");
  EXPECT_EQ(convert().error().kind, ErrorKind::access_denied);
  EXPECT_EQ(export_coco("RUNS").error().kind, ErrorKind::access_denied);
  EXPECT_EQ(below("out"), 0U);
}

TEST_F(Transfer, ACallWhoseCallerHasGoneEnds) {
  std::stop_source gone;
  call_.abandoned = gone.get_token();
  gone.request_stop();
  EXPECT_EQ(convert().error().kind, ErrorKind::unavailable);
  EXPECT_EQ(below("out"), 0U);
}

TEST_F(Transfer, WhatWasImportedIsExportedAgain) {
  EXPECT_EQ(export_coco("RUNS").error().kind, ErrorKind::not_found);
  ASSERT_TRUE(convert());
  insert_dataset();
  auto made = lines("out/manifests/train.manifest");
  made.push_back(made.at(0));
  made.back()["source-ref"] = "s3://line7/in/none.png";
  replace_entries(made);
  for (const char* shapes : {"POLYGONS", "RUNS"}) {
    const auto done = export_coco(shapes);
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_EQ(std::tuple(done->images, done->unlabelled, done->problem_count),
              std::tuple(std::int64_t{1}, std::int64_t{1}, std::int64_t{1}));
    EXPECT_NE(done->problems.at(0).find("none.png"), std::string::npos);
    const auto file = exported();
    ASSERT_EQ(file["images"].size(), 1U);
    EXPECT_EQ(file["images"][0]["file_name"], "in/a.png");
    ASSERT_EQ(file["annotations"].size(), 1U);
    EXPECT_EQ(file["annotations"][0]["bbox"], (Json{20, 30, 10, 10}));
    EXPECT_EQ(file["annotations"][0]["area"], 100);
    EXPECT_EQ(file["categories"][0]["name"], "scratch");
  }
}

TEST_F(Transfer, AChangeDuringAnExportDoesNotCount) {
  ASSERT_TRUE(convert());
  insert_dataset();
  auto first = lines("out/manifests/train.manifest").at(0);
  auto last = first;
  last["source-ref"] = "s3://line7/in/b.png";
  std::vector<Json> made = {first};
  for (int i = 0; i < 1000; ++i) made.push_back({{"source-ref", "s3://line7/in/" + std::to_string(i) + ".png"}});
  made.push_back(last);
  replace_entries(made);
  // While the first picture is read, the label gets another name, and the line after it is removed.
  auto changed = made;
  changed.erase(changed.begin() + 1);
  for (auto* line : {&changed.front(), &changed.back()})
    (*line)["anomaly-mask-ref-metadata"]["internal-color-map"]["1"]["class-name"] = "dent";
  watched_.on_read = [&](const std::string&) -> Result<void> {
    if (!changed.empty()) replace_entries(changed);
    changed.clear();
    return {};
  };
  const auto done = export_coco("RUNS");
  ASSERT_TRUE(done) << done.error().message;
  ASSERT_TRUE(changed.empty());
  EXPECT_EQ(std::tuple(done->images, done->unlabelled, done->problem_count),
            std::tuple(std::int64_t{2}, std::int64_t{1000}, std::int64_t{0}));
  const auto file = exported();
  ASSERT_EQ(file["annotations"].size(), 2U);
  EXPECT_EQ(file["annotations"][1]["area"], 100);
}

TEST_F(Transfer, ADamagedObjectCostsOnlyItsPicture) {
  ASSERT_TRUE(convert());
  insert_dataset();
  auto made = lines("out/manifests/train.manifest");
  for (const auto* name : {"c.png", "d.png"}) {
    put(std::string("in/") + name, picture());
    made.push_back(made.at(0));
    made.back()["source-ref"] = std::string("s3://line7/in/") + name;
  }
  made.back()["anomaly-mask-ref"] = "s3://line7/out/masks/d.png";
  replace_entries(made);
  auto kind = ErrorKind::internal;
  watched_.on_read = [&](const std::string& key) -> Result<void> {
    if (key == "in/c.png" || key == "out/masks/d.png") return fail(kind, "The disk is broken.");
    return {};
  };
  const auto done = export_coco("RUNS");
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(std::pair(done->images, done->problem_count), std::pair(std::int64_t{1}, std::int64_t{2}));
  ASSERT_EQ(done->problems.size(), 2U);
  EXPECT_NE(done->problems[0].find("in/c.png: The content of the image cannot be read"), std::string::npos);
  EXPECT_NE(done->problems[1].find("in/d.png: its mask: The content of the mask cannot be read"), std::string::npos);
  // A store that does not answer ends the call.
  kind = ErrorKind::unavailable;
  EXPECT_EQ(export_coco("RUNS").error().kind, ErrorKind::unavailable);
}

}  // namespace
}  // namespace vedette
