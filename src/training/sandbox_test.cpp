#include "training/sandbox.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cerrno>
#include <map>
#include <set>
#include <sstream>

#include "base/files.hpp"
#include "training/training.hpp"

namespace vedette {
namespace {

class TrainerSandboxes : public testing::Test {
 protected:
  void SetUp() override {
    for (const auto* path : {&secret_, &readable_}) ASSERT_TRUE(write_file_atomically(*path, "secret"));
    ASSERT_TRUE(write_evaluation(job_.path(), Evaluation{}));
    std::filesystem::rename(job_.path() / "evaluation.json", job_.path() / "prepared");
    ASSERT_TRUE(write_file_atomically(job_.path() / "tries", secret_.string() + "\n" + readable_.string() + "\n"));
  }

  /// Returns the outcomes of each attempt by its name.
  std::map<std::string, std::set<std::string>> run(const std::optional<TrainerSandbox>& sandbox) {
    const auto result = run_trainer(VEDETTE_INTRUDER, job_.path(), {}, nullptr, sandbox);
    EXPECT_TRUE(result) << result.error().message;
    std::map<std::string, std::set<std::string>> out;
    const auto text = read_file(job_.path() / "attempts", 1 << 20);
    EXPECT_TRUE(text);
    if (!text) return out;
    std::istringstream lines{std::string(as_text(*text))};
    for (std::string name, outcome; lines >> name >> outcome;) out[name].insert(outcome);
    return out;
  }

  TemporaryFolder job_, other_;
  std::filesystem::path secret_ = other_.path() / "secret", readable_ = other_.path() / "readable";
};

using Outcomes = std::set<std::string>;
const Outcomes kOk{"ok"}, kRefused{std::to_string(EPERM)}, kNoAccess{std::to_string(EACCES)};

TEST_F(TrainerSandboxes, AConfinedTrainerMayComputeAndNothingElse) {
  auto outcomes = run(TrainerSandbox{{readable_}});
  for (const char* name : {"thread", "code", "write-here", "readable", "library"})
    EXPECT_EQ(outcomes[name], kOk) << name;
  for (const char* name : {"socket", "socketpair", "fork", "vfork", "kill", "ptrace", "user-namespace", "read-memory",
                           "dangerous", "outlive", "limits", "chmod", "truncate", "exec", "exec-itself"})
    EXPECT_EQ(outcomes[name], kRefused) << name;
  EXPECT_EQ(outcomes["core-bytes"], Outcomes{"0"});
  EXPECT_EQ(outcomes["no-new-privileges"], Outcomes{"1"});
  const auto secret = read_file(secret_, 100);
  ASSERT_TRUE(secret);
  EXPECT_EQ(as_text(*secret), "secret");
}

TEST_F(TrainerSandboxes, FilesOfOthersAreOutOfReach) {
  if (sandbox_abilities().find("lacks Landlock") != std::string::npos) GTEST_SKIP() << sandbox_abilities();
  auto outcomes = run(TrainerSandbox{{readable_}});
  for (const char* name : {"read-secret", "write-there", "list-root", "starter-environment"})
    EXPECT_EQ(outcomes[name], kNoAccess) << name;
}

TEST_F(TrainerSandboxes, ATrainerWithoutSandboxIsNotConfined) {
  const auto result = run_trainer("/bin/true", job_.path(), {}, nullptr);
  ASSERT_FALSE(result);  // the program ran and wrote no evaluation
  EXPECT_EQ(result.error().message.find("Cannot run"), std::string::npos);
}

TEST_F(TrainerSandboxes, AProgramThatIsNotThereIsNamed) {
  const auto result = run_trainer(job_.path() / "none", job_.path(), {}, nullptr, TrainerSandbox{});
  ASSERT_FALSE(result);
  EXPECT_NE(result.error().message.find("Cannot run"), std::string::npos) << result.error().message;
}

}  // namespace
}  // namespace vedette
