// Measures what the nodes of an installation ask of their common database: how many transactions of each kind there are
// per second, and what each costs, in time of the database's processors, in time of the node's, and in bytes of its log
// and tables. docs/scale.md is computed from this.
//
//   tests/postgresql.py --durable build/release/bench/installation
//
// Prints one JSON object per kind and number of writers. A writer stands for a node or a station: it has a connection,
// and makes one transaction after the other.
#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <vector>

#include "base/digest.hpp"
#include "edge/record/record.hpp"
#include "jobs/lease.hpp"
#include "nodes/membership.hpp"
#include "service/stations.hpp"
#include "store/metadata/postgresql/postgresql_metadata.hpp"

namespace {

using namespace vedette;
using Json = nlohmann::json;
using Steady = std::chrono::steady_clock;

const Scope kScope{"123456789012", "us-east-1"};
constexpr int kMetricsOfAModel = 12;

/// Counts how often transactions ran, the repeated ones included.
class CountingStore : public MetadataStore {
 public:
  explicit CountingStore(std::unique_ptr<MetadataStore> store) : store_(std::move(store)) {}
  using MetadataStore::look;
  using MetadataStore::read;
  std::unique_ptr<UnitOfWork> read() override { return store_->read(); }
  std::unique_ptr<UnitOfWork> look() override { return store_->look(); }
  void run_transaction(const std::function<bool(UnitOfWork&)>& function) override {
    ++transactions;
    store_->run_transaction([&](UnitOfWork& work) {
      ++runs;
      return function(work);
    });
  }
  std::atomic<std::int64_t> transactions = 0, runs = 0;

 private:
  const std::unique_ptr<MetadataStore> store_;
};

const Clock& system_clock() {
  static const SystemClock clock;
  return clock;
}

/// What one writer does again and again.
using Operation = std::function<void()>;

struct Kind {
  std::string name;
  int rows;           ///< that one operation brings, or looks at
  std::string table;  ///< whose growth is measured; empty if it does not grow
  std::function<Operation(MetadataStore& store, int writer)> prepare;
};

/// A line of the audit as DetectAnomalies makes it.
std::string audit_line() {
  const Json line = {
      {"eventVersion", "1.08"},
      {"userIdentity",
       {{"type", "IAMUser"},
        {"principalId", "line-camera"},
        {"arn", "arn:aws:iam::123456789012:user/line-camera"},
        {"accountId", kScope.account},
        {"accessKeyId", "AKIAIOSFODNN7EXAMPLE"},
        {"userName", "line-camera"}}},
      {"eventTime", "2026-11-27T09:00:49Z"},
      {"eventSource", "lookoutvision.amazonaws.com"},
      {"eventName", "DetectAnomalies"},
      {"awsRegion", kScope.region},
      {"sourceIPAddress", "10.0.17.23"},
      {"userAgent", "Boto3/1.26.27 Python/3.11.2 Linux/6.1.0 Botocore/1.29.27"},
      {"requestParameters", {{"contentType", "image/jpeg"}, {"modelVersion", "3"}, {"projectName", "line-0017"}}},
      {"responseElements", nullptr},
      {"requestID", "7744b70d-b9a3-4f84-bd43-3e965fa327a4"},
      {"eventID", "1f3b4c7e-92b8-4a9e-8f0e-2f1c7c4d5e6f"},
      {"readOnly", true},
      {"eventType", "AwsApiCall"},
      {"managementEvent", true},
      {"recipientAccountId", kScope.account},
      {"eventCategory", "Management"}};
  return line.dump();
}

Kind audit(int lines) {
  return {"audit", lines, "audit_lines", [lines](MetadataStore& store, int /*writer*/) -> Operation {
            const auto node = random_id(12);
            auto time = std::chrono::floor<std::chrono::seconds>(system_clock().now());
            std::int64_t offset = 0;
            return [&store, node, lines, time, offset, line = audit_line()]() mutable {
              std::vector<SharedAuditLine> batch;
              for (int i = 0; i < lines; ++i) {
                batch.push_back({{time, node, "2026-11-27", offset}, line});
                offset += static_cast<std::int64_t>(line.size()) + 1;
              }
              time += std::chrono::seconds(1);
              store.write([&](UnitOfWork& work) { work.audit_lines().add(batch); });
            };
          }};
}

/// What a node writes every ten seconds of the models that it judged with. `is_shared`: all nodes have the same models.
Kind metrics(int models, bool is_shared) {
  return {is_shared ? "metrics of shared models" : "metrics", models * kMetricsOfAModel,
          is_shared ? "" : "metric_points", [models, is_shared](MetadataStore& store, int /*writer*/) -> Operation {
            const auto prefix = is_shared ? std::string("line-") : random_id(6) + "-";
            return [&store, prefix, models, minute = std::int64_t{29'000'000}, times = 0]() mutable {
              if (++times % 6 == 0) ++minute;
              store.write([&](UnitOfWork& work) {
                for (int model = 0; model < models; ++model)
                  for (int metric = 0; metric < kMetricsOfAModel; ++metric)
                    work.metric_points().add({kScope, "Metric" + std::to_string(metric), prefix + std::to_string(model),
                                              "3", minute * 60, 60, 12.5, 100, 0, 1});
              });
            };
          }};
}

Kind verdicts(int records) {
  return {"verdicts", records, "station_verdicts", [records](MetadataStore& store, int /*writer*/) -> Operation {
            auto stations = std::make_shared<Stations>(store, system_clock(), StationLimits{.stations = 1'000'000});
            VerdictRecord record;
            record.station = "station-" + random_id(8);
            record.journal = "journal-" + random_id(8);
            record.source = "camera";
            record.model = "flange";
            record.model_version = "1.0.0";
            record.model_sha256 = record.picture_sha256 = std::string(64, 'a');
            record.is_anomalous = false;
            record.confidence = 0.9731;
            record.score = 0.21731;
            record.threshold = 0.5;
            record.triggered_at = record.pictured_at = record.judged_at = 1'800'000'000'000'000'000;
            CallContext call;
            call.scope = kScope;
            return [stations, record, call, records]() mutable {
              Json lines = Json::array();
              for (int i = 0; i < records; ++i) {
                ++record.sequence;
                lines.push_back(to_json(record));
              }
              const auto put = stations->put_verdicts(call, extension::PutStationVerdictsRequest(Json{
                                                                {"StationName", record.station}, {"Records", lines}}));
              if (!put) throw std::runtime_error(put.error().message);
            };
          }};
}

/// A node that renews its row and reads those of all.
Kind beats(int nodes) {
  return {"beats", nodes, "", [nodes](MetadataStore& store, int writer) -> Operation {
            store.write([&](UnitOfWork& work) {
              work.nodes().remove_seen_before(Timestamp::max());
              for (int i = 0; i < nodes; ++i) {
                ServerNode node;
                node.id = "node-" + std::to_string(i);
                node.term = 1;
                node.address = "http://10.0.0.17:8420";
                node.version = "1.0.0";
                node.seen = work.now();
                work.nodes().put(node);
              }
            });
            ServerNode self;
            self.id = "node-" + std::to_string(writer);
            self.term = 1;
            self.address = "http://10.0.0.17:8420";
            self.version = "1.0.0";
            return [&store, self]() mutable {
              store.write([&](UnitOfWork& work) {
                auto row = self;
                return membership::beat(work.nodes(), row, work.now());
              });
              (void)store.read()->nodes().list();
            };
          }};
}

/// What DetectAnomalies asks: who calls, and which model.
Kind calls() {
  return {"calls", 1, "", [](MetadataStore& store, int /*writer*/) -> Operation {
            const auto name = random_id(12);
            store.write([&](UnitOfWork& work) {
              work.users().insert({kScope.account, name, {"VedetteDetectOnlyAccess"}, work.now()});
              work.users().insert_key({name, kScope.account, name, std::string(68, 's'), true, work.now()});
              work.projects().insert(kScope, {name, work.now()});
              Model model;
              model.project = name;
              model.version = 1;
              model.uid = name;
              work.models().insert(kScope, model);
            });
            return [&store, name] {
              const auto owner = store.look([&](UnitOfWork& view) { return view.users().find_owner(name); });
              const auto view = store.read();
              const auto model = view->models().find(kScope, name, 1);
              if (!owner || !model) throw std::runtime_error("a row is missing");
              (void)view->models().threshold(model->uid);
              (void)view->verified_pictures().revision(model->uid);
            };
          }};
}

/// A job from its row to its end.
Kind jobs() {
  return {"jobs", 1, "", [](MetadataStore& store, int /*writer*/) -> Operation {
            const auto worker = random_id(12);
            return [&store, worker] {
              store.write([&](UnitOfWork& work) { work.jobs().insert({"kind", "{}", work.now()}); });
              const auto job =
                  store.write([&](UnitOfWork& work) { return lease::claim(work.jobs(), "kind", worker, work.now()); });
              if (!job) return;
              store.write([&](UnitOfWork& work) {
                return lease::complete(work.jobs(), {job->id, worker, job->lease.term});
              });
            };
          }};
}

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

double own_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
}

/// The fields of /proc/PID/stat after the name of the program: the parent is the second.
std::vector<std::string> stat_of(const std::string& pid) {
  std::ifstream file("/proc/" + pid + "/stat");
  std::string text;
  std::getline(file, text);
  std::istringstream rest(text.substr(std::min(text.size(), text.rfind(')') + 1)));
  std::vector<std::string> fields;
  for (std::string field; rest >> field;) fields.push_back(field);
  return fields;
}

/// The server behind the address, which runs on this machine.
class DatabaseServer {
 public:
  explicit DatabaseServer(const std::string& url) : connection_(connect_postgresql(url, std::chrono::seconds(60))) {
    const auto backend = stat_of(std::to_string(integer("SELECT pg_backend_pid()")));
    if (backend.size() < 2) throw std::runtime_error("the database does not run on this machine");
    postmaster_ = backend[1];
  }
  /// The time that all processes of the server have used, those that have ended included.
  [[nodiscard]] double seconds() const {
    std::int64_t ticks = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      const auto pid = entry.path().filename().string();
      if (pid.find_first_not_of("0123456789") != std::string::npos) continue;
      const auto fields = stat_of(pid);
      if (fields.size() < 15 || (pid != postmaster_ && fields[1] != postmaster_)) continue;
      const std::size_t last = pid == postmaster_ ? 14 : 12;  // with those of ended children, or without
      for (std::size_t i = 11; i <= last; ++i) ticks += std::stoll(fields[i]);
    }
    return static_cast<double>(ticks) / static_cast<double>(::sysconf(_SC_CLK_TCK));
  }
  std::int64_t log_bytes() { return integer("SELECT CAST(pg_current_wal_insert_lsn() - '0/0' AS BIGINT)"); }
  std::int64_t table_bytes(const std::string& table) {
    if (table.empty()) return 0;
    connection_->begin(sql::Access::read);
    std::int64_t bytes = 0;
    {
      auto q = connection_->prepare("SELECT pg_total_relation_size(CAST(? AS TEXT)::regclass)");
      q.bind(table);
      if (q.step()) bytes = q.integer(0);
    }
    connection_->roll_back();
    return bytes;
  }

 private:
  std::int64_t integer(const char* query) {
    connection_->begin(sql::Access::read);
    std::int64_t value = 0;
    {
      auto q = connection_->prepare(query);
      if (q.step()) value = q.integer(0);
    }
    connection_->roll_back();
    return value;
  }
  std::unique_ptr<sql::Connection> connection_;
  std::string postmaster_;
};

void measure(DatabaseServer& server, CountingStore& store, const Kind& kind, int writers, double seconds) {
  std::vector<Operation> operations;
  for (int writer = 0; writer < writers; ++writer) operations.push_back(kind.prepare(store, writer));
  for (auto& operation : operations) operation();  // so that connections and statements are there
  const auto log = server.log_bytes(), table = server.table_bytes(kind.table);
  const double database = server.seconds(), own = own_seconds();
  store.transactions = store.runs = 0;
  std::vector<std::vector<double>> times(operations.size());
  std::vector<std::string> failures(operations.size());
  const auto begin = Steady::now();
  const auto end = begin + std::chrono::duration<double>(seconds);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < operations.size(); ++i)
    threads.emplace_back([&, i] {
      try {
        for (auto now = Steady::now(); now < end;) {
          operations[i]();
          const auto after = Steady::now();
          times[i].push_back(std::chrono::duration<double, std::milli>(after - now).count());
          now = after;
        }
      } catch (const std::exception& e) {
        failures[i] = e.what();
      }
    });
  for (auto& thread : threads) thread.join();
  for (const auto& failure : failures)
    if (!failure.empty()) throw std::runtime_error(kind.name + ": " + failure);
  const double took = std::chrono::duration<double>(Steady::now() - begin).count();
  std::vector<double> all;
  for (const auto& each : times) all.insert(all.end(), each.begin(), each.end());
  std::sort(all.begin(), all.end());
  const auto count = static_cast<double>(all.size());
  const Json line = {{"kind", kind.name},
                     {"rows", kind.rows},
                     {"writers", writers},
                     {"per_second", count / took},
                     {"median_ms", all[all.size() / 2]},
                     {"p99_ms", all[all.size() * 99 / 100]},
                     {"database_ms", (server.seconds() - database) * 1000 / count},
                     {"node_ms", (own_seconds() - own) * 1000 / count},
                     {"log_bytes", static_cast<double>(server.log_bytes() - log) / count},
                     {"table_bytes", static_cast<double>(server.table_bytes(kind.table) - table) / count},
                     {"repeated", static_cast<double>(store.runs - store.transactions) / count}};
  std::printf("%s\n", line.dump().c_str());
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("What the nodes of an installation ask of their common database");
  double seconds = 4;
  std::vector<int> writers = {1, 4, 16};
  app.add_option("--seconds", seconds, "for each measurement")->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--writers", writers, "numbers of writers")->check(CLI::Range(1, 16));
  CLI11_PARSE(app, argc, argv);
  try {
    const char* given = std::getenv("VEDETTE_TEST_POSTGRESQL");
    if (given == nullptr) throw std::runtime_error("run it under tests/postgresql.py");
    const std::string server = given;
    const auto url = server + (server.find('?') == std::string::npos ? "?" : "&") + "schema=bench_" + random_id(8);
    CountingStore store(open_postgresql_metadata(url));
    DatabaseServer database(url);
    for (const auto& kind : {calls(), audit(500), audit(10), metrics(10, false), metrics(100, false), metrics(10, true),
                             verdicts(12), verdicts(500), beats(16), beats(128), jobs()})
      for (const int number : writers) measure(database, store, kind, number, seconds);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "installation: %s\n", e.what());
    return 1;
  }
}
