#include "training/training.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <stdexcept>

#include "base/files.hpp"
#include "base/text.hpp"

namespace vedette {
namespace {

/// Writes a trainer, a script of four lines that reports progress and then writes the files that the test prepared.
std::filesystem::path fake_trainer(const std::filesystem::path& folder, const std::string& body) {
  auto path = folder / "trainer.sh";
  EXPECT_TRUE(write_file_atomically(path, "#!/bin/sh\ncd \"$2\"\n" + body, 0755));
  return path;
}

TEST(Training, JobsAndEvaluationsRoundTrip) {
  TemporaryFolder folder;
  TrainingJob job;
  job.seed = 7;
  job.train = {{"s3://b/ü.jpg", "images/1", true, "images/1.mask", {{"crack", "#23A436"}}, true, "#0001FFFF0000"},
               {"s3://b/2.jpg", "/abs/2", std::nullopt, {}, {}, false, {}}};
  job.train[1].fault = "too large";
  job.test = std::vector<TrainingPicture>{};
  job.minimum.train_per_label = 20;
  job.plan.false_alarm_budget = 0.01;
  job.plan.backbone = "/abs/net.onnx";
  job.base = "base";
  ASSERT_TRUE(write_job(folder.path(), job));
  const auto back = read_job(folder.path());
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->plan.false_alarm_budget, 0.01);
  EXPECT_EQ(back->plan.backbone, "/abs/net.onnx");
  EXPECT_EQ(back->base, folder.path() / "base");
  EXPECT_EQ(back->train[0].source_ref, "s3://b/ü.jpg");
  EXPECT_EQ(back->train[0].image, folder.path() / "images/1");
  EXPECT_EQ(back->train[0].mask_colors[0].color, "#23A436");
  EXPECT_TRUE(back->train[0].is_binary_mask);
  EXPECT_EQ(back->train[0].mask_background, "#0001FFFF0000");
  EXPECT_EQ(back->train[1].image, "/abs/2");
  EXPECT_FALSE(back->train[1].mask_background);
  EXPECT_FALSE(back->train[0].fault);
  EXPECT_EQ(back->train[1].fault, "too large");
  EXPECT_FALSE(back->train[1].is_anomalous);
  EXPECT_TRUE(back->test && back->test->empty());
  EXPECT_EQ(back->minimum.train_per_label, 20);
  Evaluation e;
  e.f1 = 0.25;
  e.labels = {{"crack", 1, 0.5, 0.75, 0.3}};
  e.intervals["recall"] = {0.25, 0.75};
  e.contest = {{"bank", 0.75, 0.5, 0.25}, {"decoder", {}, 0, 1}};
  e.skipped = {{"s3://b/3.jpg", "the file is empty"}};
  e.warnings = {"few pictures"};
  e.batches = BatchFinding{.are_clear = true, .share = 0.5, .known_auroc = 0.75, .known_f1 = {}};
  e.bank_sources = {{"/b.jpg", 3, 4, "s3://b/b.jpg"}};
  e.predictions = {{"a", true, false, 0.6, 1.5, "/a.jpg", 2, true, "It is out of focus.", {"crack", "dent"}}};
  ASSERT_TRUE(write_evaluation(folder.path(), e));
  const auto e2 = read_evaluation(folder.path());
  ASSERT_TRUE(e2);
  EXPECT_EQ(e2->labels[0].aiou, 0.3);
  EXPECT_TRUE(e2->predictions[0].is_anomalous);
  EXPECT_FALSE(e2->predictions[0].called_anomalous);
  EXPECT_EQ(e2->predictions[0].fold, 2);
  EXPECT_TRUE(e2->predictions[0].is_suspect);
  EXPECT_EQ(e2->predictions[0].reason, "It is out of focus.");
  EXPECT_EQ(e2->predictions[0].labels, (std::vector<std::string>{"crack", "dent"}));
  EXPECT_EQ(e2->intervals, e.intervals);
  EXPECT_EQ(e2->contest.at(0).auroc, 0.75);
  EXPECT_EQ(e2->contest.at(0).score_weight, 0.5);
  EXPECT_EQ(e2->contest.at(0).map_weight, 0.25);
  EXPECT_FALSE(e2->contest.at(1).auroc);
  EXPECT_EQ(e2->skipped.at(0).source_ref, "s3://b/3.jpg");
  EXPECT_EQ(e2->skipped.at(0).text(), "s3://b/3.jpg: the file is empty");
  EXPECT_EQ(e2->warnings, e.warnings);
  ASSERT_TRUE(e2->batches);
  EXPECT_TRUE(e2->batches->are_clear);
  EXPECT_EQ(e2->batches->share, 0.5);
  EXPECT_EQ(e2->batches->known_auroc, 0.75);
  EXPECT_FALSE(e2->batches->known_f1);
  EXPECT_EQ(e2->bank_sources.at(0).column, 4);
  EXPECT_EQ(e2->bank_sources.at(0).source_ref, "s3://b/b.jpg");
}

TEST(Training, EvaluationsOfEarlierVersionsAreRead) {
  TemporaryFolder folder;
  ASSERT_TRUE(write_evaluation(folder.path(), Evaluation{}));
  auto text = std::string(as_text(*read_file(folder.path() / "evaluation.json", 1 << 20)));
  const auto replace = [&](const std::string& what, const std::string& by) {
    const auto at = text.find(what);
    ASSERT_NE(at, std::string::npos) << text;
    text.replace(at, what.size(), by);
  };
  replace("\"contest\": [],\n", "");
  replace("\"skipped\": []", R"("skipped": ["s3://b/3.jpg: the file is empty"])");
  const auto e = parse_evaluation(text);
  ASSERT_TRUE(e) << e.error().message;
  EXPECT_TRUE(e->contest.empty());
  EXPECT_EQ(e->skipped.at(0).text(), "s3://b/3.jpg: the file is empty");
  EXPECT_EQ(parse_evaluation("[]").error().kind, ErrorKind::internal);
  EXPECT_EQ(parse_evaluation("no JSON").error().kind, ErrorKind::internal);
}

TEST(Training, EvaluationsOfEarlierVersionsNameTheSourcesOfABankByTheJudgedPictures) {
  TemporaryFolder folder;
  Evaluation e;
  e.predictions = {{"s3://b/a.jpg", false, false, 0.6, 0.5, "/job/a.jpg", 2}};
  ASSERT_TRUE(write_evaluation(folder.path(), e));
  auto text = std::string(as_text(*read_file(folder.path() / "evaluation.json", 1 << 20)));
  const std::string none = "\"bank_sources\": []";
  const auto at = text.find(none);
  ASSERT_NE(at, std::string::npos) << text;
  text.replace(at, none.size(),
               R"("bank_sources": [["/job/a.jpg", 3, 4], ["/job/b.jpg", 1, 2], ["/job/a.jpg", 0, 0, ""]])");
  const auto read = parse_evaluation(text);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_TRUE(read->predictions[0].labels.empty());
  EXPECT_EQ(read->bank_sources.at(0).source_ref, "s3://b/a.jpg");
  EXPECT_EQ(read->bank_sources.at(1).source_ref, "");
  EXPECT_EQ(read->bank_sources.at(2).source_ref, "");  // What a later version wrote is taken as it is.
}

TEST(Training, NamesThatAreNotUtf8Survive) {
  TemporaryFolder folder;
  TrainingJob job;
  job.train = {{"file:///a/Pr%FC.png", "/a/Pr\xfc.png", true, "/a/Pr\xfc.mask.png", {{"crack", "#23A436"}}, true, ""}};
  ASSERT_TRUE(write_job(folder.path(), job));
  const auto back = read_job(folder.path());
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->train[0].image, "/a/Pr\xfc.png");
  EXPECT_EQ(back->train[0].mask, "/a/Pr\xfc.mask.png");
  Evaluation e;
  e.predictions = {{"file:///a/Pr%FC.png", true, false, 0.6, 1.5, "/a/Pr\xfc.png", 2, true}};
  e.bank_sources = {{"/a/Pr\xfc.png", 3, 4}};
  ASSERT_TRUE(write_evaluation(folder.path(), e));
  const auto e2 = read_evaluation(folder.path());
  ASSERT_TRUE(e2) << e2.error().message;
  EXPECT_EQ(e2->predictions[0].image, "/a/Pr\xfc.png");
  EXPECT_EQ(e2->bank_sources[0].image, "/a/Pr\xfc.png");
}

TEST(Training, FiguresThatAreNotDefinedAreNull) {
  TemporaryFolder folder;
  Evaluation e;
  e.false_alarm_rate = 0.125;
  e.labels = {{"crack", {}, 0.0, 0.0, {}}};
  const auto text = summary_json(e);
  for (const auto* member : {R"("image_auroc":null)", R"("average_precision":null)", R"("f1":null)", R"("aiou":null)",
                             R"("false_alarm_rate":0.125)", R"("recall":0.0)"})
    EXPECT_NE(text.find(member), std::string::npos) << member << " in " << text;
  ASSERT_TRUE(write_evaluation(folder.path(), e));
  const auto back = read_evaluation(folder.path());
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_FALSE(back->image_auroc || back->precision || back->recall || back->f1 || back->labels[0].precision);
  EXPECT_EQ(back->labels[0].recall, 0.0);
  EXPECT_EQ(back->false_alarm_rate, 0.125);
}

TEST(Training, ProgressIsForwardedAndTheEvaluationReturned) {
  TemporaryFolder folder;
  ASSERT_TRUE(write_evaluation(folder.path(), Evaluation{}));
  const auto prepared = *read_file(folder.path() / "evaluation.json", 1 << 20);
  const auto program = fake_trainer(folder.path(),
                                    "echo '{\"stage\":\"one\",\"fraction\":0.5,\"seconds_left\":3}' >> "
                                    "progress.jsonl\ncat > evaluation.json <<'EOF'\n" +
                                        std::string(as_text(prepared)) + "\nEOF\n");
  std::vector<std::string> stages;
  const auto result = run_trainer(
      program, folder.path(),
      [&](const Progress& p) { stages.push_back(p.stage + std::to_string(static_cast<int>(*p.seconds_left))); },
      nullptr);
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(stages, (std::vector<std::string>{"one3"}));
}

TEST(Training, FailuresCarryTheTrainersSentence) {
  TemporaryFolder folder;
  auto result = run_trainer(
      fake_trainer(folder.path(), "echo '{\"message\":\"too few\",\"fault\":\"input\"}' > failure.json\nexit 1\n"),
      folder.path(), {}, nullptr);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, ErrorKind::invalid_input);
  EXPECT_EQ(result.error().message, "too few");
  for (const char* odd : {R"({"message":5})", R"({"message":"x","fault":null})", R"({"fault":[]})", "[]", "{"}) {
    result = run_trainer(fake_trainer(folder.path(), "echo '" + std::string(odd) + "' > failure.json\nexit 1\n"),
                         folder.path(), {}, nullptr);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().kind, ErrorKind::internal) << odd;
  }
  result = run_trainer(fake_trainer(folder.path(), "kill -9 $$\n"), folder.path(), {}, nullptr);
  EXPECT_EQ(result.error().kind, ErrorKind::internal);
  EXPECT_NE(result.error().message.find("signal 9"), std::string::npos);
  result = run_trainer(folder.path() / "none", folder.path(), {}, nullptr);
  EXPECT_NE(result.error().message.find("Cannot run"), std::string::npos);
}

TEST(Training, TheTrainerInheritsNeitherFilesNorSecrets) {
  TemporaryFolder folder;
  // This descriptor is not close-on-exec, like those that some libraries open.
  const int leaked = ::open(folder.path().c_str(), O_RDONLY | O_DIRECTORY);
  const int far = ::fcntl(leaked, F_DUPFD, 200);
  ASSERT_GE(far, 200);
  ::setenv("AWS_SECRET_ACCESS_KEY", "not-for-the-trainer", 1);
  ::setenv("VEDETTE_TLS_KEY", "/secret", 1);
  ::setenv("OMP_WAIT_POLICY", "passive", 1);
  (void)run_trainer(fake_trainer(folder.path(),
                                 "for n in 3 4 5 6 7 8 9 " + std::to_string(leaked) + " " + std::to_string(far) +
                                     "; do readlink /proc/$$/fd/$n >> all; done\ngrep -v trainer.sh all > files\n"
                                     "readlink /proc/$$/fd/0 > input\ntr '\\0' '\\n' < /proc/$$/environ > variables\n"),
                    folder.path(), {}, nullptr);
  ::unsetenv("AWS_SECRET_ACCESS_KEY");
  ::unsetenv("VEDETTE_TLS_KEY");
  ::unsetenv("OMP_WAIT_POLICY");
  ::close(leaked);
  ::close(far);
  const auto text = [&](const char* name) {
    const auto bytes = read_file(folder.path() / name, 1 << 20);
    EXPECT_TRUE(bytes) << name;
    return bytes ? std::string(as_text(*bytes)) : std::string();
  };
  EXPECT_EQ(text("files"), "");
  EXPECT_EQ(text("input"), "/dev/null\n");
  const auto variables = text("variables");
  EXPECT_EQ(variables.find("not-for-the-trainer"), std::string::npos);
  EXPECT_EQ(variables.find("VEDETTE_"), std::string::npos);
  EXPECT_NE(variables.find("OMP_WAIT_POLICY=passive"), std::string::npos);
  EXPECT_NE(variables.find("PATH="), std::string::npos);
}

TEST(Training, ATrainerDoesNotOutliveAnException) {
  TemporaryFolder folder;
  const auto trainer = fake_trainer(
      folder.path(),
      "echo $$ > id\nprintf '{\"stage\":\"fit\",\"fraction\":0.5}\\n' > progress.jsonl\nexec sleep 1000\n");
  EXPECT_THROW(
      (void)run_trainer(
          trainer, folder.path(), [](const Progress&) { throw std::runtime_error("the listener fails"); }, nullptr),
      std::runtime_error);
  const auto id = parse_integer(trim(as_text(*read_file(folder.path() / "id", 100))));
  ASSERT_TRUE(id);
  EXPECT_EQ(::kill(static_cast<pid_t>(*id), 0), -1);  // the process neither runs nor is a zombie
  EXPECT_EQ(errno, ESRCH);
}

TEST(Training, CancellingKillsTheTrainer) {
  TemporaryFolder folder;
  const std::atomic<bool> cancel{true};
  const auto result = run_trainer(fake_trainer(folder.path(), "exec sleep 1000\n"), folder.path(), {}, &cancel);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, ErrorKind::unavailable);
}

}  // namespace
}  // namespace vedette
