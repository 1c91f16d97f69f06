#include "edge/sources/triggers.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <condition_variable>
#include <deque>
#include <nlohmann/json.hpp>

#include "base/files.hpp"
#include "base/mutex.hpp"
#include "edge/sources/trigger_kinds.hpp"

namespace vedette {
namespace {

using Json = nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

TEST(Debounce, AnEdgeCountsOnceTheLineHasKeptItsLevel) {
  Debounce debounce(milliseconds(5));
  debounce.add({true, milliseconds(100)});
  EXPECT_TRUE(debounce.is_waiting());
  EXPECT_FALSE(debounce.settled(milliseconds(104)));
  const auto edge = debounce.settled(milliseconds(105));
  ASSERT_TRUE(edge);
  EXPECT_TRUE(edge->is_rising);
  EXPECT_EQ(edge->at, milliseconds(100));
  EXPECT_FALSE(debounce.settled(milliseconds(200)));
  EXPECT_FALSE(debounce.is_waiting());
}

TEST(Debounce, BouncingIsOneEdgeFromTheLastBounceOn) {
  Debounce debounce(milliseconds(5));
  debounce.add({false, milliseconds(0)});
  ASSERT_TRUE(debounce.settled(milliseconds(50)));
  for (int i = 0; i < 7; ++i) debounce.add({i % 2 == 0, milliseconds(100 + i)});
  EXPECT_FALSE(debounce.settled(milliseconds(110)));
  EXPECT_TRUE(debounce.settled(milliseconds(111)));
}

TEST(Debounce, AShortPulseIsNothing) {
  Debounce debounce(milliseconds(5));
  debounce.add({false, milliseconds(0)});
  ASSERT_TRUE(debounce.settled(milliseconds(50)));
  debounce.add({true, milliseconds(100)});
  debounce.add({false, milliseconds(102)});
  EXPECT_FALSE(debounce.settled(milliseconds(200)));
}

/// What a fake line gives; the clock is that of the last event.
struct Events {
  Mutex mutex;
  std::condition_variable changed;
  std::deque<LineEvent> waiting GUARDED_BY(mutex);
  nanoseconds now GUARDED_BY(mutex){};
  std::vector<std::string> triggers GUARDED_BY(mutex);
};

class FakeLine final : public EventLine {
 public:
  explicit FakeLine(Events& events) : events_(events) {}
  Result<std::optional<LineEvent>> wait(milliseconds timeout) override {
    MutexLock lock(events_.mutex);
    events_.changed.wait_for(lock.standard(), timeout, [this] { return has_event(); });
    if (!has_event()) {
      events_.now += timeout;
      return std::optional<LineEvent>();
    }
    const auto event = events_.waiting.front();
    events_.waiting.pop_front();
    events_.now = event.at;
    return std::optional(event);
  }
  [[nodiscard]] nanoseconds now() const override {
    const MutexLock lock(events_.mutex);
    return events_.now;
  }

 private:
  bool has_event() REQUIRES(events_.mutex) { return !events_.waiting.empty(); }
  Events& events_;
};

TEST(LineTrigger, OneEdgeOfTheChosenKindIsOneTrigger) {
  Events events;
  {
    const MutexLock lock(events.mutex);
    for (const auto& [is_rising, at] : {std::pair{true, 100}, {false, 101}, {true, 102}, {false, 300}, {true, 500}})
      events.waiting.push_back({is_rising, milliseconds(at)});
  }
  const auto trigger = start_line_trigger(std::make_unique<FakeLine>(events), {.source = "cam", .is_rising = true}, {},
                                          [&](const std::string& source, const Result<std::string>& id) {
                                            const MutexLock lock(events.mutex);
                                            events.triggers.push_back(source + "/" + *id);
                                            events.changed.notify_all();
                                            return Result<void>();
                                          });
  MutexLock lock(events.mutex);
  // The bounce at 101 is none; the events at 300 and 500 come while the ones before have settled.
  ASSERT_TRUE(events.changed.wait_for(lock.standard(), std::chrono::seconds(60),
                                      [&]() REQUIRES(events.mutex) { return !events.triggers.empty(); }));
  EXPECT_EQ(events.triggers.front(), "cam/");
}

class LostLine final : public EventLine {
 public:
  Result<std::optional<LineEvent>> wait(milliseconds /*timeout*/) override {
    return fail(ErrorKind::unavailable, "The GPIO line is lost.");
  }
  [[nodiscard]] nanoseconds now() const override { return {}; }
};

TEST(LineTrigger, ALineThatIsLostSaysSoAndIsOpenedAgain) {
  Events events;
  int tries = 0;
  const Trigger* running = nullptr;
  std::vector<std::string> problems;
  // The thread of the trigger calls this, but not before the test has made the trigger known.
  const auto reopen = [&]() -> Result<std::unique_ptr<EventLine>> {
    MutexLock lock(events.mutex);
    events.changed.wait(lock.standard(), [&] { return running != nullptr; });
    const auto problem = running->problem();
    problems.push_back(problem ? problem->source + ": " + problem->reason : "");
    if (++tries == 1) return fail(ErrorKind::unavailable, "The chip is away.");
    events.waiting = {{false, milliseconds(100)}, {true, milliseconds(200)}};
    return std::unique_ptr<EventLine>(std::make_unique<FakeLine>(events));
  };
  const auto trigger = start_line_trigger(std::make_unique<LostLine>(), {.source = "cam", .pause = milliseconds(1)},
                                          reopen, [&](const std::string& source, const Result<std::string>& id) {
                                            const MutexLock lock(events.mutex);
                                            events.triggers.push_back(source + "/" + *id);
                                            events.changed.notify_all();
                                            return Result<void>();
                                          });
  MutexLock lock(events.mutex);
  running = trigger.get();
  events.changed.notify_all();
  ASSERT_TRUE(events.changed.wait_for(lock.standard(), std::chrono::seconds(60),
                                      [&]() REQUIRES(events.mutex) { return !events.triggers.empty(); }));
  EXPECT_EQ(problems, (std::vector<std::string>{"cam: The GPIO line is lost.", "cam: The chip is away."}));
  EXPECT_FALSE(trigger->problem());
}

TEST(SocketTrigger, ATriggerReachesItsSourceAndItsErrorsComeBack) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "trigger.sock";
  std::string seen;
  const TriggerCallback callback = [&](const std::string& source, const Result<std::string>& id) -> Result<void> {
    seen = source + "/" + *id;
    if (source == "cam") return {};
    return fail(ErrorKind::not_found, "There is no such source.");
  };
  {
    const auto trigger = make_trigger(Json{{"kind", "socket"}, {"path", path.string()}}, callback);
    ASSERT_TRUE(trigger) << trigger.error().message;
    ASSERT_TRUE(send_trigger(path, "cam", "serial 1\n2"));
    EXPECT_EQ(seen, "cam/serial 1\n2");
    const auto refused = send_trigger(path, "other", "");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorKind::not_found);
    EXPECT_EQ(refused.error().message, "There is no such source.");
    EXPECT_EQ(send_trigger(path, "cam", std::string(2000, 'x')).error().kind, ErrorKind::invalid_input);
    EXPECT_EQ(make_trigger(Json{{"kind", "socket"}, {"path", path.string()}}, callback).error().kind,
              ErrorKind::unavailable);  // The live socket is not taken over.
    ASSERT_TRUE(send_trigger(path, "cam", "still"));
    EXPECT_EQ(seen, "cam/still");
    struct stat about {};
    ASSERT_EQ(::stat(path.c_str(), &about), 0);
    EXPECT_EQ(about.st_mode & 0777U, 0660U);
  }
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_EQ(send_trigger(path, "cam", "").error().kind, ErrorKind::unavailable);
}

TEST(SocketTrigger, OnlyTheOwnSocketIsRemoved) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "trigger.sock";
  auto trigger = make_trigger(Json{{"kind", "socket"}, {"path", path.string()}}, {});
  ASSERT_TRUE(trigger) << trigger.error().message;
  std::filesystem::rename(path, folder.path() / "moved");  // so that its number is not given out again
  ASSERT_TRUE(write_file_atomically(path, "of somebody else"));
  trigger->reset();
  EXPECT_TRUE(std::filesystem::exists(path));
}

TEST(Trigger, WrongSettingsAreRefused) {
  struct Wrong {
    const char* settings;
    const char* named;
  };
  for (const auto& wrong :
       {Wrong{R"({"kind": "coil"})", "trigger.kind"}, Wrong{R"({"kind": "mqtt", "source": "a", "host": "b"})", "topic"},
        Wrong{R"({"kind": "mqtt", "source": "a", "host": "b", "topic": "line/#"})", "topic"},
        Wrong{R"({"kind": "socket"})", "trigger.path"}, Wrong{R"({"kind": "gpio", "line": 1})", "trigger.source"},
        Wrong{R"({"kind": "gpio", "source": "a"})", "trigger.line"},
        Wrong{R"({"kind": "gpio", "source": "a", "line": 1, "edge": "both"})", "trigger.edge"}}) {
    const auto trigger = make_trigger(Json::parse(wrong.settings), {});
    ASSERT_FALSE(trigger);
    EXPECT_NE(trigger.error().message.find(wrong.named), std::string::npos) << trigger.error().message;
  }
  const auto missing =
      make_trigger(Json::parse(R"({"kind": "gpio", "source": "a", "line": 1, "chip": "/dev/gpiochip-missing"})"), {});
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().kind, ErrorKind::unavailable);
}

TEST(Trigger, ASourceThatTakesNoneIsRefused) {
  const std::vector<Json> sources = {
      Json{{"kind", "folder"}, {"name", "drop"}, {"folder", "/x"}},
      Json{{"kind", "v4l2"}, {"name", "free"}},
      Json{{"kind", "v4l2"}, {"name", "asked"}, {"trigger", {{"mode", "software"}}}},
  };
  const auto check = [&](const char* source) {
    return check_trigger(Json{{"kind", "gpio"}, {"source", source}, {"line", 1}}, sources);
  };
  EXPECT_TRUE(check("asked"));
  EXPECT_TRUE(check_trigger(Json{{"kind", "socket"}, {"path", "/x"}}, sources));
  EXPECT_NE(check("drop").error().message.find("a folder"), std::string::npos);
  EXPECT_NE(check("free").error().message.find("must be software"), std::string::npos);
  EXPECT_NE(check("nobody").error().message.find("no source"), std::string::npos);
}

}  // namespace
}  // namespace vedette
