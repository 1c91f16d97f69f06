#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <thread>

#include "base/clock.hpp"
#include "base/digest.hpp"
#include "base/files.hpp"
#include "base/log.hpp"
#include "commands.hpp"
#include "data_folder.hpp"
#include "hosting/hosting.hpp"
#include "http/json_service.hpp"
#include "http/pipeline.hpp"
#include "http/s3_service.hpp"
#include "http/server.hpp"
#include "http/sts_service.hpp"
#include "http_client/credentials.hpp"
#include "jobs/jobs.hpp"
#include "service/extension.hpp"
#include "service/job_handlers.hpp"
#include "service/service.hpp"
#include "store/metadata/sqlite/sqlite_metadata.hpp"
#include "store/objects/filesystem/filesystem_objects.hpp"
#include "store/objects/s3/s3_objects.hpp"
#include "store/sqlite/sqlite.hpp"
#include "training/training.hpp"
#include "upkeep/upkeep.hpp"
#include "vision/infer/code_memory.hpp"

namespace vedette {
namespace fs = std::filesystem;
namespace {

/// MiB: half of the machine's.
std::int64_t default_model_memory() {
  return static_cast<std::int64_t>(::sysconf(_SC_PHYS_PAGES)) * ::sysconf(_SC_PAGESIZE) / 2 >> 20;
}

struct ServeOptions {
  std::optional<double> training_budget;
  std::optional<int> false_alarms;
  std::string backbone;
  std::string trainer_sandbox = "on";
  std::string data = "./vedette-data";
  std::string listen = "127.0.0.1:8420";
  std::string account = "123456789012";
  bool insecure_http = false;
  std::string tls_certificate, tls_key;
  std::vector<std::string> regions;
  std::string s3_domain;
  std::string objects, objects_endpoint, objects_region, objects_ca_file;
  int objects_timeout = 20;
  Quotas quotas;
  double requests_per_second = 0;
  std::size_t most_connections = 1024, connections_per_address = 256;
  std::string metrics_access = "open", metrics_token_file;
  int audit_days = 365;
  UpkeepOptions upkeep;
  std::vector<std::string> accept_loss;
  FilesystemOptions storage;
  int cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  int unit_cores = 4;
  double longest_wait = 2;
  std::int64_t model_memory = default_model_memory();
};

/// Two servers on one data folder would take each other's jobs and files.
class FolderLock {
 public:
  explicit FolderLock(const fs::path& path) : fd_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
    if (fd_ < 0) throw std::runtime_error("cannot open " + path.string() + ": " + std::strerror(errno));
    if (::flock(fd_, LOCK_EX | LOCK_NB) != 0) {
      ::close(fd_);
      throw std::runtime_error("another vedette serve uses " + path.parent_path().string());
    }
  }
  ~FolderLock() { ::close(fd_); }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int fd_;
};

ServerOptions parse_listen(const ServeOptions& options) {
  const auto colon = options.listen.rfind(':');
  const auto port =
      colon == std::string::npos ? std::nullopt : parse_integer(std::string_view(options.listen).substr(colon + 1));
  if (!port || *port < 0 || *port > 65535)
    throw std::runtime_error("--listen wants ADDRESS:PORT, not " + options.listen);
  ServerOptions server;
  server.address = options.listen.substr(0, colon);
  if (server.address.size() > 2 && server.address.front() == '[' && server.address.back() == ']')
    server.address = server.address.substr(1, server.address.size() - 2);
  if (server.address == "localhost") server.address = "127.0.0.1";
  server.port = static_cast<std::uint16_t>(*port);
  const bool is_loopback = server.address.starts_with("127.") || server.address == "::1";
  if (options.tls_certificate.empty() != options.tls_key.empty())
    throw std::runtime_error("--tls-cert and --tls-key go together");
  server.most_connections = options.most_connections;
  server.most_per_network = options.connections_per_address;
  server.tls_certificate = options.tls_certificate;
  server.tls_key = options.tls_key;
  if (!is_loopback && options.tls_certificate.empty() && !options.insecure_http)
    throw std::runtime_error(
        "plain HTTP is offered on loopback only; give --tls-cert and --tls-key, or say --insecure-http");
  return server;
}

/// Raises the soft limit of descriptors to the hard one: shells and service managers hand out 1,024. Every connection takes one, and the
/// stores a few hundred; fewer connections are accepted where the hard limit does not allow as many.
void make_room_for_connections(ServerOptions& server) {
  constexpr rlim_t kForTheRest = 512;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  if (const auto wanted = std::min<rlim_t>(limit.rlim_max, server.most_connections + kForTheRest + 65'536);
      limit.rlim_cur < wanted) {
    const rlimit raised{wanted, limit.rlim_max};
    if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
  }
  if (limit.rlim_cur >= server.most_connections + kForTheRest) return;
  server.most_connections = limit.rlim_cur > 2 * kForTheRest ? limit.rlim_cur - kForTheRest : limit.rlim_cur / 2;
  log::warning("the limit of open files allows fewer connections",
               {{"files", std::to_string(limit.rlim_cur)}, {"connections", std::to_string(server.most_connections)}});
}

MetricsAccess metrics_access(const ServeOptions& options) {
  MetricsAccess access;
  if (options.metrics_access == "loopback") access.kind = MetricsAccess::Kind::loopback;
  if ((options.metrics_access == "token") != !options.metrics_token_file.empty())
    throw std::runtime_error("--metrics-access token and --metrics-token-file go together");
  if (options.metrics_access != "token") return access;
  constexpr std::size_t kLongest = 4096, kShortest = 16;
  const auto bytes = read_file(options.metrics_token_file, kLongest);
  if (!bytes) throw std::runtime_error(bytes.error().message);
  access.kind = MetricsAccess::Kind::token;
  access.token = std::string(trim(as_text(*bytes)));
  if (access.token.size() < kShortest)
    throw std::runtime_error("the token in " + options.metrics_token_file + " has fewer than 16 characters");
  return access;
}

/// Where objects are kept: in the data folder, or in another S3 service.
struct ObjectStorage {
  ObjectStorage(const ServeOptions& options, const DataFolder& folder, const Clock& clock) {
    if (options.objects.empty()) {
      buckets = open_filesystem_objects(folder.objects(), clock, options.storage);
      objects = buckets.get();
      return;
    }
    S3StoreOptions s3;
    constexpr std::string_view kScheme = "s3://";
    const std::string_view url = options.objects;
    const auto rest = url.starts_with(kScheme) ? url.substr(kScheme.size()) : std::string_view();
    s3.system_bucket = std::string(rest.substr(0, rest.find('/')));
    if (rest.find('/') != std::string_view::npos) s3.system_prefix = std::string(rest.substr(rest.find('/') + 1));
    if (!s3.system_prefix.empty() && !s3.system_prefix.ends_with('/')) s3.system_prefix += '/';
    if (s3.system_bucket.empty())
      throw std::runtime_error("--objects wants s3://BUCKET or s3://BUCKET/PREFIX, not " + options.objects);
    s3.endpoint = options.objects_endpoint;
    for (const char* name : {"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"})
      if (const char* value = std::getenv(name); s3.endpoint.empty() && value != nullptr) s3.endpoint = value;
    while (s3.endpoint.ends_with('/')) s3.endpoint.pop_back();
    if (!s3.endpoint.empty() && !s3.endpoint.starts_with("http://") && !s3.endpoint.starts_with("https://"))
      throw std::runtime_error("an endpoint looks like https://s3.plant.example:9000, not " + s3.endpoint);
    if (auto region = options.objects_region.empty() ? find_region() : options.objects_region; !region.empty())
      s3.region = region;
    s3.ca_file = options.objects_ca_file;
    s3.idle_timeout = std::chrono::seconds(options.objects_timeout);
    s3.spool = folder.spool();
    s3.cancelled = &cancelled;
    elsewhere = open_s3_objects(s3, clock);
    objects = elsewhere.get();
    const auto has = objects->has_bucket(kSystemBucket);
    log::info(
        "objects elsewhere",
        {{"bucket", s3.system_bucket}, {"endpoint", s3.endpoint.empty() ? "AWS" : s3.endpoint}, {"region", s3.region}});
    // An outage must not keep the server from starting; a wrong name must.
    if (has && !*has) throw std::runtime_error("there is no bucket " + s3.system_bucket + " for the server's objects");
    if (!has && has.error().kind != ErrorKind::unavailable) throw std::runtime_error(has.error().message);
    if (!has) log::warning("objects elsewhere", {{"reason", has.error().message}});
  }
  mutable std::atomic<bool> cancelled{false};  // before the stores, which look at it
  std::unique_ptr<BucketStore> buckets;        // of the data folder
  std::unique_ptr<ObjectStore> elsewhere;
  ObjectStore* objects = nullptr;
};

void serve(const ServeOptions& options) {
  if (options.account.size() != 12 || options.account.find_first_not_of("0123456789") != std::string::npos)
    throw std::runtime_error("--account wants 12 digits");
  ServerOptions server_options = parse_listen(options);
  make_room_for_connections(server_options);

  // Signals are taken by this thread alone, below; blocked before any other thread is made.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);

  if (auto ok = check_code_memory(); !ok) throw std::runtime_error(ok.error().message);
  ::umask(077);  // whatever the server writes is its own
  const DataFolder folder{fs::absolute(options.data)};
  fs::create_directories(folder.root);
  fs::permissions(folder.root, fs::perms::owner_all);
  const FolderLock lock(folder.lock());
  const SystemClock clock;

  const auto accepts = [&](const char* name) { return std::ranges::count(options.accept_loss, name) > 0; };
  const AcceptedLosses accepted{accepts("metadata"), accepts("index"), accepts("master-key")};
  check_data_folder(folder, accepted);
  const auto metadata = open_sqlite_metadata(folder.metadata());
  const bool is_metadata_lost = check_metadata(folder, options.account, *metadata, accepted);
  auto storage_options = options;
  storage_options.storage.accept_lost_index = accepted.index;
  const ObjectStorage storage(storage_options, folder, clock);
  fs::remove_all(folder.jobs());  // of jobs that were cut off: they begin again, or never
  const bool is_master_key_lost = accepted.master_key && !KeyRing::opens(*metadata, clock, folder.master_key());
  if (is_master_key_lost) give_up_master_key(folder, *metadata);
  auto* objects = storage.objects;
  KeyRing keys(*metadata, clock, folder.master_key());
  const std::string node = set_up(folder, options.account, *metadata, keys, is_metadata_lost || is_master_key_lost);
  {
    auto work = metadata->write();
    work->jobs().release_all(node + "/", clock.now());
    work->commit();
  }

  const std::string worker = node + "/" + random_id(8);
  const auto& images = options.quotas.images;
  JobWorker imports(*metadata, clock, kImportJob, worker, make_import_handler(*metadata, *objects, clock, images));
  JobWorker updates(*metadata, clock, kUpdateJob, worker, make_update_handler(*metadata, *objects, clock, images));
  TrainingPlan plan;
  plan.budget_seconds = options.training_budget;
  if (options.false_alarms) plan.false_alarm_budget = 1.0 / *options.false_alarms;
  if (!options.backbone.empty()) plan.backbone = fs::absolute(options.backbone);
  std::optional<TrainerSandbox> sandbox;
  if (options.trainer_sandbox == "on") {
    sandbox.emplace();
    if (plan.backbone) sandbox->readable.push_back(*plan.backbone);
    log::info("trainer confined", {{"by", sandbox_abilities()}});
  } else {
    log::warning("trainer not confined");
  }
  JobWorker trainings(
      *metadata, clock, kTrainingJob, worker,
      make_training_handler(*metadata, *objects, clock, images, folder.jobs(), find_trainer(), plan, sandbox));
  JobWorker packagings(*metadata, clock, kPackagingJob, worker,
                       make_packaging_handler(*metadata, *objects, clock, folder.jobs()));
  const auto workers = {&imports, &updates, &trainings, &packagings};
  ComputeOptions compute;
  compute.cores = options.cores;
  compute.unit_cores = std::min(options.unit_cores, options.cores);
  compute.most_waiting = std::max<std::size_t>(64, 4 * static_cast<std::size_t>(options.cores));
  compute.longest_wait = std::chrono::milliseconds(std::llround(options.longest_wait * 1000));
  // Calls beyond those that may wait or run are refused at once: they need threads for a moment only.
  server_options.detection_threads = 2 * (compute.most_waiting + static_cast<std::size_t>(compute.cores));
  Hosting hosting(*metadata, *objects,
                  {folder.model_cache(), compute, static_cast<std::size_t>(options.model_memory) << 20});
  Metrics metrics(*metadata, clock, [&](const std::string& uid) -> std::optional<std::pair<int, int>> {
    const auto state = hosting.state(uid);
    return state ? std::optional(std::pair(state->desired, state->in_service)) : std::nullopt;
  });
  std::optional<Upkeep> upkeep;
  if (storage.buckets) upkeep.emplace(*storage.buckets, clock, options.upkeep);
  AuditLog audit(folder.audit(), clock, options.audit_days);
  LookoutVision lookout_vision(*metadata, *objects, hosting, metrics, clock, options.quotas, [&] {
    for (auto* w : workers) w->wake();
  });
  lookout_vision.finish_deletions();
  Identities identities(*metadata, clock);
  ExtensionServices extension_services{lookout_vision, *metadata, metrics, identities, keys, ModelFiles(*objects)};

  RateLimiter limiter(options.requests_per_second);
  JsonService lookoutvision_service(lookoutvision::api_model(), lookoutvision_operations(lookout_vision),
                                    lookout_vision, limiter, &metrics);
  JsonService extension_service(extension::api_model(), extension_operations(extension_services), lookout_vision,
                                limiter, nullptr);
  S3Service s3_service(storage.buckets.get(), options.s3_domain);
  StsService sts_service;
  const auto show_metrics = [&] {
    return metrics.to_prometheus() + (upkeep ? upkeep->to_prometheus() : std::string());
  };
  const OpenPaths open_paths({&lookoutvision::api_model(), &extension::api_model()}, VEDETTE_VERSION, show_metrics,
                             metrics_access(options), [&] {
                               try {
                                 metadata->read()->users().find(options.account, kAdministrator);
                                 return !sqlite::is_damaged(folder.metadata()) && fs::exists(folder.metadata()) &&
                                        (!storage.buckets || storage.buckets->answers());
                               } catch (const std::exception&) {
                                 return false;
                               }
                             });
  Pipeline pipeline(keys, clock, {&lookoutvision_service, &extension_service, &s3_service, &sts_service}, open_paths,
                    audit, options.regions);
  HttpServer server(pipeline, server_options);

  hosting.start();
  metrics.start();
  if (upkeep) upkeep->start();
  for (auto* w : workers) w->start();
  server.start();
  log::info("listening", {{"scheme", options.tls_certificate.empty() ? "http" : "https"},
                          {"address", server_options.address + ":" + std::to_string(server.port())},
                          {"data", folder.root.string()},
                          {"credentials", folder.credentials().string()}});

  int received = 0;
  sigwait(&signals, &received);
  log::info("stopping", {{"signal", std::to_string(received)}});
  storage.cancelled = true;
  server.stop();
  for (auto* w : workers) w->stop();
  hosting.stop();
  metrics.stop();
  if (upkeep) upkeep->stop();
  log::info("stopped");
}

}  // namespace

void add_serve(CLI::App& app, int& status) {
  auto* command = app.add_subcommand("serve", "Run the server");
  auto options = std::make_shared<ServeOptions>();
  command->add_option("--data", options->data, "Folder for everything the server keeps")
      ->capture_default_str()
      ->envname("VEDETTE_DATA");
  command->add_option("--listen", options->listen, "ADDRESS:PORT to listen on; port 0 takes any free one")
      ->capture_default_str()
      ->envname("VEDETTE_LISTEN");
  command->add_option("--account", options->account, "Account number, 12 digits, in ARNs")
      ->capture_default_str()
      ->envname("VEDETTE_ACCOUNT");
  command->add_flag("--insecure-http", options->insecure_http, "Offer plain HTTP beyond loopback, too");
  command
      ->add_option("--tls-cert", options->tls_certificate,
                   "PEM file with the certificate and its chain: speak TLS; read again when it changes")
      ->envname("VEDETTE_TLS_CERT");
  command->add_option("--tls-key", options->tls_key, "PEM file with the certificate's private key")
      ->envname("VEDETTE_TLS_KEY");
  command
      ->add_option("--region", options->regions,
                   "A region that callers may sign for; may be given several times. Any region if none is given")
      ->envname("VEDETTE_REGIONS")
      ->delimiter(',');
  command
      ->add_option("--s3-domain", options->s3_domain,
                   "Domain below which hosts name buckets (virtual-host style): BUCKET.DOMAIN")
      ->envname("VEDETTE_S3_DOMAIN");
  command
      ->add_option(
          "--objects", options->objects,
          "s3://BUCKET[/PREFIX]: keep objects in an S3 service instead of the data folder; models and the like go "
          "there. Keys come from where AWS's SDKs look")
      ->envname("VEDETTE_OBJECTS");
  command
      ->add_option("--objects-endpoint", options->objects_endpoint,
                   "Address of that service; default: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, else AWS's own")
      ->envname("VEDETTE_OBJECTS_ENDPOINT");
  command
      ->add_option("--objects-region", options->objects_region,
                   "Its region; default: AWS_REGION, AWS_DEFAULT_REGION, the AWS profile's, else us-east-1")
      ->envname("VEDETTE_OBJECTS_REGION");
  command
      ->add_option("--objects-ca-file", options->objects_ca_file,
                   "Certificate authorities (PEM) to trust there instead of the system's")
      ->envname("VEDETTE_OBJECTS_CA_FILE");
  command
      ->add_option("--objects-timeout", options->objects_timeout,
                   "Seconds without a byte after which a request to it is given up and sent again")
      ->capture_default_str()
      ->check(CLI::Range(1, 3600));
  command->add_option("--cores", options->cores, "Cores that judge pictures; never more threads than these do")
      ->capture_default_str()
      ->check(CLI::Range(1, 1024));
  command
      ->add_option("--unit-cores", options->unit_cores,
                   "Cores that an inference unit uses for one picture at most; fewer while others wait")
      ->capture_default_str()
      ->check(CLI::Range(1, 1024));
  command
      ->add_option("--longest-wait", options->longest_wait,
                   "Seconds that a picture may have to wait for a unit; beyond, DetectAnomalies is throttled")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 60.0));
  command
      ->add_option("--model-memory", options->model_memory,
                   "MiB that hosted models may take together; those not used for the longest leave the memory and come "
                   "back with their next picture. 0: no limit")
      ->capture_default_str()
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1} << 30));
  command->add_option("--audit-days", options->audit_days, "Days that audit files are kept; 0 keeps them for ever")
      ->capture_default_str()
      ->check(CLI::Range(0, 36500));
  command
      ->add_option("--requests-per-second", options->requests_per_second,
                   "Calls of each operation per account, DetectAnomalies excepted; 0: no limit")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 1e6));
  command
      ->add_option("--most-connections", options->most_connections,
                   "Connections at once; beyond, the one that has waited longest without a verified request is closed")
      ->capture_default_str()
      ->check(CLI::Range(1, 1'000'000));
  command
      ->add_option("--connections-per-address", options->connections_per_address,
                   "Connections at once from one IPv4 address or IPv6 /64, loopback excepted; 0: no limit")
      ->capture_default_str()
      ->check(CLI::Range(0, 1'000'000));
  command
      ->add_option(
          "--metrics-access", options->metrics_access,
          "Who may read /metrics, which names projects: everybody (open), callers from this machine (loopback), "
          "or who sends the token of --metrics-token-file (token)")
      ->capture_default_str()
      ->envname("VEDETTE_METRICS_ACCESS")
      ->check(CLI::IsMember({"open", "loopback", "token"}));
  command
      ->add_option("--metrics-token-file", options->metrics_token_file,
                   "File with the token that /metrics wants as Authorization: Bearer TOKEN")
      ->envname("VEDETTE_METRICS_TOKEN_FILE");
  command
      ->add_option("--check-days", options->upkeep.check_days,
                   "Days in which every object is read again and compared with its checksum; 0: never")
      ->capture_default_str()
      ->check(CLI::Range(0, 3650));
  command
      ->add_option("--set-aside-days", options->storage.set_aside_days,
                   "Days that content files which the index does not name are kept in objects/set-aside; 0: for ever")
      ->capture_default_str()
      ->check(CLI::Range(0, 36500));
  command
      ->add_option("--accept-loss", options->accept_loss,
                   "Start although this part of the data folder is lost: metadata, index, master-key; may be given "
                   "several times")
      ->check(CLI::IsMember({"metadata", "index", "master-key"}));
  const auto quota = [&](const char* flag, std::int64_t& value, std::int64_t least, const char* text) {
    command->add_option(flag, value, text)->capture_default_str()->check(CLI::Range(least, std::int64_t{1} << 31));
  };
  auto& quotas = options->quotas;
  quota("--trainings-at-once", quotas.trainings_at_once, 1, "Trainings per region that may be under way");
  command
      ->add_option("--training-budget", options->training_budget,
                   "Seconds that each training may take; by default a fixed number of steps is taken")
      ->check(CLI::Range(1.0, 1e6));
  command
      ->add_option("--false-alarms", options->false_alarms,
                   "At most one good part in this many may be called anomalous by models trained from now on; by "
                   "default both kinds of error are balanced")
      ->check(CLI::Range(2, 1'000'000));
  command
      ->add_option(
          "--backbone", options->backbone,
          "Network that describes pictures for models trained from now on, an ONNX file; by default the one that "
          "comes with Vedette")
      ->check(CLI::ExistingFile);
  command
      ->add_option("--trainer-sandbox", options->trainer_sandbox,
                   "Whether trainings are confined to their folder, without network; off only to look for a fault")
      ->capture_default_str()
      ->check(CLI::IsMember({"on", "off"}))
      ->envname("VEDETTE_TRAINER_SANDBOX");
  quota("--inference-units", quotas.inference_units, 1, "Most inference units of one model");
  quota("--max-projects", quotas.projects, 0, "Most projects per region; 0: no limit");
  quota("--max-models", quotas.models_per_project, 0, "Most models of a project; 0: no limit");
  quota("--max-hosted-models", quotas.hosted_models, 0, "Most models hosted at once per region; 0: no limit");
  quota("--max-train-images", quotas.images.train, 1, "Most images of a training dataset");
  quota("--max-test-images", quotas.images.test, 1, "Most images of a test dataset");
  quota("--max-segmentation-train-images", quotas.images.segmentation_train, 1,
        "Most labelled training images of a segmentation model");
  quota("--max-segmentation-test-images", quotas.images.segmentation_test, 1,
        "Most labelled test images of a segmentation model");
  command->callback([options, &status] {
    serve(*options);
    status = 0;
  });
}

}  // namespace vedette
