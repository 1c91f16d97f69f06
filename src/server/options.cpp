#include "server/options.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <stdexcept>

#include "base/text.hpp"

namespace vedette {
namespace {

using Settings = ServerSettings;
constexpr double kMostOfAQuota = 2'147'483'648.0;

using Unacceptable = std::optional<std::string>;

/// Returns the value as text if the check does not accept it, and nothing if the check accepts it.
template <typename T>
Unacceptable unacceptable(const OptionCheck& check, const T& value) {
  bool is_right = true;
  if constexpr (std::is_same_v<T, std::string>) {
    if (const auto* one = std::get_if<OneOf>(&check)) {
      is_right = std::ranges::find(one->words, value) != one->words.end();
    } else if (std::holds_alternative<ExistingFile>(check)) {
      is_right = value.empty() || std::filesystem::is_regular_file(value);
    } else if (std::holds_alternative<AccountNumber>(check)) {
      is_right = value.size() == 12 && value.find_first_not_of("0123456789") == std::string::npos;
    }
  } else if (const auto* range = std::get_if<NumberRange>(&check)) {
    // A double that is not a number lies in no range, so that it is never accepted.
    is_right = static_cast<double>(value) >= range->least && static_cast<double>(value) <= range->most;
  }
  return is_right ? std::nullopt : Unacceptable(fmt::format("{}", value));
}

/// Applies the check to an option of any type. A flag is always acceptable, and so is an optional value that was not
/// given.
Unacceptable unacceptable_part(const OptionCheck& check, const OptionValue& value) {
  return std::visit(
      [&](auto* v) -> Unacceptable {
        using T = std::remove_pointer_t<decltype(v)>;
        if constexpr (std::is_same_v<T, bool>) {
          return std::nullopt;
        } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
          for (const auto& element : *v)
            if (auto bad = unacceptable(check, element)) return bad;
          return std::nullopt;
        } else if constexpr (std::is_same_v<T, std::optional<int>> || std::is_same_v<T, std::optional<double>>) {
          return *v ? unacceptable(check, **v) : std::nullopt;
        } else {
          return unacceptable(check, *v);
        }
      },
      value);
}

/// Returns the default value as the documentation shows it.
std::string default_text(const OptionValue& value) {
  return std::visit(
      [](auto* v) -> std::string {
        using T = std::remove_pointer_t<decltype(v)>;
        if constexpr (std::is_same_v<T, bool>) {
          return *v ? "on" : "off";
        } else if constexpr (std::is_same_v<T, std::string>) {
          return v->empty() ? "none" : "`" + *v + "`";
        } else if constexpr (std::is_arithmetic_v<T>) {
          return fmt::format("{}", *v);
        } else {
          return "none";
        }
      },
      value);
}

}  // namespace

const std::vector<Option>& server_options() {
  static const std::vector<Option> options = {
      {"--data",
       "VEDETTE_DATA",
       [](Settings& s) -> OptionValue { return &s.data; },
       {},
       "Folder for everything that the server keeps.",
       "One server at a time can use it."},
      {"--listen",
       "VEDETTE_LISTEN",
       [](Settings& s) -> OptionValue { return &s.listen; },
       {},
       "ADDRESS:PORT to listen on; port 0 takes any free one."},
      {"--metadata",
       "VEDETTE_METADATA",
       [](Settings& s) -> OptionValue { return &s.metadata; },
       {},
       "postgresql://USER@HOST/DATABASE: keep the metadata in PostgreSQL, which several nodes can share.",
       "The password belongs into `~/.pgpass` or the environment variable, since other users of the machine see "
       "options "
       "([postgresql.md](postgresql.md), [nodes.md](nodes.md)).",
       "the data folder"},
      {"--master-key",
       "VEDETTE_MASTER_KEY",
       [](Settings& s) -> OptionValue { return &s.master_key; },
       {},
       "File with the key that seals secrets: 32 random bytes, the same for all nodes.",
       "It must be there, and may be readable for its group, but not for others.",
       "`master-key` in the data folder, which the first start makes"},
      {"--node-address",
       "VEDETTE_NODE_ADDRESS",
       [](Settings& s) -> OptionValue { return &s.node_address; },
       {},
       "URL at which the other nodes of the installation reach this one.",
       "It is of the form `http://HOST:PORT` or `https://HOST:PORT`.",
       "what follows from `--listen`, unless that is all addresses"},
      {"--node-ca", "VEDETTE_NODE_CA", [](Settings& s) -> OptionValue { return &s.node_ca; }, ExistingFile{},
       "PEM file with the certificate authorities to trust for other nodes that speak TLS.", "", "the system's"},
      {"--drain-seconds", "VEDETTE_DRAIN_SECONDS", [](Settings& s) -> OptionValue { return &s.drain_seconds; },
       NumberRange{0, 3600},
       "How long the server still answers after it was told to stop (SIGTERM), while /readyz already says 503.",
       "Load balancers stop to send requests meanwhile, and other nodes take over what this one does. A second signal "
       "ends the wait.",
       "10 if other nodes live, else 0"},
      {"--tls-cert",
       "VEDETTE_TLS_CERT",
       [](Settings& s) -> OptionValue { return &s.tls_certificate; },
       {},
       "PEM file with the certificate and its chain: the server then speaks TLS only.",
       "It offers TLS 1.3, and TLS 1.2 with ECDHE and AES-GCM or ChaCha20-Poly1305. The file and that of the key are "
       "looked at every 2 s: a changed pair is used for new connections; a pair that cannot be used is logged, and the "
       "old one stays."},
      {"--tls-key",
       "VEDETTE_TLS_KEY",
       [](Settings& s) -> OptionValue { return &s.tls_key; },
       {},
       "PEM file with the certificate's private key."},
      {"--insecure-http",
       "",
       [](Settings& s) -> OptionValue { return &s.insecure_http; },
       {},
       "Offer plain HTTP beyond loopback, too."},
      {"--account", "VEDETTE_ACCOUNT", [](Settings& s) -> OptionValue { return &s.account; }, AccountNumber{},
       "Account number, 12 digits, that stands in ARNs."},
      {"--region",
       "VEDETTE_REGIONS",
       [](Settings& s) -> OptionValue { return &s.regions; },
       {},
       "Regions that callers may sign for, separated by commas; the option may be repeated.",
       "",
       "any"},
      {"--s3-domain",
       "VEDETTE_S3_DOMAIN",
       [](Settings& s) -> OptionValue { return &s.s3_domain; },
       {},
       "Domain below which hosts name buckets (virtual-host style): BUCKET.DOMAIN.",
       "With `s3.plant.example`, `line7.s3.plant.example` is the bucket `line7`. Path-style addressing works beside "
       "it."},
      {"--presigned-v2", "VEDETTE_PRESIGNED_V2", [](Settings& s) -> OptionValue { return &s.presigned_v2; },
       OneOf{{"on", "off"}},
       "Whether presigned S3 URLs of Signature Version 2 are accepted, which old clients make by default.",
       "See [s3.md](s3.md#presigned-urls)."},
      {"--objects",
       "VEDETTE_OBJECTS",
       [](Settings& s) -> OptionValue { return &s.objects.url; },
       {},
       "s3://BUCKET[/PREFIX]: keep objects in another S3 service instead of the data folder; models and the like go to "
       "this bucket, below the prefix.",
       "Whatever lies there is the server's own, and no dataset or result may lie there: without a prefix that is the "
       "whole bucket, so give a prefix, or a bucket for this alone. Keys come from where AWS's SDKs look "
       "([s3.md](s3.md)).",
       "the data folder"},
      {"--objects-endpoint",
       "VEDETTE_OBJECTS_ENDPOINT",
       [](Settings& s) -> OptionValue { return &s.objects.endpoint; },
       {},
       "Address of that S3 service; without it AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL counts.",
       "",
       "AWS's"},
      {"--objects-region",
       "VEDETTE_OBJECTS_REGION",
       [](Settings& s) -> OptionValue { return &s.objects.region; },
       {},
       "Region of that S3 service; without it AWS_REGION, AWS_DEFAULT_REGION or the AWS profile's region counts.",
       "",
       "`us-east-1`"},
      {"--objects-ca-file",
       "VEDETTE_OBJECTS_CA_FILE",
       [](Settings& s) -> OptionValue { return &s.objects.ca_file; },
       {},
       "PEM file with the certificate authorities to trust for that S3 service.",
       "",
       "the system's"},
      {"--objects-timeout", "", [](Settings& s) -> OptionValue { return &s.objects.timeout_seconds; },
       NumberRange{1, 3600},
       "Seconds without a byte after which a request to that S3 service is given up and sent again."},
      {"--check-days", "", [](Settings& s) -> OptionValue { return &s.upkeep.check_days; }, NumberRange{0, 3650},
       "Days in which every object is read again and compared with its checksum; 0: never."},
      {"--set-aside-days", "", [](Settings& s) -> OptionValue { return &s.storage.set_aside_days; },
       NumberRange{0, 36500},
       "Days that content files which the index of the objects does not name are kept in objects/set-aside; 0: for "
       "ever."},
      {"--accept-loss", "", [](Settings& s) -> OptionValue { return &s.accept_loss; },
       OneOf{{"metadata", "index", "master-key"}},
       "Start although this part of the data folder is lost or damaged: metadata, index or master-key; the option may "
       "be "
       "repeated.",
       "[When a part is lost](#when-a-part-is-lost) says what that means. What is left of it is set aside, never "
       "deleted."},
      {"--cores", "", [](Settings& s) -> OptionValue { return &s.cores; }, NumberRange{1, 1024},
       "Cores that judge pictures; never more threads than these do.", "See [hosting.md](hosting.md).", "all"},
      {"--unit-cores", "", [](Settings& s) -> OptionValue { return &s.unit_cores; }, NumberRange{1, 1024},
       "Cores that an inference unit uses for one picture at most; fewer while others wait."},
      {"--longest-wait", "", [](Settings& s) -> OptionValue { return &s.longest_wait_seconds; }, NumberRange{0, 60},
       "Seconds that a picture may have to wait for a unit; beyond that, DetectAnomalies is throttled.",
       "The answer is `ThrottlingException` with `Retry-After`."},
      {"--model-memory", "", [](Settings& s) -> OptionValue { return &s.model_memory_mib; },
       NumberRange{0, 1'073'741'824},
       "MiB that hosted models may take together; those not used for the longest leave the memory and come back with "
       "their next picture. 0: no limit.",
       "", "half of the machine's"},
      {"--audit-days", "", [](Settings& s) -> OptionValue { return &s.audit_days; }, NumberRange{0, 36500},
       "Days that the audit is kept; 0: for ever."},
      {"--requests-per-second", "", [](Settings& s) -> OptionValue { return &s.requests_per_second; },
       NumberRange{0, 1e6},
       "Calls of each operation per account, in all regions together, DetectAnomalies excepted; 0: no limit.",
       "Of several nodes each admits its part: the rate divided by the number of nodes that live. More get "
       "`ThrottlingException` with `Retry-After`. The original allowed 5. DetectAnomalies is bounded by its "
       "model's units instead."},
      {"--most-connections", "", [](Settings& s) -> OptionValue { return &s.most_connections; },
       NumberRange{1, 1'000'000},
       "Connections at once; beyond that, the one that has waited longest without a verified request is closed.",
       "The limit of open files is raised as far as the system allows; where that is not enough, fewer connections are "
       "accepted and the log says so."},
      {"--connections-per-address", "", [](Settings& s) -> OptionValue { return &s.connections_per_address; },
       NumberRange{0, 1'000'000},
       "Connections at once from one IPv4 address or IPv6 /64, loopback and trusted proxies excepted; 0: no limit.",
       "Beyond that, the longest idle one of that address is closed."},
      {"--trusted-proxy",
       "VEDETTE_TRUSTED_PROXIES",
       [](Settings& s) -> OptionValue { return &s.trusted_proxies; },
       {},
       "Address or block of addresses (10.0.0.0/8) of a proxy whose X-Forwarded-For and X-Forwarded-Proto say who its "
       "client is; the option may be repeated.",
       "See [proxies.md](proxies.md)."},
      {"--metrics-access", "VEDETTE_METRICS_ACCESS", [](Settings& s) -> OptionValue { return &s.metrics_access; },
       OneOf{{"open", "loopback", "token"}},
       "Who may read /metrics, which names projects: everybody (open), callers on this machine (loopback), or who "
       "sends "
       "the token of --metrics-token-file (token).",
       "See [monitoring.md](monitoring.md)."},
      {"--metrics-token-file",
       "VEDETTE_METRICS_TOKEN_FILE",
       [](Settings& s) -> OptionValue { return &s.metrics_token_file; },
       {},
       "File with the token that /metrics wants as Authorization: Bearer TOKEN."},
      {"--backbone", "", [](Settings& s) -> OptionValue { return &s.backbone; }, ExistingFile{},
       "ONNX file of a network that describes pictures for models trained from now on, instead of Vedette's own.",
       "`vedette-trainer backbone FILE` says whether it can be used ([vision.md](vision.md#another-backbone))."},
      {"--false-alarms", "", [](Settings& s) -> OptionValue { return &s.false_alarms; }, NumberRange{2, 1'000'000},
       "At most one good part in this many may be called anomalous by models trained from now on; without it both "
       "kinds "
       "of error are balanced."},
      {"--training-budget", "", [](Settings& s) -> OptionValue { return &s.training_budget_seconds; },
       NumberRange{1, 1e6}, "Seconds that each training may take; without it a fixed number of steps is taken.",
       "Only with a fixed number of steps do the same pictures give the same model."},
      {"--trainer-sandbox", "VEDETTE_TRAINER_SANDBOX", [](Settings& s) -> OptionValue { return &s.trainer_sandbox; },
       OneOf{{"on", "off"}},
       "Whether trainings are confined to their folder, without network and further processes; off only to look for a "
       "fault.",
       "See [SECURITY.md](../SECURITY.md)."},
      {"--trainings-at-once", "", [](Settings& s) -> OptionValue { return &s.quotas.trainings_at_once; },
       NumberRange{1, kMostOfAQuota}, "Trainings that may be under way, in all regions together.",
       "More get `ServiceQuotaExceededException`."},
      {"--inference-units", "", [](Settings& s) -> OptionValue { return &s.quotas.inference_units; },
       NumberRange{1, kMostOfAQuota}, "Most inference units that one model may ask for."},
      {"--max-projects", "", [](Settings& s) -> OptionValue { return &s.quotas.projects; },
       NumberRange{0, kMostOfAQuota}, "Most projects, in all regions together; 0: no limit."},
      {"--max-models", "", [](Settings& s) -> OptionValue { return &s.quotas.models_per_project; },
       NumberRange{0, kMostOfAQuota}, "Most models of a project; 0: no limit."},
      {"--max-hosted-models", "", [](Settings& s) -> OptionValue { return &s.quotas.hosted_models; },
       NumberRange{0, kMostOfAQuota}, "Most models hosted at once, in all regions together; 0: no limit."},
      {"--max-stations", "", [](Settings& s) -> OptionValue { return &s.stations.stations; },
       NumberRange{1, kMostOfAQuota}, "Most stations, in all regions together."},
      {"--station-verdicts", "", [](Settings& s) -> OptionValue { return &s.stations.verdicts; },
       NumberRange{1000, kMostOfAQuota}, "Most verdicts that are kept of a station; the oldest give way.",
       "Each takes about 1 KB of the metadata."},
      {"--station-verdict-days", "", [](Settings& s) -> OptionValue { return &s.stations.days; }, NumberRange{1, 36500},
       "Days that verdicts of stations are kept."},
      {"--max-train-images", "", [](Settings& s) -> OptionValue { return &s.quotas.images.train; },
       NumberRange{1, kMostOfAQuota}, "Most images of a training dataset; more fail the import or the update."},
      {"--max-test-images", "", [](Settings& s) -> OptionValue { return &s.quotas.images.test; },
       NumberRange{1, kMostOfAQuota}, "Most images of a test dataset; more fail the import or the update."},
      {"--max-segmentation-train-images", "",
       [](Settings& s) -> OptionValue { return &s.quotas.images.segmentation_train; }, NumberRange{1, kMostOfAQuota},
       "Most labelled training images of a segmentation model; more fail the training."},
      {"--max-segmentation-test-images", "",
       [](Settings& s) -> OptionValue { return &s.quotas.images.segmentation_test; }, NumberRange{1, kMostOfAQuota},
       "Most labelled test images of a segmentation model; more fail the training."},
  };
  return options;
}

std::string accepted_text(const Option& option) {
  if (const auto* range = std::get_if<NumberRange>(&option.check))
    return fmt::format("{:.0f}..{:.0f}", range->least, range->most);
  if (const auto* one = std::get_if<OneOf>(&option.check)) return fmt::format("{}", fmt::join(one->words, "|"));
  if (std::holds_alternative<ExistingFile>(option.check)) return "FILE";
  if (std::holds_alternative<AccountNumber>(option.check)) return "12 DIGITS";
  return "";
}

void check_options(const ServerSettings& settings) {
  auto copy = settings;  // The table's functions need a settings object that they may write to.
  for (const auto& option : server_options())
    if (const auto bad = unacceptable_part(option.check, option.value(copy)))
      throw std::runtime_error(option.name + " wants " + accepted_text(option) + ", not " + *bad);
}

std::string options_documentation() {
  ServerSettings defaults;
  std::string text = "| option | environment | default | meaning |\n|---|---|---|---|\n";
  for (const auto& option : server_options())
    text += fmt::format("| `{}` |{}| {} | {}{} |\n", option.name,
                        option.environment.empty() ? " " : " `" + option.environment + "` ",
                        option.usually.empty() ? default_text(option.value(defaults)) : option.usually, option.summary,
                        option.details.empty() ? "" : " " + option.details);
  return text;
}

}  // namespace vedette
