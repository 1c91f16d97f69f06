#include <pthread.h>
#include <signal.h>

#include "base/log.hpp"
#include "commands.hpp"
#include "server/server.hpp"

namespace vedette {
namespace {

void serve(const ServerSettings& settings) {
  // Only this thread takes signals, below: they are blocked before any other thread is made.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  Server server(settings);
  server.start();
  int received = 0;
  sigwait(&signals, &received);
  log::info("stopping", {{"signal", std::to_string(received)}});
  server.stop();
  log::info("stopped");
}

}  // namespace

void add_serve(CLI::App& app, int& status) {
  auto* command = app.add_subcommand("serve", "Run the server");
  auto options = std::make_shared<ServerSettings>();
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
          "--objects", options->objects.url,
          "s3://BUCKET[/PREFIX]: keep objects in an S3 service instead of the data folder; models and the like go "
          "there. Keys come from where AWS's SDKs look")
      ->envname("VEDETTE_OBJECTS");
  command
      ->add_option("--objects-endpoint", options->objects.endpoint,
                   "Address of that service; default: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, else AWS's own")
      ->envname("VEDETTE_OBJECTS_ENDPOINT");
  command
      ->add_option("--objects-region", options->objects.region,
                   "Its region; default: AWS_REGION, AWS_DEFAULT_REGION, the AWS profile's, else us-east-1")
      ->envname("VEDETTE_OBJECTS_REGION");
  command
      ->add_option("--objects-ca-file", options->objects.ca_file,
                   "Certificate authorities (PEM) to trust there instead of the system's")
      ->envname("VEDETTE_OBJECTS_CA_FILE");
  command
      ->add_option("--objects-timeout", options->objects.timeout_seconds,
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
      ->add_option("--longest-wait", options->longest_wait_seconds,
                   "Seconds that a picture may have to wait for a unit; beyond, DetectAnomalies is throttled")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 60.0));
  command
      ->add_option("--model-memory", options->model_memory_mib,
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
      ->add_option("--training-budget", options->training_budget_seconds,
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
