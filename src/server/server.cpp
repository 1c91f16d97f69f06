#include "server/server.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <optional>
#include <stdexcept>
#include <utility>

#include "audit/audit.hpp"
#include "audit/audit_files.hpp"
#include "audit/shared_audit.hpp"
#include "auth/identities.hpp"
#include "base/digest.hpp"
#include "base/log.hpp"
#include "base/monotonic_clock.hpp"
#include "domain/limits.hpp"
#include "hosting/hosting.hpp"
#include "http/json_service.hpp"
#include "http/pipeline.hpp"
#include "http/relay.hpp"
#include "http/s3_service.hpp"
#include "http/server.hpp"
#include "http/sts_service.hpp"
#include "jobs/jobs.hpp"
#include "metrics/metrics.hpp"
#include "nodes/nodes.hpp"
#include "server/options.hpp"
#include "server/process.hpp"
#include "server/stores.hpp"
#include "service/extension.hpp"
#include "service/job_handlers.hpp"
#include "service/service.hpp"
#include "service/stations.hpp"
#include "store/model_files/model_files.hpp"
#include "thumbnails/thumbnails.hpp"
#include "training/training.hpp"
#include "upkeep/upkeep.hpp"
#include "vision/infer/code_memory.hpp"

namespace vedette {
namespace {

constexpr double kUsualDrainSeconds = 10;

ComputeOptions compute_options(const ServerSettings& settings) {
  ComputeOptions compute;
  compute.cores = settings.cores;
  compute.unit_cores = std::min(settings.unit_cores, settings.cores);
  compute.most_waiting = std::max<std::size_t>(64, 4 * static_cast<std::size_t>(settings.cores));
  compute.longest_wait = std::chrono::milliseconds(std::llround(settings.longest_wait_seconds * 1000));
  return compute;
}

TrainingPlan training_plan(const ServerSettings& settings) {
  TrainingPlan plan;
  plan.budget_seconds = settings.training_budget_seconds;
  if (settings.false_alarms) plan.false_alarm_budget = 1.0 / *settings.false_alarms;
  if (!settings.backbone.empty()) plan.backbone = std::filesystem::absolute(settings.backbone);
  return plan;
}

/// Returns the sandbox that confines trainings, or nothing if the settings switch it off.
std::optional<TrainerSandbox> trainer_sandbox(const ServerSettings& settings, const TrainingPlan& plan) {
  if (settings.trainer_sandbox != "on") {
    log::warning("trainer not confined");
    return std::nullopt;
  }
  TrainerSandbox sandbox;
  if (plan.backbone) sandbox.readable.push_back(*plan.backbone);
  log::info("trainer confined", {{"by", sandbox_abilities()}});
  return sandbox;
}

S3ServiceOptions s3_options(const ServerSettings& settings) {
  S3ServiceOptions options{.domain = settings.s3_domain, .accepts_presigned_v2 = settings.presigned_v2 == "on"};
  if (!settings.regions.empty()) options.region = settings.regions.front();
  return options;
}

/// Returns the nodes that may host models. A server whose database is its own is the only one.
std::function<std::vector<HostNode>()> host_nodes(const Stores& stores) {
  if (!stores.is_shared()) return {};
  return [&nodes = stores.nodes()] {
    std::vector<HostNode> hosts;
    for (const auto& node : nodes.live()) hosts.push_back({node.id, static_cast<int>(node.cores), node.is_draining});
    return hosts;
  };
}

/// Returns what passes calls on to other nodes, or nothing if there cannot be any.
std::unique_ptr<Relay> make_relay(const ServerSettings& settings, const Stores& stores) {
  if (!stores.is_shared()) return nullptr;
  RelayOptions options;
  options.ca_file = settings.node_ca;
  return std::make_unique<Relay>(std::move(options), stores.keys().derive_key("relay"), [&nodes = stores.nodes()] {
    std::vector<Peer> peers;
    for (const auto& node : nodes.live()) peers.push_back({node.id, node.address});
    return peers;
  });
}

/// Returns what brings the audit of this node to the others, or nothing if there cannot be any.
std::unique_ptr<SharedAudit> make_shared_audit(const ServerSettings& settings, const Stores& stores,
                                               const Clock& clock) {
  if (!stores.is_shared()) return nullptr;
  return std::make_unique<SharedAudit>(
      stores.metadata(), clock,
      SharedAudit::Options{stores.folder().audit(), stores.nodes().self().id, settings.audit_days});
}

/// Runs background jobs with one worker thread for each kind of job.
class Workers {
 public:
  Workers(const ServerSettings& settings, Stores& stores, const Clock& clock, const MonotonicClock& monotonic,
          const TrainingPlan& plan)
      : metadata_(stores.metadata()),
        monotonic_(monotonic),
        nodes_(stores.nodes()),
        name_(stores.nodes().self().id + "/" + random_id(8)) {
    auto& objects = stores.objects();
    const auto& images = settings.quotas.images;
    const auto jobs_folder = stores.folder().jobs();
    add(kImportJob, make_import_handler(objects, clock, images));
    add(kUpdateJob, make_update_handler(objects, clock, images));
    const auto train =
        make_training_handler(objects, images, jobs_folder, find_trainer(), plan, trainer_sandbox(settings, plan));
    add(kTrainingJob, train);
    add(kRebasingJob, train);
    add(kPackagingJob, make_packaging_handler(objects, jobs_folder));
    add(kTrialJob, make_trial_handler(objects, clock, jobs_folder, settings.cores));
    add(kDatasetCheckJob, make_dataset_check_handler(objects, settings.cores));
  }
  void start() {
    for (auto& worker : workers_) worker->start();
  }
  /// Tells all workers that there may be a new job. Any thread may call it.
  void wake() {
    for (auto& worker : workers_) worker->wake();
  }
  /// Cancels all jobs that run; they begin again with the next start.
  void begin_stop() {
    for (auto& worker : workers_) worker->begin_stop();
  }
  void stop() {
    begin_stop();
    for (auto& worker : workers_) worker->stop();
  }

 private:
  void add(const char* kind, JobHandler handler) {
    const auto may_claim = [this] { return !nodes_.trouble(); };
    workers_.push_back(std::make_unique<JobWorker>(metadata_, monotonic_, JobWorker::Options{kind, name_, may_claim},
                                                   std::move(handler)));
  }

  MetadataStore& metadata_;
  const MonotonicClock& monotonic_;
  const NodeRegistry& nodes_;
  const std::string name_;  ///< is new with each start, so that no former self's lease is taken for this one's
  std::vector<std::unique_ptr<JobWorker>> workers_;
};

}  // namespace

/// Holds the parts of the server in the order in which they are built; each part uses only the parts above it. They are
/// destroyed in the opposite order.
struct Server::Parts {
  Parts(const ServerSettings& given, const ServerOptions& http, const MetricsAccess& metrics_access,
        std::span<const ConsoleFile> console);

  const ServerSettings settings;
  const SystemClock clock;
  const SystemMonotonicClock monotonic;
  Stores stores;
  Workers workers;
  Hosting hosting;
  Metrics metrics;
  std::optional<Upkeep> upkeep;
  std::unique_ptr<SharedAudit> shared_audit;  ///< null if this is the only node
  AuditLog audit;
  AuditFiles audit_files;
  LookoutVision lookout_vision;
  Identities identities;
  Thumbnails thumbnails;
  AnnotationTransfer annotations;
  Stations line_stations;
  ExtensionServices extension_services;
  RateLimiter limiter;
  std::unique_ptr<Relay> relay;  ///< null if this is the only node
  JsonService lookoutvision_service, extension_service;
  S3Service s3_service;
  StsService sts_service;
  OpenPaths open_paths;
  Pipeline pipeline;
  HttpServer http_server;
  bool is_running = false;
};

Server::Parts::Parts(const ServerSettings& given, const ServerOptions& http, const MetricsAccess& metrics_access,
                     std::span<const ConsoleFile> console)
    : settings(given),
      stores(settings, clock, monotonic),
      workers(settings, stores, clock, monotonic, training_plan(settings)),
      hosting(stores.metadata(), stores.objects(),
              {.cache_folder = stores.folder().model_cache(),
               .compute = compute_options(settings),
               .memory = static_cast<std::size_t>(settings.model_memory_mib) << 20,
               .node = stores.nodes().self().id,
               .live_nodes = host_nodes(stores)}),
      metrics(stores.metadata(), clock,
              [this](const std::string& uid) -> std::optional<Metrics::HostedState> {
                const auto units = hosting.units_of_all_nodes(uid);
                const auto stream = hosting.stream(uid);
                if (!units || !stream) return std::nullopt;
                Metrics::HostedState state{units->desired, units->in_service};
                using Kind = StreamState::Kind;
                if (stream->kind == Kind::like_training || stream->kind == Kind::unlike_training)
                  state.is_unlike_training = stream->kind == Kind::unlike_training;
                return state;
              }),
      shared_audit(make_shared_audit(settings, stores, clock)),
      audit(stores.folder().audit(), clock, settings.audit_days,
            shared_audit ? shared_audit->taken() : std::map<std::string, std::int64_t>()),
      audit_files(stores.folder().audit()),
      lookout_vision(stores.metadata(), stores.objects(), hosting, metrics, clock, settings.quotas,
                     [this] { workers.wake(); }),
      identities(stores.metadata()),
      thumbnails(
          stores.objects(),
          {.cache_folder = stores.folder().thumbnails(), .cores = settings.cores, .largest_image = kLargestImage}),
      annotations(stores.metadata(), stores.objects(), clock),
      line_stations(stores.metadata(), clock, settings.stations),
      extension_services{lookout_vision,
                         stores.metadata(),
                         metrics,
                         identities,
                         stores.keys(),
                         ModelFiles(stores.objects()),
                         thumbnails,
                         annotations,
                         line_stations,
                         stores.nodes(),
                         shared_audit ? static_cast<AuditTrail&>(*shared_audit) : audit_files},
      limiter(settings.requests_per_second, 1, [this] { return stores.nodes().live_count(); }),
      relay(make_relay(settings, stores)),
      lookoutvision_service(lookoutvision::api_model(), lookoutvision_operations(lookout_vision), lookout_vision,
                            limiter, &metrics, relay.get()),
      extension_service(extension::api_model(), extension_operations(extension_services), lookout_vision, limiter,
                        nullptr, relay.get()),
      s3_service(stores.buckets(), s3_options(settings)),
      sts_service(stores.keys()),
      open_paths(
          {&lookoutvision::api_model(), &extension::api_model()}, VEDETTE_VERSION,
          [this] {
            return metrics.to_prometheus() + line_stations.to_prometheus() + stores.nodes().to_prometheus() +
                   hosting.to_prometheus() + (upkeep ? upkeep->to_prometheus() : std::string()) +
                   (shared_audit ? shared_audit->to_prometheus() : std::string());
          },
          metrics_access, [this] { return stores.trouble(); }, console_routes(console)),
      pipeline(stores.keys(), stores.nodes().time(),
               {&lookoutvision_service, &extension_service, &s3_service, &sts_service}, open_paths, audit,
               settings.regions, relay.get(), [this] { return stores.nodes().live_count(); }),
      http_server(pipeline, http) {
  if (auto* buckets = stores.buckets()) upkeep.emplace(*buckets, clock, settings.upkeep);
  lookout_vision.finish_deletions();
}

Server::Server(const ServerSettings& settings, std::span<const ConsoleFile> console) {
  check_options(settings);
  auto http = http_options(settings);
  (void)node_address(settings, http.port);
  const auto metrics = metrics_access(settings);
  if (auto ok = check_code_memory(); !ok) throw std::runtime_error(ok.error().message);
  prepare_process();
  http.most_connections = make_room_for_connections(settings.most_connections);
  // The server refuses pictures at once when the queue of the compute pool is full, so that such a request needs a
  // thread only for a moment.
  const auto compute = compute_options(settings);
  http.detection_threads = 2 * (compute.most_waiting + static_cast<std::size_t>(compute.cores));
  parts_ = std::make_unique<Parts>(settings, http, metrics, console);
}

Server::~Server() {
  stop();
}

std::uint16_t Server::port() const {
  return parts_->http_server.port();
}

void Server::start() {
  auto& p = *parts_;
  p.is_running = true;
  p.hosting.start();
  p.metrics.start();
  if (p.upkeep) p.upkeep->start();
  if (p.shared_audit) p.shared_audit->start();
  p.workers.start();
  p.http_server.start();
  p.stores.nodes().announce(node_address(p.settings, port()));
  const auto http = http_options(p.settings);
  log::info("listening", {{"scheme", http.tls_certificate.empty() ? "http" : "https"},
                          {"address", http.address + ":" + std::to_string(port())},
                          {"data", p.stores.folder().root.string()},
                          {"credentials", p.stores.folder().credentials().string()}});
}

std::chrono::milliseconds Server::drain() {
  auto& p = *parts_;
  auto& nodes = p.stores.nodes();
  const bool is_alone = nodes.live_count() < 2;
  nodes.drain();
  const double seconds = p.settings.drain_seconds.value_or(is_alone ? 0 : kUsualDrainSeconds);
  log::info("draining", {{"seconds", fmt::format("{:g}", seconds)}});
  return std::chrono::milliseconds(std::llround(seconds * 1000));
}

void Server::stop() {
  auto& p = *parts_;
  if (!std::exchange(p.is_running, false)) return;
  // Requests in progress may first take their time to end. The calls to another S3 service end with the requests that
  // wait for them.
  // Jobs are cancelled before, since a call that ends so must not count as a failure of theirs.
  const auto cancel = [&p] {
    p.workers.begin_stop();
    p.stores.cancel();
  };
  p.http_server.stop(cancel);
  cancel();
  p.workers.stop();
  p.hosting.stop();
  p.metrics.stop();
  if (p.upkeep) p.upkeep->stop();
  p.stores.nodes().stop();
}

}  // namespace vedette
