// This benchmark measures the API alone: requests per second, p50 and p99 of a started server, over keep-alive
// connections with signed requests. Two servers run at once and are measured in turns, so that the machine's moods hit
// both. The last line holds how much longer each operation takes at the second one.
//
// Without options the second server has 10,000 unrelated projects instead of 10, and no operation may take longer because
// of them. With --postgresql it has 10 as well, but keeps the metadata in PostgreSQL instead of SQLite:
//
//   tests/postgresql.py --durable sh -c 'build/release/bench/api --postgresql "$VEDETTE_TEST_POSTGRESQL"'

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <thread>

#include "base/files.hpp"
#include "http_client/http_client.hpp"
#include "server_process.hpp"
#include "store/metadata/postgresql/postgresql_metadata.hpp"
#include "store/metadata/sqlite/sqlite_metadata.hpp"
#include "store/objects/filesystem/filesystem_objects.hpp"

namespace {

namespace fs = std::filesystem;
using namespace vedette;
using Json = nlohmann::json;
using Clock = std::chrono::steady_clock;

constexpr const char* kProject = "measured";
constexpr int kEntries = 16'000;
const Scope kScope{"123456789012", "us-east-1"};

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

/// Returns a line of about 650 bytes, as lines with a mask have: 16,000 of them make the 10 MB that a call may have.
std::string entry_line(int number) {
  char name[32];
  std::snprintf(name, sizeof name, "images/%06d.png", number);
  const bool bad = number % 2 == 1;
  Json line = {{"source-ref", std::string("s3://pictures/") + name},
               {"anomaly-label", bad ? 1 : 0},
               {"anomaly-label-metadata",
                {{"class-name", bad ? "anomaly" : "normal"},
                 {"type", "groundtruth/image-classification"},
                 {"human-annotated", "yes"},
                 {"creation-date", "2022-03-01T10:00:00.000"},
                 {"job-name", "labeling-job/" + std::string(bad ? 20 : 355, 'j')},
                 {"confidence", 1}}}};
  if (bad) {
    line["anomaly-mask-ref"] = std::string("s3://pictures/") + name;
    line["anomaly-mask-ref-metadata"] = {
        {"internal-color-map", {{"0", {{"class-name", "scratch"}, {"hex-color", "#23A436"}}}}},
        {"type", "groundtruth/semantic-segmentation"},
        {"human-annotated", "yes"},
        {"creation-date", "2022-03-01T10:00:00.000"},
        {"job-name", "labeling-job/masks"}};
  }
  return line.dump();
}

void make_pictures(const fs::path& data) {
  const SystemClock clock;
  fs::create_directories(data);
  const auto objects = open_filesystem_objects(data / "objects", clock);
  if (auto ok = objects->create_bucket("pictures"); !ok) throw std::runtime_error(ok.error().message);
  std::atomic<int> next{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&] {
      for (int i = next++; i < kEntries; i = next++) {
        const std::string key = Json::parse(entry_line(i))["source-ref"].get<std::string>().substr(14);
        if (!put_bytes(*objects, "pictures", key, "x", "image/png")) std::abort();
      }
    });
  for (auto& thread : threads) thread.join();
}

/// Makes the project that is measured: a dataset of 16,000 entries and a trained model.
void make_project(MetadataStore& metadata) {
  const SystemClock clock;
  metadata.write([&](UnitOfWork& work) {
    work.projects().insert(kScope, {kProject, clock.now()});
    Dataset dataset;
    dataset.project = kProject;
    dataset.uid = "measured-dataset";
    dataset.status_message = "The dataset was created.";
    dataset.created = dataset.updated = clock.now();
    work.datasets().insert(kScope, dataset);
    std::vector<DatasetEntry> entries;
    for (int i = 0; i < kEntries; ++i) {
      auto line = entry_line(i);
      entries.push_back({Json::parse(line)["source-ref"], i % 2 == 1, clock.now(), std::move(line)});
    }
    work.datasets().replace_entries(dataset.uid, entries);
    Model model;
    model.project = kProject;
    model.version = work.projects().next_model_version(kScope, kProject);
    model.uid = "measured-model";
    model.status = ModelStatus::trained;
    model.status_message = "The model is trained.";
    model.created = clock.now();
    model.output = {"pictures", "out/"};
    model.tags = {{"stage", "production"}};
    work.models().insert(kScope, model);
    work.models().set_evaluation(model.uid, Performance{.f1 = 0.9, .recall = 0.9, .precision = 0.9}, {"pictures", "m"},
                                 {"pictures", "r"}, clock.now());
  });
}

/// Adds other people's projects, each with a dataset, a model with tags, a packaging job, a client token and an hour of
/// metrics.
void add_projects(MetadataStore& metadata, int count) {
  const SystemClock clock;
  const auto first_minute =
      std::chrono::floor<std::chrono::minutes>(clock.now()).time_since_epoch().count() * 60 - 7200;
  metadata.write([&](UnitOfWork& work) {
    for (int i = 0; i < count; ++i) {
      const auto name = "other-" + std::to_string(i);
      work.projects().insert(kScope, {name, clock.now()});
      Dataset dataset;
      dataset.project = name;
      dataset.uid = name;
      dataset.created = dataset.updated = clock.now();
      work.datasets().insert(kScope, dataset);
      work.datasets().replace_entries(name, {{"s3://b/k", false, clock.now(), "{}"}});
      Model model;
      model.project = name;
      model.version = work.projects().next_model_version(kScope, name);
      model.uid = "model-" + name;
      model.status = ModelStatus::trained;
      model.created = clock.now();
      model.output = {"b", ""};
      model.tags = {{"line", "7"}};
      work.models().insert(kScope, model);
      work.packaging_jobs().insert(kScope, {.project = name,
                                            .name = "job",
                                            .model_version = 1,
                                            .description = std::nullopt,
                                            .configuration = "{}",
                                            .component_name = name,
                                            .component_version = "1.0.0",
                                            .status = PackagingJobStatus::succeeded,
                                            .status_message = "",
                                            .created = clock.now(),
                                            .updated = clock.now()});
      work.tokens().remember(kScope, "CreateProject", name, {"hash", name}, clock.now());
      for (int minute = 0; minute < 60; ++minute)
        work.metric_points().add({.scope = kScope,
                                  .metric = "ProcessedImageCount",
                                  .project = name,
                                  .version = "1",
                                  .start = first_minute + minute * 60,
                                  .period = 60,
                                  .sum = 1,
                                  .count = 1,
                                  .minimum = 1,
                                  .maximum = 1});
    }
  });
}

Json call(ServiceClient& client, const char* method, const std::string& path, const std::string& query = "",
          const std::string& body = "", bool is_extension = false) {
  ServiceClient::Call request{is_extension ? "vedette" : "lookoutvision",
                              method,
                              (is_extension ? "/2026-11-01" : "/2020-11-20") + path,
                              query,
                              {},
                              body};
  if (!body.empty()) request.headers.emplace_back("content-type", "application/json");
  const auto response = required(client.send(request));
  if (response.status >= 300) throw std::runtime_error(path + ": " + response.body);
  return Json::parse(response.body);
}

struct Measured {
  std::vector<double> ms;
  double seconds = 0;
  [[nodiscard]] double quantile(double q) const {
    auto sorted = ms;
    std::sort(sorted.begin(), sorted.end());
    return sorted[static_cast<std::size_t>(q * static_cast<double>(sorted.size() - 1))];
  }
};

using Work = std::function<void(ServiceClient&, int)>;

/// A server with what it is called in the output.
struct Candidate {
  std::string database;
  int projects;
  ServerProcess server;
};

std::unique_ptr<Candidate> start(const fs::path& data, int projects, const std::string& postgresql) {
  {
    const auto metadata =
        postgresql.empty() ? open_sqlite_metadata(data / "metadata.sqlite") : open_postgresql_metadata(postgresql);
    make_project(*metadata);
    add_projects(*metadata, projects);
  }
  std::vector<std::string> options;
  if (!postgresql.empty()) options = {"--metadata", postgresql};
  const auto program = fs::canonical("/proc/self/exe").parent_path().parent_path() / "vedette";
  return std::unique_ptr<Candidate>(
      new Candidate{postgresql.empty() ? "sqlite" : "postgresql", projects, {program, data, options}});
}

/// Makes `rounds` calls on each of `connections` connections.
void measure(const ServerProcess& server, int connections, int rounds, int offset, const Work& work, Measured& out) {
  std::vector<std::vector<double>> times(static_cast<std::size_t>(connections));
  const auto start = Clock::now();
  std::vector<std::thread> threads;
  for (int c = 0; c < connections; ++c)
    threads.emplace_back([&, c] {
      const auto client = server.client();
      call(*client, "GET", std::string("/projects/") + kProject);  // This call makes the connection.
      for (int i = 0; i < rounds; ++i) {
        const auto begin = Clock::now();
        work(*client, offset + c * rounds + i);
        times[static_cast<std::size_t>(c)].push_back(ms_since(begin));
      }
    });
  for (auto& thread : threads) thread.join();
  out.seconds += ms_since(start) / 1000;
  for (const auto& t : times) out.ms.insert(out.ms.end(), t.begin(), t.end());
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Measures the API alone; one JSON object per line");
  int turns = 5, many = 10'000;
  app.add_option("--turns", turns, "Turns per operation and server")->capture_default_str();
  app.add_option("--projects", many, "Unrelated projects of the second server")->capture_default_str();
  std::string postgresql;
  app.add_option("--postgresql", postgresql,
                 "The address of an empty database, which the second server uses; it then has 10 projects");
  std::string wanted;
  app.add_option("--only", wanted, "Measures only the operations whose names begin with this");
  CLI11_PARSE(app, argc, argv);

  const TemporaryFolder folder;
  std::fprintf(stderr, "making %d objects and entries\n", kEntries);
  make_pictures(folder.path() / "first");
  fs::copy(folder.path() / "first", folder.path() / "second", fs::copy_options::recursive);
  const std::array candidates = {start(folder.path() / "first", 10, ""),
                                 start(folder.path() / "second", postgresql.empty() ? many : 10, postgresql)};

  const std::string project = std::string("/projects/") + kProject;
  const std::string model_arn_path =
      "/tags/arn%3Aaws%3Alookoutvision%3Aus-east-1%3A123456789012%3Amodel%2Fmeasured%2F1";
  std::string changes;
  for (int i = 0; i < kEntries && changes.size() < 10'400'000; ++i) changes += entry_line(i) + "\n";
  if (changes.size() > 10'485'760) changes.resize(changes.rfind('\n', 10'485'759) + 1);
  const std::string update_body = Json{{"Changes", to_base64(as_bytes(changes))}}.dump();
  const auto settle = [&](ServiceClient& c) {
    while (call(c, "GET", project + "/datasets/train")["DatasetDescription"]["Status"] != "UPDATE_COMPLETE")
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
  };
  struct Operation {
    const char* name;
    int connections, rounds;
    Work work;
  };
  // Each row has a name, the number of connections, the number of calls on each of them, and what a call does.
  const std::vector<Operation> operations = {
      {"DescribeModel", 1, 400, [&](ServiceClient& c, int) { call(c, "GET", project + "/models/1"); }},
      {"DescribeModel, 8 connections", 8, 200,
       [&](ServiceClient& c, int) { call(c, "GET", project + "/models/latest"); }},
      {"DescribeProject", 1, 400, [&](ServiceClient& c, int) { call(c, "GET", project); }},
      {"DescribeDataset", 1, 400, [&](ServiceClient& c, int) { call(c, "GET", project + "/datasets/train"); }},
      {"ListProjects, a page of 10", 1, 400,
       [&](ServiceClient& c, int) { call(c, "GET", "/projects", "maxResults=10"); }},
      {"ListModels", 1, 400, [&](ServiceClient& c, int) { call(c, "GET", project + "/models"); }},
      {"ListModelPackagingJobs", 1, 400,
       [&](ServiceClient& c, int) { call(c, "GET", project + "/modelpackagingjobs"); }},
      {"ListTagsForResource", 1, 400, [&](ServiceClient& c, int) { call(c, "GET", model_arn_path); }},
      {"TagResource", 1, 100,
       [&](ServiceClient& c, int) { call(c, "POST", model_arn_path, "", R"({"Tags":[{"Key":"k","Value":"v"}]})"); }},
      {"ListDatasetEntries, a page of 100", 1, 200,
       [&](ServiceClient& c, int) { call(c, "GET", project + "/datasets/train/entries", "maxResults=100"); }},
      {"ListDatasetEntries, all 16,000", 1, 1,
       [&](ServiceClient& c, int) {
         std::string token;
         std::size_t count = 0;
         do {
           const auto page = call(c, "GET", project + "/datasets/train/entries",
                                  "maxResults=100" + (token.empty() ? "" : "&nextToken=" + uri_encode(token)));
           count += page["DatasetEntries"].size();
           token = page.value("NextToken", "");
         } while (!token.empty());
         if (count != kEntries) throw std::runtime_error("entries are missing");
       }},
      {"ListDatasetEntries, a filter that matches nothing", 1, 40,
       [&](ServiceClient& c, int) {
         call(c, "GET", project + "/datasets/train/entries", "sourceRefContains=nowhere");
       }},
      {"ListDatasetImages, all 16,000 in pages of 1,000", 1, 1,
       [&](ServiceClient& c, int) {
         std::size_t count = 0;
         for (int offset = 0; offset < kEntries; offset += 1000)
           count += call(c, "GET", project + "/datasets/train/images", "offset=" + std::to_string(offset), "",
                         true)["Images"]
                        .size();
         if (count != kEntries) throw std::runtime_error("pictures are missing");
       }},
      {"CreateProject and DeleteProject", 1, 50,
       [&](ServiceClient& c, int n) {
         const auto name = "made-" + std::to_string(n);
         call(c, "POST", "/projects", "", Json{{"ProjectName", name}}.dump());
         call(c, "DELETE", "/projects/" + name);
       }},
      {"UpdateDatasetEntries of 10 MB, accepted", 1, 1,
       [&](ServiceClient& c, int) { call(c, "PATCH", project + "/datasets/train/entries", "", update_body); }},
      {"UpdateDatasetEntries of 10 MB, complete", 1, 1, [&](ServiceClient& c, int) { settle(c); }},
  };
  // An update that was accepted must be complete before the next one, so both lines are measured turn by turn.
  std::vector<std::array<Measured, 2>> results(operations.size());
  for (int turn = 0; turn < turns; ++turn)
    for (std::size_t o = 0; o < operations.size(); ++o)
      for (std::size_t which = 0; which < 2; ++which) {
        const auto& op = operations[o];
        if (!std::string_view(op.name).starts_with(wanted)) continue;
        const auto& server = candidates[which]->server;
        measure(server, op.connections, op.rounds, turn * op.connections * op.rounds, op.work, results[o][which]);
        if (o + 2 == operations.size()) {
          measure(server, 1, 1, 0, operations.back().work, results.back()[which]);
        } else if (o + 1 == operations.size()) {
          results[o][which].ms.pop_back();  // This was measured above already.
        }
      }
  Json growth = Json::object();
  for (std::size_t o = 0; o < operations.size(); ++o) {
    if (results[o][0].ms.empty()) continue;
    for (std::size_t which = 0; which < 2; ++which) {
      const auto& m = results[o][which];
      std::printf("%s\n", Json{{"operation", operations[o].name},
                               {"database", candidates[which]->database},
                               {"projects", candidates[which]->projects},
                               {"connections", operations[o].connections},
                               {"calls", m.ms.size()},
                               {"requests_per_second", static_cast<double>(m.ms.size()) / m.seconds},
                               {"p50_ms", m.quantile(0.5)},
                               {"p99_ms", m.quantile(0.99)}}
                              .dump()
                              .c_str());
    }
    growth[operations[o].name] = results[o][1].quantile(0.5) / results[o][0].quantile(0.5);
  }
  std::printf("%s\n", Json{{"p50_second_over_first", growth}, {"changes_bytes", changes.size()}}.dump().c_str());
  return 0;
}
