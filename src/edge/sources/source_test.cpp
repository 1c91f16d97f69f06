#include "edge/sources/source.hpp"

#include <gtest/gtest.h>

#include <condition_variable>
#include <nlohmann/json.hpp>

#include "base/files.hpp"
#include "base/mutex.hpp"

namespace vedette {
namespace {

using Json = nlohmann::json;

TEST(Source, WrongSettingsAreRefusedBeforeAnythingStarts) {
  const TemporaryFolder folder;
  const SourceSurroundings surroundings{"vedette-edge-camera", folder.path()};
  struct Wrong {
    const char* settings;
    const char* named;
  };
  for (const auto& wrong :
       {Wrong{R"(5)", "object"}, Wrong{R"({})", "source.kind"}, Wrong{R"({"kind": 7})", "source.kind"},
        Wrong{R"({"kind": "webcam"})", "source.kind"}, Wrong{R"({"kind": "folder", "name": "a"})", "source.folder"},
        Wrong{R"({"kind": "folder", "name": "a", "folder": "relative"})", "source.folder"},
        Wrong{R"({"kind": "folder", "name": "a/b", "folder": "/tmp"})", "source.name"},
        Wrong{R"({"kind": "folder", "name": "a", "folder": "/tmp", "after": "burn"})", "source.after"},
        Wrong{R"({"kind": "folder", "name": "a", "folder": "/tmp", "device": "x"})", "device"},
        Wrong{R"({"kind": "v4l2", "name": "a", "folder": "/tmp"})", "folder"}}) {
    const auto source = make_source(Json::parse(wrong.settings), surroundings);
    ASSERT_FALSE(source) << wrong.settings;
    EXPECT_NE(source.error().message.find(wrong.named), std::string::npos) << source.error().message;
  }
}

TEST(Source, ATriggerForACameraThatIsAwayHasNoPicture) {
  const TemporaryFolder folder;
  const SourceSurroundings surroundings{folder.path() / "missing", folder.path()};
  const auto source = make_source(
      Json::parse(R"({"kind": "v4l2", "name": "a", "restart_ms": 3600000, "trigger": {"mode": "software"}})"),
      surroundings);
  ASSERT_TRUE(source) << source.error().message;
  Mutex mutex;
  std::condition_variable changed;
  std::vector<SourcePicture> pictures;
  std::vector<std::string> reasons;
  ASSERT_TRUE((*source)->start(
      [&](SourcePicture picture) {
        const MutexLock lock(mutex);
        pictures.push_back(std::move(picture));
        changed.notify_all();
        return Result<void>();
      },
      [&](const std::string& name, const SourceState& state) {
        const MutexLock lock(mutex);
        EXPECT_EQ(name, "a");
        if (state.condition == SourceCondition::offline) reasons.push_back(state.reason);
        changed.notify_all();
      }));
  {
    MutexLock lock(mutex);
    changed.wait(lock.standard(), [&] { return !reasons.empty(); });
  }
  EXPECT_EQ(reasons.front(), "The camera program is not installed.");
  ASSERT_TRUE((*source)->trigger("part 17"));
  {
    MutexLock lock(mutex);
    changed.wait(lock.standard(), [&] { return !pictures.empty(); });
  }
  EXPECT_EQ(pictures.front().trigger_id, "part 17");
  EXPECT_GT(pictures.front().triggered_at, 0);
  ASSERT_TRUE(std::holds_alternative<NoPicture>(pictures.front().content));
  EXPECT_NE(std::get<NoPicture>(pictures.front().content).reason.find("offline"), std::string::npos);
  EXPECT_EQ((*source)->state().no_pictures, 1U);
  EXPECT_EQ((*source)->trigger(std::string(129, 'x')).error().kind, ErrorKind::invalid_input);
  EXPECT_EQ((*source)->trigger("a\nb").error().kind, ErrorKind::invalid_input);
  EXPECT_EQ((*source)->trigger("\xff").error().kind, ErrorKind::invalid_input);
  (*source)->stop();
}

TEST(Source, OnlySourcesThatWaitForTriggersTakeThem) {
  const TemporaryFolder folder;
  const SourceSurroundings surroundings{"vedette-edge-camera", folder.path()};
  for (const char* settings :
       {R"({"kind": "v4l2", "name": "a"})", R"({"kind": "folder", "name": "a", "folder": "/tmp"})"}) {
    const auto source = make_source(Json::parse(settings), surroundings);
    ASSERT_TRUE(source) << source.error().message;
    EXPECT_EQ((*source)->trigger("").error().kind, ErrorKind::unsupported);
  }
}

}  // namespace
}  // namespace vedette
