#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <condition_variable>
#include <csignal>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/files.hpp"
#include "base/mutex.hpp"
#include "edge/sources/folder_memory.hpp"
#include "edge/sources/source.hpp"

namespace vedette {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

void write(const fs::path& file, const std::string& text) {
  std::ofstream(file) << text;
}

/// Makes a file look as if it lay there for long.
void write_long_ago(const fs::path& file, const std::string& text) {
  write(file, text);
  fs::last_write_time(file, fs::file_time_type::clock::now() - std::chrono::hours(1));
}

class FolderTest : public testing::Test {
 protected:
  /// Starts to watch, and returns once the folder is watched.
  void start(const Json& more = Json::object()) {
    Json settings = {{"kind", "folder"}, {"name", "line"}, {"folder", watched_.string()}};
    settings.update(more);
    auto made = make_source(settings, {"", data_.path()});
    ASSERT_TRUE(made) << made.error().message;
    source_ = std::move(*made);
    ASSERT_TRUE(source_->start(
        [this](SourcePicture picture) -> Result<void> {
          const MutexLock lock(mutex_);
          if (refusals_ > 0) {
            --refusals_;
            return internal_error("The disk is full.");
          }
          const auto* const bytes = std::get_if<Bytes>(&picture.content);
          given_.push_back(picture.trigger_id + "=" + (bytes != nullptr ? std::string(as_text(*bytes)) : "?") +
                           (picture.is_repeated ? " again" : ""));
          changed_.notify_all();
          return {};
        },
        [this](const std::string&, const SourceState& state) {
          const MutexLock lock(mutex_);
          condition_ = state.condition;
          changed_.notify_all();
        }));
    wait_for([this]() REQUIRES(mutex_) { return condition_ == SourceCondition::online; });
  }
  template <typename Condition>
  void wait_for(const Condition& condition) {
    MutexLock lock(mutex_);
    ASSERT_TRUE(changed_.wait_for(lock.standard(), std::chrono::seconds(60), condition));
  }
  /// Waits until so many files were given, and returns them.
  std::vector<std::string> given(std::size_t count) {
    wait_for([&]() REQUIRES(mutex_) { return given_.size() >= count; });
    const MutexLock lock(mutex_);
    return given_;
  }
  /// Waits until the source has done all that came before: a file of its own was given as the last.
  std::vector<std::string> all_given() {
    const auto name = "last" + std::to_string(++lasts_) + ".png";
    write(watched_ / name, "");
    fs::remove(watched_ / name);
    write(data_.path() / name, "z");
    fs::rename(data_.path() / name, watched_ / name);
    wait_for([&]() REQUIRES(mutex_) { return !given_.empty() && given_.back() == name + "=z"; });
    const MutexLock lock(mutex_);
    auto out = given_;
    given_.clear();
    out.pop_back();
    return out;
  }
  void stop() {
    source_.reset();
    const MutexLock lock(mutex_);
    condition_ = SourceCondition::starting;
  }

  const TemporaryFolder folder_, data_;
  const fs::path watched_ = folder_.path();
  std::unique_ptr<Source> source_;
  Mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> given_ GUARDED_BY(mutex_);
  SourceCondition condition_ GUARDED_BY(mutex_) = SourceCondition::starting;
  int refusals_ GUARDED_BY(mutex_) = 0;
  int lasts_ = 0;
};

using List = std::vector<std::string>;

TEST_F(FolderTest, FilesAreGivenWhenTheyAreClosedOrMovedInAndThenMovedAway) {
  start();
  write(watched_ / "a.png", "A");
  EXPECT_EQ(given(1), List{"a.png=A"});
  write(data_.path() / "b.JPG", "B");
  fs::rename(data_.path() / "b.JPG", watched_ / "b.JPG");
  EXPECT_EQ(given(2).back(), "b.JPG=B");
  write(watched_ / "a.png", "again");
  EXPECT_EQ(given(3).back(), "a.png=again");
  all_given();
  EXPECT_FALSE(fs::exists(watched_ / "a.png"));
  EXPECT_TRUE(fs::exists(watched_ / "done" / "a.png"));
  EXPECT_TRUE(fs::exists(watched_ / "done" / "1.a.png"));  // The first one is still there.
  EXPECT_TRUE(fs::exists(watched_ / "done" / "b.JPG"));
}

TEST_F(FolderTest, FilesThatLieThereAreGivenFromTheOldestOn) {
  write_long_ago(watched_ / "b.png", "B");
  write_long_ago(watched_ / "a.png", "A");
  fs::last_write_time(watched_ / "b.png", fs::file_time_type::clock::now() - std::chrono::hours(2));
  start({{"after", "delete"}});
  EXPECT_EQ(given(2), (List{"b.png=B", "a.png=A"}));
  all_given();
  EXPECT_FALSE(fs::exists(watched_ / "a.png"));
}

TEST_F(FolderTest, OnRequestFilesThatLieThereAreLeftAlone) {
  write_long_ago(watched_ / "a.png", "A");
  start({{"existing", false}});
  EXPECT_EQ(all_given(), List{});
  EXPECT_TRUE(fs::exists(watched_ / "a.png"));
}

TEST_F(FolderTest, AFileThatIsStillWrittenWaitsUntilItIsWhole) {
  std::ofstream half(watched_ / "half.png");
  half << "1" << std::flush;
  start({{"quiet_ms", 3'600'000}});
  EXPECT_EQ(all_given(), List{});
  half << "2";
  half.close();
  EXPECT_EQ(given(1), List{"half.png=12"});
}

TEST_F(FolderTest, AFileWhoseWriterHasGoneIsGivenAfterAQuietTime) {
  write(watched_ / "left.png", "L");
  start({{"quiet_ms", 50}});
  EXPECT_EQ(given(1), List{"left.png=L"});
}

TEST_F(FolderTest, NamesThatAreNoPicturesAndThingsThatAreNoFilesAreIgnored) {
  write(data_.path() / "secret", "S");
  start();
  write(watched_ / ".hidden.png", "x");
  write(watched_ / "a.png.tmp", "x");
  write(watched_ / "notes.txt", "x");
  write(watched_ / "empty.png", "");
  fs::create_directory(watched_ / "folder.png");
  fs::create_symlink(data_.path() / "secret", data_.path() / "link.png");
  fs::rename(data_.path() / "link.png", watched_ / "link.png");
  ASSERT_EQ(::mkfifo((data_.path() / "pipe.png").c_str(), 0600), 0);
  fs::rename(data_.path() / "pipe.png", watched_ / "pipe.png");
  EXPECT_EQ(all_given(), List{});
  EXPECT_GE(source_->state().ignored, 5U);
}

TEST_F(FolderTest, HostileNamesBecomePlainIds) {
  start();
  write(watched_ / "a\nb\xff.png", "H");
  EXPECT_EQ(given(1), List{"a%0Ab%FF.png=H"});
  all_given();
  EXPECT_TRUE(fs::exists(watched_ / "done" / "a\nb\xff.png"));
}

TEST_F(FolderTest, KeptFilesAreGivenOnceAlsoOverARestart) {
  start({{"after", "keep"}});
  write(watched_ / "a.png", "A");
  EXPECT_EQ(given(1), List{"a.png=A"});
  all_given();
  stop();
  fs::last_write_time(watched_ / "a.png",
                      fs::file_time_type::clock::now() - std::chrono::hours(1));  // another file now
  write_long_ago(watched_ / "b.png", "B");
  start({{"after", "keep"}, {"quiet_ms", 0}});
  EXPECT_EQ(given(2).size(), 2U);
  all_given();
  stop();
  start({{"after", "keep"}, {"quiet_ms", 0}});
  EXPECT_EQ(all_given(), List{});
}

TEST_F(FolderTest, APictureThatCouldNotBeRecordedComesAgain) {
  {
    const MutexLock lock(mutex_);
    refusals_ = 1;
  }
  start();
  write(watched_ / "a.png", "A");
  EXPECT_EQ(given(1), List{"a.png=A again"});
}

TEST_F(FolderTest, AFolderThatGoesAndComesBackIsWatchedAgain) {
  const auto inner = watched_ / "inner";
  fs::create_directory(inner);
  start({{"folder", inner.string()}, {"after", "delete"}});
  fs::remove(inner);
  wait_for([this]() REQUIRES(mutex_) { return condition_ == SourceCondition::offline; });
  fs::create_directory(inner);
  write_long_ago(inner / "a.png", "A");
  EXPECT_EQ(given(1), List{"a.png=A"});
}

TEST_F(FolderTest, ManyFilesAtOnceAreAllGivenOnce) {
  start({{"after", "delete"}});
  for (int i = 0; i < 2000; ++i) write(watched_ / (std::to_string(i) + ".png"), "x");
  auto all = given(2000);
  std::sort(all.begin(), all.end());
  EXPECT_EQ(std::unique(all.begin(), all.end()) - all.begin(), 2000);
  EXPECT_EQ(all_given().size(), 2000U);
}

TEST(FolderMemory, RemembersWhatItWasToldAndIgnoresALineThatWasCutOff) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "memory";
  const FileIdentity one{1, 2, 3}, two{1, 2, 4};
  {
    auto memory = FolderMemory::open(file);
    ASSERT_TRUE(memory);
    ASSERT_TRUE(memory->add("a b\n", one));
    EXPECT_TRUE(memory->has("a b\n", one));
    EXPECT_FALSE(memory->has("a b\n", two));
  }
  std::ofstream(file, std::ios::app) << "7 7 7 61";
  {
    auto memory = FolderMemory::open(file);
    ASSERT_TRUE(memory);
    EXPECT_TRUE(memory->has("a b\n", one));
    EXPECT_FALSE(memory->has("a", {7, 7, 7}));
    ASSERT_TRUE(memory->add("c", two));
  }
  auto memory = FolderMemory::open(file);
  EXPECT_TRUE(memory->has("c", two));
}

TEST(FolderMemory, ForgetsFilesThatHaveGoneOnceItHasGrown) {
  const TemporaryFolder folder;
  auto memory = FolderMemory::open(folder.path() / "memory");
  ASSERT_TRUE(memory);
  for (int i = 0; i < 10'000; ++i) ASSERT_TRUE(memory->add(std::to_string(i), {1, 2, 3}));
  const auto grown = fs::file_size(folder.path() / "memory");
  ASSERT_TRUE(memory->forget([](const std::string& name) { return name == "77"; }));
  EXPECT_TRUE(memory->has("77", {1, 2, 3}));
  EXPECT_FALSE(memory->has("78", {1, 2, 3}));
  EXPECT_LT(fs::file_size(folder.path() / "memory"), grown / 1000);
}

TEST(FolderMemory, ALineThatDoesNotFitOnTheDiskSpoilsNoOther) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "memory";
  {
    auto memory = FolderMemory::open(file);
    ASSERT_TRUE(memory);
    ASSERT_TRUE(memory->add("first", {1, 2, 3}));
    // A limit on the size of files cuts the line off as a full disk does.
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit tight{std::filesystem::file_size(file) + 4, before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &tight), 0);
    const auto added = memory->add("second", {4, 5, 6});
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
    ::signal(SIGXFSZ, SIG_DFL);
    EXPECT_FALSE(added);
    ASSERT_TRUE(memory->add("third", {7, 8, 9}));
  }
  const auto again = FolderMemory::open(file);
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->has("first", {1, 2, 3}));
  EXPECT_FALSE(again->has("second", {4, 5, 6}));
  EXPECT_TRUE(again->has("third", {7, 8, 9}));
}

}  // namespace
}  // namespace vedette
